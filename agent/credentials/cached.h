/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the credentials of one provider, and refreshes them before they expire:
 *
 *     |--- serves at once ---|-- serves at once, --|-- waits for --|  expired: waits,
 *     fetched                | refreshes behind    | the refresh   |  or fails
 *                            by lifetime:          1 min before    expiry
 *                            | 5, 15 or 60 min before
 *
 * A short lifetime has proportionally shorter windows. After a failed refresh the credentials are
 * used until they really expire. Credentials that never expire (access keys) are requested from the
 * provider each time, which notices changed files. */
#ifndef TALLY_AGENT_CREDENTIALS_CACHED_H
#define TALLY_AGENT_CREDENTIALS_CACHED_H

#include "agent/credentials/provider.h"

/* Takes over `source`, even if it returns NULL (out of memory). `facts`: for the log. */
struct provider *cached_create(
    const struct identity_context *context, const struct facts *facts, struct provider *source);

/* AWS refused these credentials with this code; ignored if they are not the kept ones. Credentials
 * that AWS calls expired are dropped. Any other code may concern one service or region alone, such
 * as one not enabled for the account, and they may be valid everywhere else: the next request waits
 * for new ones, and uses them if that fails. */
void cached_refused(
    struct provider *provider, const struct credentials *credentials, const char *aws_code);

/* The next request waits for a refresh, whatever is remembered; if it fails, the kept credentials
 * are used. */
void cached_refresh(struct provider *provider);

struct cached_state {
    const struct credentials *credentials; /* valid ones, borrowed; or NULL */
    bool fetching;
    const struct failure *failure; /* of the last fetch, borrowed; NULL: it succeeded */
    int64_t refresh_in_ms;         /* -1: none is planned */
};
void cached_describe(const struct provider *provider, struct cached_state *state);

#endif
