/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of glibc that Debian's libexpat.a calls and musl 1.2.3 lacks. expat is the only
 * library of the small image in Debian's build: not every mirror has its source with the newest
 * security patches. */
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
        size_t piece = size < 256 ? size : 256; /* the maximum of getentropy */

        if (getentropy(at, piece) < 0)
            abort(); /* as glibc does: no random number is better than a predictable one */
        at += piece;
        size -= piece;
    }
}
