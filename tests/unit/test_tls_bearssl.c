/* SPDX-License-Identifier: Apache-2.0 */
/* The CA bundle that is parsed once, and what a connection is set up with. */
#include "agent/aws/tls.h"
#include "tests/unit/test.h"

#include <bearssl.h>
#include <errno.h>
#include <stdbool.h>
#include <unistd.h>

#define EC_CA                                                                                      \
    "-----BEGIN CERTIFICATE-----\n"                                                                \
    "MIIBcTCCARegAwIBAgIUZhdC2NDy0R0Z1Jg0ggIH3YvjcQQwCgYIKoZIzj0EAwIw\n"                           \
    "DTELMAkGA1UEAwwCZWMwIBcNMjYxMTIyMTcxMjUwWhgPMjEyNjEwMjkxNzEyNTBa\n"                           \
    "MA0xCzAJBgNVBAMMAmVjMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEIFEWnHri\n"                           \
    "oBl/8EavBmZc/bMTaoeRMteQi5SyXbU9DzGOlM4ycbccDmhDvQ3lPZwTTl+26UE2\n"                           \
    "YONs8oKaCvi7/6NTMFEwHQYDVR0OBBYEFDqjMGnhkr2Sy+40tiyyNIfYRxCgMB8G\n"                           \
    "A1UdIwQYMBaAFDqjMGnhkr2Sy+40tiyyNIfYRxCgMA8GA1UdEwEB/wQFMAMBAf8w\n"                           \
    "CgYIKoZIzj0EAwIDSAAwRQIgQlMVcKi8Tnisu9Po9fkljZz1mA5y37oYD4jIAYB6\n"                           \
    "10sCIQCv87j9yK8hZjTWcMe8HMWF054c/WOLdfyysO7FQOcqMA==\n"                                       \
    "-----END CERTIFICATE-----\n"

#define ED25519_CA                                                                                 \
    "-----BEGIN CERTIFICATE-----\n"                                                                \
    "MIIBMDCB46ADAgECAhQSmGk2LklV5yrSCME3V6vfua2ywjAFBgMrZXAwDTELMAkG\n"                           \
    "A1UEAwwCZWQwIBcNMjYxMTIyMTcxMjUwWhgPMjEyNjEwMjkxNzEyNTBaMA0xCzAJ\n"                           \
    "BgNVBAMMAmVkMCowBQYDK2VwAyEAJamLrxIkvlVvTssfQQRoLxQUN1LzvNdtjWWA\n"                           \
    "ZkzYSFCjUzBRMB0GA1UdDgQWBBTsuYW1a3R/hrU5IsGh6HG1hzb72zAfBgNVHSME\n"                           \
    "GDAWgBTsuYW1a3R/hrU5IsGh6HG1hzb72zAPBgNVHRMBAf8EBTADAQH/MAUGAytl\n"                           \
    "cANBAAORuCk0iQdoBbboPo2P3hmJt+28+RKDDfNnN1SQKb/3teUOLq8OSbeJtJW/\n"                           \
    "gPwO3H66uo5bCweSoI0vISmEwQ4=\n"                                                               \
    "-----END CERTIFICATE-----\n"

#define RSA_CA                                                                                     \
    "-----BEGIN CERTIFICATE-----\n"                                                                \
    "MIIC/zCCAeegAwIBAgIUOln8v8STACqDPRfzFzPmaMCKXAcwDQYJKoZIhvcNAQEL\n"                           \
    "BQAwDjEMMAoGA1UEAwwDcnNhMCAXDTI2MTEyMjE3MTI1MVoYDzIxMjYxMDI5MTcx\n"                           \
    "MjUxWjAOMQwwCgYDVQQDDANyc2EwggEiMA0GCSqGSIb3DQEBAQUAA4IBDwAwggEK\n"                           \
    "AoIBAQC0pNvomPpFWt+dQ7rBlxWpfzlqM5xIIQgofXr1DWecMb9YKYDrYyQAuNkr\n"                           \
    "zdDRGUcvfuWFCSeJEUlQGXFxlFimUv78EIMuR3/kxS5fxmpiCfSi2pOMbC6nBhm1\n"                           \
    "p+aO4zg9yn3WZ00oXUgn+aHR08BdlSIraMKhpONJpwT7yH9oqUnkASu8AyQhsEH0\n"                           \
    "p4OcQI0t9Mta4lyl2pKWjN7uZqcEr44b/+uK1E8WrD+OCQ8UX8JQG60RpMGXLVuH\n"                           \
    "l+SHkbtz6ZwxR8C0rG4J7oHOG5CW+N3oFGpA0K/K9Sf/Y9TZ3Z7NIf08sgJin+C5\n"                           \
    "iHvKxk9hLEj94eyqAGFyuLBNtE2TAgMBAAGjUzBRMB0GA1UdDgQWBBQJ35eXXyZF\n"                           \
    "fYmeIbXIp1eVvF2HkjAfBgNVHSMEGDAWgBQJ35eXXyZFfYmeIbXIp1eVvF2HkjAP\n"                           \
    "BgNVHRMBAf8EBTADAQH/MA0GCSqGSIb3DQEBCwUAA4IBAQCm33zCSSSMJvdCw7aV\n"                           \
    "v1TsnAFNvsEjwggDKUzhlxa2Twt6tPtM6qR1ZaiVozcmOHUtAPPh7yWwmMvflQvY\n"                           \
    "fqm7yyZE9WfBdaSHAH44pT+09YpTGsOe+mySWak/8IhkWxuSudI7B61CxhJexeFw\n"                           \
    "ul4LobdRSvsnwQqzU7OtJmF5BSaTRxDzGNaUkT+xobz6ZvWR4pnrdWl6ZZAS7gvs\n"                           \
    "+PIg3xX60aNeEzUHRjqSatDYLgCiDfbOnwybf1hBSjN/smx9cxRVOw0GSdJCE0aO\n"                           \
    "sw+J4Q0apsjIvXHtOmKxi1Das7JmtQ8F7jKhjLLJXLOumSkvFUhLPHAZDLjKJFQy\n"                           \
    "Uuu5\n"                                                                                       \
    "-----END CERTIFICATE-----\n"

/* A bundle in a file of its own; the path is good until the next call. */
static const char *bundle(const char *text)
{
    static char path[64];
    FILE *file;
    int fd;

    snprintf(path, sizeof(path), "/tmp/tally-test-bundle-XXXXXX");
    fd = mkstemp(path);
    CHECK(fd >= 0);
    file = fdopen(fd, "w");
    CHECK(file != NULL);
    fputs(text, file);
    CHECK_INT(0, fclose(file));
    return path;
}

static struct tls *load(const char *text)
{
    char why[256] = "";
    const char *path = bundle(text);
    struct tls *tls = tls_create(NULL, path);

    CHECK(tls != NULL);
    if (tls_bearssl_load(tls, 0, why, sizeof(why)) < 0)
        TEST_FAIL("not loaded: %s", why);
    unlink(path);
    return tls;
}

static const struct {
    const char *text;
    size_t anchors;
} good[] = {
    {EC_CA, 1},
    {RSA_CA, 1},
    {EC_CA RSA_CA, 2},
    {"# a comment\n" RSA_CA "\n\n  between\n" EC_CA "behind", 2},
    /* What BearSSL cannot use is not trusted, and spoils nothing. */
    {ED25519_CA RSA_CA, 1},
    {EC_CA "-----BEGIN CERTIFICATE-----\nMIIBcTCCARegAwIB\n-----END CERTIFICATE-----\n" RSA_CA, 2},
    {EC_CA "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n" RSA_CA, 2},
    {EC_CA "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" RSA_CA, 2},
    {"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n" RSA_CA, 1},
    {EC_CA "-----BEGIN CERTIFICATE-----\nMIIB", 1},
};

TEST(usable_certificates_become_anchors)
{
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct tls *tls = load(good[i].text);

        if (tls_bearssl_anchor_count(tls) != good[i].anchors)
            TEST_FAIL("bundle %zu: %zu anchors", i, tls_bearssl_anchor_count(tls));
        tls_destroy(tls);
    }
}

TEST(the_last_line_may_lack_its_end)
{
    char text[] = EC_CA;
    struct tls *tls;

    text[sizeof(text) - 2] = '\0';
    tls = load(text);
    CHECK_INT(1, tls_bearssl_anchor_count(tls));
    tls_destroy(tls);
}

TEST(many_certificates_are_kept)
{
    static char text[200 * sizeof(EC_CA)];
    struct tls *tls;

    for (size_t i = 0; i < 200; i++)
        memcpy(text + i * (sizeof(EC_CA) - 1), EC_CA, sizeof(EC_CA));
    tls = load(text);
    CHECK_INT(200, tls_bearssl_anchor_count(tls));
    tls_destroy(tls);
}

static void check_refused(const char *path, int error, const char *reason)
{
    br_ssl_client_context client;
    br_x509_minimal_context x509;
    struct tls *tls = tls_create(NULL, path);
    char why[256] = "";

    CHECK(tls != NULL);
    CHECK_INT(error, tls_bearssl_load(tls, 0, why, sizeof(why)));
    CHECK_STR(reason, why);
    CHECK_INT(0, tls_bearssl_anchor_count(tls));
    br_ssl_client_init_full(&client, &x509, NULL, 0);
    CHECK_INT(error, tls_bearssl_prepare(tls, &client, 0, why, sizeof(why)));
    tls_destroy(tls);
}

TEST(a_bundle_without_anchors_is_an_error)
{
    static const char *const texts[] = {"", "no PEM at all\n", ED25519_CA};
    char reason[256];

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const char *path = bundle(texts[i]);

        snprintf(reason, sizeof(reason),
            "%s holds no CA certificate in PEM that can be used; see AWS_CA_BUNDLE", path);
        check_refused(path, -EINVAL, reason);
        unlink(path);
    }
    check_refused("/nonexistent/ca.pem", -ENOENT,
        "/nonexistent/ca.pem cannot be read: No such file or directory");
    check_refused("/", -EISDIR, "/ cannot be read: Is a directory");
}

/* A bundle that is mounted a moment late is no failure for ever. */
TEST(a_missing_bundle_is_looked_for_again)
{
    const char *path = bundle("");
    struct tls *tls = tls_create(NULL, path);
    char why[256];
    FILE *file;

    CHECK(tls != NULL);
    CHECK_INT(-EINVAL, tls_bearssl_load(tls, 0, why, sizeof(why)));
    file = fopen(path, "w");
    CHECK(file != NULL);
    fputs(RSA_CA, file);
    CHECK_INT(0, fclose(file));
    CHECK_INT(0, tls_bearssl_load(tls, 0, why, sizeof(why)));
    CHECK_INT(1, tls_bearssl_anchor_count(tls));
    unlink(path);
    tls_destroy(tls);
}

static void replace(const char *path, const char *text)
{
    char fresh[80];
    FILE *file;

    /* As a projected volume does: another file by the same name. */
    snprintf(fresh, sizeof(fresh), "%s.new", path);
    file = fopen(fresh, "w");
    CHECK(file != NULL);
    fputs(text, file);
    CHECK_INT(0, fclose(file));
    CHECK_INT(0, rename(fresh, path));
}

static void check_loads(struct tls *tls, int64_t now_ms, size_t anchors)
{
    char why[256] = "";

    if (tls_bearssl_load(tls, now_ms, why, sizeof(why)) < 0)
        TEST_FAIL("not loaded: %s", why);
    CHECK_INT(anchors, tls_bearssl_anchor_count(tls));
}

TEST(a_replaced_bundle_is_read_anew)
{
    const char *path = bundle(EC_CA);
    struct tls *tls = tls_create(NULL, path);

    CHECK(tls != NULL);
    check_loads(tls, 0, 1);
    replace(path, EC_CA RSA_CA);
    check_loads(tls, 1000, 2);
    /* A handshake of before the first change may still look at what it began with. */
    replace(path, RSA_CA);
    check_loads(tls, 2000, 2);
    check_loads(tls, 60999, 2);
    check_loads(tls, 61000, 1);
    unlink(path);
    tls_destroy(tls);
}

TEST(a_bundle_that_became_useless_leaves_the_old_one_in_force)
{
    static const char *const texts[] = {"", "no PEM at all\n", ED25519_CA};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const char *path = bundle(EC_CA RSA_CA);
        struct tls *tls = tls_create(NULL, path);

        CHECK(tls != NULL);
        check_loads(tls, 0, 2);
        replace(path, texts[i]);
        check_loads(tls, 1000, 2);
        unlink(path);
        check_loads(tls, 2000, 2);
        replace(path, RSA_CA);
        check_loads(tls, 3000, 1);
        unlink(path);
        tls_destroy(tls);
    }
}

TEST(connections_share_the_anchors_and_nothing_else)
{
    /* Its file is gone by now: parsing it again would fail. */
    struct tls *tls = load(EC_CA RSA_CA);
    br_ssl_client_context clients[2];
    br_x509_minimal_context x509[2];
    char why[256];

    for (size_t i = 0; i < 2; i++) {
        br_ssl_client_init_full(&clients[i], &x509[i], NULL, 0);
        CHECK_INT(0, tls_bearssl_prepare(tls, &clients[i], 0, why, sizeof(why)));
        CHECK_INT(2, x509[i].trust_anchors_num);
        CHECK(clients[i].eng.x509ctx == &x509[i].vtable);
    }
    CHECK(x509[0].trust_anchors == x509[1].trust_anchors);
    tls_destroy(tls);
}

TEST(a_connection_gets_tls_1_2_with_sha_2_and_long_keys)
{
    struct tls *tls = load(RSA_CA);
    br_ssl_client_context client;
    br_x509_minimal_context x509;
    char why[256];

    br_ssl_client_init_full(&client, &x509, NULL, 0);
    CHECK_INT(0, tls_bearssl_prepare(tls, &client, 0, why, sizeof(why)));
    CHECK_INT(BR_TLS12, client.eng.version_min);
    CHECK_INT(BR_TLS12, client.eng.version_max);
    CHECK_INT(6, client.eng.suites_num);
    for (int id = br_md5_ID; id <= br_sha512_ID; id++) {
        bool wanted = id == br_sha256_ID || id == br_sha384_ID || id == br_sha512_ID;

        CHECK_INT(wanted, br_ssl_engine_get_hash(&client.eng, id) != NULL);
        CHECK_INT(wanted, br_multihash_getimpl(&x509.mhash, id) != NULL);
    }
    CHECK_INT(256, x509.min_rsa_size + 128);
    tls_destroy(tls);
}

/* libcurl without the patch leaves its own wrapper there, of another type. */
TEST(an_engine_of_another_type_is_refused)
{
    static const br_x509_class other = {0};
    const br_x509_class *other_context = &other;
    struct tls *tls = load(RSA_CA);
    br_ssl_client_context client;
    br_x509_minimal_context x509;
    char why[256];

    br_ssl_client_init_full(&client, &x509, NULL, 0);
    br_ssl_engine_set_x509(&client.eng, &other_context);
    CHECK_INT(-EPROTO, tls_bearssl_prepare(tls, &client, 0, why, sizeof(why)));
    CHECK_STR("libcurl was built without the patches that tally's set-up of BearSSL needs", why);
    tls_destroy(tls);
}

TEST_MAIN(RUN(usable_certificates_become_anchors), RUN(the_last_line_may_lack_its_end),
    RUN(many_certificates_are_kept), RUN(a_bundle_without_anchors_is_an_error),
    RUN(a_missing_bundle_is_looked_for_again), RUN(a_replaced_bundle_is_read_anew),
    RUN(a_bundle_that_became_useless_leaves_the_old_one_in_force),
    RUN(connections_share_the_anchors_and_nothing_else),
    RUN(a_connection_gets_tls_1_2_with_sha_2_and_long_keys),
    RUN(an_engine_of_another_type_is_refused))
