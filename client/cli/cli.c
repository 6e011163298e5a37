/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/cli.h"

#include "client/cli/terminal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const char *cli_operand(const struct cli *cli, size_t i)
{
    return i + 1 < cli->arguments.operand_count ? cli->arguments.operands[i + 1] : NULL;
}

bool cli_given(const struct cli *cli, enum option_id option)
{
    return (cli->arguments.given & (1u << option)) != 0;
}

int64_t cli_number(const struct cli *cli, enum option_id option, int64_t fallback)
{
    return cli_given(cli, option) ? cli->arguments.number[option] : fallback;
}

int64_t cli_clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool errors_are_json;

void cli_print_errors_as_json(void)
{
    errors_are_json = true;
}

static bool errors_are_results;

void cli_print_errors_in_result(void)
{
    errors_are_results = true;
}

static FILE *error_file(void)
{
    return errors_are_results ? stdout : stderr;
}

/* {"error": {"name": …, "message": …, …}}: the error's own fields, where the agent sent them. */
static void print_error_json(
    const char *name, const char *message, const struct tally_answer *answer)
{
    const void *packed = NULL;
    size_t len = 0;
    struct json *line = json_new_map(), *error = NULL;

    if (answer != NULL && tally_answer_packed(answer, NULL, &packed, &len) == 0)
        error = json_from_msgpack(packed, len);
    if (error == NULL || json_kind(error) != JSON_KIND_MAP) {
        json_free(error);
        error = json_new_map();
    }
    if (json_get(error, "name") == NULL)
        json_set(error, "name", json_new_string(name));
    if (json_get(error, "message") == NULL)
        json_set(error, "message", json_new_string(message));
    json_set(line, "error", error);
    json_print(error_file(), line, true);
    json_free(line);
}

/* What AWS said, behind the message. */
static void print_aws(const struct tally_answer *answer)
{
    const char *code = tally_answer_aws_code(answer);
    const char *request_id = tally_answer_aws_request_id(answer);
    const char *reasons = tally_answer_aws_reasons(answer);

    if (reasons[0] != '\0')
        terminal_print(error_file(), " (%s)", reasons);
    if (code[0] != '\0' || request_id[0] != '\0')
        terminal_print(error_file(), " [%s%s%s]", code,
            code[0] != '\0' && request_id[0] != '\0' ? ", " : "", request_id);
}

/* One line on error_file(), as text or JSON. answer: the agent's error; NULL: it is the command's
 * own. */
static void print_error(const char *name, const char *message, const struct tally_answer *answer)
{
    if (errors_are_json) {
        print_error_json(name, message, answer);
        return;
    }
    terminal_print(error_file(), "tally: %s%s%s: ", terminal_colour(error_file(), COLOUR_RED), name,
        terminal_reset(error_file()));
    terminal_print(error_file(), "%s", message);
    if (answer != NULL)
        print_aws(answer);
    terminal_print(error_file(), "\n");
}

__attribute__((format(printf, 2, 0))) static void vprint_error(
    const char *name, const char *format, va_list arguments)
{
    char text[512];

    vsnprintf(text, sizeof(text), format, arguments);
    print_error(name, text, NULL);
}

int cli_usage(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vprint_error("USAGE", format, arguments);
    va_end(arguments);
    return EXIT_USAGE;
}

int cli_error(const char *name, int code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vprint_error(name, format, arguments);
    va_end(arguments);
    return code;
}

static int exit_code(int error)
{
    switch (error) {
    case TALLY_EARGUMENT:
        return EXIT_USAGE;
    case TALLY_ENOAGENT:
    case TALLY_EPERMISSION:
        return EXIT_NO_AGENT;
    case TALLY_ETIMEOUT:
    case TALLY_EDEADLINE:
        return EXIT_DEADLINE;
    default:
        return error < 0 ? EXIT_ERROR : EXIT_OK;
    }
}

int cli_refuse(int error, const char *message)
{
    print_error(tally_error_name(error), message, NULL);
    return exit_code(error);
}

int cli_fail(const struct tally_answer *answer)
{
    print_error(tally_answer_error_name(answer), tally_answer_error_message(answer), answer);
    return exit_code(tally_answer_error(answer));
}

void cli_note(const char *format, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    terminal_print(stderr, "tally: note: %s\n", text);
}

int cli_open(struct cli *cli)
{
    return cli_open_within(cli, cli_number(cli, OPTION_TIMEOUT, 5000));
}

int cli_open_within(struct cli *cli, int64_t timeout)
{
    if (cli->tally != NULL)
        return EXIT_OK;
    int r = tally_open(&cli->tally, cli->socket);
    if (r < 0)
        return cli_refuse(r, tally_strerror(r));
    if (timeout > INT32_MAX || tally_set_timeout(cli->tally, (int)timeout) < 0)
        return cli_usage("--timeout: a deadline is between 1ms and 5m");
    return EXIT_OK;
}

struct tally_request *cli_request(const struct cli *cli, const char *method)
{
    struct tally_request *request = NULL;

    if (tally_request_new(&request, method) < 0)
        return NULL;
    if (cli_operand(cli, 0) != NULL)
        tally_request_set_string(request, "trigger", cli_operand(cli, 0));
    return request;
}

/* One deadline for all calls together: a later call has what the earlier ones leave. */
static void cli_limit(struct cli *cli)
{
    if (cli->deadline == 0) {
        cli->deadline = cli_clock_ms() + cli_number(cli, OPTION_TIMEOUT, 5000);
        return;
    }
    int64_t left = cli->deadline - cli_clock_ms();
    tally_set_timeout(cli->tally, left > 0 ? (int)left : 1);
}

int cli_begin(struct cli *cli)
{
    int code = cli_open(cli);

    if (code == EXIT_OK)
        cli_limit(cli);
    return code;
}

int cli_take(struct cli *cli, int r, const char *field, enum json_kind kind, struct json **result)
{
    struct json *json = NULL;
    const struct tally_answer *answer = tally_last_answer(cli->tally);
    const void *packed = NULL;
    size_t len = 0;

    if (r < 0)
        return cli_fail(answer);
    if (tally_answer_packed(answer, NULL, &packed, &len) == 0)
        json = json_from_msgpack(packed, len);
    const struct json *found = json != NULL ? json_get(json, field) : NULL;
    if (found == NULL || json_kind(found) != kind) {
        char text[80];

        snprintf(text, sizeof(text), "the agent's answer has %s %s",
            found == NULL ? "no" : "an invalid", field);
        json_free(json);
        return cli_refuse(TALLY_EPROTOCOL, text);
    }
    *result = json;
    return EXIT_OK;
}

int cli_ask(struct cli *cli, struct tally_request *request, const char *field, enum json_kind kind,
    struct json **result)
{
    if (request == NULL)
        return cli_refuse(TALLY_ENOMEM, tally_strerror(TALLY_ENOMEM));
    int code = cli_begin(cli);
    if (code != EXIT_OK)
        goto finish;
    code = cli_take(cli, tally_call(cli->tally, request), field, kind, result);
finish:
    tally_request_free(request);
    return code;
}

bool cli_is_hello(const struct json *answer)
{
    return strcmp(json_get_string(answer, "protocol", ""), "tally") == 0 &&
           json_get_string(answer, "agent", NULL) != NULL;
}

/* ---- memory ---- */

_Noreturn void memory_exhausted(void)
{
    static const char message[] = "tally: NOMEM: out of memory\n";

    (void)!write(STDERR_FILENO, message, sizeof(message) - 1);
    _exit(1); /* not exit: the buffered stdout would be half an answer */
}

void *memory_need(void *pointer)
{
    if (pointer == NULL)
        memory_exhausted();
    return pointer;
}

void *memory_allocate(size_t size)
{
    return memory_need(malloc(size));
}
