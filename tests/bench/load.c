/* SPDX-License-Identifier: Apache-2.0 */
/* The one client for all servers on Unix sockets.
 *
 *     load SOCKET REQUEST_FILE --milliseconds MS | --requests N
 *          [--in-flight N | --connections N] [--bytes LENGTH] [--pid PID]
 *
 * Sends the bytes of the file as they are, again and again; with --bytes the file holds several
 * requests of that length, which are sent in turn. How long an answer is shows in the first one;
 * every later one must be as long. One in flight, unless --in-flight: then so many are sent in one
 * write and all their answers read before the next; --connections: each has one in flight. Prints
 * one line of JSON; with --pid also what the server's threads took of the CPU. */
#include "tests/bench/bench.h"

#include <dirent.h>
#include <poll.h>
#include <sys/epoll.h>

#define CONNECTIONS_MAX 4096
#define QUIET_MS        100
#define SAMPLES_MAX     (4 * 1024 * 1024)
#define FILE_BYTES      (8 * 1024 * 1024)

static struct {
    const char *path;
    char *requests; /* all of them, and behind them the first in_flight ones once more */
    size_t count;
    size_t next; /* to be sent */
    size_t request_bytes;
    size_t answer_bytes;
    long in_flight;
    long connections;
    int64_t duration_ns;
    long limit; /* of answers; 0: until the time is over */
    long pid;
} load = {.in_flight = 1, .connections = 1};

static char answers[1024 * 1024];
static uint32_t samples[SAMPLES_MAX]; /* ns of each round trip */
static size_t sample_count;
static int64_t answered;

/* ---- the server's CPU ---- */

static int64_t thread_cpu_ns(long pid, const char *thread)
{
    char path[128];
    long long ns = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%ld/task/%.32s/schedstat", pid, thread);
    file = fopen(path, "r");
    if (file == NULL)
        return 0;
    if (fgets(path, sizeof(path), file) != NULL)
        ns = strtoll(path, NULL, 10);
    fclose(file);
    return ns;
}

static int64_t server_cpu_ns(void)
{
    char path[64];
    struct dirent *entry;
    int64_t sum = 0;
    DIR *tasks;

    if (load.pid == 0)
        return 0;
    snprintf(path, sizeof(path), "/proc/%ld/task", load.pid);
    tasks = opendir(path);
    if (tasks == NULL)
        die(path);
    while ((entry = readdir(tasks)) != NULL)
        if (entry->d_name[0] != '.')
            sum += thread_cpu_ns(load.pid, entry->d_name);
    closedir(tasks);
    return sum;
}

/* ---- one connection ---- */

static void send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

        if (n < 0)
            die("send");
        data += n;
        len -= (size_t)n;
    }
}

/* Reads exactly so many bytes. */
static void receive_all(int fd, size_t len)
{
    while (len > 0) {
        ssize_t n = recv(fd, answers, len < sizeof(answers) ? len : sizeof(answers), 0);

        if (n <= 0)
            die(n == 0 ? "the server hung up" : "recv");
        len -= (size_t)n;
    }
}

/* The next so many requests. */
static void send_requests(int fd, long count)
{
    send_all(
        fd, load.requests + load.next * load.request_bytes, load.request_bytes * (size_t)count);
    load.next = (load.next + (size_t)count) % load.count;
}

/* The first answer is over when nothing more comes. */
static void learn_answer(void)
{
    int fd = unix_connect(load.path);
    struct pollfd wait = {.fd = fd, .events = POLLIN};

    send_requests(fd, 1);
    for (int wait_ms = 5000; poll(&wait, 1, wait_ms) > 0; wait_ms = QUIET_MS) {
        ssize_t n = recv(fd, answers, sizeof(answers), 0);

        if (n <= 0)
            die("no answer");
        load.answer_bytes += (size_t)n;
    }
    if (load.answer_bytes == 0)
        die("no answer");
    close(fd);
}

static void take_sample(int64_t ns)
{
    if (sample_count < SAMPLES_MAX)
        samples[sample_count++] = ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
}

static void run_one_connection(int64_t end)
{
    size_t answer = load.answer_bytes * (size_t)load.in_flight;
    int fd = unix_connect(load.path);

    for (int64_t at = now_ns(), next; load.limit > 0 ? answered < load.limit : at < end;
         at = next) {
        send_requests(fd, load.in_flight);
        receive_all(fd, answer);
        answered += load.in_flight;
        next = now_ns();
        take_sample(next - at);
    }
    close(fd);
}

/* ---- many connections, one request in flight on each ---- */

static struct {
    int64_t sent_at;
    size_t missing; /* bytes of the answer */
    int fd;
} peers[CONNECTIONS_MAX];

static void ask(size_t peer)
{
    send_requests(peers[peer].fd, 1);
    peers[peer].missing = load.answer_bytes;
    peers[peer].sent_at = now_ns();
}

static void run_connections(int64_t end)
{
    struct epoll_event events[CONNECTIONS_MAX];
    int loop = epoll_create1(0);
    long asking = load.connections;

    for (size_t i = 0; i < (size_t)load.connections; i++) {
        events[0] = (struct epoll_event){.events = EPOLLIN, .data.u64 = i};
        peers[i].fd = unix_connect(load.path);
        if (epoll_ctl(loop, EPOLL_CTL_ADD, peers[i].fd, &events[0]) < 0)
            die("epoll_ctl");
    }
    for (size_t i = 0; i < (size_t)load.connections; i++)
        ask(i);
    while (asking > 0) {
        int count = epoll_wait(loop, events, CONNECTIONS_MAX, 5000);

        if (count <= 0)
            die("a server that answers no more");
        for (int k = 0; k < count; k++) {
            size_t i = (size_t)events[k].data.u64;
            ssize_t n = recv(peers[i].fd, answers, peers[i].missing, 0);
            int64_t at;

            if (n <= 0)
                die("recv");
            peers[i].missing -= (size_t)n;
            if (peers[i].missing > 0)
                continue;
            at = now_ns();
            take_sample(at - peers[i].sent_at);
            answered++;
            if (at < end)
                ask(i);
            else
                asking--;
        }
    }
    for (size_t i = 0; i < (size_t)load.connections; i++)
        close(peers[i].fd);
    close(loop);
}

/* ---- the command ---- */

static int compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

    return (left > right) - (left < right);
}

static double percentile_us(double part)
{
    return sample_count > 0 ? samples[(size_t)(part * (double)(sample_count - 1))] / 1000.0 : 0;
}

static void read_requests(const char *path)
{
    FILE *file = fopen(path, "rb");
    size_t len, behind;

    load.requests = malloc(FILE_BYTES);
    if (file == NULL || load.requests == NULL)
        die(path);
    len = fread(load.requests, 1, FILE_BYTES, file);
    fclose(file);
    if (load.request_bytes == 0)
        load.request_bytes = len;
    if (len == 0 || len % load.request_bytes != 0)
        die("not a whole number of requests");
    load.count = len / load.request_bytes;
    behind = load.request_bytes * (size_t)load.in_flight;
    if (len + behind > FILE_BYTES)
        die("the requests do not fit");
    for (size_t i = 0; i < behind; i++)
        load.requests[len + i] = load.requests[i];
}

static void read_options(int argc, char **argv)
{
    if (argc < 5 || argc % 2 == 0) {
        fprintf(stderr, "usage: load SOCKET REQUEST_FILE --milliseconds MS | --requests N "
                        "[--in-flight N | --connections N] [--bytes LENGTH] [--pid PID]\n");
        exit(2);
    }
    load.path = argv[1];
    for (int i = 3; i < argc; i += 2) {
        long value = number(argv[i + 1]);

        if (strcmp(argv[i], "--milliseconds") == 0)
            load.duration_ns = value * 1000000;
        else if (strcmp(argv[i], "--requests") == 0)
            load.limit = value;
        else if (strcmp(argv[i], "--in-flight") == 0)
            load.in_flight = value;
        else if (strcmp(argv[i], "--connections") == 0 && value <= CONNECTIONS_MAX)
            load.connections = value;
        else if (strcmp(argv[i], "--bytes") == 0)
            load.request_bytes = (size_t)value;
        else if (strcmp(argv[i], "--pid") == 0)
            load.pid = value;
        else
            die(argv[i]);
    }
    read_requests(argv[2]);
}

int main(int argc, char **argv)
{
    int64_t start, took, own, cpu;

    read_options(argc, argv);
    learn_answer();
    cpu = server_cpu_ns();
    own = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    start = now_ns();
    if (load.connections > 1)
        run_connections(start + load.duration_ns);
    else
        run_one_connection(start + load.duration_ns);
    took = now_ns() - start;
    own = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - own;
    cpu = server_cpu_ns() - cpu;
    qsort(samples, sample_count, sizeof(samples[0]), compare);
    printf("{\"per_second\": %.0f, \"p50_us\": %.2f, \"p99_us\": %.2f, \"server_cpu_us\": %.3f, "
           "\"client_cpu_us\": %.3f, \"answers\": %lld, \"answer_bytes\": %zu, \"request_bytes\": "
           "%zu}\n",
        (double)answered * 1e9 / (double)took, percentile_us(0.5), percentile_us(0.99),
        (double)cpu / 1000.0 / (double)answered, (double)own / 1000.0 / (double)answered,
        (long long)answered, load.answer_bytes, load.request_bytes);
    return 0;
}
