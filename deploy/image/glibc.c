/* SPDX-License-Identifier: Apache-2.0 */
/* What Debian's libexpat.a calls of glibc and musl 1.2.3 lacks. Of all libraries of the small image
 * this one is taken as Debian built it: not every mirror has its source with the newest security
 * patches. */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int __fprintf_chk(FILE *file, int flag, const char *format, ...);
/* NOLINTNEXTLINE(readability-redundant-declaration): only newer headers have it */
void arc4random_buf(void *buffer, size_t size);

int __fprintf_chk(FILE *file, int flag, const char *format, ...)
{
    va_list arguments;
    int written;

    (void)flag;
    va_start(arguments, format);
    written = vfprintf(file, format, arguments);
    va_end(arguments);
    return written;
}

void arc4random_buf(void *buffer, size_t size)
{
    unsigned char *at = buffer;

    while (size > 0) {
        size_t piece = size < 256 ? size : 256; /* as much as getentropy gives at once */

        if (getentropy(at, piece) < 0)
            abort(); /* as glibc does: no number is better than one that can be guessed */
        at += piece;
        size -= piece;
    }
}
