#include "proto/errors.h"

#include <string.h>

struct error_row {
    enum error_code code;
    bool retryable;
    const char *name;
    const char *text;
};

static const struct error_row rows[] = {
#define ERROR_ROW(number, name, retryable, text) {ERROR_##name, retryable, #name, text},
    ERROR_MAP(ERROR_ROW)
#undef ERROR_ROW
};

static const struct error_row *error_row(enum error_code code)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].code == code)
            return &rows[i];
    }
    return NULL;
}

const char *error_name(enum error_code code)
{
    const struct error_row *row = error_row(code);

    return row != NULL ? row->name : "UNKNOWN";
}

const char *error_text(enum error_code code)
{
    const struct error_row *row = error_row(code);

    return row != NULL ? row->text : "UNKNOWN";
}

enum error_code error_of_name(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strlen(rows[i].name) == len && memcmp(rows[i].name, name, len) == 0)
            return rows[i].code;
    }
    return ERROR_NONE;
}

bool error_retryable(enum error_code code)
{
    const struct error_row *row = error_row(code);

    return row != NULL && row->retryable;
}
