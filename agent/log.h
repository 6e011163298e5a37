/* SPDX-License-Identifier: Apache-2.0 */
/* One event per line on stderr, as logfmt or JSON, with stable keys. Values are escaped, so
 * no input can forge a line. There is deliberately no field type for a secret. */
#ifndef TALLY_AGENT_LOG_H
#define TALLY_AGENT_LOG_H

#include "proto/errors.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

const char *log_level_name(enum log_level level); /* "warn", in lines and options */

struct log_field {
    const char *key;
    const char *text; /* NULL: `number` is used */
    int64_t number;
};

#define LOG_TEXT(key_, text_)                                                                      \
    (struct log_field)                                                                             \
    {                                                                                              \
        .key = (key_), .text = (text_)                                                             \
    }
#define LOG_NUMBER(key_, number_)                                                                  \
    (struct log_field)                                                                             \
    {                                                                                              \
        .key = (key_), .number = (number_)                                                         \
    }

/* log_event(LOG_LEVEL_INFO, "listening", LOG_TEXT("socket", path), LOG_NUMBER("fd", 3)); */
#define log_event(level, event, ...)                                                               \
    log_write((level), (event), (const struct log_field[]){__VA_ARGS__, {0}})

void log_write(enum log_level level, const char *event, const struct log_field *fields);

/* An event that clients can cause at any rate. The same event, with the same uid and gid and
 * whatever its other numbers are, is logged once a minute; `repeated` is how often it occurred in
 * between. */
#define log_often(level, event, ...)                                                               \
    log_write_often((level), (event), (const struct log_field[]){__VA_ARGS__, {0}})

void log_write_often(enum log_level level, const char *event, const struct log_field *fields);

/* A failure event with the same rate limit: message, error name, AWS code and request id as fields.
 * Events that differ only in the request id are the same event. */
void log_failure(
    enum log_level level, const char *event, const char *subject, const struct failure *failure);

/* The fields of a failure, for the caller's event: error name, message, and where AWS answered its
 * code, request id and reasons. Returns how many, at most LOG_FAILURE_FIELDS. The texts are
 * borrowed from the failure. */
#define LOG_FAILURE_FIELDS 5
size_t log_failure_fields(struct log_field *fields, const struct failure *failure);

/* Whether events of this level are written, for callers whose fields are costly to compute. */
bool log_is_on(enum log_level level);

void log_set_level(enum log_level level);
void log_set_json(bool json);

/* Rate limit for the same event: logged at once the first time, then once a minute with the number
 * of repeats. Fixed memory; the time is a parameter. */

#define LOG_RATE_QUIET_MS 60000
#define LOG_RATE_ENTRIES  64

struct log_rate { /* zeroed: nothing was logged */
    struct log_rate_entry {
        uint64_t key;
        int64_t quiet_until_ms;
        int64_t count;
    } entries[LOG_RATE_ENTRIES];
};

/* Whether to log it now; *count is then how often it was suppressed since it was last logged. With
 * more distinct events than entries all are logged, the oldest ones repeatedly: better twice than
 * never. */
bool log_rate_admit(struct log_rate *rate, uint64_t key, int64_t now_ms, int64_t *count);

/* A continuing failure of one operation that is retried: logged when it begins, once a minute while
 * it continues, and when it is over. Zeroed: no outage. */
struct outage {
    int64_t since_ms;
    int64_t logged_ms;
    uint32_t failures; /* in a row; 0: no outage */
};

/* Records a failure. Whether it is to be logged now. */
bool outage_failed(struct outage *outage, int64_t now_ms);

/* Records a success. Whether it ends an outage: then *ended (may be NULL) holds that outage. */
bool outage_over(struct outage *outage, struct outage *ended);

#endif
