/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/doctor_report.h"

#include "client/cli/doctor_advice.h"
#include "client/cli/table.h"
#include "client/cli/terminal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const state_names[] = {
    [DOCTOR_SKIPPED] = "skipped",
    [DOCTOR_OK] = "ok",
    [DOCTOR_WARNING] = "warning",
    [DOCTOR_PROBLEM] = "problem",
};

void doctor_report_worsen(struct doctor_report *report, int code)
{
    if (code > report->code)
        report->code = code;
}

void doctor_report_add(struct doctor_report *report, const char *step, enum doctor_state state,
    const char *advice, const char *format, ...)
{
    char found[DOCTOR_TEXT_SIZE];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(found, sizeof(found), format, arguments);
    va_end(arguments);
    if (advice == NULL)
        advice = doctor_advise(step, "", "", "");
    struct json *entry = json_new_map();
    json_set(entry, "step", json_new_string(step));
    json_set(entry, "state", json_new_string(state_names[state]));
    if (!json_set(entry, "found", json_new_string(found)))
        json_set(entry, "found", json_new_string("(a text that is not UTF-8)"));
    json_set(entry, "advice", json_new_string(state >= DOCTOR_WARNING ? advice : ""));
    json_append(report->entries, entry);
    if (state == DOCTOR_PROBLEM)
        doctor_report_worsen(report, EXIT_ERROR);
}

void doctor_report_add_error(struct doctor_report *report, const char *step,
    enum doctor_state state, const char *subject, const struct json *error)
{
    char text[DOCTOR_TEXT_SIZE];

    tree_error(error, text, sizeof(text));
    doctor_report_add(report, step, state,
        doctor_advise(step, json_get_string(error, "name", ""),
            json_get_string(error, "aws.code", ""), json_get_string(error, "message", "")),
        "%s%s%s", subject, subject[0] != '\0' ? ": " : "", text);
    const char *name = json_get_string(error, "name", "");
    if (strcmp(name, "DEADLINE") == 0 ||
        (strcmp(name, "TIMEOUT") == 0 && json_get(error, "stage") == NULL))
        doctor_report_worsen(report, EXIT_DEADLINE);
}

static enum doctor_state report_state_of(const struct json *entry)
{
    const char *name = json_get_string(entry, "state", "");
    enum doctor_state state = DOCTOR_SKIPPED;

    while (state < DOCTOR_PROBLEM && strcmp(state_names[state], name) != 0)
        state++;
    return state;
}

static void report_print_entry(const struct json *entry)
{
    static const enum colour colours[] = {[DOCTOR_SKIPPED] = COLOUR_DIM,
        [DOCTOR_OK] = COLOUR_GREEN,
        [DOCTOR_WARNING] = COLOUR_YELLOW,
        [DOCTOR_PROBLEM] = COLOUR_RED};
    enum { INDENT = 24 };
    enum doctor_state state = report_state_of(entry);
    const char *advice = json_get_string(entry, "advice", "");

    terminal_print(stdout, "%s%-9s%s%-15s", terminal_colour(stdout, colours[state]),
        state_names[state], terminal_reset(stdout), json_get_string(entry, "step", "?"));
    terminal_print_wrapped(stdout, json_get_string(entry, "found", ""), INDENT);
    terminal_print(stdout, "\n");
    if (advice[0] == '\0')
        return;
    terminal_print(stdout, "%*sto do: ", INDENT, "");
    terminal_print_wrapped(stdout, advice, INDENT + strlen("to do: "));
    terminal_print(stdout, "\n");
}

static void report_print_text(const struct json *report)
{
    size_t counts[DOCTOR_PROBLEM + 1] = {0};

    for (size_t i = 0; i < json_size(report); i++) {
        report_print_entry(json_at(report, i));
        counts[report_state_of(json_at(report, i))]++;
    }
    terminal_print(stdout, "\n%zu problem%s, %zu warning%s, %zu ok\n", counts[DOCTOR_PROBLEM],
        counts[DOCTOR_PROBLEM] == 1 ? "" : "s", counts[DOCTOR_WARNING],
        counts[DOCTOR_WARNING] == 1 ? "" : "s", counts[DOCTOR_OK]);
}

void doctor_report_print(const struct doctor_report *report, enum cli_output output)
{
    if (output == OUTPUT_JSON)
        json_print(stdout, report->entries, false);
    else
        report_print_text(report->entries);
}
