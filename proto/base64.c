/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/base64.h"

#include <errno.h>
#include <string.h>

int base64_digit(char c, const char *last_two)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == last_two[0])
        return 62;
    return c == last_two[1] ? 63 : -1;
}

long base64_decode(const char *text, uint8_t *out)
{
    uint32_t bits = 0;
    unsigned digits = 0, padding = 0;
    long len = 0;

    for (; *text != '\0'; text++) {
        if (strchr(" \t\r\n", *text) != NULL)
            continue;
        if (*text == '=') {
            padding++;
            continue;
        }
        int value = base64_digit(*text, "+/");
        if (value < 0 || padding > 0)
            return -EINVAL;
        bits = bits << 6 | (uint32_t)value;
        digits++;
        if (digits % 4 != 1) {
            unsigned shift = digits % 4 == 2 ? 4 : digits % 4 == 3 ? 2 : 0;

            if (out != NULL)
                out[len] = (uint8_t)(bits >> shift);
            len++;
        }
    }
    if (digits % 4 == 1 || padding != (4 - digits % 4) % 4)
        return -EINVAL;
    return len;
}

void base64_encode(const uint8_t *data, size_t len, char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t at = 0; at < len; at += 3) {
        size_t left = len - at;
        uint32_t bits = (uint32_t)data[at] << 16;

        if (left > 1)
            bits |= (uint32_t)data[at + 1] << 8;
        if (left > 2)
            bits |= data[at + 2];
        text[0] = digits[bits >> 18];
        text[1] = digits[bits >> 12 & 63];
        text[2] = text[3] = '=';
        if (left > 1)
            text[2] = digits[bits >> 6 & 63];
        if (left > 2)
            text[3] = digits[bits & 63];
        text += 4;
    }
    *text = '\0';
}
