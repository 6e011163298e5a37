/* SPDX-License-Identifier: Apache-2.0 */
/* Small files that others write: configuration, projected tokens, mounted Secrets. */
#ifndef TALLY_AGENT_FILE_H
#define TALLY_AGENT_FILE_H

#include "proto/buffer.h"

#include <stdbool.h>
#include <stdint.h>

/* Appends the whole content. 0, or a negative errno: -EMSGSIZE where it does not fit into the
 * buffer's maximum, -EINVAL where it is no regular file. Never waits on a pipe. */
int file_read(const char *path, struct buffer *out);

/* "-", which is the standard input, or what is neither a file nor a folder: a pipe. */
bool path_is_stream(const char *path);

/* As file_read, but of a stream: waits until it ends. */
int stream_read(const char *path, struct buffer *out);

/* The same file by name may be another one after each rotation: it is the same content while
 * the stamps are equal. A file that cannot be looked at has a stamp too. */
struct file_stamp {
    int error; /* negative errno, then the rest is 0 */
    uint64_t device, inode, size;
    int64_t changed_s, changed_ns;
};
struct file_stamp file_stamp_of(const char *path);
bool file_stamp_equal(const struct file_stamp *a, const struct file_stamp *b);

/* Why reading ended in `error` (negative errno), in words; where rights are missing with our
 * user and groups and the file's owner and mode. */
void file_explain(const char *path, int error, char *why, size_t why_size);

#endif
