/* SPDX-License-Identifier: Apache-2.0 */
#include "client/bridge/peer_tls.h"

#include "agent/file.h"
#include "agent/log.h"
#include "agent/loop.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILES 3

struct tls_shared {
    struct tls_files files;
    struct file_stamp stamps[FILES];
    SSL_CTX *context;
};

struct peer_tls {
    SSL *ssl;
    bool wants_write;
    const char *flaw;
};

/* ---- shared by all connections ---- */

/* OpenSSL's words for the latest failure; empties its queue. */
static const char *tls_reason(void)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(code);

    ERR_clear_error();
    return reason != NULL ? reason : "unknown error";
}

/* h2 where the client offers it, else HTTP/1.1. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
    const unsigned char *offered, unsigned offered_len, void *data)
{
    static const unsigned char known[] = "\x02h2\x08http/1.1";
    unsigned char *chosen = NULL;

    (void)ssl;
    (void)data;
    if (SSL_select_next_proto(&chosen, out_len, known, sizeof(known) - 1, offered, offered_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static bool tls_read_files(SSL_CTX *context, const struct tls_files *files, char *why, size_t size)
{
    const char *file = files->certificate;
    bool done = SSL_CTX_use_certificate_chain_file(context, file) == 1;

    if (done) {
        file = files->key;
        done = SSL_CTX_use_PrivateKey_file(context, file, SSL_FILETYPE_PEM) == 1 &&
               SSL_CTX_check_private_key(context) == 1;
    }
    if (done && files->client_ca != NULL) {
        file = files->client_ca;
        done = SSL_CTX_load_verify_locations(context, file, NULL) == 1;
        SSL_CTX_set_client_CA_list(context, done ? SSL_load_client_CA_file(file) : NULL);
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    if (!done)
        snprintf(why, size, "%s: %s", file, tls_reason());
    return done;
}

/* Sessions are resumed by nothing: connections last for days, and tickets would need a key that is
 * shared and renewed. */
static SSL_CTX *tls_make_context(const struct tls_files *files, char *why, size_t why_size)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    snprintf(why, why_size, "out of memory");
    if (context == NULL)
        return NULL;
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20");
    SSL_CTX_set_alpn_select_cb(context, on_alpn, NULL);
    if (tls_read_files(context, files, why, why_size))
        return context;
    SSL_CTX_free(context);
    return NULL;
}

static void tls_stamp(const struct tls_files *files, struct file_stamp *stamps)
{
    const char *const paths[FILES] = {files->certificate, files->key, files->client_ca};

    for (size_t i = 0; i < FILES; i++)
        stamps[i] = paths[i] != NULL ? file_stamp_of(paths[i]) : (struct file_stamp){0};
}

struct tls_shared *tls_shared_create(const struct tls_files *files, char *why, size_t why_size)
{
    struct tls_shared *shared = calloc(1, sizeof(*shared));

    snprintf(why, why_size, "out of memory");
    if (shared == NULL)
        return NULL;
    shared->files = *files;
    tls_stamp(files, shared->stamps);
    shared->context = tls_make_context(files, why, why_size);
    if (shared->context != NULL)
        return shared;
    tls_shared_destroy(shared);
    return NULL;
}

void tls_shared_destroy(struct tls_shared *shared)
{
    if (shared == NULL)
        return;
    SSL_CTX_free(shared->context);
    free(shared);
}

/* Files that are being replaced one after the other do not belong together for a moment, and there
 * may be no descriptor to read them: what was read before stays until they can be read. */
static void tls_refresh(struct tls_shared *shared)
{
    struct file_stamp stamps[FILES];
    char why[512];
    bool same = true;

    tls_stamp(&shared->files, stamps);
    for (size_t i = 0; i < FILES; i++)
        same = same && file_stamp_equal(&stamps[i], &shared->stamps[i]);
    if (same)
        return;
    SSL_CTX *context = tls_make_context(&shared->files, why, sizeof(why));
    if (context == NULL) {
        log_often(LOG_LEVEL_ERROR, "certificate_unreadable", LOG_TEXT("message", why),
            LOG_TEXT("action", "the certificate from before stays"));
        return;
    }
    memcpy(shared->stamps, stamps, sizeof(stamps));
    SSL_CTX_free(shared->context);
    shared->context = context;
    log_event(LOG_LEVEL_INFO, "certificate_reloaded", LOG_TEXT("file", shared->files.certificate));
}

/* ---- one connection ---- */

struct peer_tls *peer_tls_create(struct tls_shared *shared, int fd)
{
    struct peer_tls *tls = calloc(1, sizeof(*tls));

    if (tls == NULL)
        return NULL;
    tls_refresh(shared);
    tls->ssl = SSL_new(shared->context);
    tls->flaw = "";
    if (tls->ssl == NULL || SSL_set_fd(tls->ssl, fd) != 1) {
        peer_tls_destroy(tls);
        return NULL;
    }
    SSL_set_accept_state(tls->ssl);
    return tls;
}

void peer_tls_destroy(struct peer_tls *tls)
{
    if (tls == NULL)
        return;
    SSL_free(tls->ssl);
    ERR_clear_error();
    free(tls);
}

static ssize_t tls_result(struct peer_tls *tls, int result)
{
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        tls->wants_write = false;
        return -EAGAIN;
    case SSL_ERROR_WANT_WRITE:
        tls->wants_write = true;
        return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SSL:
        tls->flaw = tls_reason();
        return -EPROTO;
    default:
        ERR_clear_error();
        tls->flaw = "the peer closed the connection";
        return -EPROTO;
    }
}

ssize_t peer_tls_read(struct peer_tls *tls, void *data, size_t len)
{
    int result = SSL_read(tls->ssl, data, (int)len);

    return result > 0 ? result : tls_result(tls, result);
}

ssize_t peer_tls_write(struct peer_tls *tls, const void *data, size_t len)
{
    int result = SSL_write(tls->ssl, data, (int)len);

    return result > 0 ? result : tls_result(tls, result);
}

unsigned peer_tls_events(const struct peer_tls *tls)
{
    return tls->wants_write ? LOOP_READABLE | LOOP_WRITABLE : LOOP_READABLE;
}

bool peer_tls_is_ready(const struct peer_tls *tls)
{
    return SSL_is_init_finished(tls->ssl) == 1;
}

bool peer_tls_is_http2(const struct peer_tls *tls)
{
    const unsigned char *name = NULL;
    unsigned len = 0;

    SSL_get0_alpn_selected(tls->ssl, &name, &len);
    return len == 2 && memcmp(name, "h2", 2) == 0;
}

void peer_tls_shutdown(struct peer_tls *tls)
{
    if (SSL_is_init_finished(tls->ssl) == 1)
        SSL_shutdown(tls->ssl);
    ERR_clear_error();
}

const char *peer_tls_flaw(const struct peer_tls *tls)
{
    return tls->flaw;
}
