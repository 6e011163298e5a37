/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the verbs: the parsed command line, the handle, how results and errors are reported,
 * and the exit codes. */
#ifndef TALLY_CLI_CLI_H
#define TALLY_CLI_CLI_H

#include "client/cli/arguments.h"
#include "client/cli/json.h"
#include "client/tally.h"

#include <stddef.h>
#include <stdio.h>

enum cli_exit {
    EXIT_OK = 0,
    EXIT_ERROR = 1,    /* the agent answered with an error */
    EXIT_USAGE = 2,    /* the command line is wrong */
    EXIT_NO_AGENT = 3, /* there is no agent at the socket */
    EXIT_DEADLINE = 4, /* the deadline passed, at the agent or in the library */
};

enum cli_output { OUTPUT_TEXT, OUTPUT_JSON, OUTPUT_PROMETHEUS };

#define OUTPUT_BIT(name) (1u << OUTPUT_##name)

struct cli {
    struct arguments arguments;
    enum cli_output output;
    const char *socket;  /* NULL: the default */
    const char *shown;   /* how to name it to the user; NULL: by `socket` */
    struct tally *tally; /* NULL until cli_open */
    int64_t deadline;    /* of all calls, by clock_ms; 0: no call yet */
};

/* The operand behind the verb; NULL where it is not given. */
const char *cli_operand(const struct cli *cli, size_t i);
bool cli_given(const struct cli *cli, enum option_id option);

/* The value of a duration or number option, or `fallback` where it is not given. */
int64_t cli_number(const struct cli *cli, enum option_id option, int64_t fallback);

/* Errors: one line, and the exit code for it. `name`: of an error of the command's own. */
int cli_error(const char *name, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define cli_usage(...) cli_error("USAGE", EXIT_USAGE, __VA_ARGS__)
int cli_refuse(int error, const char *message); /* `error`: enum tally_error */
int cli_fail(const struct tally_answer *answer);

/* Where errors go, and whether each is a line of JSON; without it stderr, as text. They go to
 * stdout where each is that of one agent among several. */
void cli_print_errors(FILE *file, bool as_json);

/* A remark on stderr, so that stdout stays the result. */
void cli_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Opens the handle, with this deadline for each call. EXIT_OK or an exit code. */
int cli_open(struct cli *cli, int64_t timeout_ms);

/* Before each call that is not made by cli_ask: opens the handle, and sets the call's deadline to
 * what remains of --timeout. EXIT_OK or an exit code. */
int cli_begin(struct cli *cli);

/* A request with the first operand, where it is given, as this field (NULL: without it). Never
 * NULL. */
struct tally_request *cli_request(const struct cli *cli, const char *method, const char *operand);

/* Sends the request and gives the answer as *result, owned by the caller; or prints the error and
 * returns its exit code. A result without this field is an error: a verb never reports success for
 * what it cannot show. `request` is freed in every case; NULL means an invalid option, which was
 * reported. cli_ask_list: the same for `list`, with all its pages. */
int cli_ask(struct cli *cli, struct tally_request *request, const char *field, enum json_kind kind,
    struct json **result);
int cli_ask_list(struct cli *cli, struct json **result);

/* Prints the result of cli_ask, unless its `code` is an error: as JSON, else by `print`, which
 * returns an exit code. Frees the result. */
int cli_show(struct cli *cli, int code, struct json *result,
    int (*print)(struct cli *cli, const struct json *result));

/* Whether the answer to `hello` is that of an agent. */
bool cli_is_hello(const struct json *answer);

/* ---- memory ---- */

/* The command, unlike the library, exits when it is out of memory: half a table or an empty list
 * would look like an answer. */

/* Reports it on stderr and exits with 1; buffered stdout is dropped. */
_Noreturn void memory_exhausted(void);

/* Returns the pointer, unless it is NULL because the command is out of memory. */
void *memory_need(void *pointer);

/* malloc, for what takes an allocator. */
void *memory_allocate(size_t size);

#endif
