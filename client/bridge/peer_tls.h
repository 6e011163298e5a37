/* SPDX-License-Identifier: Apache-2.0 */
/* TLS 1.2 and 1.3 for the peers, by OpenSSL: the certificate, whom to believe, and the bytes of one
 * connection. The certificate is read again when its files change. */
#ifndef TALLY_BRIDGE_PEER_TLS_H
#define TALLY_BRIDGE_PEER_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tls_files { /* borrowed */
    const char *certificate, *key;
    const char *client_ca; /* NULL: clients need no certificate */
};

struct tls_shared;

/* NULL: a file cannot be read, or does not belong to the others; `why` says so. */
struct tls_shared *tls_shared_create(const struct tls_files *files, char *why, size_t why_size);
void tls_shared_destroy(struct tls_shared *shared); /* NULL is allowed */

struct peer_tls;

/* NULL: out of memory. The descriptor stays the caller's. */
struct peer_tls *peer_tls_create(struct tls_shared *shared, int fd);
void peer_tls_destroy(struct peer_tls *tls); /* NULL is allowed */

/* The handshake is part of the first read. Each returns the number of bytes; 0 from a read: the
 * peer has ended; -EAGAIN: `peer_tls_events` say what to wait for; -EPROTO: the connection is of no
 * use, and why is in `peer_tls_flaw`. */
ssize_t peer_tls_read(struct peer_tls *tls, void *data, size_t len);
ssize_t peer_tls_write(struct peer_tls *tls, const void *data, size_t len);

/* LOOP_READABLE, and LOOP_WRITABLE where OpenSSL must write before it can go on. */
unsigned peer_tls_events(const struct peer_tls *tls);

bool peer_tls_is_ready(const struct peer_tls *tls); /* the handshake is over */
bool peer_tls_is_http2(const struct peer_tls *tls); /* as agreed by ALPN */

/* Tells the peer that there are no more bytes. */
void peer_tls_shutdown(struct peer_tls *tls);

/* Why the connection failed, for the log: OpenSSL's words. "" where it did not. */
const char *peer_tls_flaw(const struct peer_tls *tls);

#endif
