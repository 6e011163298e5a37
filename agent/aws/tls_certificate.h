/* SPDX-License-Identifier: Apache-2.0 */
/* The Certificate message of a TLS handshake (RFC 5246, 7.4.2; RFC 8446, 4.4.2), read only to say
 * who issued what was not trusted. Pure; what is no such message has no issuer. */
#ifndef TALLY_AGENT_AWS_TLS_CERTIFICATE_H
#define TALLY_AGENT_AWS_TLS_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>

/* Whom the last certificate of the chain names as its issuer: the common name, else the
 * organization. False: none; then *issuer is left alone. */
bool tls_certificate_issuer(const void *message, size_t len, char *issuer, size_t size);

#endif
