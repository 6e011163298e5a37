/* Turns `secretTargetRef {name, key}` and its like into a value_ref. */
#ifndef TALLY_AGENT_CONFIG_SECRET_VALUE_H
#define TALLY_AGENT_CONFIG_SECRET_VALUE_H

#include "agent/config/reading.h"

struct secret_key {
    enum document_kind kind; /* DOCUMENT_SECRET or DOCUMENT_CONFIG_MAP */
    const char *namespace_;
    const char *name;
    const char *key;
    bool cluster;       /* of a ClusterTriggerAuthentication: KEDA's own namespace, by any name */
    struct place place; /* of the reference, for findings */
};

/* A document of the files, else the file `<secrets-dir>/<name>/<key>`. What cannot be used is
 * SOURCE_BROKEN with a warning; an empty value is SOURCE_ABSENT. */
struct value_ref secret_value(struct reading *reading, const struct secret_key *key);

#endif
