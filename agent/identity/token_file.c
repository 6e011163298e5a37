#include "agent/identity/token_file.h"

#include "agent/file.h"

#include <errno.h>
#include <string.h>

#define RETRY_MS 200
#define LIMIT_MS 1500 /* well within the usual deadline of who waits */

static void trim(struct buffer *token)
{
    while (token->len > 0 && token->data[token->len - 1] != '\0' &&
           strchr(" \t\r\n", token->data[token->len - 1]) != NULL)
        buffer_truncate(token, token->len - 1);
}

bool token_text_valid(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text >= 0x7f)
            return false;
    return true;
}

static bool is_token(struct buffer *token)
{
    return token->len <= TOKEN_BYTES && strlen(buffer_string(token)) == token->len &&
           token_text_valid(buffer_string(token));
}

/* 0, -EAGAIN where it may be there in a moment, or another negative errno; failure is set. */
static int read_now(const char *path, struct buffer *token, struct failure *failure)
{
    char why[sizeof(failure->message)];
    int r = file_read(path, token);

    trim(token);
    if (r < 0) {
        file_explain(path, r, why, sizeof(why));
        failure_set(failure, ERROR_CREDENTIALS, "token file: %s", why);
        if (r != -EACCES && r != -EPERM && r != -EMSGSIZE && r != -EISDIR)
            return -EAGAIN;
        failure->retryable = false; /* the kubelet is not at it: somebody has to change the mount */
        return r;
    }
    if (token->len == 0) {
        failure_set(failure, ERROR_CREDENTIALS, "token file: %s is empty", path);
        return -EAGAIN;
    }
    if (is_token(token))
        return 0;
    failure_set(failure, ERROR_CREDENTIALS,
        "token file: %s holds no token, which has one line of at most %d characters", path,
        TOKEN_BYTES);
    return -EINVAL;
}

static void try_it(void *data)
{
    struct token_file *file = data;
    int64_t waited = loop_now(file->context->loop) - file->started_ms;
    struct failure failure;
    int r;

    buffer_clear(&file->token);
    r = read_now(file->path, &file->token, &failure);
    if (r == -EAGAIN && waited < LIMIT_MS) {
        loop_timer_start(file->timer, RETRY_MS);
        provider_trouble(file->data, &failure);
    } else {
        file->done(file->data, r < 0 ? &failure : NULL);
    }
}

void token_file_read(struct token_file *file)
{
    file->started_ms = loop_now(file->context->loop);
    try_it(file);
}

bool token_file_changed(struct token_file *file)
{
    struct failure failure;
    struct buffer token;
    bool changed;

    buffer_init_secret(&token, file->token.max);
    changed =
        read_now(file->path, &token, &failure) == 0 &&
        (token.len != file->token.len || memcmp(token.data, file->token.data, token.len) != 0);
    if (changed) {
        struct buffer old = file->token;
        file->token = token;
        token = old;
    }
    buffer_free(&token);
    return changed;
}

void token_file_forget(struct token_file *file)
{
    buffer_free(&file->token);
}

int token_file_init(struct token_file *file, const struct identity_context *context,
    const char *path, token_file_done_fn *done, void *data)
{
    *file = (struct token_file){.context = context, .path = path, .done = done, .data = data};
    buffer_init_secret(&file->token, 2 * TOKEN_BYTES);
    file->timer = loop_timer_create(context->loop, try_it, file);
    return file->timer != NULL ? 0 : -ENOMEM;
}

void token_file_clear(struct token_file *file)
{
    loop_timer_destroy(file->timer);
    file->timer = NULL;
    buffer_free(&file->token);
}
