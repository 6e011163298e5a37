/* SPDX-License-Identifier: Apache-2.0 */
/* The floors of a Query: what one costs the process that sends it, unsigned and unread.
 *
 *     query_floor bare|curl PORT QUERIES      CPU of each, in microseconds, as JSON
 *     query_floor bare|curl PORT 0            prints the first reply
 *
 * bare: a connected socket, one write, one read. curl: libcurl's easy interface on one kept
 * connection, with the headers that DynamoDB wants and the reply in memory. */
#include "tests/bench/bench.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

static const char body[] = "{\"TableName\":\"orders\",\"KeyConditionExpression\":\"#k = :v\","
                           "\"ExpressionAttributeNames\":{\"#k\":\"queue\"},"
                           "\"ExpressionAttributeValues\":{\":v\":{\"S\":\"pending\"}},"
                           "\"Select\":\"COUNT\",\"ReturnConsumedCapacity\":\"TOTAL\"}";

static char reply[16384];
static size_t reply_len;

static int tcp_connect(long port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;

    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

static void run_bare(long port, long queries)
{
    char request[2048];
    int fd = tcp_connect(port);
    int len = snprintf(request, sizeof(request),
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-amz-json-1.0\r\n"
        "X-Amz-Target: DynamoDB_20120810.Query\r\nContent-Length: %zu\r\n\r\n%s",
        strlen(body), body);

    for (long i = 0; i < queries; i++) {
        if (send(fd, request, (size_t)len, MSG_NOSIGNAL) != len)
            die("send");
        /* A loopback reply of this size comes in one piece. */
        if (recv(fd, reply, sizeof(reply), 0) <= 0)
            die("recv");
    }
    close(fd);
}

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    (void)size;
    (void)user;
    if (reply_len + count > sizeof(reply))
        return 0;
    memcpy(reply + reply_len, data, count);
    reply_len += count;
    return count;
}

static void run_curl(long port, long queries)
{
    struct curl_slist *headers = NULL;
    CURL *easy = curl_easy_init();
    char url[64];

    snprintf(url, sizeof(url), "http://127.0.0.1:%ld/", port);
    headers = curl_slist_append(headers, "Content-Type: application/x-amz-json-1.0");
    headers = curl_slist_append(headers, "X-Amz-Target: DynamoDB_20120810.Query");
    headers = curl_slist_append(headers, "Expect:");
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    for (long i = 0; i < queries; i++) {
        reply_len = 0;
        if (curl_easy_perform(easy) != CURLE_OK)
            die("curl_easy_perform");
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(easy);
}

int main(int argc, char **argv)
{
    void (*run)(long, long) = argc == 4 && strcmp(argv[1], "curl") == 0 ? run_curl : run_bare;
    int64_t cpu;

    if (argc != 4) {
        fprintf(stderr, "usage: query_floor bare|curl PORT QUERIES\n");
        return 2;
    }
    run(number(argv[2]), 1);
    if (number(argv[3]) == 0) {
        printf("%.*s\n", (int)reply_len, reply);
        return 0;
    }
    cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    run(number(argv[2]), number(argv[3]));
    cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("{\"cpu_us\": %.3f}\n", (double)cpu / 1000 / (double)number(argv[3]));
    return 0;
}
