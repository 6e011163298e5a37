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

#endif
