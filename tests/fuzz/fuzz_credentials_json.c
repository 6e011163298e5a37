/* SPDX-License-Identifier: Apache-2.0 */
/* Replies of credential endpoints and the claims of tokens. */
#include "agent/credentials/metadata.h"
#include "agent/credentials/web_identity.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>

/* What was accepted can go into headers as it is. */
static void check_credentials(const struct credentials *credentials)
{
    MUST(credentials->references == 1);
    MUST(credentials->access_key_id[0] != '\0');
    MUST(credentials->secret_access_key[0] != '\0');
    MUST(credentials->session_token[0] != '\0');
    MUST(credentials_text_valid(credentials->access_key_id));
    MUST(credentials_text_valid(credentials->secret_access_key));
    MUST(credentials_text_valid(credentials->session_token));
    MUST(credentials->expires_ms != CREDENTIALS_NEVER_EXPIRE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct credentials *credentials = NULL;
    struct aws_error error = {.status = 0};
    struct jwt_claims claims;
    char why[160] = "";
    char trust[1024];
    int r = credentials_json_parse(data, size, &credentials, why, sizeof(why));

    MUST(r == 0 || (r == -EPROTO && credentials == NULL && why[0] != '\0'));
    if (r == 0)
        check_credentials(credentials);
    credentials_unref(credentials);
    credentials_json_parse_error(400, data, size, &error);
    MUST(error.outcome != AWS_OK);
    MUST(memchr(error.code, '\0', sizeof(error.code)) != NULL);
    MUST(memchr(error.message, '\0', sizeof(error.message)) != NULL);
    if (jwt_read_claims((const char *)data, size, &claims) < 0)
        MUST(claims.issuer[0] == '\0' && claims.expires_s == 0);
    jwt_explain_trust(&claims, trust, sizeof(trust));
    return 0;
}
