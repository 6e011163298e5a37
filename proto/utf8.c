/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/utf8.h"

#include <stdint.h>

static bool is_tail(uint8_t byte, uint8_t low, uint8_t high)
{
    return byte >= low && byte <= high;
}

/* The length of the valid character at the start of text[len], 0 if there is none. The
 * bounds of the second byte keep out surrogates, overlong forms and what is over U+10FFFF. */
static size_t character_size(const uint8_t *text, size_t len)
{
    uint8_t lead = text[0];
    uint8_t low = 0x80;
    uint8_t high = 0xbf;
    size_t size;

    if (lead < 0x80)
        return lead != 0 ? 1 : 0;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (lead == 0xe0)
        low = 0xa0;
    else if (lead == 0xed)
        high = 0x9f;
    else if (lead == 0xf0)
        low = 0x90;
    else if (lead == 0xf4)
        high = 0x8f;
    if (size > len || !is_tail(text[1], low, high))
        return 0;
    for (size_t i = 2; i < size; i++) {
        if (!is_tail(text[i], 0x80, 0xbf))
            return 0;
    }
    return size;
}

size_t utf8_character(const char *text, size_t len, uint32_t *code)
{
    const uint8_t *in = (const uint8_t *)text;
    size_t size = len > 0 ? character_size(in, len) : 0;

    if (size == 0)
        return 0;
    *code = size == 1 ? in[0] : in[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++)
        *code = *code << 6 | (in[i] & 0x3f);
    return size;
}

size_t utf8_copy(char *to, size_t size, const char *from, size_t len)
{
    const uint8_t *in = (const uint8_t *)from;
    size_t out = 0;

    for (size_t at = 0; at < len;) {
        size_t character = character_size(in + at, len - at);
        size_t step = character > 0 ? character : 1;

        if (step >= size - out)
            break;
        if (character == 0)
            to[out] = '?';
        for (size_t i = 0; i < character; i++)
            to[out + i] = from[at + i];
        out += step;
        at += step;
    }
    to[out] = '\0';
    return out;
}

bool utf8_is_valid(const char *text, size_t len)
{
    const uint8_t *in = (const uint8_t *)text;

    for (size_t at = 0; at < len;) {
        size_t character = in[at] != 0 ? character_size(in + at, len - at) : 1;

        if (character == 0)
            return false;
        at += character;
    }
    return true;
}
