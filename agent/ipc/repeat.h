/* Most clients ask the same thing again and again. A request whose bytes are those of the
 * connection's last one, but for the msgid, means what that one meant: where the count is at
 * hand it is answered without being scanned, decoded and looked up again. */
#ifndef TALLY_AGENT_IPC_REPEAT_H
#define TALLY_AGENT_IPC_REPEAT_H

#include <stddef.h>
#include <stdint.h>

#define REPEAT_BYTES 96 /* method and params of what is remembered, at most */

/* Zeroed: nothing to repeat. */
struct repeat {
    size_t len;
    size_t method;       /* as method_call's */
    unsigned generation; /* of the configuration that the question is of */
    int32_t replicas;
    struct question *question;
    int64_t max_age_ms;
    uint8_t bytes[REPEAT_BYTES]; /* behind the msgid */
};

struct question;
struct session;
struct method_call;
struct ask;

/* What the call asks, and the question that it came to, are to be remembered. */
void repeat_remember(
    const struct method_call *call, const struct ask *asked, struct question *question);

/* Where a repeated request begins at `data` and its answer is at hand: answers it and returns its
 * length. Else 0. */
size_t repeat_answer(struct session *session, const uint8_t *data, size_t len);

#endif
