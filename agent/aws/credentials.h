/* One set of AWS credentials: immutable, counted, wiped when the last reference goes. A
 * request under way keeps its own reference, so a refresh never pulls keys from under a
 * signature. */
#ifndef TALLY_AGENT_AWS_CREDENTIALS_H
#define TALLY_AGENT_AWS_CREDENTIALS_H

#include <stddef.h>
#include <stdint.h>

#define CREDENTIALS_NEVER_EXPIRE INT64_MAX

struct credentials {
    unsigned references;
    uint64_t number; /* no others had or get the same one; never 0 */
    char *access_key_id;
    char *secret_access_key;
    char *session_token; /* NULL: a long-lived key */
    int64_t expires_ms;  /* wall clock, or CREDENTIALS_NEVER_EXPIRE */
    char *arn;           /* of the assumed role, where STS said it; or NULL */
};

/* Copies the texts; session_token and arn may be NULL. One reference. NULL: no memory. */
struct credentials *credentials_create(const char *access_key_id, const char *secret_access_key,
    const char *session_token, int64_t expires_ms, const char *arn);
struct credentials *credentials_ref(struct credentials *credentials);
void credentials_unref(struct credentials *credentials); /* NULL is allowed */

/* An access key id as it may be shown: the first and the last four characters, "AKIA…MPLE". */
#define CREDENTIALS_ID_SIZE     129 /* AWS's limit, and the NUL */
#define CREDENTIALS_MASKED_SIZE 32
void credentials_mask_id(const char *id, char masked[CREDENTIALS_MASKED_SIZE]);

#endif
