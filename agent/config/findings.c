/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config/findings.h"

#include "proto/buffer.h"

#include <stdlib.h>
#include <string.h>

struct findings_entry {
    struct finding finding;
    unsigned file_index;
    size_t sequence; /* makes the sort stable */
};

void findings_init(struct findings *findings, struct arena *kept)
{
    *findings = (struct findings){.kept = kept};
}

void findings_free(struct findings *findings)
{
    free(findings->entries);
    *findings = (struct findings){.kept = findings->kept};
}

void findings_add(struct findings *findings, enum finding_level level, const struct place *place,
    const char *subject, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    findings_vadd(findings, level, place, subject, format, args);
    va_end(args);
}

void findings_vadd(struct findings *findings, enum finding_level level, const struct place *place,
    const char *subject, const char *format, va_list args)
{
    if (level == FINDING_ERROR)
        findings->error_count++;
    /* Many notes must not hide an error. */
    if (findings->count >= (size_t)FINDINGS_MAX >> level) {
        findings->dropped++;
        return;
    }
    struct findings_entry *entries = array_grow(
        findings->entries, findings->count, &findings->capacity, sizeof(*entries));
    char *message = arena_vprintf(findings->kept, format, args);
    const char *copy = *subject != '\0' ? arena_copy_string(findings->kept, subject) : "";
    if (entries != NULL)
        findings->entries = entries;
    if (entries == NULL || message == NULL || copy == NULL) {
        findings->failed = true;
        return;
    }
    entries[findings->count] = (struct findings_entry){
        .finding = {.level = level,
            .file = place->file,
            .line = place->line,
            .column = place->column,
            .subject = copy,
            .message = message},
        .file_index = place->file_index,
        .sequence = findings->count,
    };
    findings->count++;
}

static int compare_numbers(size_t a, size_t b)
{
    return (a > b) - (a < b);
}

static int compare_entries(const void *left, const void *right)
{
    const struct findings_entry *a = left, *b = right;
    int r = compare_numbers(a->file_index, b->file_index);

    if (r == 0)
        r = compare_numbers(a->finding.line, b->finding.line);
    if (r == 0)
        r = compare_numbers(a->finding.column, b->finding.column);
    return r != 0 ? r : compare_numbers(a->sequence, b->sequence);
}

const struct finding *findings_finish(struct findings *findings, size_t *count)
{
    size_t total = findings->count + (findings->dropped > 0);
    struct finding *sorted = arena_alloc_array(findings->kept, total + 1, sizeof(struct finding));

    if (sorted == NULL || findings->failed)
        return NULL;
    if (findings->count > 0)
        qsort(findings->entries, findings->count, sizeof(*findings->entries), compare_entries);
    for (size_t i = 0; i < findings->count; i++)
        sorted[i] = findings->entries[i].finding;
    if (findings->dropped > 0) {
        sorted[findings->count] = (struct finding){
            .level = FINDING_NOTE,
            .file = sorted[findings->count - 1].file,
            .subject = "",
            .message = arena_printf(findings->kept,
                "%zu more findings are not listed; repair these first", findings->dropped),
        };
        if (sorted[findings->count].message == NULL)
            return NULL;
    }
    *count = total;
    return sorted;
}

void finding_print_text(const char *text, FILE *out)
{
    for (; *text != '\0'; text++)
        fputc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text, out);
}

static const char *level_name(enum finding_level level)
{
    switch (level) {
    case FINDING_ERROR:
        return "error";
    case FINDING_WARNING:
        return "warning";
    case FINDING_NOTE:
        return "note";
    }
    return "?";
}

void finding_print(const struct finding *finding, FILE *err)
{
    size_t len = strlen(finding->subject);

    finding_print_text(finding->file, err);
    if (finding->line > 0)
        fprintf(err, ":%u:%u", finding->line, finding->column);
    fprintf(err, ": %s: ", level_name(finding->level));
    /* A path such as `values[":a"].N must be …` begins with its parameter already. */
    bool begins = strncmp(finding->message, finding->subject, len) == 0 &&
                  finding->message[len] != '\0' && strchr("[.:", finding->message[len]) != NULL;
    if (len > 0 && !begins) {
        finding_print_text(finding->subject, err);
        fputs(": ", err);
    }
    finding_print_text(finding->message, err);
    fputc('\n', err);
}
