/* SPDX-License-Identifier: Apache-2.0 */
/* TLS to AWS: the CA bundle that the certificates of servers are checked against, the machine's or
 * another one. It is parsed once, not for each connection, and read again when it is replaced. */
#ifndef TALLY_AGENT_AWS_TLS_H
#define TALLY_AGENT_AWS_TLS_H

#include "agent/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls;

/* ca_bundle: a PEM file, which is read at the first connection; NULL: the default of the TLS
 * library. NULL result: no memory. */
struct tls *tls_create(struct loop *loop, const char *ca_bundle);
void tls_destroy(struct tls *tls); /* no connection may exist; NULL is allowed */

/* For all connections of this libcurl handle (CURL *), which tls outlives. 0 or -ENOMEM. */
int tls_apply(struct tls *tls, void *easy);

/* The default CA file that libcurl was built with, used if no other is chosen; NULL: it was built
 * without one. Static. */
const char *tls_default_bundle(void);

/* Why the latest connection could not be set up: the bundle cannot be used; "": it could, or
 * libcurl reports the reason itself. */
const char *tls_why(const struct tls *tls);

/* ---- ca bundle ---- */

/* The file with the certificates of the authorities that are trusted (AWS_CA_BUNDLE). */

#define CA_BUNDLE_BYTES (16u * 1024u * 1024u) /* the system's has a quarter of a megabyte */

/* Whether the file can be passed to a TLS library, which reads it whole, whatever its size. 0, or a
 * negative errno, with the file and what is wrong with it. */
int ca_bundle_check(const char *path, char *why, size_t why_size);

/* A variable that names certificate authorities to other programs, and not to tallyd: the i-th of
 * those that `get` has; NULL: there are no more. Static. */
const char *ca_bundle_ignored(const char *(*get)(const char *name), size_t i);

/* ---- BearSSL ---- */

/* For the build whose libcurl runs on BearSSL (TALLY_TLS_BEARSSL, the small image). libcurl's own
 * set-up would parse the CA bundle again for each connection, and would take TLS 1.0, old cipher
 * suites, SHA-1 and short RSA keys; here each connection gets TLS 1.2 with ECDHE and AEAD, SHA-2
 * and RSA from 2048 bits on. */

/* Reads the bundle, or reads it again if the file was replaced. A certificate that cannot be used
 * is skipped: it is not trusted. If a new file cannot be used, the old bundle stays in use. now_ms:
 * on the monotonic clock. 0, or a negative errno with one line in `why`: no bundle was ever read,
 * and nothing is trusted. */
int tls_bearssl_load(struct tls *tls, int64_t now_ms, char *why, size_t why_size);
size_t tls_bearssl_anchor_count(const struct tls *tls);

/* Loads, and sets up a connection before its handshake. `client` is libcurl's
 * br_ssl_client_context, whose X.509 engine must be the connection's own br_x509_minimal_context
 * (libcurl is patched so). 0, or a negative errno with one line in `why`: the connection must not
 * be made. */
int tls_bearssl_prepare(struct tls *tls, void *client, int64_t now_ms, char *why, size_t why_size);

/* ---- the issuer of a certificate ---- */

/* The Certificate message of a TLS handshake (RFC 5246, 7.4.2; RFC 8446, 4.4.2), read only to
 * report the issuer of an untrusted certificate. Pure; any other message has no issuer. */

/* The issuer named by the last certificate of the chain: the common name, else the organization.
 * False: no issuer; then *issuer is unchanged. */
bool tls_certificate_issuer(const void *message, size_t len, char *issuer, size_t size);

#endif
