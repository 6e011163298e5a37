#include "client/cli/bar.h"

#include <string.h>

static size_t eighths(int64_t value, int64_t scale, size_t columns)
{
    if (value <= 0 || scale <= 0)
        return 0;
    if (value >= scale)
        return columns * 8;
    size_t filled = (size_t)((double)value / (double)scale * (double)columns * 8);
    return filled > 0 ? filled : 1;
}

void bar_draw(int64_t value, int64_t scale, size_t columns, bool utf8, char *text, size_t size)
{
    static const char *const parts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};
    size_t filled = eighths(value, scale, columns), used = 0;
    text[0] = '\0';
    while (filled > 0) {
        size_t part = filled < 8 ? filled : 8;
        const char *drawn = utf8 ? parts[part] : "#";
        size_t len = strlen(drawn);
        if (used + len >= size)
            return;
        memcpy(text + used, drawn, len + 1);
        used += len;
        filled -= part;
    }
}
