/* SPDX-License-Identifier: Apache-2.0 */
/* TLS for the build whose libcurl runs on BearSSL (TALLY_TLS_BEARSSL, the small image). libcurl's
 * own set-up would parse the CA bundle again for each connection, and would take TLS 1.0, old
 * cipher suites, SHA-1 and short RSA keys; here the bundle is parsed once, and each connection
 * gets TLS 1.2 with ECDHE and AEAD, SHA-2 and RSA from 2048 bits on. */
#ifndef TALLY_AGENT_AWS_TLS_BEARSSL_H
#define TALLY_AGENT_AWS_TLS_BEARSSL_H

#include <stddef.h>
#include <stdint.h>

struct tls_bearssl;

/* ca_bundle: a PEM file, or NULL for the system's. It is read at the first connection. NULL
 * result: no memory. */
struct tls_bearssl *tls_bearssl_create(const char *ca_bundle);
void tls_bearssl_destroy(struct tls_bearssl *tls); /* no connection may exist; NULL is allowed */

/* Reads the bundle, or reads it again if the file was replaced. A certificate that cannot be used
 * is skipped: it is not trusted. If a new file cannot be used, the old bundle stays in use. now_ms:
 * on the monotonic clock. 0, or a negative errno with one line in `why`: no bundle was ever read,
 * and nothing is trusted. */
int tls_bearssl_load(struct tls_bearssl *tls, int64_t now_ms, char *why, size_t why_size);
size_t tls_bearssl_anchor_count(const struct tls_bearssl *tls);

/* Loads, and sets up a connection before its handshake. `client` is libcurl's
 * br_ssl_client_context, whose X.509 engine must be the connection's own br_x509_minimal_context
 * (libcurl is patched so). 0, or a negative errno with one line in `why`: the connection must not
 * be made. */
int tls_bearssl_prepare(
    struct tls_bearssl *tls, void *client, int64_t now_ms, char *why, size_t why_size);

#endif
