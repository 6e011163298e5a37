/* SPDX-License-Identifier: Apache-2.0 */
#include "client/bridge/bridge_check.h"

#include "client/bridge/scaler.h"
#include "client/cli/terminal.h"
#include "client/tally.h"

#include <inttypes.h>

static void check_print_row(FILE *out, const struct tally_answer *row)
{
    char name[SCALER_TRIGGER_BYTES] = "?", metric[SCALER_TRIGGER_BYTES] = "?";
    int64_t target = 0;

    tally_answer_string(row, "name", name, sizeof(name));
    tally_answer_string(row, "metric_name", metric, sizeof(metric));
    tally_answer_integer(row, "target", &target);
    terminal_print(
        out, "%s  metric %s  target %" PRId64 "\n", name, scaler_metric_name(metric), target);
}

bool bridge_check_agent(const char *socket, FILE *out, FILE *errors)
{
    struct tally *tally = NULL;
    struct tally_cursor *cursor = NULL;
    int r = tally_open(&tally, socket);

    if (r == 0)
        r = tally_list(tally);
    if (r == 0)
        r = tally_cursor_new(&cursor, tally_last_answer(tally), "triggers");
    if (r < 0)
        terminal_print(errors, "tally-bridge: the agent: %s: %s\n", tally_error_name(r),
            tally_error_message(tally));
    while (tally_cursor_next(cursor) > 0)
        check_print_row(out, tally_cursor_value(cursor));
    tally_cursor_free(cursor);
    tally_close(tally);
    return r == 0;
}
