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

int ini_scan(const char *text, size_t len, ini_fn *fn, void *data, unsigned *line)
{
    static const struct text none = {NULL, 0};
    struct text rest = {text, len};
    struct text section = none;
    bool has_setting = false;
    int r = 0;

    if (len >= 3 && memcmp(text, BYTE_ORDER_MARK, 3) == 0)
        rest = (struct text){text + 3, len - 3};
    for (*line = 1; rest.len > 0; ++*line) {
        struct text raw = take_line(&rest);
        struct text content = trim(raw);
        struct text name, value;

        if (content.len == 0 || is_comment(content.data[0]))
            continue;
        if (content.data[0] == '[') {
            r = scan_section(content, &section);
            if (r < 0)
                return r;
            has_setting = false;
            fn(data, section, none, none);
        } else if (!is_blank(raw.data[0]) || !has_setting) {
            r = section.data != NULL ? scan_setting(content, &name, &value) : -EINVAL;
            if (r < 0)
                return r;
            has_setting = true;
            fn(data, section, name, value);
        }
    }
    return 0;
}
