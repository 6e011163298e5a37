#include "client/answer.h"

#include "client/address.h"
#include "client/field.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void answer_clear(struct tally_answer *answer)
{
    *answer = (struct tally_answer){0};
}

static void take_bytes(struct tally_answer *answer, struct reader value)
{
    struct text bytes = {NULL, 0};
    if (!reader_skip(&value, &bytes))
        return;
    answer->data = (const uint8_t *)bytes.data;
    answer->len = bytes.len;
}

static int take_failure(struct tally_answer *answer, struct reader error)
{
    if (!failure_unpack(&error, &answer->failure))
        return answer_fail(answer, TALLY_EPROTOCOL, "the agent's error cannot be read");
    /* -1 to -99 are the agent's; a number beyond cannot be told apart from the library's. */
    unsigned code = (unsigned)answer->failure.code;
    answer->error = code >= 1 && code <= 99 ? -(int)code : TALLY_EINTERNAL;
    return answer->error;
}

int answer_take(struct tally_answer *answer, const struct message *message)
{
    answer_clear(answer);
    if (!message->has_error) {
        take_bytes(answer, message->result);
        return 0;
    }
    take_bytes(answer, message->error);
    return take_failure(answer, message->error);
}

int answer_take_notification(struct tally_answer *answer, const struct message *message)
{
    answer_clear(answer);
    struct reader params = message->params;
    if (!field_find(&params, "0"))
        return answer_fail(answer, TALLY_EPROTOCOL, "the agent's notification cannot be read");
    take_bytes(answer, params);
    if (!field_find(&params, "error"))
        return 0;
    return take_failure(answer, params);
}

int answer_fail(struct tally_answer *answer, int error, const char *format, ...)
{
    answer_clear(answer);
    answer->error = error;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(answer->failure.message, sizeof(answer->failure.message), format, arguments);
    va_end(arguments);
    return error;
}

int answer_fail_connection(struct tally_answer *answer, const char *path, int error)
{
    static const struct {
        int error, result;
    } results[] = {
        {-EACCES, TALLY_EPERMISSION},
        {-EPERM, TALLY_EPERMISSION},
        {-ENOENT, TALLY_ENOAGENT},
        {-ENOTDIR, TALLY_ENOAGENT},
        {-ENAMETOOLONG, TALLY_ENOAGENT},
        {-ELOOP, TALLY_ENOAGENT},
        {-EPROTOTYPE, TALLY_ENOAGENT},
        {-ECONNREFUSED, TALLY_ENOAGENT},
        {-ECONNRESET, TALLY_ENOAGENT},
        {-EPIPE, TALLY_ENOAGENT},
        {-EAGAIN, TALLY_ENOAGENT},
        {-ENOMEM, TALLY_ENOMEM},
        {-EPROTO, TALLY_EPROTOCOL},
        {-EMSGSIZE, TALLY_EPROTOCOL},
    };
    int result = TALLY_ESYSTEM;
    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
        if (results[i].error == error)
            result = results[i].result;
    }
    answer_clear(answer);
    answer->error = result;
    if (result == TALLY_EPROTOCOL)
        return answer_fail(answer, result,
            "%s: what answers is no msgpack-RPC, or larger than an answer may be: does tallyd "
            "listen there?",
            path);
    address_explain(path, error, answer->failure.message, sizeof(answer->failure.message));
    return result;
}

int tally_answer_error(const struct tally_answer *answer)
{
    return answer->error;
}

const char *tally_answer_error_name(const struct tally_answer *answer)
{
    return answer->error == 0 ? "" : tally_error_name(answer->error);
}

const char *tally_answer_error_message(const struct tally_answer *answer)
{
    if (answer->error != 0 && answer->failure.message[0] == '\0')
        return tally_strerror(answer->error);
    return answer->failure.message;
}

const char *tally_answer_aws_code(const struct tally_answer *answer)
{
    return answer->failure.aws_code;
}

const char *tally_answer_aws_request_id(const struct tally_answer *answer)
{
    return answer->failure.aws_request_id;
}

const char *tally_answer_aws_reasons(const struct tally_answer *answer)
{
    return answer->failure.aws_reasons;
}

int tally_answer_retryable(const struct tally_answer *answer)
{
    switch (answer->error) {
    case TALLY_ENOAGENT:
    case TALLY_EDEADLINE:
        return 1;
    default:
        return answer->failure.retryable;
    }
}

int64_t tally_answer_retry_after_ms(const struct tally_answer *answer)
{
    return answer->failure.retry_after_ms;
}
