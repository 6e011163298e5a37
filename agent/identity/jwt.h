/* The claims of a web-identity token, decoded without any verification: for messages and
 * `whoami` only. Pure. */
#ifndef TALLY_AGENT_IDENTITY_JWT_H
#define TALLY_AGENT_IDENTITY_JWT_H

#include <stddef.h>
#include <stdint.h>

struct jwt_claims {
    char issuer[256]; /* "" where absent */
    char subject[256];
    char audience[256]; /* several: separated by ", " */
    int64_t expires_s;  /* 0 where absent */
};

/* 0, or -EINVAL where the bytes are no JWT with a readable payload: then all is empty. */
int jwt_read_claims(const char *token, size_t len, struct jwt_claims *claims);

/* What the role's trust policy must hold for this token, in words. */
void jwt_explain_trust(const struct jwt_claims *claims, char *text, size_t size);

#endif
