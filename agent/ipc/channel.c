/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/ipc/channel.h"

#include "agent/log.h"
#include "proto/limits.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define OUTPUT_SHARE 8    /* of the memory for all: the queued answers of one channel */
#define ANSWER_SHARE 4    /* of what is left of it: one long answer */
#define SEND_SHARE   16   /* and about what the kernel may hold of them */
#define SEND_LEAST   2304 /* the kernel's own minimum */
#define SHED_LEAST   8192 /* a channel below this is not dropped because of others */

void channels_init(struct channels *all, size_t max)
{
    size_t share = max / OUTPUT_SHARE;

    *all = (struct channels){.max = max,
        .output_most = share < LIMIT_OUTPUT_BYTES ? share : LIMIT_OUTPUT_BYTES,
        .shed_above = max};
    ring_init(&all->list);
}

static struct channel *channel_of(struct ring *link)
{
    return RING_MEMBER(link, struct channel, link);
}

/* ---- sending ---- */

static void channel_set_unread(struct channel *channel, uint32_t bytes)
{
    channel->all->unread_bytes += bytes;
    channel->all->unread_bytes -= channel->unread_bytes;
    channel->unread_bytes = bytes;
}

/* Asking the kernel at each answer would cost a system call. The guess is about the maximum, since
 * the kernel rounds blocks up to powers of two; channels_drop_largest measures when the guesses
 * exceed the limit. */
static void channel_guess_unread(struct channel *channel, size_t sent)
{
    size_t bytes = channel->unread_bytes + 2 * sent + 768;

    channel_set_unread(channel, bytes < CHANNEL_UNREAD_MAX ? (uint32_t)bytes : CHANNEL_UNREAD_MAX);
}

void channel_measure_unread(struct channel *channel)
{
    int bytes = 0;

    if (channel->unread_bytes == 0 || ioctl(channel->fd, SIOCOUTQ, &bytes) < 0)
        return;
    channel_set_unread(channel, (uint32_t)bytes);
}

/* Sends what the kernel accepts of `data`: the number of bytes, or -1 if the peer is gone. */
static ssize_t channel_write(struct channel *channel, const uint8_t *data, size_t len)
{
    size_t sent = 0;

    while (sent < len) {
        ssize_t n = send(channel->fd, data + sent, len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n > 0)
            sent += (size_t)n;
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            break;
        else if (errno != EINTR)
            return -1;
    }
    channel_guess_unread(channel, sent);
    return (ssize_t)sent;
}

void channel_flush(struct channel *channel, size_t added)
{
    size_t before = channel->output.len;
    ssize_t sent;

    channel->all->output_bytes += added;
    if (before == 0)
        return;
    sent = channel_write(channel, channel->output.data, before);
    if (sent < 0) {
        channel->closing = true;
        sent = (ssize_t)before; /* the peer is gone: drop the rest, to free the memory */
    }
    if ((size_t)sent == before)
        buffer_free(&channel->output); /* idle again: it needs no memory */
    else
        buffer_consume(&channel->output, (size_t)sent);
    channel->all->output_bytes -= (size_t)sent;
}

void channel_send(struct channel *channel, struct buffer *bytes)
{
    ssize_t sent = 0;

    if (bytes->len > 0 && channel->output.len == 0) {
        sent = channel_write(channel, bytes->data, bytes->len);
        if (sent < 0)
            channel->closing = true;
    }
    if (sent >= 0 && (size_t)sent < bytes->len) {
        size_t rest = bytes->len - (size_t)sent;

        if (buffer_append(&channel->output, bytes->data + sent, rest) == 0)
            channel->all->output_bytes += rest;
        else
            channel->closing = true; /* an answer would be lost: close the connection instead */
    }
    buffer_clear(bytes);
}

/* ---- life ---- */

void channel_open(struct channel *channel, struct channels *all, int fd, const struct ucred *peer,
    size_t input_max)
{
    channel->all = all;
    channel->fd = fd;
    channel->peer = *peer;
    buffer_init(&channel->input, input_max);
    buffer_init(&channel->output, 2 * (size_t)LIMIT_ANSWER_BYTES);
    ring_add(&all->list, &channel->link);
}

void channel_settle_input(struct channel *channel)
{
    if (channel->input.len == 0 && channel->input.data != NULL)
        buffer_free(&channel->input);
    channel->all->input_bytes += channel->input.capacity;
    channel->all->input_bytes -= channel->input_bytes;
    channel->input_bytes = (uint32_t)channel->input.capacity;
}

static void channel_empty_output(struct channel *channel)
{
    channel->all->output_bytes -= channel->output.len;
    buffer_free(&channel->output);
}

void channel_empty(struct channel *channel)
{
    channel_empty_output(channel);
    channel->input.len = 0;
    channel_settle_input(channel);
}

void channel_close(struct channel *channel)
{
    channel_set_unread(channel, 0);
    ring_remove(&channel->link);
    close(channel->fd);
}

/* ---- the memory of all ---- */

/* Unread answers are in the kernel's memory, which is charged to the agent, even after the end of
 * the connection. */
void channels_bound_send_buffer(const struct channels *all, int fd)
{
    size_t share = all->max / SEND_SHARE;
    int bytes = (int)(share < CHANNEL_SEND_BYTES ? share : CHANNEL_SEND_BYTES);

    if (all->tight)
        bytes = SEND_LEAST;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

/* While closed connections use much of the limit, the others get little. */
static void channels_set_tight(struct channels *all, bool tight)
{
    if (all->tight == tight)
        return;
    all->tight = tight;
    RING_EACH(at, &all->list)
        if (!channel_of(at)->closing)
            channels_bound_send_buffer(all, channel_of(at)->fd);
}

void channels_settle_lingering(struct channels *all)
{
    all->shed_above = all->max;
    channels_set_tight(all, all->lingering > all->max / 4);
}

/* What dropping the channel frees, or what its peer could free by reading. */
static size_t channel_kept(const struct channel *channel)
{
    return channel->closing ? 0
                            : channel->output.len + channel->input_bytes + channel->unread_bytes;
}

/* The owner destroys it: its request may be being handled, or its answer being packed. The peer
 * sees the end at once, and the loop then reports it. */
static void channel_drop(struct channel *channel)
{
    log_often(LOG_LEVEL_WARN, "dropped",
        LOG_TEXT("reason", channel->output.len + channel->unread_bytes > channel->input_bytes
                               ? "it does not read its answers"
                               : "its request does not end"),
        LOG_NUMBER("uid", channel->peer.uid), LOG_NUMBER("pid", channel->peer.pid),
        LOG_NUMBER("kept_bytes", (int64_t)channel_kept(channel)));
    channel->all->dropped++;
    channel->closing = true;
    if (channel->in_use)
        channel_empty_output(channel);
    else
        channel_empty(channel);
    shutdown(channel->fd, SHUT_RDWR);
}

size_t channels_answer_most(const struct channels *all)
{
    size_t kept = channels_kept(all) - all->unread_bytes;

    return kept < all->max ? (all->max - kept) / ANSWER_SHARE : 0;
}

/* What can be freed, with the kernel's present memory. */
static size_t channels_measure(const struct channels *all)
{
    size_t sum = all->reserved_bytes;

    RING_EACH(at, &all->list) {
        channel_measure_unread(channel_of(at));
        sum += channel_kept(channel_of(at));
    }
    return sum;
}

static struct channel *channels_largest(const struct channels *all)
{
    struct channel *largest = NULL;

    RING_EACH(at, &all->list)
        if (largest == NULL || channel_kept(channel_of(at)) > channel_kept(largest))
            largest = channel_of(at);
    return largest;
}

/* The memory of closed connections cannot be reclaimed, and is bounded by their number; so that
 * they do not take all from the others, open ones may always keep a quarter. */
void channels_drop_largest(struct channels *all)
{
    size_t max = all->max;
    size_t kept = channels_measure(all);
    size_t rest = channels_kept(all) - kept;
    size_t most = rest < max - max / 4 ? max - rest : max / 4;

    while (kept > most) {
        struct channel *largest = channels_largest(all);

        if (largest == NULL || channel_kept(largest) <= SHED_LEAST)
            break;
        kept -= channel_kept(largest);
        channel_drop(largest);
    }
    channels_set_tight(all, channels_kept(all) - kept > max / 4);
    /* Avoids a measurement at each answer. */
    all->shed_above = channels_kept(all) > max ? channels_kept(all) : max;
    if (all->shed_above > max)
        all->shed_above += max / 8;
}
