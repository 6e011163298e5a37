/* SPDX-License-Identifier: Apache-2.0 */
/* The Certificate message of a TLS handshake (RFC 5246, 7.4.2; RFC 8446, 4.4.2), read only to
 * report the issuer of an untrusted certificate. Pure; any other message has no issuer. */
#ifndef TALLY_AGENT_AWS_TLS_CERTIFICATE_H
#define TALLY_AGENT_AWS_TLS_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>

/* The issuer named by the last certificate of the chain: the common name, else the organization.
 * False: no issuer; then *issuer is unchanged. */
bool tls_certificate_issuer(const void *message, size_t len, char *issuer, size_t size);

/* ---- ca bundle ---- */

/* The file with the certificates of the authorities that are trusted (AWS_CA_BUNDLE). */

#define CA_BUNDLE_BYTES (16u * 1024u * 1024u) /* the system's has a quarter of a megabyte */

/* Whether the file can be passed to a TLS library, which reads it whole, whatever its size. 0, or a
 * negative errno, with the file and what is wrong with it. */
int ca_bundle_check(const char *path, char *why, size_t why_size);

/* A variable that names certificate authorities to other programs, and not to tallyd: the i-th of
 * those that `get` has; NULL: there are no more. Static. */
const char *ca_bundle_ignored(const char *(*get)(const char *name), size_t i);

#endif
