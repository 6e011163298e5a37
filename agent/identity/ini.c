#include "agent/identity/ini.h"

#include <errno.h>
#include <string.h>

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct text trim(struct text text)
{
    while (text.len > 0 && is_blank(text.data[0])) {
        text.data++;
        text.len--;
    }
    while (text.len > 0 && is_blank(text.data[text.len - 1]))
        text.len--;
    return text;
}

static bool is_comment(char c)
{
    return c == '#' || c == ';';
}

static struct text without_comment(struct text value)
{
    for (size_t i = 1; i < value.len; i++)
        if (is_comment(value.data[i]) && is_blank(value.data[i - 1]))
            value.len = i;
    return value;
}

/* Takes the next line off the text. */
static struct text take_line(struct text *rest)
{
    const char *end = memchr(rest->data, '\n', rest->len);
    struct text line = {rest->data, end != NULL ? (size_t)(end - rest->data) : rest->len};
    size_t taken = line.len + (end != NULL ? 1 : 0);

    rest->data += taken;
    rest->len -= taken;
    return line;
}

static int scan_section(struct text line, struct text *section)
{
    const char *end = memchr(line.data, ']', line.len);

    if (end == NULL)
        return -EINVAL;
    *section = trim((struct text){line.data + 1, (size_t)(end - line.data) - 1});
    return 0;
}

static int scan_setting(struct text line, struct text *name, struct text *value)
{
    const char *equals = memchr(line.data, '=', line.len);
    size_t name_len;

    if (equals == NULL)
        return -EINVAL;
    name_len = (size_t)(equals - line.data);
    *name = trim((struct text){line.data, name_len});
    *value = trim(without_comment((struct text){equals + 1, line.len - name_len - 1}));
    return name->len > 0 ? 0 : -EINVAL;
}

struct scanning {
    struct ini_entry entry;
    struct text above; /* the latest setting that is no sub-setting */
    size_t indent;     /* its own */
    bool is_open;      /* it has no value, so deeper lines are its own */
};

static int scan_line(struct scanning *scanning, struct text raw, ini_fn *fn, void *data)
{
    struct ini_entry *entry = &scanning->entry;
    struct text content = trim(raw);
    size_t indent = (size_t)(content.data - raw.data);
    int r;

    if (content.data[0] == '[') {
        *scanning = (struct scanning){.is_open = false};
        r = scan_section(content, &entry->section);
        if (r == 0)
            fn(data, entry);
        return r;
    }
    entry->parent = (struct text){NULL, 0};
    r = entry->section.data != NULL ? scan_setting(content, &entry->name, &entry->value) : -EINVAL;
    if (scanning->is_open && indent > scanning->indent) {
        entry->parent = scanning->above;
        if (r == 0)
            fn(data, entry);
        return 0; /* what is below a setting is the affair of those who know the setting */
    }
    if (r < 0)
        return r;
    scanning->above = entry->name;
    scanning->indent = indent;
    scanning->is_open = entry->value.len == 0;
    fn(data, entry);
    return 0;
}

int ini_scan(const char *text, size_t len, ini_fn *fn, void *data, unsigned *line)
{
    struct scanning scanning = {.is_open = false};
    struct text rest = {text, len};
    int r = 0;

    if (len >= 3 && memcmp(text, BYTE_ORDER_MARK, 3) == 0)
        rest = (struct text){text + 3, len - 3};
    for (*line = 1; r == 0 && rest.len > 0; *line += r == 0) {
        struct text raw = take_line(&rest);
        struct text content = trim(raw);

        if (content.len > 0 && !is_comment(content.data[0]))
            r = scan_line(&scanning, raw, fn, data);
    }
    return r;
}
