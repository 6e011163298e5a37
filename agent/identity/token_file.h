/* The token that Kubernetes mounts and rotates: read anew for each use. While the kubelet swaps
 * the projected volume the file is missing or empty for a moment, which is waited for. */
#ifndef TALLY_AGENT_IDENTITY_TOKEN_FILE_H
#define TALLY_AGENT_IDENTITY_TOKEN_FILE_H

#include "agent/identity/context.h"
#include "agent/identity/provider.h"
#include "proto/buffer.h"

#define TOKEN_BYTES 20000 /* STS accepts no longer token */

/* failure NULL: file->token holds the token, without white space at its end. */
typedef void token_file_done_fn(void *data, const struct failure *failure);

struct token_file {
    const struct identity_context *context;
    const char *path; /* borrowed */
    token_file_done_fn *done;
    void *data;
    struct buffer token; /* secret */
    struct loop_timer *timer;
    int64_t started_ms;
};

/* 0 or -ENOMEM. `data` is the provider that reads it: whoever waits for it is told while the file
 * is missing. */
int token_file_init(struct token_file *file, const struct identity_context *context,
    const char *path, token_file_done_fn *done, void *data);
void token_file_clear(struct token_file *file); /* does not call done; allowed if zeroed */

/* Calls done exactly once, as the last thing, perhaps before it returns. */
void token_file_read(struct token_file *file);

/* Reads once, now. True: the file holds another token than before, which is now in file->token;
 * false: it is the same, or there is none, and file->token is as it was. */
bool token_file_changed(struct token_file *file);

/* Wipes the token. */
void token_file_forget(struct token_file *file);

/* Whether the text may be sent as one header's value. */
bool token_text_valid(const char *text);

#endif
