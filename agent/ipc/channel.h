/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of one connection: its socket, the answers that the kernel did not accept, and the
 * bytes of an incomplete request; and the memory that all channels use together, in the agent and
 * in the kernel, whose unread answers are charged to the agent. A channel knows nothing of what its
 * bytes mean. */
#ifndef TALLY_AGENT_IPC_CHANNEL_H
#define TALLY_AGENT_IPC_CHANNEL_H

#include "agent/ring.h"
#include "proto/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* The most kernel memory that unread answers on one connection take: what Linux charges before it
 * accepts no more (twice CHANNEL_SEND_BYTES), and the block that exceeds it. */
#define CHANNEL_SEND_BYTES (16u * 1024u)
#define CHANNEL_UNREAD_MAX (4u * CHANNEL_SEND_BYTES)

/* All channels. */
struct channels {
    struct ring list;      /* channel::link, oldest first */
    size_t max;            /* --max-buffer: bytes for all together */
    size_t output_most;    /* queued answers in a channel above which it is not read any more */
    size_t output_bytes;   /* queued answers */
    size_t input_bytes;    /* memory of incomplete requests */
    size_t unread_bytes;   /* memory of the kernel: unread answers, at most */
    size_t lingering;      /* of these, those of closed connections */
    size_t reserved_bytes; /* memory that the caller keeps for requests */
    size_t shed_above;     /* below this it is not measured again */
    bool tight;            /* closed connections use much of it */
    uint64_t dropped;      /* channels closed for the memory that they used */
};

struct channel {
    struct channels *all;
    int fd;
    uint32_t unread_bytes; /* memory of the kernel for answers, at most */
    uint32_t input_bytes;  /* memory of the input, as channels::input_bytes counts it */
    struct ucred peer;     /* pid: a hint only, 0 or another namespace's if pods share no pids */
    struct buffer output;  /* answers that the kernel did not accept */
    struct buffer input;   /* bytes behind the last frame that was handled */
    struct ring link;      /* channels::list */
    bool closing;          /* to be closed by its owner: no byte is read any more */
    bool in_use;           /* the owner is reading the input: it is not freed meanwhile */
};

/* max: bytes, --max-buffer. */
void channels_init(struct channels *all, size_t max);

/* Takes ownership of the descriptor. input_max: the most bytes of an incomplete request, with those
 * of one read. */
void channel_open(struct channel *channel, struct channels *all, int fd, const struct ucred *peer,
    size_t input_max);

/* Drops what is queued, and the input; the descriptor stays, for answers that the kernel keeps. */
void channel_empty(struct channel *channel);

void channel_close(struct channel *channel); /* after channel_empty */

/* Sends `bytes`, and empties them; what the kernel does not accept is queued. The channel is
 * closing if the peer is gone, or if there is no memory for the queue. */
void channel_send(struct channel *channel, struct buffer *bytes);

/* Sends what is queued: the owner appended the last `added` bytes of it to `output`. */
void channel_flush(struct channel *channel, size_t added);

/* The owner has changed the input: counts its memory; an empty one is freed. */
void channel_settle_input(struct channel *channel);

/* Queries the kernel for the memory of the answers that the peer has not read. */
void channel_measure_unread(struct channel *channel);

/* Bounds the kernel's memory for the answers on a new connection. */
void channels_bound_send_buffer(const struct channels *all, int fd);

static inline size_t channels_kept(const struct channels *all)
{
    return all->output_bytes + all->input_bytes + all->reserved_bytes + all->unread_bytes;
}

/* Whether half of the memory for all channels is used. */
static inline bool channels_are_filling(const struct channels *all)
{
    return channels_kept(all) > all->max / 2;
}

/* Whether the peer has to read before it is served again. While much is kept for all together, each
 * waits until its answers are read, so that no client that reads has to be disconnected. */
static inline bool channel_is_blocked(const struct channel *channel)
{
    return channel->output.len > 0 &&
           (channel->output.len >= channel->all->output_most || channels_are_filling(channel->all));
}

/* The maximum length of an answer that has no limit of its own: it leaves space for others. */
size_t channels_answer_most(const struct channels *all);

/* Measures what is kept, and above the limit drops the channels that use the most: they are
 * emptied, shut down, and `closing`, with a line in the log. */
void channels_drop_largest(struct channels *all);

/* After more is kept. */
static inline void channels_shed(struct channels *all)
{
    if (channels_kept(all) > all->shed_above)
        channels_drop_largest(all);
}

/* The caller has measured the closed connections again, and set `lingering`. */
void channels_settle_lingering(struct channels *all);

#endif
