/* SPDX-License-Identifier: Apache-2.0 */
/* The record that agents share, as anybody who may write the table can write it: what is believed
 * of it is in range and can be shown, and what is not believed is zero. */
#include "agent/aws/shared_record.h"
#include "proto/utf8.h"
#include "tests/fuzz/fuzz.h"

#define BODY_BYTES ((size_t)1 << 20)
#define TEXT_BYTES 400 /* of a body, each byte as six characters at most */

static void must_be_text(const char *text, size_t size)
{
    MUST(strnlen(text, size) < size);
    MUST(utf8_is_valid(text, strlen(text)));
}

static void must_be_nothing(const struct shared_record *record)
{
    MUST(!record->has_number && !record->is_leased);
    MUST(record->number.count == 0 && record->number.completed_ms == 0);
    MUST(record->lease_ms == 0 && record->since_ms == 0);
    MUST(record->owner[0] == '\0' && record->counted_by[0] == '\0' && record->reason[0] == '\0');
}

static void check_times(const struct shared_record *record)
{
    const int64_t times[] = {INT64_MIN, 0, INT64_C(1772000000000), record->lease_ms, INT64_MAX};

    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        struct shared_record settled = *record;

        shared_record_settle(&settled, times[i]);
        MUST(!settled.is_leased || settled.lease_ms > times[i]);
        MUST(!settled.has_number || record->has_number);
        MUST(settled.has_number == record->has_number || settled.fault[0] != '\0');
    }
}

static void check_record(const uint8_t *data, size_t size)
{
    struct shared_record record;
    double units = -1;
    char why[160] = "";

    if (shared_record_parse(data, size, &record, &units, why, sizeof(why)) < 0) {
        MUST(why[0] != '\0' && !record.exists);
        must_be_nothing(&record);
        return;
    }
    MUST(units >= 0 && units <= 1e12);
    must_be_text(record.owner, sizeof(record.owner));
    must_be_text(record.counted_by, sizeof(record.counted_by));
    must_be_text(record.reason, sizeof(record.reason));
    must_be_line(record.fault, sizeof(record.fault));
    if (!record.exists || record.fault[0] != '\0')
        must_be_nothing(&record);
    MUST(record.exists || record.fault[0] == '\0');
    if (record.has_number)
        MUST(record.number.count <= INT64_MAX && record.number.completed_ms > 0 &&
             record.number.took_ms >= 0 && record.number.pages > 0 && record.number.rcu >= 0 &&
             record.number.rcu <= 1e12);
    MUST(record.lease_ms >= 0 && record.since_ms >= 0);
    check_times(&record);
}

/* The input as the reason of a failure: the request fails, or is JSON. */
static void check_body(const uint8_t *data, size_t size)
{
    static const struct shared_lease lease = {
        .table = "t", .key = "v1##", .owner = "a", .token = "b"};
    char *text = input_text(data, size < TEXT_BYTES ? size : TEXT_BYTES);
    struct shared_record record;
    struct buffer body;
    double units;
    char why[160];

    buffer_init(&body, BODY_BYTES);
    if (shared_record_fail_body(&body, &lease, (int64_t)size, text) == 0)
        MUST(shared_record_parse(body.data, body.len, &record, &units, why, sizeof(why)) == 0);
    else
        MUST(!utf8_is_valid(text, strlen(text)));
    buffer_free(&body);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_record(data, size);
    check_body(data, size);
    return 0;
}
