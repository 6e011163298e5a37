#include "client/tally.h"

#include "proto/errors.h"

/* The agent's codes are the same numbers, negated. */
#define SAME_NUMBER(number, name, retryable, text)                                                 \
    _Static_assert(TALLY_E##name == -(number), "error numbers of protocol and library differ");
ERROR_MAP(SAME_NUMBER)
#undef SAME_NUMBER

const char *tally_error_name(int error)
{
    if (error == TALLY_OK)
        return "OK";
    switch ((enum tally_error)error) {
#define NAME(number, name, text)                                                                   \
    case TALLY_E##name:                                                                            \
        return #name;
        TALLY_ERROR_MAP(NAME)
#undef NAME
    case TALLY_OK:
        break;
    }
    return "UNKNOWN";
}

const char *tally_strerror(int error)
{
    switch ((enum tally_error)error) {
#define TEXT(number, name, text)                                                                   \
    case TALLY_E##name:                                                                            \
        return text;
        TALLY_ERROR_MAP(TEXT)
#undef TEXT
    case TALLY_OK:
        return "no error";
    }
    return "an error that this version does not know";
}

int tally_error_is_timeout(int error)
{
    return error == TALLY_ETIMEOUT || error == TALLY_EDEADLINE;
}

const char *tally_version(void)
{
    return TALLY_VERSION;
}
