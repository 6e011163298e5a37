/* SPDX-License-Identifier: Apache-2.0 */
/* Every limit of the protocol, in one place. PROTOCOL.md states the same numbers; the agent returns
 * them in its answer to `hello`. */
#ifndef TALLY_PROTO_LIMITS_H
#define TALLY_PROTO_LIMITS_H

#define PROTOCOL_NAME    "tally"
#define PROTOCOL_VERSION 1

#define LIMIT_REQUEST_BYTES (64u * 1024u)         /* one frame towards the agent */
#define LIMIT_ANSWER_BYTES  (16u * 1024u * 1024u) /* one frame towards a client: a long `list` */
#define LIMIT_ANSWER_VALUES (256u * 1024u) /* values in it: `list` has half as many at most */
#define LIMIT_DEPTH         8u             /* nested containers, the envelope included */
#define LIMIT_IN_FLIGHT     64u            /* unanswered requests on one connection */
#define LIMIT_WATCHES       64u            /* watched triggers on one connection */
#define LIMIT_QUERIES       64u            /* unanswered `query`, all clients together */
#define LIMIT_CONNECTIONS   1024u          /* open connections, all clients together */
#define LIMIT_OUTPUT_BYTES  (64u * 1024u)  /* queued answers on one connection */

#define TIMEOUT_DEFAULT_MS 5000 /* `timeout_ms` absent */
#define TIMEOUT_MAX_MS     300000
#define TIMEOUT_MARGIN_MS  50 /* the agent answers this long before the deadline */

#define MSGID_MAX UINT32_MAX

#endif
