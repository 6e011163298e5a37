/* SPDX-License-Identifier: Apache-2.0 */
/* The loop of agent/loop.h with clocks that tests move by hand. Linked into every unit test in
 * place of agent/loop.c: a test that links it can never sleep. */
#ifndef TALLY_TESTS_FAKE_FAKE_LOOP_H
#define TALLY_TESTS_FAKE_FAKE_LOOP_H

#include "agent/loop.h"

#include <stdbool.h>

/* Moves both clocks on, firing every timer that falls due on the way, in order. */
void fake_loop_advance(struct loop *loop, int64_t ms);

/* The wall clock alone jumps, as one that is set. */
void fake_loop_jump_wall(struct loop *loop, int64_t ms);

/* The machine sleeps: timers stand still, all else goes on. */
void fake_loop_sleep(struct loop *loop, int64_t ms);

/* Milliseconds until the next timer, -1 if none runs. */
int64_t fake_loop_next(const struct loop *loop);

/* An entry of every watched folder was made, changed, renamed or removed. */
void fake_loop_folder_changed(struct loop *loop);

/* Tells one watch of what it watches for, where its descriptor is ready; false: none is. */
bool fake_loop_deliver(struct loop *loop);

#endif
