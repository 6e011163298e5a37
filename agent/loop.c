#include "agent/loop.h"

#include <stdlib.h>
#include <time.h>
#include <uv.h>

struct loop {
    uv_loop_t uv;
};

/* libuv owns a handle's memory until its close callback ran, hence each handle's own block. */
struct loop_timer {
    uv_timer_t uv;
    loop_fn *fn;
    void *data;
};

struct loop_watch {
    uv_poll_t uv;
    loop_watch_fn *fn;
    void *data;
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

struct loop *loop_create(void)
{
    struct loop *loop = calloc(1, sizeof(*loop));

    if (loop != NULL && uv_loop_init(&loop->uv) < 0) {
        free(loop);
        loop = NULL;
    }
    return loop;
}

void loop_destroy(struct loop *loop)
{
    if (loop == NULL)
        return;
    /* The close callbacks of handles that were destroyed last are still to run. */
    while (uv_loop_close(&loop->uv) == UV_EBUSY)
        uv_run(&loop->uv, UV_RUN_NOWAIT);
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

int64_t loop_wall(const struct loop *loop)
{
    struct timespec now;

    (void)loop;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
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

static void timer_fired(uv_timer_t *uv)
{
    struct loop_timer *timer = (struct loop_timer *)uv;

    timer->fn(timer->data);
}

struct loop_timer *loop_timer_create(struct loop *loop, loop_fn *fn, void *data)
{
    struct loop_timer *timer = calloc(1, sizeof(*timer));

    if (timer == NULL)
        return NULL;
    timer->fn = fn;
    timer->data = data;
    uv_timer_init(&loop->uv, &timer->uv);
    return timer;
}

void loop_timer_start(struct loop_timer *timer, int64_t delay_ms)
{
    uv_timer_start(&timer->uv, timer_fired, delay_ms > 0 ? (uint64_t)delay_ms : 0, 0);
}

void loop_timer_stop(struct loop_timer *timer)
{
    uv_timer_stop(&timer->uv);
}

void loop_timer_destroy(struct loop_timer *timer)
{
    if (timer != NULL)
        uv_close((uv_handle_t *)&timer->uv, free_handle);
}

static void watch_fired(uv_poll_t *uv, int status, int events)
{
    struct loop_watch *watch = (struct loop_watch *)uv;
    unsigned seen = 0;

    if (status < 0)
        seen = LOOP_READABLE | LOOP_WRITABLE;
    if (events & UV_READABLE)
        seen |= LOOP_READABLE;
    if (events & UV_WRITABLE)
        seen |= LOOP_WRITABLE;
    watch->fn(watch->data, seen);
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
        wanted |= UV_READABLE;
    if (events & LOOP_WRITABLE)
        wanted |= UV_WRITABLE;
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

    if (folder == NULL)
        return NULL;
    folder->fn = fn;
    folder->data = data;
    uv_fs_event_init(&loop->uv, &folder->uv);
    if (uv_fs_event_start(&folder->uv, folder_fired, path, 0) < 0) {
        uv_close((uv_handle_t *)&folder->uv, free_handle);
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
