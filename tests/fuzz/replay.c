/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target over files, for builds without libFuzzer: replay FILE...
 * A file named *.hex is hex with lines of '#' comment, as in proto/vectors. */
#include "proto/buffer.h"
#include "tests/fuzz/fuzz.h"

#include <ctype.h>

#define FILE_MAX ((size_t)64 << 20)

static void die(const char *path, const char *what)
{
    fprintf(stderr, "replay: %s: %s\n", path, what);
    exit(2);
}

static void read_file(const char *path, struct buffer *content)
{
    char chunk[4096];
    size_t len;
    FILE *file = fopen(path, "rb");

    if (file == NULL)
        die(path, "cannot be read");
    while ((len = fread(chunk, 1, sizeof(chunk), file)) > 0)
        buffer_append(content, chunk, len);
    if (ferror(file) || content->failed)
        die(path, "cannot be read whole");
    fclose(file);
}

static unsigned digit(uint8_t character)
{
    return (character & 0x0fu) + (isdigit(character) ? 0u : 9u); /* 'a' and 'A' end in 1 */
}

/* In place: the bytes are never longer than their hex. */
static void decode_hex(const char *path, struct buffer *content)
{
    const uint8_t *text = content->data;
    size_t len = 0;

    for (size_t at = 0; at < content->len;) {
        if (text[at] == '#') {
            while (at < content->len && text[at] != '\n')
                at++;
        } else if (isspace(text[at])) {
            at++;
        } else if (at + 1 < content->len && isxdigit(text[at]) && isxdigit(text[at + 1])) {
            content->data[len++] = (uint8_t)(digit(text[at]) << 4 | digit(text[at + 1]));
            at += 2;
        } else {
            die(path, "is no hex");
        }
    }
    buffer_truncate(content, len);
}

static void replay(const char *path)
{
    struct buffer content;
    const char *suffix = strrchr(path, '.');
    uint8_t *exact;

    buffer_init(&content, FILE_MAX);
    read_file(path, &content);
    if (suffix != NULL && strcmp(suffix, ".hex") == 0)
        decode_hex(path, &content);

    /* A block of just this size: the sanitizer sees one byte too far. */
    exact = malloc(content.len > 0 ? content.len : 1);
    if (exact == NULL)
        die(path, "no memory");
    if (content.len > 0)
        memcpy(exact, content.data, content.len);
    LLVMFuzzerTestOneInput(exact, content.len);
    free(exact);
    buffer_free(&content);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: replay FILE...\n");
        return 2;
    }
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    printf("%d replayed\n", argc - 1);
    return 0;
}
