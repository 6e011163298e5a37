/* libtally on GLib's main loop: tally_source_new() is the adapter, main() an example that prints
 * the count of a trigger.
 *
 *     cc glib.c $(pkg-config --cflags --libs tally glib-2.0) -o glib */
#include <glib.h>
#include <poll.h>
#include <stdio.h>
#include <tally.h>

struct tally_source {
    GSource source;
    struct tally_async *async; /* for tally_async_count, tally_async_watch, … */
    gpointer tag;
    short events;
};

/* Before the loop waits: any call since the last turn may have changed both. */
static gboolean tally_source_prepare(GSource *source, gint *timeout)
{
    struct tally_source *tally = (struct tally_source *)source;
    short events = tally_async_events(tally->async);

    if (events != tally->events) /* it wakes the loop */
        g_source_modify_unix_fd(source, tally->tag,
            (events & POLLIN ? G_IO_IN : 0) | (events & POLLOUT ? G_IO_OUT : 0));
    tally->events = events;
    *timeout = tally_async_timeout(tally->async);
    return *timeout == 0;
}

static gboolean tally_source_check(GSource *source)
{
    struct tally_source *tally = (struct tally_source *)source;

    return g_source_query_unix_fd(source, tally->tag) != 0 ||
           tally_async_timeout(tally->async) == 0;
}

static gboolean tally_source_dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    (void)callback, (void)data;
    tally_async_process(((struct tally_source *)source)->async);
    return G_SOURCE_CONTINUE;
}

static void tally_source_finalize(GSource *source)
{
    tally_async_close(((struct tally_source *)source)->async);
}

static GSourceFuncs tally_source_functions = {.prepare = tally_source_prepare,
    .check = tally_source_check,
    .dispatch = tally_source_dispatch,
    .finalize = tally_source_finalize};

/* To be attached, and ended by g_source_destroy and g_source_unref, which end all calls with
 * TALLY_ECLOSED. NULL: out of memory or descriptors. */
static struct tally_source *tally_source_new(const char *path)
{
    struct tally_async *async;

    if (tally_async_open(&async, path) < 0)
        return NULL;
    GSource *source = g_source_new(&tally_source_functions, sizeof(struct tally_source));
    struct tally_source *tally = (struct tally_source *)source;
    tally->async = async;
    tally->events = POLLIN;
    tally->tag = g_source_add_unix_fd(source, tally_async_fd(async), G_IO_IN);
    return tally;
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
    g_main_loop_quit(data);
}

int main(int argc, char **argv)
{
    GMainLoop *loop = g_main_loop_new(NULL, FALSE);
    struct tally_source *tally = tally_source_new(NULL);

    if (tally == NULL) {
        fprintf(stderr, "cannot open a handle\n");
        return 1;
    }
    g_source_attach(&tally->source, NULL);
    int r = tally_async_count(
        tally->async, argc > 1 ? argv[1] : "pending", 5000, on_count, loop, NULL);
    if (r < 0)
        fprintf(stderr, "%s\n", tally_strerror(r));
    else
        g_main_loop_run(loop);
    g_source_destroy(&tally->source);
    g_source_unref(&tally->source);
    g_main_loop_unref(loop);
    return r < 0 || failed;
}
