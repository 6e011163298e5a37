/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/ipc/params.h"

#include "proto/duration.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

void params_fail(struct params *params, const char *format, ...)
{
    va_list arguments;

    if (params->failed)
        return;
    params->failed = true;
    params->code = ERROR_INVALID_REQUEST;
    va_start(arguments, format);
    vsnprintf(params->why, sizeof(params->why), format, arguments);
    va_end(arguments);
}

void params_fail_memory(struct params *params)
{
    if (params->failed)
        return;
    params_fail(params, "no memory for the request");
    params->code = ERROR_INTERNAL;
}

void params_open(struct params *params, struct method_call *call)
{
    params->call = call;
    params->reader = call->params;
    params->pairs = 0;
    params->failed = false;
    if (call->has_params && !reader_map(&params->reader, &params->pairs))
        params_fail(params, "params must hold one map, such as [{\"trigger\": \"name\"}]");
}

bool params_next(struct params *params, struct text *name)
{
    while (!params->failed && params->pairs > 0) {
        params->pairs--;
        if (!reader_text(&params->reader, name))
            params_fail(params, "the names in params must be strings");
        else if (reader_peek(&params->reader) != VALUE_NIL)
            return true;
        else
            reader_nil(&params->reader);
    }
    return false;
}

void params_skip(struct params *params)
{
    if (!reader_skip(&params->reader, NULL))
        params_fail(params, "params are not valid");
}

void params_text(struct params *params, const char *name, struct text *value)
{
    if (!reader_text(&params->reader, value))
        params_fail(params, "%s must be a string", name);
}

void params_bool(struct params *params, const char *name, bool *value)
{
    if (!reader_bool(&params->reader, value))
        params_fail(params, "%s must be true or false", name);
}

void params_integer(
    struct params *params, const char *name, int64_t least, int64_t most, int64_t *value)
{
    uint64_t number = 0;

    if (reader_uint(&params->reader, &number) && number >= (uint64_t)least &&
        number <= (uint64_t)most)
        *value = (int64_t)number;
    else
        params_fail(
            params, "%s must be a whole number from %" PRId64 " to %" PRId64, name, least, most);
}

void params_age(struct params *params, const char *name, int64_t *value)
{
    uint64_t number = 0;

    if (reader_uint(&params->reader, &number))
        *value = number < DURATION_MAX_MS ? (int64_t)number : DURATION_MAX_MS;
    else
        params_fail(params, "%s must be a whole number of milliseconds, 0 or more", name);
}

void params_map(struct params *params, const char *name, struct reader *value)
{
    struct reader probe = params->reader;
    uint32_t pairs;

    *value = params->reader;
    if (!reader_map(&probe, &pairs))
        params_fail(params, "%s must be a map", name);
    else
        params_skip(params);
}

bool params_close(struct params *params)
{
    if (params->failed)
        method_fail(params->call, params->code, "%s", params->why);
    return !params->failed;
}

bool params_only_text(struct method_call *call, const char *name, struct text *value)
{
    struct params params;
    struct text key;

    params_open(&params, call);
    while (params_next(&params, &key)) {
        if (text_equals(key, name))
            params_text(&params, name, value);
        else
            params_skip(&params);
    }
    return params_close(&params);
}
