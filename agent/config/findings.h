/* SPDX-License-Identifier: Apache-2.0 */
/* Problems of a configuration, collected while it is read. */
#ifndef TALLY_AGENT_CONFIG_FINDINGS_H
#define TALLY_AGENT_CONFIG_FINDINGS_H

#include "agent/config/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum finding_level { FINDING_ERROR, FINDING_WARNING, FINDING_NOTE };

/* One line of `tallyd --check`. */
struct finding {
    enum finding_level level;
    const char *file;
    unsigned line; /* 0: the file as a whole */
    unsigned column;
    const char *subject; /* the parameter or field, "" if none applies */
    const char *message; /* what is wrong; what to do */
};

/* More errors than this are counted, but not listed; warnings up to a half, notes a quarter. */
#define FINDINGS_MAX 10000

/* A position in a file. */
struct place {
    const char *file;
    unsigned file_index; /* the order in which files were read */
    unsigned line;       /* 0: the file as a whole */
    unsigned column;
};

struct findings_entry;

struct findings {
    struct arena *kept; /* holds the messages */
    struct findings_entry *entries;
    size_t count;
    size_t capacity;
    size_t error_count;
    size_t dropped;
    bool failed; /* no memory */
};

void findings_init(struct findings *findings, struct arena *kept);
void findings_free(struct findings *findings);

/* `subject`: the parameter or field, "" if none applies; it is copied. */
void findings_add(struct findings *findings, enum finding_level level, const struct place *place,
    const char *subject, const char *format, ...) __attribute__((format(printf, 5, 6)));
void findings_vadd(struct findings *findings, enum finding_level level, const struct place *place,
    const char *subject, const char *format, va_list args) __attribute__((format(printf, 5, 0)));

/* Sorted by file and line, in the arena; NULL if out of memory. */
const struct finding *findings_finish(struct findings *findings, size_t *count);

/* A line: `file:line:column: error|warning|note: parameter: what is wrong; what to do`. */
void finding_print(const struct finding *finding, FILE *out);

/* A text of a file, which must not move the cursor or forge a line. */
void finding_print_text(const char *text, FILE *out);

#endif
