/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/aws/http.h"

#include "agent/aws/multi.h"
#include "agent/fnv.h"
#include "agent/library_text.h"
#include "agent/process.h"
#include "agent/wiping_heap.h"
#include "proto/buffer.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A libcurl easy handle for one URL, which is parsed once, reused for one request after another:
 * options that all of them share are set once, too. */
struct handle {
    void *easy; /* CURL *; transfers set options and read results */
    void *parsed_url;
    char *url;
};

/* ---- handle ---- */

#define TOTAL_MS   30000L /* limits a reply that arrives slowly without end */
#define READ_BYTES 4096L  /* allocated and wiped for each transfer; most replies are shorter */

static int set_options(struct handle *handle, struct tls *tls)
{
    CURL *easy = handle->easy;
    CURLcode r = CURLE_OK;

    r |= curl_easy_setopt(easy, CURLOPT_CURLU, handle->parsed_url);
    r |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    r |= curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    r |= curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    r |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    /* Without it, ending a transfer blocks the loop until the pending name lookup ends. */
    r |= curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    r |= curl_easy_setopt(easy, CURLOPT_USERAGENT, "tally/" TALLY_VERSION);
    r |= curl_easy_setopt(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    r |= curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    r |= curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, TOTAL_MS);
    r |= curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, READ_BYTES);
    return r == CURLE_OK ? tls_apply(tls, easy) : -ENOMEM;
}

/* NULL is allowed */
static void handle_destroy(struct handle *handle)
{
    if (handle == NULL)
        return;
    curl_easy_cleanup(handle->easy);
    curl_url_cleanup(handle->parsed_url);
    wiping_free(handle->url); /* its path may hold an id that is as secret as a key */
    free(handle);
}

/* tls must outlive the handle. NULL: out of memory, or libcurl cannot parse the URL. */
static struct handle *handle_create(struct tls *tls, const char *url)
{
    struct handle *handle = calloc(1, sizeof(*handle));

    if (handle == NULL)
        return NULL;
    handle->easy = curl_easy_init();
    handle->parsed_url = curl_url();
    handle->url = wiping_strdup(url);
    if (handle->easy == NULL || handle->parsed_url == NULL || handle->url == NULL ||
        curl_url_set(handle->parsed_url, CURLUPART_URL, url, 0) != CURLUE_OK ||
        set_options(handle, tls) < 0) {
        handle_destroy(handle);
        return NULL;
    }
    return handle;
}

/* ---- http ---- */

#define ISSUER_MS        60000 /* how long a seen issuer is reused for refusals of the same URL */
#define IDLE_HANDLES     16    /* kept to make the next request to the same URL cheap */
#define LARGE_BYTES      (32u * 1024u) /* a larger reply makes the agent return pages to the system */
#define SPARE_BYTES      4096          /* of a reply: the buffer of a larger one is not kept */
#define SUPPRESSED_LINES 3             /* by default, libcurl adds these to a POST */
#define HEADER_BYTES     4096 /* of an ordinary reply; libcurl keeps the buffer of the longest line */

/* The issuer of the latest certificate that was rejected. */
struct refused_issuer {
    uint64_t url; /* a hash */
    int64_t until;
    char name[sizeof(((struct http_response *)NULL)->issuer)];
};

struct http {
    struct loop *loop;
    struct multi *multi;
    struct tls *tls;
    const struct proxy_environment *proxies; /* NULL: none */
    struct handle *idle[IDLE_HANDLES];       /* the most recently used one is last */
    size_t idle_count;
    struct refused_issuer refused_issuer;
    struct http_transfer *spare; /* the next one: a page after another makes none; or NULL */
};

struct http_transfer {
    struct http *http;
    struct multi_transfer in_multi;
    struct handle *handle;
    const struct proxy *proxy;                                  /* NULL: none */
    struct curl_slist lines[HTTP_LINES_MAX + SUPPRESSED_LINES]; /* of libcurl; texts are borrowed */
    size_t line_count;
    struct loop_timer *stall;
    int64_t stall_ms;
    struct buffer body;
    size_t header_bytes;
    bool dated;
    bool stalled;
    bool traced; /* repeated to find the issuer of the rejected certificate */
    char error[CURL_ERROR_SIZE];
    struct http_response response;
    http_done_fn *done;
    void *data;
};

static int global_init(void)
{
    static bool initialised = false;

    /* Tokens and keys pass through libcurl's heap. */
    if (!initialised && curl_global_init_mem(CURL_GLOBAL_DEFAULT, wiping_malloc, wiping_free,
                            wiping_realloc, wiping_strdup, wiping_calloc) != CURLE_OK)
        return -1;
    if (!initialised)
        wiping_heap_keep();
    initialised = true;
    return 0;
}

/* ---- the end of a transfer ---- */

static enum http_outcome outcome_of(CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return HTTP_ANSWERED;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PROXY:
        return HTTP_UNREACHABLE;
    case CURLE_OPERATION_TIMEDOUT:
        return HTTP_STALLED;
    default:
        return HTTP_BROKEN;
    }
}

/* The idle handle that was used last for this URL, or -1. */
static int find_idle(const struct http *http, const char *url)
{
    int index = (int)http->idle_count - 1;

    while (index >= 0 && strcmp(http->idle[index]->url, url) != 0)
        index--;
    return index;
}

static struct handle *remove_idle(struct http *http, size_t index)
{
    struct handle *handle = http->idle[index];

    http->idle_count--;
    for (size_t i = index; i < http->idle_count; i++)
        http->idle[i] = http->idle[i + 1];
    return handle;
}

/* What set_request set is freed with the transfer. A handle whose reply was unusual or absent may
 * have grown, and is not kept. */
static void give_back_handle(struct http *http, struct handle *handle, bool as_new)
{
    curl_easy_setopt(handle->easy, CURLOPT_ERRORBUFFER, NULL);
    curl_easy_setopt(handle->easy, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(handle->easy, CURLOPT_POSTFIELDS, NULL);
    if (!as_new) {
        handle_destroy(handle);
        return;
    }
    if (http->idle_count == IDLE_HANDLES) {
        /* Many handles of one URL do not evict those of other URLs. */
        int index = find_idle(http, handle->url);

        handle_destroy(remove_idle(http, index >= 0 ? (size_t)index : 0));
    }
    http->idle[http->idle_count++] = handle;
}

/* Frees all but what the response borrows, which transfer_free frees. */
static void transfer_detach(struct http_transfer *transfer, bool is_complete)
{
    struct http *http = transfer->http;

    multi_remove(&transfer->in_multi);
    give_back_handle(http, transfer->handle,
        is_complete && !transfer->traced && transfer->header_bytes <= HEADER_BYTES);
    transfer->handle = NULL;
    loop_timer_stop(transfer->stall);
}

/* NULL is allowed */
static void transfer_destroy(struct http_transfer *transfer)
{
    if (transfer == NULL)
        return;
    loop_timer_destroy(transfer->stall);
    buffer_free(&transfer->body);
    free(transfer);
}

/* Keeps it as the spare one, if there is none. */
static void transfer_free(struct http_transfer *transfer)
{
    struct http *http = transfer->http;
    bool was_large = transfer->body.len > LARGE_BYTES;

    buffer_clear(&transfer->body);
    if (transfer->body.capacity > SPARE_BYTES)
        buffer_free(&transfer->body);
    if (http->spare != NULL) {
        transfer_destroy(transfer);
    } else {
        *transfer = (struct http_transfer){
            .http = http, .stall = transfer->stall, .body = transfer->body};
        http->spare = transfer;
    }
    if (was_large)
        heap_give_back();
}

static void transfer_measure(struct http_transfer *transfer)
{
    struct http_response *response = &transfer->response;
    CURL *easy = transfer->handle->easy;
    curl_off_t total = 0, sent = 0, first = 0;
    long status = 0, connections = 0;

    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connections);
    curl_easy_getinfo(easy, CURLINFO_TOTAL_TIME_T, &total);
    curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &sent);
    curl_easy_getinfo(easy, CURLINFO_STARTTRANSFER_TIME_T, &first);
    response->status = (int)status;
    response->connections = connections;
    response->elapsed_us = total;
    response->server_us = first > sent ? first - sent : 0;
}

static int64_t parse_date(const char *text)
{
    time_t seconds = curl_getdate(text, NULL);

    return seconds > 0 && seconds < INT64_MAX / 1000 ? (int64_t)seconds * 1000 : 0;
}

/* Finds the party that failed, if there is a proxy in between. */
static void transfer_find_party(struct http_transfer *transfer, CURLcode code)
{
    struct http_response *response = &transfer->response;
    long status = 0;

    response->unresolved = code == CURLE_COULDNT_RESOLVE_HOST;
    response->proxy = transfer->proxy;
    if (transfer->proxy == NULL)
        return;
    curl_easy_getinfo(transfer->handle->easy, CURLINFO_HTTP_CONNECTCODE, &status);
    response->proxy_status = (int)status;
    response->proxy_failed = code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_COULDNT_CONNECT ||
                             code == CURLE_PROXY || status >= 300;
}

static int on_trace(CURL *easy, curl_infotype type, char *data, size_t len, void *user)
{
    struct http_response *response = &((struct http_transfer *)user)->response;

    (void)easy;
    if (type == CURLINFO_SSL_DATA_IN)
        tls_certificate_issuer(data, len, response->issuer, sizeof(response->issuer));
    return 0;
}

/* The certificate was rejected, and libcurl does not report its issuer: repeats the handshake,
 * equally strict, with a callback that sees its messages. False: it cannot be repeated. */
static bool transfer_trace(struct http_transfer *transfer)
{
    CURL *easy = transfer->handle->easy;
    CURLcode r = curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, on_trace);

    transfer->traced = true;
    r |= curl_easy_setopt(easy, CURLOPT_DEBUGDATA, transfer);
    r |= curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L);
    if (r != CURLE_OK || multi_restart(&transfer->in_multi) < 0)
        return false;
    transfer->error[0] = '\0';
    loop_timer_start(transfer->stall, transfer->stall_ms);
    return true;
}

/* libcurl has one message for every reason why it cannot connect. */
static void transfer_find_cause(struct http_transfer *transfer, CURLcode code)
{
    bool has_connected = code != CURLE_COULDNT_CONNECT && code != CURLE_COULDNT_RESOLVE_HOST &&
                         code != CURLE_COULDNT_RESOLVE_PROXY;

    if (has_connected || !process_is_out_of_descriptors())
        return;
    snprintf(transfer->error, sizeof(transfer->error),
        "the agent has no file descriptor left for a connection (RLIMIT_NOFILE)");
    transfer->response.unresolved = transfer->response.proxy_failed = false;
}

static void transfer_finish(struct http_transfer *transfer, CURLcode code)
{
    struct http_response *response = &transfer->response;
    char reason[CURL_ERROR_SIZE];

    transfer_measure(transfer);
    transfer_find_party(transfer, code);
    transfer_find_cause(transfer, code);
    response->outcome = transfer->stalled ? HTTP_STALLED : outcome_of(code);
    response->refused_tls = code == CURLE_PEER_FAILED_VERIFICATION ||
                            code == CURLE_SSL_CACERT_BADFILE;
    response->body = transfer->body.data;
    response->body_len = transfer->body.len;
    if (transfer->dated || response->status >= 400) /* parsing it is expensive */
        response->date_ms = parse_date(response->headers.date);
    if (code == CURLE_SSL_CACERT_BADFILE && tls_why(transfer->http->tls)[0] != '\0')
        snprintf(transfer->error, sizeof(transfer->error), "%s", tls_why(transfer->http->tls));
    /* libcurl overwrites any message of on_body with its own. */
    if (transfer->body.error == -EMSGSIZE)
        snprintf(transfer->error, sizeof(transfer->error), "the reply is larger than %zu bytes",
            transfer->body.max);
    else if (transfer->body.error == -ENOMEM)
        snprintf(transfer->error, sizeof(transfer->error), "no memory for the reply");
    if (transfer->error[0] == '\0' && code != CURLE_OK)
        snprintf(transfer->error, sizeof(transfer->error), "%s", curl_easy_strerror(code));
    library_text_copy(reason, sizeof(reason), transfer->error);
    response->error = reason;
    transfer_detach(transfer, code == CURLE_OK);
    transfer->done(transfer->data, response);
    transfer_free(transfer);
}

/* False: the transfer continues, to find the issuer. */
static bool transfer_find_issuer(struct http_transfer *transfer)
{
    struct refused_issuer *refused = &transfer->http->refused_issuer;
    uint64_t url = fnv_text(FNV_START, transfer->handle->url);
    int64_t now = loop_now(transfer->http->loop);

    if (!transfer->traced && (refused->url != url || refused->until <= now))
        return !transfer_trace(transfer);
    if (transfer->traced) {
        *refused = (struct refused_issuer){.url = url, .until = now + ISSUER_MS};
        memcpy(refused->name, transfer->response.issuer, sizeof(refused->name));
    }
    memcpy(transfer->response.issuer, refused->name, sizeof(refused->name));
    return true;
}

static void transfer_ended(struct multi_transfer *in_multi, int code)
{
    struct http_transfer *transfer = RING_MEMBER(in_multi, struct http_transfer, in_multi);

    if (code != CURLE_PEER_FAILED_VERIFICATION || transfer_find_issuer(transfer))
        transfer_finish(transfer, (CURLcode)code);
}

static void stall_fired(void *data)
{
    struct http_transfer *transfer = data;

    transfer->stalled = true;
    snprintf(transfer->error, sizeof(transfer->error), "no progress for %lld ms",
        (long long)transfer->stall_ms);
    transfer_finish(transfer, CURLE_OPERATION_TIMEDOUT);
}

/* ---- bytes of one transfer ---- */

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    struct http_transfer *transfer = user;

    (void)size; /* always 1 */
    loop_timer_start(transfer->stall, transfer->stall_ms);
    return buffer_append(&transfer->body, data, count) < 0 ? 0 : count;
}

static size_t on_header(char *line, size_t size, size_t len, void *user)
{
    struct http_transfer *transfer = user;

    (void)size; /* always 1 */
    loop_timer_start(transfer->stall, transfer->stall_ms);
    transfer->header_bytes += len;
    if (transfer->header_bytes > HTTP_HEADER_BYTES) {
        snprintf(transfer->error, sizeof(transfer->error),
            "the reply's headers are larger than %u bytes", HTTP_HEADER_BYTES);
        return 0;
    }
    reply_headers_take(&transfer->response.headers, line, len);
    return len;
}

/* The connection is established and the request is about to be sent: this counts as progress. */
static int on_connected(
    void *data, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
    struct http_transfer *transfer = data;

    (void)remote_ip;
    (void)local_ip;
    (void)remote_port;
    (void)local_port;
    loop_timer_start(transfer->stall, transfer->stall_ms);
    return CURL_PREREQFUNC_OK;
}

/* ---- start ---- */

static void add_line(struct http_transfer *transfer, char *text)
{
    struct curl_slist *line = &transfer->lines[transfer->line_count++];

    line->data = text;
    if (line > transfer->lines)
        line[-1].next = line;
}

/* curl_slist_append would copy each text, for one request. */
static bool set_headers(struct http_transfer *transfer, const struct http_request *request)
{
    static char no_expect[] = "Expect:", no_accept[] = "Accept:", no_type[] = "Content-Type:";

    if (request->header_count > HTTP_LINES_MAX)
        return false;
    for (size_t i = 0; i < request->header_count; i++)
        add_line(transfer, request->headers[i]);
    add_line(transfer, no_expect);
    add_line(transfer, no_accept);
    if (request->body == NULL)
        add_line(transfer, no_type);
    return curl_easy_setopt(transfer->handle->easy, CURLOPT_HTTPHEADER, transfer->lines) ==
           CURLE_OK;
}

static bool set_body(struct http_transfer *transfer, const struct http_request *request)
{
    CURL *easy = transfer->handle->easy;
    CURLcode r = CURLE_OK;

    if (request->body != NULL) {
        r |= curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
        r |= curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body);
    } else {
        r |= curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    }
    return (r | curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method)) == CURLE_OK;
}

/* Without a text, libcurl reads the environment by its own rules. */
static CURLcode set_proxy(struct http_transfer *transfer)
{
    CURL *easy = transfer->handle->easy;
    const struct proxy *proxy = transfer->proxy;
    struct proxy_parts parts = {.port = 0};
    char why[160];
    CURLcode r = CURLE_OK;

    if (proxy != NULL && proxy_parse(proxy, &parts, why, sizeof(why)) == 0)
        r |= curl_easy_setopt(easy, CURLOPT_PROXYPORT, parts.port);
    r |= curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
    return r | curl_easy_setopt(easy, CURLOPT_PROXY, proxy != NULL ? proxy->url : "");
}

static bool set_request(struct http_transfer *transfer, const struct http_request *request)
{
    CURL *easy = transfer->handle->easy;
    CURLcode r = CURLE_OK;

    r |= set_proxy(transfer);
    r |= curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)transfer->stall_ms);
    r |= curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
    r |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    r |= curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    r |= curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer);
    return r == CURLE_OK && set_body(transfer, request) && set_headers(transfer, request);
}

static struct handle *new_handle(struct http *http, const char *url)
{
    struct handle *handle = handle_create(http->tls, url);
    CURLcode r = CURLE_OK;

    if (handle == NULL)
        return NULL;
    r |= curl_easy_setopt(handle->easy, CURLOPT_WRITEFUNCTION, on_body);
    r |= curl_easy_setopt(handle->easy, CURLOPT_HEADERFUNCTION, on_header);
    r |= curl_easy_setopt(handle->easy, CURLOPT_PREREQFUNCTION, on_connected);
    if (r == CURLE_OK && multi_prepare(http->multi, handle->easy) == 0)
        return handle;
    handle_destroy(handle);
    return NULL;
}

static struct handle *take_handle(struct http *http, const char *url)
{
    int index = find_idle(http, url);

    return index >= 0 ? remove_idle(http, (size_t)index) : new_handle(http, url);
}

static struct http_transfer *transfer_create(struct http *http)
{
    struct http_transfer *transfer = http->spare;

    http->spare = NULL;
    if (transfer != NULL)
        return transfer;
    transfer = calloc(1, sizeof(*transfer));
    if (transfer == NULL)
        return NULL;
    transfer->http = http;
    buffer_init_secret(&transfer->body, 0);
    transfer->stall = loop_timer_create(http->loop, stall_fired, transfer);
    if (transfer->stall != NULL)
        return transfer;
    transfer_destroy(transfer);
    return NULL;
}

static void limit_body(struct buffer *body, size_t max)
{
    if (body->capacity > max)
        buffer_free(body);
    body->max = max;
}

struct http_transfer *http_start(
    struct http *http, const struct http_request *request, http_done_fn *done, void *data)
{
    struct http_transfer *transfer = transfer_create(http);

    if (transfer == NULL)
        return NULL;
    transfer->done = done;
    transfer->data = data;
    transfer->dated = request->dated;
    if (!request->direct && http->proxies != NULL)
        transfer->proxy = proxy_choose(http->proxies, request->url);
    transfer->stall_ms = request->stall_ms > 0 ? request->stall_ms : HTTP_STALL_MS;
    limit_body(&transfer->body, request->max_body);
    transfer->handle = take_handle(http, request->url);
    if (transfer->handle == NULL || !set_request(transfer, request) ||
        multi_add(http->multi, &transfer->in_multi, transfer->handle->easy) < 0) {
        handle_destroy(transfer->handle);
        transfer_free(transfer);
        return NULL;
    }
    loop_timer_start(transfer->stall, transfer->stall_ms);
    return transfer;
}

void http_cancel(struct http_transfer *transfer)
{
    transfer_detach(transfer, false);
    transfer_free(transfer);
}

struct http *http_create(
    struct loop *loop, const char *ca_bundle, const struct proxy_environment *proxies)
{
    struct http *http = NULL;

    if (global_init() < 0)
        return NULL;
    http = calloc(1, sizeof(*http));
    if (http == NULL)
        return NULL;
    http->loop = loop;
    http->proxies = proxies;
    http->tls = tls_create(loop, ca_bundle);
    http->multi = multi_create(loop, transfer_ended);
    if (http->tls == NULL || http->multi == NULL) {
        http_destroy(http);
        return NULL;
    }
    return http;
}

void http_destroy(struct http *http)
{
    if (http == NULL)
        return;
    while (http->idle_count > 0)
        handle_destroy(http->idle[--http->idle_count]);
    transfer_destroy(http->spare);
    multi_destroy(http->multi);
    tls_destroy(http->tls);
    free(http);
}
