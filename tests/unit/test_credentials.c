/* SPDX-License-Identifier: Apache-2.0 */
/* Counting, copying, and that no key survives the last reference. */
#include "tests/unit/test.h"

#include <malloc.h>
#include <stdlib.h>

static int freed, unwiped;

/* Looks at each block while it is still readable: the module is compiled into this file with
 * this in place of free. */
static void watched_free(void *block)
{
    if (block != NULL && memmem(block, malloc_usable_size(block), "THE-", 4) != NULL)
        unwiped++;
    freed += block != NULL;
    free(block);
}

#define free watched_free
#include "agent/aws/credentials.c"
#undef free

TEST(texts_are_copied)
{
    char id[] = "AKIDEXAMPLE", secret[] = "secret", token[] = "token", arn[] = "arn:aws:sts::1:x";
    struct credentials *credentials = credentials_create(id, secret, token, 42, arn);

    memset(id, 'x', sizeof(id) - 1);
    memset(secret, 'x', sizeof(secret) - 1);
    memset(token, 'x', sizeof(token) - 1);
    memset(arn, 'x', sizeof(arn) - 1);
    CHECK_STR("AKIDEXAMPLE", credentials->access_key_id);
    CHECK_STR("secret", credentials->secret_access_key);
    CHECK_STR("token", credentials->session_token);
    CHECK_STR("arn:aws:sts::1:x", credentials->arn);
    CHECK_INT(42, credentials->expires_ms);
    credentials_unref(credentials);
}

TEST(token_and_arn_are_optional)
{
    struct credentials *credentials = credentials_create(
        "id", "secret", NULL, CREDENTIALS_NEVER_EXPIRE, NULL);

    CHECK(credentials->session_token == NULL);
    CHECK(credentials->arn == NULL);
    CHECK(credentials->expires_ms == INT64_MAX);
    credentials_unref(credentials);
}

TEST(last_reference_frees)
{
    struct credentials *credentials = credentials_create("id", "secret", NULL, 0, NULL);

    CHECK(credentials_ref(credentials) == credentials);
    CHECK_INT(2, credentials->references);
    credentials_unref(credentials);
    CHECK_STR("secret", credentials->secret_access_key); /* still whole for the other holder */
    credentials_unref(credentials);
    credentials_unref(NULL);
}

TEST(secrets_are_wiped_before_the_memory_is_freed)
{
    unwiped = 0;
    freed = 0;
    struct credentials *credentials = credentials_create("id", "THE-SECRET", "THE-TOKEN", 0, "arn");
    memcpy(credentials->derived->keys[SIGNING_KEYS - 1].hmac, "THE-KEY", 7);
    memcpy(credentials->derived->keys[0].front.hash, "THE-TOKEN", 9);
    credentials_unref(credentials);
    CHECK_INT(6, freed);
    CHECK_INT(0, unwiped);
}

TEST_MAIN(RUN(texts_are_copied), RUN(token_and_arn_are_optional), RUN(last_reference_frees),
    RUN(secrets_are_wiped_before_the_memory_is_freed))
