/* SPDX-License-Identifier: Apache-2.0 */
/* The floors of a Query: what one costs the process that sends it, with the bytes of a signed one,
 * of which none is computed, and with a reply that is not read.
 *
 *     query_floor bare|curl PORT QUERIES      CPU of each, in microseconds, as JSON
 *     query_floor bare|curl PORT 0            prints the first reply
 *
 * bare: a connected socket, one write, one read. curl: libcurl's easy interface on one kept
 * connection, with the headers that DynamoDB wants and the reply in memory. The session token is
 * that of AWS_SESSION_TOKEN. */
#include "tests/bench/bench.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

static const char body[] = "{\"TableName\":\"orders\",\"KeyConditionExpression\":\"#k = :v\","
                           "\"ExpressionAttributeNames\":{\"#k\":\"queue\"},"
                           "\"ExpressionAttributeValues\":{\":v\":{\"S\":\"pending\"}},"
                           "\"Select\":\"COUNT\",\"ReturnConsumedCapacity\":\"TOTAL\"}";

static char headers[8][4096]; /* "Name: value" */
static size_t header_count;

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

static void bench_add_header(const char *name, const char *value)
{
    size_t size = sizeof(headers[0]);

    if ((size_t)snprintf(headers[header_count++], size, "%s: %s", name, value) >= size) {
        errno = EMSGSIZE;
        die(name);
    }
}

/* Those of a signed request; the signature is only as long as one. */
static void make_headers(void)
{
    const char *token = getenv("AWS_SESSION_TOKEN");

    bench_add_header("Content-Type", "application/x-amz-json-1.0");
    bench_add_header("X-Amz-Target", "DynamoDB_20120810.Query");
    bench_add_header("X-Amz-Date", "20260102T030405Z");
    if (token != NULL)
        bench_add_header("X-Amz-Security-Token", token);
    bench_add_header("Authorization",
        "AWS4-HMAC-SHA256 "
        "Credential=ASIABENCHBENCHBENCH1/20260102/eu-west-1/dynamodb/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, "
        "Signature=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
}

static size_t bare_request(char *to, size_t size, long port)
{
    size_t len = (size_t)snprintf(to, size, "POST / HTTP/1.1\r\nHost: 127.0.0.1:%ld\r\n", port);

    for (size_t i = 0; i < header_count; i++)
        len += (size_t)snprintf(to + len, size - len, "%s\r\n", headers[i]);
    return len + (size_t)snprintf(
                     to + len, size - len, "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
}

static void run_bare(long port, long queries)
{
    char request[sizeof(headers) + 2048];
    int fd = tcp_connect(port);
    size_t len = bare_request(request, sizeof(request), port);

    for (long i = 0; i < queries; i++) {
        if (send(fd, request, len, MSG_NOSIGNAL) != (ssize_t)len)
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
    struct curl_slist *list = NULL;
    CURL *easy = curl_easy_init();
    char url[64];

    snprintf(url, sizeof(url), "http://127.0.0.1:%ld/", port);
    for (size_t i = 0; i < header_count; i++)
        list = curl_slist_append(list, headers[i]);
    list = curl_slist_append(list, "Expect:");
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    for (long i = 0; i < queries; i++) {
        reply_len = 0;
        if (curl_easy_perform(easy) != CURLE_OK)
            die("curl_easy_perform");
    }
    curl_slist_free_all(list);
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
    make_headers();
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
