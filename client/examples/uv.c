/* libtally on libuv's loop: struct uv_tally is the adapter, main() an example that prints the count
 * of a trigger.
 *
 *     cc uv.c $(pkg-config --cflags --libs tally libuv) -o uv */
#include <poll.h>
#include <stdio.h>
#include <tally.h>
#include <uv.h>

struct uv_tally {
    struct tally_async *async; /* for tally_async_count, tally_async_watch, … */
    uv_prepare_t prepare;
    uv_poll_t poll;
    uv_timer_t timer;
};

static void uv_tally_on_event(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events; /* tally_async_process finds out itself */
    struct uv_tally *tally = poll->data;
    tally_async_process(tally->async);
}

static void uv_tally_on_timer(uv_timer_t *timer)
{
    struct uv_tally *tally = timer->data;

    tally_async_process(tally->async);
}

/* Before the loop waits: any call since the last turn may have changed both. */
static void uv_tally_on_prepare(uv_prepare_t *prepare)
{
    struct uv_tally *tally = prepare->data;
    short events = tally_async_events(tally->async);
    int timeout = tally_async_timeout(tally->async);

    uv_poll_start(&tally->poll,
        (events & POLLIN ? UV_READABLE : 0) | (events & POLLOUT ? UV_WRITABLE : 0),
        uv_tally_on_event);
    if (timeout < 0)
        uv_timer_stop(&tally->timer);
    else
        uv_timer_start(&tally->timer, uv_tally_on_timer, (uint64_t)timeout, 0);
}

/* *tally must stay where it is until the loop has run after uv_tally_close. Returns 0, or a
 * negative enum tally_error. */
static int uv_tally_open(uv_loop_t *loop, struct uv_tally *tally, const char *path)
{
    int r = tally_async_open(&tally->async, path);

    if (r < 0)
        return r;
    if (uv_poll_init(loop, &tally->poll, tally_async_fd(tally->async)) < 0) {
        tally_async_close(tally->async);
        return TALLY_ESYSTEM;
    }
    uv_timer_init(loop, &tally->timer);
    uv_prepare_init(loop, &tally->prepare);
    tally->prepare.data = tally->poll.data = tally->timer.data = tally;
    uv_prepare_start(&tally->prepare, uv_tally_on_prepare);
    return 0;
}

/* Also from a callback of libtally. Ends all calls with TALLY_ECLOSED. */
static void uv_tally_close(struct uv_tally *tally)
{
    uv_close((uv_handle_t *)&tally->prepare, NULL);
    uv_close((uv_handle_t *)&tally->timer, NULL);
    uv_close((uv_handle_t *)&tally->poll, NULL); /* before its descriptor is closed */
    tally_async_close(tally->async);
}

static int failed;

static void on_count(const struct tally_answer *answer, void *data)
{
    int64_t count = -1;

    failed = tally_answer_integer(answer, "count", &count) < 0;
    if (failed)
        fprintf(stderr, "%s: %s\n", tally_answer_error_name(answer),
            tally_answer_error_message(answer));
    else
        printf("%lld\n", (long long)count);
    uv_tally_close(data);
}

int main(int argc, char **argv)
{
    struct uv_tally tally;
    int r = uv_tally_open(uv_default_loop(), &tally, NULL);

    if (r < 0) {
        fprintf(stderr, "%s\n", tally_strerror(r));
        return 1;
    }
    r = tally_async_count(
        tally.async, argc > 1 ? argv[1] : "pending", 5000, on_count, &tally, NULL);
    if (r < 0) {
        fprintf(stderr, "%s\n", tally_strerror(r));
        uv_tally_close(&tally);
    }
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    return r < 0 || failed;
}
