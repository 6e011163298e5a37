/* SPDX-License-Identifier: Apache-2.0 */
/* An event-loop handle: its connection, its pending requests, and the rule that callbacks run in
 * tally_async_process and tally_async_close only. Callbacks add and mark requests; only those two
 * functions remove and free them. */
#ifndef TALLY_CLIENT_ASYNC_H
#define TALLY_CLIENT_ASYNC_H

#include "client/connection.h"
#include "client/request.h"

#include <stdint.h>

struct pending {
    struct pending *next;
    struct tally_request request;
    tally_callback *callback; /* NULL for the library's own requests */
    void *data;
    uint32_t id;      /* the caller's id for it */
    uint32_t wire_id; /* msgid of the last time it was sent */
    int64_t deadline; /* of a watch: of its subscription, once it was sent */
    bool sent;
    bool cancelled;
    bool watch;
    bool answered;  /* of a watch: subscribed on this connection */
    bool told_lost; /* of a watch: the callback was notified that the agent is away */
    char *trigger;  /* of a watch: its name in notifications, owned */
};

struct tally_async {
    struct connection connection;
    int epoll; /* the descriptor that the caller watches */
    bool watching_output;
    bool unread; /* the last turn ended before all received data was processed */
    bool wait_for_agent;
    bool reached;
    bool processing; /* a callback may be running */
    bool closing;
    uint32_t next_id, next_wire_id;
    int pause_ms;     /* before the next attempt to connect */
    int64_t retry_at; /* not before */
    struct pending *pending;
};

/* Adds a copy of the request. Returns 0 or a negative enum tally_error. */
int async_add(struct tally_async *async, const struct tally_request *request, int64_t deadline,
    tally_callback *callback, void *data, struct pending **added);

/* Removes *link from the list, frees it, and runs its callback. `answer` is borrowed. */
void async_finish(struct pending **link, const struct tally_answer *answer);

/* Whether it existed when `last` was the newest id: requests that callbacks add wait for the next
 * turn, or a callback that always adds another would keep the loop busy for ever. */
bool async_is_older(const struct pending *pending, uint32_t last);

/* How many requests the agent has not answered. */
unsigned async_in_flight(const struct tally_async *async);

/* Closes the connection; everything is sent again on the next connection. */
void async_disconnect(struct tally_async *async);

/* Sends and receives what is possible now. 0, or a negative errno: the connection is unusable. */
int async_exchange(struct tally_async *async);

#endif
