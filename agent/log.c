/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/log.h"

#include "agent/fnv.h"
#include "proto/buffer.h"

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- log ---- */

/* A longer line is dropped whole: a truncated line could be misread. A writable pipe accepts this
 * much without blocking. */
#define LINE_BYTES PIPE_BUF

#define FIELDS_OFTEN (LOG_FAILURE_FIELDS + 1) /* of a rate-limited event, at most */

static enum log_level log_level = LOG_LEVEL_INFO;
static bool log_json = false;
static uint64_t log_lost; /* lines that could not be written */
static struct log_rate log_rates;

const char *log_level_name(enum log_level level)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};

    return names[level];
}

void log_set_level(enum log_level level)
{
    log_level = level;
}

void log_set_json(bool json)
{
    log_json = json;
}

static void put_escaped(struct buffer *line, const char *text)
{
    buffer_append_byte(line, '"');
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;

        if (byte == '"' || byte == '\\') {
            buffer_append_byte(line, '\\');
            buffer_append_byte(line, byte);
        } else if (byte == '\n') {
            buffer_append_string(line, "\\n");
        } else if (byte < 0x20 || byte == 0x7f) {
            buffer_printf(line, "\\u%04x", byte);
        } else if (byte == 0xc2 && (unsigned char)at[1] >= 0x80 && (unsigned char)at[1] <= 0x9f) {
            buffer_printf(line, "\\u%04x", (unsigned char)*++at); /* C1: terminals act on it, too */
        } else {
            buffer_append_byte(line, byte);
        }
    }
    buffer_append_byte(line, '"');
}

/* logfmt does not quote simple words; everything else is quoted as in JSON. */
static bool is_bare(const char *text)
{
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;

        if (byte <= ' ' || byte >= 0x7f || byte == '"' || byte == '=' || byte == '\\')
            return false;
    }
    return true;
}

static void put_key(struct buffer *line, const char *key)
{
    if (log_json) {
        buffer_append_byte(line, line->len == 0 ? '{' : ',');
        put_escaped(line, key);
        buffer_append_byte(line, ':');
    } else {
        if (line->len > 0)
            buffer_append_byte(line, ' ');
        buffer_append_string(line, key);
        buffer_append_byte(line, '=');
    }
}

static void log_put_text(struct buffer *line, const char *key, const char *text)
{
    put_key(line, key);
    if (!log_json && is_bare(text))
        buffer_append_string(line, text);
    else
        put_escaped(line, text);
}

static void log_put_time(struct buffer *line)
{
    struct timespec now;
    struct tm utc;
    char text[40];
    size_t len;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text + len, sizeof(text) - len, ".%03dZ", (int)(now.tv_nsec / 1000000));
    log_put_text(line, "ts", text);
}

/* One write for one line. Neither a full disk nor a stuck reader stops the agent. */
static bool put_out(const struct buffer *line)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};

    return poll(&out, 1, 0) == 1 && (out.revents & POLLOUT) != 0 &&
           write(STDERR_FILENO, line->data, line->len) == (ssize_t)line->len;
}

static void write_line(enum log_level level, const char *event, const struct log_field *fields)
{
    static struct buffer line = {.max = LINE_BYTES}; /* kept for the next line */

    buffer_clear(&line);
    log_put_time(&line);
    log_put_text(&line, "level", log_level_name(level));
    log_put_text(&line, "event", event);
    for (const struct log_field *field = fields; field->key != NULL; field++) {
        if (field->text != NULL) {
            log_put_text(&line, field->key, field->text);
        } else {
            put_key(&line, field->key);
            buffer_printf(&line, "%lld", (long long)field->number);
        }
    }
    if (log_json)
        buffer_append_byte(&line, '}');
    buffer_append_byte(&line, '\n');
    if (line.failed || !put_out(&line))
        log_lost++;
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
    uint64_t lost = log_lost;

    if (level > log_level)
        return;
    if (lost > 0) {
        log_lost = 0;
        write_line(LOG_LEVEL_WARN, "log_lost",
            (const struct log_field[]){LOG_NUMBER("lines", (int64_t)lost), {0}});
        if (log_lost > 0)
            log_lost = lost;
    }
    write_line(level, event, fields);
}

/* Adds a field to what makes two events the same. */
static uint64_t often_key(uint64_t key, const struct log_field *field)
{
    char number[24];

    /* A peer may use another name each time; the request id differs each time. */
    if (strcmp(field->key, "client") == 0 || strcmp(field->key, "aws_request_id") == 0)
        return key;
    if (field->text != NULL)
        return fnv_text(key, field->text);
    if (strcmp(field->key, "uid") != 0 && strcmp(field->key, "gid") != 0)
        return key;
    snprintf(number, sizeof(number), "%lld", (long long)field->number);
    return fnv_text(key, number);
}

void log_write_often(enum log_level level, const char *event, const struct log_field *fields)
{
    uint64_t key = fnv_text(FNV_START, event);
    struct log_field all[FIELDS_OFTEN + 2] = {0};
    struct timespec now;
    size_t count = 0;
    int64_t repeated;

    if (level > log_level)
        return;
    for (; count < FIELDS_OFTEN && fields[count].key != NULL; count++) {
        all[count] = fields[count];
        key = often_key(key, &fields[count]);
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (!log_rate_admit(
            &log_rates, key, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, &repeated))
        return;
    if (repeated > 0)
        all[count] = LOG_NUMBER("repeated", repeated);
    log_write(level, event, all);
}

void log_failure(
    enum log_level level, const char *event, const char *subject, const struct failure *failure)
{
    struct log_field fields[LOG_FAILURE_FIELDS + 2] = {0};
    size_t count = 0;

    if (subject != NULL)
        fields[count++] = LOG_TEXT("subject", subject);
    log_failure_fields(&fields[count], failure);
    log_write_often(level, event, fields);
}

bool log_is_on(enum log_level level)
{
    return level <= log_level;
}

size_t log_failure_fields(struct log_field *fields, const struct failure *failure)
{
    size_t count = 0;

    fields[count++] = LOG_TEXT("error", error_name(failure->code));
    fields[count++] = LOG_TEXT("message", failure->message);
    if (failure->aws_code[0] != '\0')
        fields[count++] = LOG_TEXT("aws_code", failure->aws_code);
    if (failure->aws_request_id[0] != '\0')
        fields[count++] = LOG_TEXT("aws_request_id", failure->aws_request_id);
    if (failure->aws_reasons[0] != '\0')
        fields[count++] = LOG_TEXT("aws_reasons", failure->aws_reasons);
    return count;
}

/* ---- log rate ---- */

/* Its own entry, or the one to reuse: a free one, or the one that was logged longest ago. */
static struct log_rate_entry *log_rate_find(struct log_rate *rate, uint64_t key)
{
    struct log_rate_entry *oldest = &rate->entries[0];

    for (size_t i = 0; i < LOG_RATE_ENTRIES; i++) {
        struct log_rate_entry *entry = &rate->entries[i];

        if (entry->quiet_until_ms != 0 && entry->key == key)
            return entry;
        if (entry->quiet_until_ms < oldest->quiet_until_ms)
            oldest = entry;
    }
    return oldest;
}

bool log_rate_admit(struct log_rate *rate, uint64_t key, int64_t now_ms, int64_t *count)
{
    struct log_rate_entry *entry = log_rate_find(rate, key);
    bool known = entry->quiet_until_ms != 0 && entry->key == key;

    if (known && now_ms < entry->quiet_until_ms) {
        entry->count++;
        return false;
    }
    *count = known ? entry->count : 0;
    *entry = (struct log_rate_entry){.key = key, .quiet_until_ms = now_ms + LOG_RATE_QUIET_MS};
    return true;
}

bool outage_failed(struct outage *outage, int64_t now_ms)
{
    if (outage->failures < UINT32_MAX)
        outage->failures++;
    if (outage->failures == 1)
        outage->since_ms = now_ms;
    else if (now_ms - outage->logged_ms < LOG_RATE_QUIET_MS)
        return false;
    outage->logged_ms = now_ms;
    return true;
}

bool outage_over(struct outage *outage, struct outage *ended)
{
    bool failed = outage->failures > 0;

    if (failed && ended != NULL)
        *ended = *outage;
    *outage = (struct outage){0};
    return failed;
}
