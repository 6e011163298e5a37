#include "agent/aws/handle.h"

#include "agent/wiping_heap.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>

#define TOTAL_MS   30000L /* a reply that drips for ever is no reply */
#define READ_BYTES 4096L  /* taken and wiped for each transfer; most replies are shorter */

static int set_options(struct handle *handle, struct trust *trust)
{
    CURL *easy = handle->easy;
    CURLcode r = CURLE_OK;

    r |= curl_easy_setopt(easy, CURLOPT_CURLU, handle->parsed_url);
    r |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    r |= curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    r |= curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    r |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    /* Else ending a transfer waits, and the loop with it, until its name is looked up. */
    r |= curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    r |= curl_easy_setopt(easy, CURLOPT_USERAGENT, "tally/" TALLY_VERSION);
    r |= curl_easy_setopt(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    r |= curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    r |= curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, TOTAL_MS);
    r |= curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, READ_BYTES);
    return r == CURLE_OK ? trust_apply(trust, easy) : -ENOMEM;
}

/* With one URL for life: libcurl 7.88.1 keeps the text of the first that a handle gets. */
struct handle *handle_create(struct trust *trust, const char *url)
{
    struct handle *handle = calloc(1, sizeof(*handle));

    if (handle == NULL)
        return NULL;
    handle->easy = curl_easy_init();
    handle->parsed_url = curl_url();
    handle->url = wiping_strdup(url);
    if (handle->easy == NULL || handle->parsed_url == NULL || handle->url == NULL ||
        curl_url_set(handle->parsed_url, CURLUPART_URL, url, 0) != CURLUE_OK ||
        set_options(handle, trust) < 0) {
        handle_destroy(handle);
        return NULL;
    }
    return handle;
}

void handle_destroy(struct handle *handle)
{
    if (handle == NULL)
        return;
    curl_easy_cleanup(handle->easy);
    curl_url_cleanup(handle->parsed_url);
    wiping_free(handle->url); /* its path may hold an id that is as good as a key */
    free(handle);
}
