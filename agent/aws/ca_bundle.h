/* SPDX-License-Identifier: Apache-2.0 */
/* The file with the certificates of the authorities that are trusted (AWS_CA_BUNDLE). */
#ifndef TALLY_AGENT_AWS_CA_BUNDLE_H
#define TALLY_AGENT_AWS_CA_BUNDLE_H

#include <stddef.h>

#define CA_BUNDLE_BYTES (16u * 1024u * 1024u) /* the system's has a quarter of a megabyte */

/* Whether the file can be passed to a TLS library, which reads it whole, whatever its size. 0, or a
 * negative errno, with the file and what is wrong with it. */
int ca_bundle_check(const char *path, char *why, size_t why_size);

/* A variable that names certificate authorities to other programs, and not to tallyd: the i-th of
 * those that `get` has; NULL: there are no more. Static. */
const char *ca_bundle_ignored(const char *(*get)(const char *name), size_t i);

#endif
