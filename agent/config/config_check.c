/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config/config_check.h"

#include <inttypes.h>
#include <string.h>

#define COLUMNS 6

/* Texts come from files: they must not move the cursor or forge a line. */
static void print_text(const char *text, FILE *out)
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

    print_text(finding->file, err);
    if (finding->line > 0)
        fprintf(err, ":%u:%u", finding->line, finding->column);
    fprintf(err, ": %s: ", level_name(finding->level));
    /* A path such as `values[":a"].N must be …` begins with its parameter already. */
    bool begins = strncmp(finding->message, finding->subject, len) == 0 &&
                  finding->message[len] != '\0' && strchr("[.:", finding->message[len]) != NULL;
    if (len > 0 && !begins) {
        print_text(finding->subject, err);
        fputs(": ", err);
    }
    print_text(finding->message, err);
    fputc('\n', err);
}

struct row {
    const char *cells[COLUMNS];
    char identity[256];
    char polling[32];
};

static void row_fill(struct row *row, const struct trigger *trigger)
{
    const struct identity_spec *identity = trigger->identity;
    bool role = identity != NULL && identity->role.source == SOURCE_LITERAL;

    snprintf(row->identity, sizeof(row->identity), "%s%s%s",
        identity != NULL ? identity_kind_name(identity->kind) : "?", role ? " " : "",
        role ? identity->role.text : "");
    snprintf(row->polling, sizeof(row->polling), "%" PRId64 "s%s", trigger->polling_ms / 1000,
        trigger->warm ? " warm" : "");
    row->cells[0] = trigger->name;
    row->cells[1] = trigger->query.table;
    row->cells[2] = trigger->query.index != NULL ? trigger->query.index : "-";
    row->cells[3] = trigger->query.region;
    row->cells[4] = row->identity;
    row->cells[5] = row->polling;
}

static void row_measure(const struct row *row, int widths[COLUMNS])
{
    for (size_t i = 0; i < COLUMNS; i++) {
        int len = (int)strlen(row->cells[i]);
        if (len > widths[i])
            widths[i] = len;
    }
}

static void row_print(const struct row *row, const int widths[COLUMNS], FILE *out)
{
    for (size_t i = 0; i < COLUMNS; i++) {
        print_text(row->cells[i], out);
        if (i + 1 < COLUMNS)
            fprintf(out, "%*s", widths[i] - (int)strlen(row->cells[i]) + 2, "");
    }
    fputc('\n', out);
}

static void print_table(const struct config *config, FILE *out)
{
    struct row row = {.cells = {"TRIGGER", "TABLE", "INDEX", "REGION", "IDENTITY", "POLLING"}};
    const struct row head = row;
    int widths[COLUMNS] = {0};

    row_measure(&row, widths);
    for (size_t i = 0; i < config->trigger_count; i++) {
        row_fill(&row, &config->triggers[i]);
        row_measure(&row, widths);
    }
    row_print(&head, widths, out);
    for (size_t i = 0; i < config->trigger_count; i++) {
        row_fill(&row, &config->triggers[i]);
        row_print(&row, widths, out);
    }
}

int config_check(const struct config *config, FILE *out, FILE *err)
{
    for (size_t i = 0; i < config->finding_count; i++)
        finding_print(&config->findings[i], err);
    if (config->error_count > 0) {
        fprintf(err, "%zu error%s; the configuration is not usable\n", config->error_count,
            config->error_count == 1 ? "" : "s");
        return 2;
    }
    if (config->trigger_count == 0) {
        fputs("no aws-dynamodb trigger, so nothing was checked\n", err);
        return 2;
    }
    print_table(config, out);
    return 0;
}
