/* SPDX-License-Identifier: Apache-2.0 */
/* What a call of libtally costs its process beside the socket calls under it.
 *
 *     call_cost SOCKET TRIGGER CALLS      CPU of each in microseconds, as JSON
 *
 * Both sides ask the same of the same agent, in turns: tally_count, and one send and one recv of
 * the same number of bytes. */
#include "client/tally.h"
#include "tests/bench/bench.h"

#define TURNS 10

/* As tally_count asks. */
static size_t pack_request(char *to, size_t size, const char *trigger)
{
    int len = snprintf(to, size, "%c%c%c%c%s%c%c%c%s%c%s%c%s%c%c%c", 0x94, 0x01, 0x07, 0xa5,
        "count", 0x91, 0x82, 0xa7, "trigger", 0xa0 + (int)strlen(trigger), trigger, 0xaa,
        "timeout_ms", 0xcd, 0x13, 0x88);

    to[1] = 0; /* a request; snprintf would have ended there */
    return (size_t)len;
}

static double run_raw(const char *path, const char *request, size_t len, long calls)
{
    char answer[4096];
    int fd = unix_connect(path);
    int64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);

    for (long i = 0; i < calls; i++) {
        if (send(fd, request, len, MSG_NOSIGNAL) != (ssize_t)len)
            die("send");
        /* A short answer comes in one piece. */
        if (recv(fd, answer, sizeof(answer), 0) <= 0)
            die("recv");
    }
    cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    close(fd);
    return (double)cpu / 1000 / (double)calls;
}

static double run_library(const char *path, const char *trigger, long calls)
{
    struct tally *tally;
    int64_t cpu, count;

    if (tally_open(&tally, path) < 0 || tally_count(tally, trigger, &count) < 0)
        die("tally_count");
    cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    for (long i = 0; i < calls; i++)
        if (tally_count(tally, trigger, &count) < 0)
            die(tally_error_message(tally));
    cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    tally_close(tally);
    return (double)cpu / 1000 / (double)calls;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

int main(int argc, char **argv)
{
    double raw[TURNS], library[TURNS];
    char request[512];
    size_t len;
    long calls;

    if (argc != 4 || strlen(argv[2]) > 31) {
        fprintf(stderr, "usage: call_cost SOCKET TRIGGER CALLS (a name of up to 31 bytes)\n");
        return 2;
    }
    len = pack_request(request, sizeof(request), argv[2]);
    calls = number(argv[3]) / TURNS;
    for (int i = 0; i < TURNS; i++) {
        raw[i] = run_raw(argv[1], request, len, calls);
        library[i] = run_library(argv[1], argv[2], calls);
    }
    qsort(raw, TURNS, sizeof(raw[0]), compare);
    qsort(library, TURNS, sizeof(library[0]), compare);
    printf("{\"raw_us\": %.3f, \"library_us\": %.3f}\n", raw[TURNS / 2], library[TURNS / 2]);
    return 0;
}
