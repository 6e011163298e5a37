/* SPDX-License-Identifier: Apache-2.0 */
/* Whose certificates the servers of AWS may show: the machine's bundle of authorities, or another.
 * It is parsed once, not for each connection, and read anew when it was replaced. */
#ifndef TALLY_AGENT_AWS_TRUST_H
#define TALLY_AGENT_AWS_TRUST_H

#include "agent/loop.h"

struct trust;

/* ca_bundle: a PEM file; NULL: libcurl's default. NULL: no memory. */
struct trust *trust_create(struct loop *loop, const char *ca_bundle);
void trust_destroy(struct trust *trust); /* NULL is allowed */

/* For all connections of this libcurl handle (CURL *), which trust outlives. 0 or -ENOMEM. */
int trust_apply(struct trust *trust, void *easy);

/* The file of authorities where no other is chosen, as libcurl was built to find it; NULL: it was
 * built without one. Static. */
const char *trust_default_bundle(void);

/* Why the latest connection could not be set up: the bundle cannot be used; "": it could, or
 * libcurl says it itself. */
const char *trust_why(const struct trust *trust);

#endif
