/* SPDX-License-Identifier: Apache-2.0 */
/* Replies of STS, or of a server in its place: what is read is whole and plain, what is
 * refused leaves nothing behind, and an error can be shown. */
#include "agent/aws/sts.h"
#include "tests/fuzz/fuzz.h"

/* Terminated, not empty where it has to be there, and fit for a header line. */
static void check_plain(const char *text, size_t size, bool required)
{
    size_t len = strnlen(text, size);

    MUST(len < size);
    MUST(len > 0 || !required);
    for (size_t i = 0; i < len; i++)
        MUST(text[i] > ' ' && text[i] <= '~');
}

static void check_wiped(const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        MUST(((const char *)data)[i] == 0);
}

static void check_credentials(const uint8_t *data, size_t size)
{
    static struct sts_credentials credentials;
    char why[200] = "";

    memset(&credentials, 'x', sizeof(credentials));
    if (sts_parse_credentials(data, size, &credentials, why, sizeof(why)) < 0) {
        MUST(why[0] != '\0');
        check_wiped(&credentials, sizeof(credentials));
        return;
    }
    check_plain(credentials.access_key_id, sizeof(credentials.access_key_id), true);
    check_plain(credentials.secret_access_key, sizeof(credentials.secret_access_key), true);
    check_plain(credentials.session_token, sizeof(credentials.session_token), true);
    check_plain(credentials.arn, sizeof(credentials.arn), false);
    /* The year 10000 is where ISO 8601 ends. */
    MUST(credentials.expires_ms < INT64_C(253402300800000));
}

static void check_identity(const uint8_t *data, size_t size)
{
    static struct sts_identity identity;
    char why[200] = "";

    memset(&identity, 'x', sizeof(identity));
    if (sts_parse_identity(data, size, &identity, why, sizeof(why)) < 0) {
        MUST(why[0] != '\0');
        check_wiped(&identity, sizeof(identity));
        return;
    }
    check_plain(identity.account, sizeof(identity.account), true);
    check_plain(identity.arn, sizeof(identity.arn), true);
    check_plain(identity.user_id, sizeof(identity.user_id), true);
}

static void check_error(const uint8_t *data, size_t size)
{
    static const int statuses[] = {302, 400, 403, 429, 503};
    struct aws_error error;
    struct failure failure;

    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        sts_parse_error(statuses[i], data, size, &error);
        MUST(error.outcome != AWS_OK && error.status == statuses[i]);
        check_plain(error.code, sizeof(error.code), false);
        check_plain(error.request_id, sizeof(error.request_id), false);
        must_be_line(error.message, sizeof(error.message));
        aws_error_failure(&error, "AssumeRole", &failure);
        MUST(failure.code != ERROR_NONE && failure.code != ERROR_INTERNAL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_credentials(data, size);
    check_identity(data, size);
    check_error(data, size);
    return 0;
}
