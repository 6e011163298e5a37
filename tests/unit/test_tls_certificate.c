/* SPDX-License-Identifier: Apache-2.0 */
/* The issuer in a Certificate message, and messages that end anywhere. */
#include "agent/aws/tls.h"
#include "tests/unit/test.h"

/* Certificate { tbs { [0] { 2 }, serial 1, algorithm {}, issuer { O=Corp, CN=Corp CA } } } */
#define ISSUER                                                                                     \
    "\x30\x1d\x31\x0b\x30\x09\x06\x03\x55\x04\x0a\x0c\x02Xy\x31\x0e\x30\x0c\x06\x03\x55\x04\x03"   \
    "\x0c\x05"                                                                                     \
    "CorpA"
#define DER "\x30\x2b\x30\x29\xa0\x03\x02\x01\x02\x02\x01\x01\x30\x00" ISSUER

static char issuer[64];

static bool find(const char *message, size_t len)
{
    /* A block of its own, so that a sanitizer sees what is read behind it. */
    char *copy = malloc(len + (len == 0));
    bool found;

    memcpy(copy, message, len);
    snprintf(issuer, sizeof(issuer), "-");
    found = tls_certificate_issuer(copy, len, issuer, sizeof(issuer));
    free(copy);
    return found;
}

#define FIND(text) find((text), sizeof(text) - 1)

#define TLS12 "\x0b\x00\x00\x33\x00\x00\x30\x00\x00\x2d" DER
#define TLS13 "\x0b\x00\x00\x36\x00\x00\x00\x32\x00\x00\x2d" DER "\x00\x00"

TEST(the_issuer_is_found_in_both_versions)
{
    CHECK(FIND(TLS12));
    CHECK_STR("CorpA", issuer);
    CHECK(FIND(TLS13));
    CHECK_STR("CorpA", issuer);
}

TEST(a_message_that_ends_early_or_is_another_has_none)
{
    for (size_t len = 0; len < sizeof(TLS12) - 1; len++)
        CHECK(!find(TLS12, len));
    for (size_t len = 0; len < sizeof(TLS13) - 1; len++)
        CHECK(!find(TLS13, len));
    CHECK(!FIND("\x02\x00\x00\x00"));
    CHECK_STR("-", issuer);
}

TEST(no_byte_can_be_changed_to_harm)
{
    char message[sizeof(TLS13)];

    for (size_t i = 0; i < sizeof(TLS13) - 1; i++) {
        for (int value = 0; value < 256; value++) {
            memcpy(message, TLS13, sizeof(TLS13));
            message[i] = (char)value;
            find(message, sizeof(TLS13) - 1);
            CHECK(strlen(issuer) < sizeof(issuer));
        }
    }
}

TEST_MAIN(RUN(the_issuer_is_found_in_both_versions),
    RUN(a_message_that_ends_early_or_is_another_has_none), RUN(no_byte_can_be_changed_to_harm))
