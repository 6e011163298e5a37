/* `filePath` of a TriggerAuthentication: auth parameters in a mounted JSON file. */
#ifndef TALLY_AGENT_CONFIG_AUTH_FILE_H
#define TALLY_AGENT_CONFIG_AUTH_FILE_H

#include "agent/config/auth.h"

/* Reads the field; NULL: it is absent. A path is relative to the secrets folder. A text is
 * the path of a JSON object of strings; a list of {parameter, path} names a file for each. */
void auth_file_read(struct reading *reading, struct auth *auth, const struct node *field);

/* A member of such an object that is a text, kept; NULL: none. */
const char *auth_file_member(struct reading *reading, const char *json, const char *key);

/* Gives a parameter its value; for the readers of sources. */
void auth_set(struct reading *reading, struct auth *auth, const char *name,
    const struct value_ref *value, const struct place *place);

#endif
