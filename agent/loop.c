/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/loop.h"

#include "agent/deadlines.h"
#include "proto/saturating.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#define NEAR_MS 1000
#define NEVER   INT64_MAX

/* A timeout makes each wait in the kernel slower, by a twentieth of a whole round trip on the
 * socket, and some timer is always running. So distant timers use a timerfd, which costs only when
 * it is set: rarely, because it may fire too early. */
struct loop {
    uv_loop_t uv;
    struct deadlines timers;
    size_t timer_count;
    uv_timer_t near; /* the earliest timer, if less than NEAR_MS away */
    uv_poll_t far;
    int far_fd;
    int64_t far_at; /* the time it is set to */

    /* The clock that runs during suspend, as read at this loop_now: reading it each time makes a
     * cached answer a tenth slower where many are requested at once. */
    int64_t awake_at, with_sleep;
};

struct loop_timer {
    struct deadline deadline;
    struct loop *loop;
    loop_fn *fn;
    void *data;
};

/* libuv owns a handle's memory until its close callback ran, hence each handle's own block. */
struct loop_watch {
    uv_poll_t uv;
    loop_watch_fn *fn;
    void *data;
    unsigned events; /* that are watched for */
};

struct loop_folder {
    uv_fs_event_t uv;
    loop_fn *fn;
    void *data;
};

struct loop_signal {
    uv_signal_t uv;
    loop_fn *fn;
    void *data;
};

/* ---- timers ---- */

static void near_fired(uv_timer_t *near);

static bool far_set(struct loop *loop, int64_t at)
{
    struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(at / 1000), .tv_nsec = at % 1000 * 1000000}};

    if (at >= loop->far_at)
        return true;
    if (timerfd_settime(loop->far_fd, TFD_TIMER_ABSTIME, &when, NULL) < 0)
        return false;
    loop->far_at = at;
    return true;
}

static void wake_for_first(struct loop *loop)
{
    const struct deadline *first = deadlines_first(&loop->timers);
    int64_t delay = first != NULL ? saturating_subtract(first->at, loop_now(loop)) : NEVER;

    if (first == NULL || (delay >= NEAR_MS && far_set(loop, first->at)))
        uv_timer_stop(&loop->near);
    else
        uv_timer_start(&loop->near, near_fired, delay > 0 ? (uint64_t)delay : 0, 0);
}

/* Timers started meanwhile wait for the next turn. */
static void run_timers(struct loop *loop)
{
    uint64_t turn = loop->timers.turn;
    struct deadline *first;

    while ((first = deadlines_first(&loop->timers)) != NULL && first->at <= loop_now(loop) &&
           first->turn < turn) {
        struct loop_timer *timer = (struct loop_timer *)first; /* its first member */

        deadlines_remove(&loop->timers, first);
        timer->fn(timer->data);
    }
    wake_for_first(loop);
}

static void near_fired(uv_timer_t *near)
{
    run_timers(near->data);
}

static void far_fired(uv_poll_t *far, int status, int events)
{
    struct loop *loop = far->data;
    uint64_t times;
    ssize_t n = read(loop->far_fd, &times, sizeof(times));

    (void)status;
    (void)events;
    (void)n; /* an empty read is fine */
    loop->far_at = NEVER;
    run_timers(loop);
}

struct loop_timer *loop_timer_create(struct loop *loop, loop_fn *fn, void *data)
{
    struct loop_timer *timer = calloc(1, sizeof(*timer));

    if (timer == NULL || deadlines_reserve(&loop->timers, loop->timer_count + 1) < 0) {
        free(timer);
        return NULL;
    }
    loop->timer_count++;
    timer->loop = loop;
    timer->fn = fn;
    timer->data = data;
    return timer;
}

void loop_timer_start(struct loop_timer *timer, int64_t delay_ms)
{
    struct loop *loop = timer->loop;

    deadlines_set(&loop->timers, &timer->deadline,
        saturating_add(loop_now(loop), delay_ms > 0 ? delay_ms : 0));
    if (deadlines_first(&loop->timers) == &timer->deadline)
        wake_for_first(loop);
}

void loop_timer_stop(struct loop_timer *timer)
{
    deadlines_remove(&timer->loop->timers, &timer->deadline);
}

void loop_timer_destroy(struct loop_timer *timer)
{
    if (timer == NULL)
        return;
    loop_timer_stop(timer);
    timer->loop->timer_count--;
    free(timer);
}

size_t loop_timers(const struct loop *loop)
{
    return loop->timer_count;
}

/* ---- the loop ---- */

struct loop *loop_create(void)
{
    struct loop *loop = calloc(1, sizeof(*loop));

    if (loop == NULL)
        return NULL;
    loop->far_at = NEVER;
    loop->far_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (loop->far_fd < 0 || uv_loop_init(&loop->uv) < 0) {
        if (loop->far_fd >= 0)
            close(loop->far_fd);
        free(loop);
        return NULL;
    }
    uv_timer_init(&loop->uv, &loop->near);
    loop->near.data = loop;
    loop->far.data = loop;
    if (uv_poll_init(&loop->uv, &loop->far, loop->far_fd) < 0 ||
        uv_poll_start(&loop->far, UV_READABLE, far_fired) < 0) {
        loop_destroy(loop);
        return NULL;
    }
    return loop;
}

void loop_destroy(struct loop *loop)
{
    if (loop == NULL)
        return;
    uv_close((uv_handle_t *)&loop->near, NULL);
    if (loop->far.type == UV_POLL)
        uv_close((uv_handle_t *)&loop->far, NULL);
    /* The close callbacks of the handles destroyed last have yet to run. */
    while (uv_loop_close(&loop->uv) == UV_EBUSY)
        uv_run(&loop->uv, UV_RUN_NOWAIT);
    close(loop->far_fd);
    deadlines_free(&loop->timers);
    free(loop);
}

void loop_run(struct loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *loop)
{
    uv_stop(&loop->uv);
}

int64_t loop_now(const struct loop *loop)
{
    return (int64_t)uv_now(&loop->uv);
}

static int64_t loop_milliseconds(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t loop_now_with_sleep(struct loop *loop)
{
    if (loop->awake_at != loop_now(loop)) {
        loop->awake_at = loop_now(loop);
        loop->with_sleep = loop_milliseconds(CLOCK_BOOTTIME);
    }
    return loop->with_sleep;
}

int64_t loop_wall(const struct loop *loop)
{
    (void)loop;
    return loop_milliseconds(CLOCK_REALTIME);
}

int64_t loop_microseconds(const struct loop *loop)
{
    (void)loop;
    return (int64_t)(uv_hrtime() / 1000);
}

static void free_handle(uv_handle_t *handle)
{
    /* Each of our structs begins with its libuv handle. */
    free(handle);
}

static void watch_fired(uv_poll_t *uv, int status, int events)
{
    struct loop_watch *watch = (struct loop_watch *)uv;
    unsigned seen = 0;

    if (status < 0)
        seen = LOOP_READABLE | LOOP_WRITABLE;
    if (events & (UV_READABLE | UV_DISCONNECT))
        seen |= LOOP_READABLE;
    if (events & UV_WRITABLE)
        seen |= LOOP_WRITABLE;
    watch->fn(watch->data, seen);
    /* libuv has stopped a watch that has an error. A watch destroyed by its own callback is freed
     * at the end of the turn. */
    if (status < 0 && !uv_is_closing((uv_handle_t *)uv))
        loop_watch_set(watch, watch->events);
}

struct loop_watch *loop_watch_create(struct loop *loop, int fd, loop_watch_fn *fn, void *data)
{
    struct loop_watch *watch = calloc(1, sizeof(*watch));

    if (watch == NULL)
        return NULL;
    watch->fn = fn;
    watch->data = data;
    if (uv_poll_init(&loop->uv, &watch->uv, fd) < 0) {
        free(watch);
        return NULL;
    }
    return watch;
}

int loop_watch_set(struct loop_watch *watch, unsigned events)
{
    int wanted = 0;

    if (events & LOOP_READABLE)
        wanted |= UV_READABLE | UV_DISCONNECT;
    if (events & LOOP_WRITABLE)
        wanted |= UV_WRITABLE;
    watch->events = events;
    return wanted != 0 ? uv_poll_start(&watch->uv, wanted, watch_fired) : uv_poll_stop(&watch->uv);
}

void loop_watch_destroy(struct loop_watch *watch)
{
    if (watch != NULL)
        uv_close((uv_handle_t *)&watch->uv, free_handle);
}

static void folder_fired(uv_fs_event_t *uv, const char *name, int events, int status)
{
    struct loop_folder *folder = (struct loop_folder *)uv;

    (void)name;
    (void)events;
    (void)status;
    folder->fn(folder->data);
}

struct loop_folder *loop_folder_create(struct loop *loop, const char *path, loop_fn *fn, void *data)
{
    struct loop_folder *folder = calloc(1, sizeof(*folder));
    int r;

    if (folder == NULL)
        return NULL;
    folder->fn = fn;
    folder->data = data;
    uv_fs_event_init(&loop->uv, &folder->uv);
    r = uv_fs_event_start(&folder->uv, folder_fired, path, 0);
    if (r < 0) {
        uv_close((uv_handle_t *)&folder->uv, free_handle);
        errno = -r;
        return NULL;
    }
    return folder;
}

void loop_folder_destroy(struct loop_folder *folder)
{
    if (folder != NULL)
        uv_close((uv_handle_t *)&folder->uv, free_handle);
}

static void signal_fired(uv_signal_t *uv, int number)
{
    struct loop_signal *handle = (struct loop_signal *)uv;

    (void)number;
    handle->fn(handle->data);
}

struct loop_signal *loop_signal_create(struct loop *loop, int number, loop_fn *fn, void *data)
{
    struct loop_signal *handle = calloc(1, sizeof(*handle));

    if (handle == NULL)
        return NULL;
    handle->fn = fn;
    handle->data = data;
    uv_signal_init(&loop->uv, &handle->uv);
    if (uv_signal_start(&handle->uv, signal_fired, number) < 0) {
        uv_close((uv_handle_t *)&handle->uv, free_handle);
        return NULL;
    }
    return handle;
}

void loop_signal_destroy(struct loop_signal *signal)
{
    if (signal != NULL)
        uv_close((uv_handle_t *)&signal->uv, free_handle);
}
