/* SPDX-License-Identifier: Apache-2.0 */
/* The CA bundle that AWS server certificates are checked against: the machine's, or another one. It
 * is parsed once, not for each connection, and read again when it is replaced. */
#ifndef TALLY_AGENT_AWS_TRUST_H
#define TALLY_AGENT_AWS_TRUST_H

#include "agent/loop.h"

struct trust;

/* ca_bundle: a PEM file; NULL: libcurl's default. NULL: no memory. */
struct trust *trust_create(struct loop *loop, const char *ca_bundle);
void trust_destroy(struct trust *trust); /* NULL is allowed */

/* For all connections of this libcurl handle (CURL *), which trust outlives. 0 or -ENOMEM. */
int trust_apply(struct trust *trust, void *easy);

/* The default CA file that libcurl was built with, used if no other is chosen; NULL: it was built
 * without one. Static. */
const char *trust_default_bundle(void);

/* Why the latest connection could not be set up: the bundle cannot be used; "": it could, or
 * libcurl reports the reason itself. */
const char *trust_why(const struct trust *trust);

#endif
