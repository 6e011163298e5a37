/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the credentials of one provider, and refreshes them before they expire:
 *
 *     |--- serves at once ---|-- serves at once, --|-- waits for --|  expired: waits,
 *     fetched                | refreshes behind    | the refresh   |  or fails
 *                            by lifetime:          1 min before    expiry
 *                            | 5, 15 or 60 min before
 *
 * A short life has proportionally shorter windows. A refresh that fails leaves the credentials
 * in place until they really expire. Credentials that never expire (access keys) are asked of
 * the provider each time, which notices changed files. */
#ifndef TALLY_AGENT_CREDENTIALS_CACHED_H
#define TALLY_AGENT_CREDENTIALS_CACHED_H

#include "agent/credentials/context.h"
#include "agent/credentials/provider.h"

/* Takes over `source`, also where it answers NULL (no memory). `facts`: for the log. */
struct provider *cached_create(
    const struct identity_context *context, const struct facts *facts, struct provider *source);

/* AWS refused these credentials with this code; nothing happens where they are not the ones kept.
 * What it calls expired is dropped. Any other word can be about one service or region alone, as
 * one that is not enabled for the account, and they may be good everywhere else: the next request
 * waits for others, and they serve should that fail. */
void cached_refused(
    struct provider *provider, const struct credentials *credentials, const char *aws_code);

/* The next request waits for a refresh, whatever was remembered; what is kept serves should
 * that fail. */
void cached_refresh(struct provider *provider);

struct cached_state {
    const struct credentials *credentials; /* valid ones, borrowed; or NULL */
    bool fetching;
    const struct failure *failure; /* of the last fetch, borrowed; NULL: it succeeded */
    int64_t refresh_in_ms;         /* -1: none is planned */
};
void cached_describe(const struct provider *provider, struct cached_state *state);

#endif
