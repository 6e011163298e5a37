/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop: timers, descriptors, signals and the clocks. All waiting in the agent happens
 * here; libuv stays behind this header, and the unit tests link a loop whose clocks they advance by
 * hand (tests/fake/fake_loop.h). One thread. */
#ifndef TALLY_AGENT_LOOP_H
#define TALLY_AGENT_LOOP_H

#include <stddef.h>
#include <stdint.h>

struct loop;

/* NULL: out of memory or descriptors. */
struct loop *loop_create(void);

/* Everything made on the loop must have been destroyed before. */
void loop_destroy(struct loop *loop);

/* Runs until loop_stop. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* Milliseconds. The monotonic clock is read once per turn, and stops while the machine is
 * suspended; timers use it. The ages in answers use a clock that runs during suspend, so that
 * nothing looks younger than it is. The wall clock (since 1970) is for expiry dates and signatures,
 * and may jump. */
int64_t loop_now(const struct loop *loop);
int64_t loop_now_with_sleep(struct loop *loop);
int64_t loop_wall(const struct loop *loop);

/* Microseconds of the monotonic clock, read at each call: for measurements, not for waits. */
int64_t loop_microseconds(const struct loop *loop);

/* A timer that fires once for each start. Destroying it inside its own callback is allowed.
 * Start and stop never fail. */
typedef void loop_fn(void *data);
struct loop_timer;
struct loop_timer *loop_timer_create(struct loop *loop, loop_fn *fn, void *data);
void loop_timer_start(struct loop_timer *timer, int64_t delay_ms); /* restarts a running one */
void loop_timer_stop(struct loop_timer *timer);
void loop_timer_destroy(struct loop_timer *timer); /* NULL is allowed */

/* Timers that exist, running or not. */
size_t loop_timers(const struct loop *loop);

/* Watches a descriptor, which the caller still owns. No event is delivered until watch_set; an
 * error or hang-up is delivered as readable and writable, so the next read or write reports it.
 * Events are level-triggered: recv stops after each descriptor that a peer passes along, so a short
 * read does not mean that all was read. The watch must be destroyed before the descriptor is
 * closed. */
#define LOOP_READABLE 1u
#define LOOP_WRITABLE 2u
typedef void loop_watch_fn(void *data, unsigned events);
struct loop_watch;
struct loop_watch *loop_watch_create(struct loop *loop, int fd, loop_watch_fn *fn, void *data);
int loop_watch_set(struct loop_watch *watch, unsigned events); /* 0 or a negative errno */
void loop_watch_destroy(struct loop_watch *watch);             /* NULL is allowed */

/* Calls fn(data) when an entry of the folder was created, changed, renamed or removed; several
 * changes may come as one call. NULL: it cannot be watched, and errno says why. */
struct loop_folder;
struct loop_folder *loop_folder_create(
    struct loop *loop, const char *path, loop_fn *fn, void *data);
void loop_folder_destroy(struct loop_folder *folder); /* NULL is allowed */

/* Calls fn(data) on the loop at each delivery of the signal. */
struct loop_signal;
struct loop_signal *loop_signal_create(struct loop *loop, int number, loop_fn *fn, void *data);
void loop_signal_destroy(struct loop_signal *signal); /* NULL is allowed */

#endif
