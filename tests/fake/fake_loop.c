/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fake/fake_loop.h"

#include "proto/saturating.h"

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* Neither clock starts at zero, so that code which takes 0 for "never" is found out. The wall
 * clock starts at 2025-06-15T15:06:40Z. */
#define START_NOW_MS  5000000
#define START_WALL_MS 1750000000000

struct loop_timer {
    struct loop *loop;
    loop_fn *fn;
    void *data;
    bool running;
    int64_t due;
    uint64_t order; /* of starts: timers that fall due together fire in it */
    struct loop_timer *next;
};

struct loop {
    int64_t now;
    int64_t slept;
    int64_t wall;
    uint64_t starts;
    struct loop_timer *timers;
    struct loop_folder *folders;
    struct loop_watch *watches;
    int others; /* watches, and signals, which never fire */
    bool stopped;
};

struct loop_folder {
    struct loop *loop;
    loop_fn *fn;
    void *data;
    struct loop_folder *next;
};

struct loop_watch {
    struct loop *loop;
    int fd;
    loop_watch_fn *fn;
    void *data;
    unsigned events;
    struct loop_watch *next;
};

struct loop_signal {
    struct loop *loop;
};

struct loop *loop_create(void)
{
    struct loop *loop = calloc(1, sizeof(*loop));

    if (loop != NULL) {
        loop->now = START_NOW_MS;
        loop->wall = START_WALL_MS;
    }
    return loop;
}

void loop_destroy(struct loop *loop)
{
    if (loop->timers != NULL || loop->others != 0 || loop->folders != NULL) {
        fprintf(stderr, "loop_destroy: %zu timers and %d watches or signals%s still exist\n",
            loop_timers(loop), loop->others, loop->folders != NULL ? " and folders" : "");
        exit(1);
    }
    free(loop);
}

static struct loop_timer *first_due(const struct loop *loop)
{
    struct loop_timer *first = NULL;

    for (struct loop_timer *timer = loop->timers; timer != NULL; timer = timer->next) {
        if (!timer->running)
            continue;
        if (first == NULL || timer->due < first->due ||
            (timer->due == first->due && timer->order < first->order))
            first = timer;
    }
    return first;
}

static void advance_to(struct loop *loop, int64_t now)
{
    if (now <= loop->now)
        return;
    loop->wall += now - loop->now;
    loop->now = now;
}

static void fire(struct loop *loop, struct loop_timer *timer)
{
    advance_to(loop, timer->due);
    timer->running = false;
    timer->fn(timer->data); /* may destroy the timer */
}

void loop_run(struct loop *loop)
{
    struct loop_timer *timer;

    loop->stopped = false;
    while (!loop->stopped && (timer = first_due(loop)) != NULL)
        fire(loop, timer);
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}

int64_t loop_now(const struct loop *loop)
{
    return loop->now;
}

int64_t loop_now_with_sleep(struct loop *loop)
{
    return loop->now + loop->slept;
}

int64_t loop_microseconds(const struct loop *loop)
{
    return loop_now(loop) * 1000;
}

int64_t loop_wall(const struct loop *loop)
{
    return loop->wall;
}

void fake_loop_advance(struct loop *loop, int64_t ms)
{
    int64_t end = loop->now + ms;
    struct loop_timer *timer;

    while ((timer = first_due(loop)) != NULL && timer->due <= end)
        fire(loop, timer);
    advance_to(loop, end);
}

void fake_loop_jump_wall(struct loop *loop, int64_t ms)
{
    loop->wall += ms;
}

void fake_loop_sleep(struct loop *loop, int64_t ms)
{
    loop->slept += ms;
    loop->wall += ms;
}

int64_t fake_loop_next(const struct loop *loop)
{
    const struct loop_timer *timer = first_due(loop);

    if (timer == NULL)
        return -1;
    return timer->due > loop->now ? timer->due - loop->now : 0;
}

size_t loop_timers(const struct loop *loop)
{
    size_t count = 0;

    for (const struct loop_timer *timer = loop->timers; timer != NULL; timer = timer->next)
        count++;
    return count;
}

struct loop_timer *loop_timer_create(struct loop *loop, loop_fn *fn, void *data)
{
    struct loop_timer *timer = calloc(1, sizeof(*timer));

    if (timer == NULL)
        return NULL;
    timer->loop = loop;
    timer->fn = fn;
    timer->data = data;
    timer->next = loop->timers;
    loop->timers = timer;
    return timer;
}

void loop_timer_start(struct loop_timer *timer, int64_t delay_ms)
{
    timer->running = true;
    timer->due = saturating_add(timer->loop->now, delay_ms > 0 ? delay_ms : 0);
    timer->order = timer->loop->starts++;
}

void loop_timer_stop(struct loop_timer *timer)
{
    timer->running = false;
}

void loop_timer_destroy(struct loop_timer *timer)
{
    struct loop_timer **link;

    if (timer == NULL)
        return;
    link = &timer->loop->timers;
    while (*link != timer)
        link = &(*link)->next;
    *link = timer->next;
    free(timer);
}

struct loop_watch *loop_watch_create(struct loop *loop, int fd, loop_watch_fn *fn, void *data)
{
    struct loop_watch *watch = calloc(1, sizeof(*watch));

    if (watch == NULL)
        return NULL;
    watch->loop = loop;
    watch->fd = fd;
    watch->fn = fn;
    watch->data = data;
    watch->next = loop->watches;
    loop->watches = watch;
    loop->others++;
    return watch;
}

int loop_watch_set(struct loop_watch *watch, unsigned events)
{
    watch->events = events;
    return 0;
}

void loop_watch_destroy(struct loop_watch *watch)
{
    struct loop_watch **link;

    if (watch == NULL)
        return;
    link = &watch->loop->watches;
    while (*link != watch)
        link = &(*link)->next;
    *link = watch->next;
    watch->loop->others--;
    free(watch);
}

bool fake_loop_deliver(struct loop *loop)
{
    for (struct loop_watch *watch = loop->watches; watch != NULL; watch = watch->next) {
        struct pollfd ready = {.fd = watch->fd};
        unsigned events = 0;

        ready.events = (short)((watch->events & LOOP_READABLE ? POLLIN : 0) |
                               (watch->events & LOOP_WRITABLE ? POLLOUT : 0));
        if (watch->events == 0 || poll(&ready, 1, 0) <= 0)
            continue;
        if (ready.revents & (POLLIN | POLLERR | POLLHUP))
            events |= watch->events & LOOP_READABLE;
        if (ready.revents & (POLLOUT | POLLERR | POLLHUP))
            events |= watch->events & LOOP_WRITABLE;
        watch->fn(watch->data, events); /* the watch may be gone */
        return true;
    }
    return false;
}

struct loop_folder *loop_folder_create(struct loop *loop, const char *path, loop_fn *fn, void *data)
{
    struct loop_folder *folder = calloc(1, sizeof(*folder));

    (void)path;
    if (folder == NULL)
        return NULL;
    folder->loop = loop;
    folder->fn = fn;
    folder->data = data;
    folder->next = loop->folders;
    loop->folders = folder;
    return folder;
}

void loop_folder_destroy(struct loop_folder *folder)
{
    struct loop_folder **link;

    if (folder == NULL)
        return;
    link = &folder->loop->folders;
    while (*link != folder)
        link = &(*link)->next;
    *link = folder->next;
    free(folder);
}

void fake_loop_folder_changed(struct loop *loop)
{
    for (struct loop_folder *folder = loop->folders; folder != NULL; folder = folder->next)
        folder->fn(folder->data);
}

struct loop_signal *loop_signal_create(struct loop *loop, int number, loop_fn *fn, void *data)
{
    struct loop_signal *signal = calloc(1, sizeof(*signal));

    (void)number;
    (void)fn;
    (void)data;
    if (signal != NULL) {
        signal->loop = loop;
        loop->others++;
    }
    return signal;
}

void loop_signal_destroy(struct loop_signal *signal)
{
    if (signal == NULL)
        return;
    signal->loop->others--;
    free(signal);
}
