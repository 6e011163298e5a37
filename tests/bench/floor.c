/* SPDX-License-Identifier: Apache-2.0 */
/* The floor that tallyd is held against: raw epoll, no parsing, no memory but the stack's.
 *
 *     floor SOCKET REQUEST_BYTES ANSWER_BYTES
 *
 * Answers the given number of bytes for each request of so many bytes; all requests of one
 * read are answered by one write. Ends with its parent's SIGTERM. */
#include "tests/bench/bench.h"

#include <sys/epoll.h>

#define EVENTS     256
#define READ_BYTES (64 * 1024)

/* Bytes of an unfinished request, by descriptor. */
static size_t partial[4096];
static char input[READ_BYTES];
static char answers[8 * 1024 * 1024];

static void take_connection(int loop, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    if (fd < 0)
        return;
    if (fd >= (int)(sizeof(partial) / sizeof(partial[0])))
        die("too many connections");
    partial[fd] = 0;
    if (epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl");
}

static void answer(int fd, size_t request_bytes, size_t answer_bytes)
{
    ssize_t n = recv(fd, input, sizeof(input), 0);
    size_t have, due, sent = 0;

    if (n <= 0) {
        if (n < 0 && errno == EAGAIN)
            return;
        close(fd);
        return;
    }
    have = partial[fd] + (size_t)n;
    partial[fd] = have % request_bytes;
    due = have / request_bytes * answer_bytes;
    if (due > sizeof(answers))
        die("too many requests in one read");
    while (sent < due) {
        n = send(fd, answers + sent, due - sent, MSG_NOSIGNAL);
        if (n > 0)
            sent += (size_t)n;
        else if (errno != EAGAIN) /* a full socket is waited for: the client reads on */
            return;
    }
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS] = {{.events = EPOLLIN}};
    struct sockaddr_un address;
    int listener, loop;

    if (argc != 4) {
        fprintf(stderr, "usage: floor SOCKET REQUEST_BYTES ANSWER_BYTES\n");
        return 2;
    }
    address = unix_address(argv[1]);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    loop = epoll_create1(EPOLL_CLOEXEC);
    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(listener, 1024) < 0)
        die(argv[1]);
    events[0].data.fd = listener;
    if (loop < 0 || epoll_ctl(loop, EPOLL_CTL_ADD, listener, &events[0]) < 0)
        die("epoll");
    for (;;) {
        int count = epoll_wait(loop, events, EVENTS, -1);

        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                take_connection(loop, listener);
            else
                answer(events[i].data.fd, (size_t)number(argv[2]), (size_t)number(argv[3]));
        }
    }
}
