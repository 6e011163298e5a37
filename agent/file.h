/* SPDX-License-Identifier: Apache-2.0 */
/* Small files that other programs write: configuration, projected tokens, mounted Secrets. */
#ifndef TALLY_AGENT_FILE_H
#define TALLY_AGENT_FILE_H

#include "proto/buffer.h"

#include <stdbool.h>
#include <stdint.h>

/* Appends the whole content. 0, or a negative errno: -EMSGSIZE where it does not fit into the
 * buffer's maximum, -EINVAL where it is not a regular file. Never waits on a pipe. */
int file_read(const char *path, struct buffer *out);

bool path_is_folder(const char *path);

/* Whether it is "-" (standard input), or neither a file nor a folder: a pipe. */
bool path_is_stream(const char *path);

/* As file_read, but for a stream: waits for its end. */
int stream_read(const char *path, struct buffer *out);

/* A path may name another file after each rotation: the content is the same while the stamps are
 * equal. A file that stat cannot read has a stamp, too. Without padding, so that it can be hashed.
 */
struct file_stamp {
    int64_t error; /* negative errno, then the rest is 0 */
    uint64_t device, inode, size;
    int64_t changed_s, changed_ns;
};
struct file_stamp file_stamp_of(const char *path);
bool file_stamp_equal(const struct file_stamp *a, const struct file_stamp *b);

/* Why reading ended in `error` (negative errno), in words; where permissions are missing with our
 * user and groups and the file's owner and mode. */
void file_explain(const char *path, int error, char *why, size_t why_size);

#endif
