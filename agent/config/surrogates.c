#include "agent/config/surrogates.h"

#include <stdint.h>
#include <string.h>

#define ESCAPE_LEN 6 /* of `\ud83d` */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The UTF-16 unit of an escape at text; 0 where there is none. */
static uint32_t unit_at(const char *text, size_t len)
{
    uint32_t unit = 0;

    if (len < ESCAPE_LEN || text[0] != '\\' || text[1] != 'u')
        return 0;
    for (size_t i = 2; i < ESCAPE_LEN; i++) {
        int digit = hex_digit(text[i]);
        if (digit < 0)
            return 0;
        unit = unit * 16 + (uint32_t)digit;
    }
    return unit;
}

/* The character of a pair at text; 0 where there is none. */
static uint32_t character_at(const char *text, size_t len)
{
    uint32_t high = unit_at(text, len);
    uint32_t low = len > ESCAPE_LEN ? unit_at(text + ESCAPE_LEN, len - ESCAPE_LEN) : 0;

    if (high < 0xd800 || high > 0xdbff || low < 0xdc00 || low > 0xdfff)
        return 0;
    return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

static size_t write_utf8(char *to, uint32_t character)
{
    to[0] = (char)(0xf0 | (character >> 18));
    to[1] = (char)(0x80 | ((character >> 12) & 0x3f));
    to[2] = (char)(0x80 | ((character >> 6) & 0x3f));
    to[3] = (char)(0x80 | (character & 0x3f));
    return 4;
}

size_t surrogates_join(char *text, size_t len)
{
    size_t from = 0, to = 0;

    while (from < len) {
        uint32_t character = character_at(text + from, len - from);

        if (character != 0) {
            from += (size_t)2 * ESCAPE_LEN;
            to += write_utf8(text + to, character);
            continue;
        }
        /* Of `\\ud83d` the second backslash begins no escape. */
        if (text[from] == '\\' && from + 1 < len)
            text[to++] = text[from++];
        text[to++] = text[from++];
    }
    return to;
}
