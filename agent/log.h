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
    const char *text; /* NULL: `number` counts */
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

/* An event that others can cause as often as they like. The same one, of the same uid and gid and
 * whatever its other numbers are, is told once a minute; `repeated` is then how often it came in
 * between. */
#define log_often(level, event, ...)                                                               \
    log_write_often((level), (event), (const struct log_field[]){__VA_ARGS__, {0}})

void log_write_often(enum log_level level, const char *event, const struct log_field *fields);

/* An event about a failure, as often: message, error name, AWS code and request id as fields. Only
 * the request id may differ in the same one. */
void log_failure(
    enum log_level level, const char *event, const char *subject, const struct failure *failure);

/* The fields of a failure, for an event of the caller's own: error name, message, and where AWS
 * answered its code, request id and reasons. Returns how many, at most LOG_FAILURE_FIELDS. The
 * texts are borrowed from the failure. */
#define LOG_FAILURE_FIELDS 5
size_t log_failure_fields(struct log_field *fields, const struct failure *failure);

/* Whether events of this level are written, for callers to whom the fields cost something. */
bool log_is_on(enum log_level level);

void log_set_level(enum log_level level);
void log_set_json(bool json);

/* How often the same thing is logged: the first time at once, then once a minute with how often it
 * came meanwhile. Fixed memory; the time comes in. */

#define LOG_RATE_QUIET_MS 60000
#define LOG_RATE_ENTRIES  64

struct log_rate { /* zeroed: nothing was logged */
    struct log_rate_entry {
        uint64_t key;
        int64_t quiet_until_ms;
        int64_t count;
    } entries[LOG_RATE_ENTRIES];
};

/* Whether to log it now; *count is then how often it was passed over since it was last logged. Of
 * more things than there are entries all are logged, those of longest ago again: better twice than
 * never. */
bool log_rate_admit(struct log_rate *rate, uint64_t key, int64_t now_ms, int64_t *count);

/* A failure that goes on, of one thing that is tried again and again: it is to be logged when it
 * begins, once a minute while it continues, and when it is over. Zeroed: all is well. */
struct outage {
    int64_t since_ms;
    int64_t logged_ms;
    uint32_t failures; /* in a row; 0: all is well */
};

/* It failed (once more). Whether that is to be logged now. */
bool outage_failed(struct outage *outage, int64_t now_ms);

/* It succeeded. Whether an outage ends with that: then *ended (may be NULL) tells which. */
bool outage_over(struct outage *outage, struct outage *ended);

#endif
