/* SPDX-License-Identifier: Apache-2.0 */
/* An agent that says what a test wants: a thread behind a Unix socket in a folder of its
 * own. Frames are read by the real scan; what is answered is up to the test. */
#ifndef TALLY_TESTS_FAKE_AGENT_H
#define TALLY_TESTS_FAKE_AGENT_H

#include "proto/buffer.h"
#include "proto/message.h"

#include <stdbool.h>

struct fake_agent;

/* Called in the agent's thread for each request: puts bytes to send into `out`, any number.
 * `count` is 1 for the first request of all connections. False hangs up after sending. */
typedef bool fake_reply(
    const struct message *request, unsigned count, struct buffer *out, void *data);

/* Listens at `path`, a left-over there is replaced. Aborts the test where that fails. */
struct fake_agent *fake_agent_start(const char *path, fake_reply *reply, void *data);

/* Hangs up on everyone, ends the thread and removes the socket. */
void fake_agent_stop(struct fake_agent *agent);

/* Sends a frame of the test's to every client, waiting until they take it. False where there
 * is none, or one has gone. */
bool fake_agent_push(struct fake_agent *agent, const struct buffer *frame);

unsigned fake_agent_connections(const struct fake_agent *agent); /* accepted so far */
unsigned fake_agent_requests(const struct fake_agent *agent);    /* read so far */

/* Milliseconds between the bytes of an answer, which then leave one by one; 0: all at once. */
void fake_agent_trickle(struct fake_agent *agent, int milliseconds);

/* A new folder under /tmp, and its removal with the sockets in it. */
void fake_folder_make(char *path, size_t size);
void fake_folder_remove(const char *path);

#endif
