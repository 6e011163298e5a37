/* SPDX-License-Identifier: Apache-2.0 */
/* A canned DynamoDB and STS on a loopback port, as fair to every client as it can be: reads the
 * whole request, answers at once with x-amz-crc32, keeps connections. Checks nothing.
 *
 *     canned [--pages N] [--count N] [--delay-us US] [--token-bytes N]
 *
 * Prints its port. A Query has N pages, distinguished by their key; each page holds `count` items
 * and is sent US after its request, while other requests are served. STS answers any Action with
 * credentials, whose session token has as many bytes as STS's own. GET /stats: requests,
 * connections, and the sum of the times from a whole Query to its written answer.
 */
#include "tests/bench/bench.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/epoll.h>

#define EVENTS        64
#define REQUEST_BYTES (64 * 1024)
#define FDS           4096
#define TOKEN_MAX     2048

struct connection {
    char data[REQUEST_BYTES];
    size_t len;
    int64_t arrived; /* of the delayed Query at the start of the data; 0: there is none */
};

static struct connection *connections[FDS];
static int delayed[FDS]; /* connections with a delayed Query, by its arrival */
static size_t delayed_count;
static long pages = 1, count = 1000, delay_us, token_bytes = 1000;
static long queries, other, accepted;
static int64_t busy_ns;

/* CRC-32 as in zlib, bit by bit: the answers are short and few. */
static uint32_t crc32_of(const char *data, size_t len)
{
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < len; i++) {
        crc ^= (unsigned char)data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0xedb88320 & -(crc & 1));
    }
    return ~crc;
}

static void respond(int fd, const char *type, const char *body, const char *extra)
{
    char answer[8192];
    int len = snprintf(answer, sizeof(answer),
        "HTTP/1.1 200 OK\r\nServer: Server\r\nDate: Sun, 01 Jan 2023 00:00:00 GMT\r\n"
        "Content-Type: %s\r\nContent-Length: %zu\r\nConnection: keep-alive\r\n"
        "x-amzn-RequestId: 4KJ3Q9F2V1B7T6S5R4P3N2M1L0VV4KQNSO5AEMVJF66Q9ASUAAJG\r\n%s\r\n%s",
        type, strlen(body), extra, body);

    if (send(fd, answer, (size_t)len, MSG_NOSIGNAL) != len)
        close(fd);
}

/* The page whose key the request starts from; 0 for the first. */
static long page_of(const char *body)
{
    const char *key = strstr(body, "\"ExclusiveStartKey\"");
    const char *page = key != NULL ? strstr(key, "\"page-") : NULL;

    return page != NULL ? strtol(page + 6, NULL, 10) : 0;
}

static void answer_query(int fd, const char *body, int64_t arrived)
{
    long page = page_of(body) + 1;
    char reply[1024], crc[64], key[128] = "";

    if (page < pages)
        snprintf(key, sizeof(key),
            ",\"LastEvaluatedKey\":{\"queue\":{\"S\":\"pending\"},\"id\":{\"S\":\"page-%ld\"}}",
            page);
    snprintf(reply, sizeof(reply),
        "{\"Count\":%ld,\"ScannedCount\":%ld,\"ConsumedCapacity\":{\"TableName\":\"orders\","
        "\"CapacityUnits\":128.5}%s}",
        count, count, key);
    snprintf(crc, sizeof(crc), "x-amz-crc32: %u\r\n", crc32_of(reply, strlen(reply)));
    respond(fd, "application/x-amz-json-1.0", reply, crc);
    busy_ns += now_ns() - arrived;
    queries++;
}

static void answer_sts(int fd)
{
    char token[TOKEN_MAX + 1], reply[TOKEN_MAX + 1024];

    memset(token, 'T', (size_t)token_bytes);
    token[token_bytes] = '\0';
    snprintf(reply, sizeof(reply),
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
        "<AssumeRoleWithWebIdentityResult><Credentials>"
        "<AccessKeyId>ASIABENCHBENCHBENCH1</AccessKeyId>"
        "<SecretAccessKey>benchbenchbenchbenchbenchbenchbenchbench</SecretAccessKey>"
        "<SessionToken>%s</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>"
        "</Credentials><AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/b/b</Arn>"
        "<AssumedRoleId>AROABENCH:b</AssumedRoleId></AssumedRoleUser>"
        "</AssumeRoleWithWebIdentityResult><ResponseMetadata>"
        "<RequestId>7c0b2d6e-0000-0000-0000-000000000000</RequestId></ResponseMetadata>"
        "</AssumeRoleWithWebIdentityResponse>",
        token);
    respond(fd, "text/xml", reply, "");
    other++;
}

static void answer_stats(int fd)
{
    char reply[256];

    snprintf(reply, sizeof(reply),
        "{\"queries\": %ld, \"other\": %ld, \"connections\": %ld, \"busy_us\": %lld}", queries,
        other, accepted, (long long)busy_ns / 1000);
    respond(fd, "application/json", reply, "");
}

/* Length of the whole request at the start of the text, 0 while it is incomplete. */
static size_t whole_request(const char *text, size_t len, const char **body)
{
    const char *end = strstr(text, "\r\n\r\n");
    const char *length = strcasestr(text, "\r\ncontent-length:");
    size_t body_len = 0;

    if (end == NULL)
        return 0;
    *body = end + 4;
    if (length != NULL && length < end)
        body_len = (size_t)strtol(length + 17, NULL, 10);
    return (size_t)(*body - text) + body_len <= len ? (size_t)(*body - text) + body_len : 0;
}

/* False: it is answered later. */
static bool take_query(int fd, struct connection *connection, const char *body)
{
    int64_t now = now_ns(), arrived = connection->arrived != 0 ? connection->arrived : now;

    if (now < arrived + delay_us * 1000) {
        if (connection->arrived == 0)
            delayed[delayed_count++] = fd;
        connection->arrived = arrived;
        return false;
    }
    connection->arrived = 0;
    answer_query(fd, body, arrived);
    return true;
}

static void answer_requests(int fd, struct connection *connection)
{
    const char *body;
    size_t taken;

    while ((taken = whole_request(connection->data, connection->len, &body)) > 0) {
        char behind = connection->data[taken];
        bool answered = true;

        connection->data[taken] = '\0';
        if (strncmp(connection->data, "GET /stats", 10) == 0)
            answer_stats(fd);
        else if (strncmp(body, "Action=", 7) == 0)
            answer_sts(fd);
        else
            answered = take_query(fd, connection, body);
        connection->data[taken] = behind;
        if (!answered)
            return;
        connection->len -= taken;
        memmove(connection->data, connection->data + taken, connection->len + 1);
    }
}

static void forget_delayed(size_t place)
{
    memmove(&delayed[place], &delayed[place + 1], (--delayed_count - place) * sizeof(delayed[0]));
}

static void close_connection(int fd)
{
    for (size_t i = 0; i < delayed_count; i++) {
        if (delayed[i] == fd) {
            forget_delayed(i);
            break;
        }
    }
    close(fd);
}

/* Answers what is due; returns the time until the next, NULL: nothing is delayed. */
static const struct timespec *answer_delayed(struct timespec *wait)
{
    while (delayed_count > 0) {
        int fd = delayed[0];
        int64_t left = connections[fd]->arrived + delay_us * 1000 - now_ns();

        if (left > 0) {
            *wait = (struct timespec){left / 1000000000, left % 1000000000};
            return wait;
        }
        forget_delayed(0);
        answer_requests(fd, connections[fd]);
    }
    return NULL;
}

static void on_readable(int fd)
{
    struct connection *connection = connections[fd];
    ssize_t n = recv(
        fd, connection->data + connection->len, REQUEST_BYTES - connection->len - 1, MSG_DONTWAIT);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        close_connection(fd);
        return;
    }
    connection->len += (size_t)n;
    connection->data[connection->len] = '\0';
    answer_requests(fd, connection);
}

static void take_connection(int loop, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    int on = 1;

    if (fd < 0 || fd >= FDS)
        die("accept");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connections[fd] == NULL)
        connections[fd] = malloc(sizeof(*connections[fd]));
    if (connections[fd] == NULL || epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event) < 0)
        die("connection");
    connections[fd]->len = 0;
    connections[fd]->arrived = 0;
    accepted++;
}

static void read_options(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--pages") == 0)
            pages = number(argv[i + 1]);
        else if (strcmp(argv[i], "--count") == 0)
            count = number(argv[i + 1]);
        else if (strcmp(argv[i], "--delay-us") == 0)
            delay_us = number(argv[i + 1]);
        else if (strcmp(argv[i], "--token-bytes") == 0)
            token_bytes = number(argv[i + 1]);
        else
            die(argv[i]);
    }
    if (token_bytes < 1 || token_bytes > TOKEN_MAX) {
        errno = ERANGE;
        die("--token-bytes");
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event events[EVENTS] = {{.events = EPOLLIN}};
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int loop = epoll_create1(EPOLL_CLOEXEC);

    read_options(argc, argv);
    if (bind(listener, (struct sockaddr *)&address, len) < 0 || listen(listener, 256) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &len) < 0)
        die("listen");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    events[0].data.fd = listener;
    if (epoll_ctl(loop, EPOLL_CTL_ADD, listener, &events[0]) < 0)
        die("epoll_ctl");
    for (;;) {
        struct timespec wait;
        int ready = epoll_pwait2(loop, events, EVENTS, answer_delayed(&wait), NULL);

        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == listener)
                take_connection(loop, listener);
            else
                on_readable(events[i].data.fd);
        }
    }
}
