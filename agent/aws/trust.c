/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/aws/trust.h"

#include "agent/aws/tls_bearssl.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CA_SECONDS 10L /* until a replaced bundle is read again; libcurl's default is a day */

/* The TLS library of libcurl. Both variants are compiled in each build, and one is discarded. */
#ifdef TALLY_TLS_BEARSSL
static const bool on_bearssl = true;
#else
static const bool on_bearssl = false;
#endif

struct trust {
    struct loop *loop;
    struct tls_bearssl *bearssl; /* NULL with another TLS library, which uses the next field: */
    char *ca_bundle;             /* NULL: libcurl's default */
    char why[256];
};

static int keep_bundle(struct trust *trust, const char *ca_bundle)
{
    if (on_bearssl) {
        trust->bearssl = tls_bearssl_create(ca_bundle);
        return trust->bearssl != NULL ? 0 : -ENOMEM;
    }
    if (ca_bundle == NULL)
        return 0;
    trust->ca_bundle = strdup(ca_bundle);
    return trust->ca_bundle != NULL ? 0 : -ENOMEM;
}

struct trust *trust_create(struct loop *loop, const char *ca_bundle)
{
    struct trust *trust = calloc(1, sizeof(*trust));

    if (trust == NULL)
        return NULL;
    trust->loop = loop;
    if (keep_bundle(trust, ca_bundle) < 0) {
        free(trust);
        return NULL;
    }
    return trust;
}

void trust_destroy(struct trust *trust)
{
    if (trust == NULL)
        return;
    if (on_bearssl)
        tls_bearssl_destroy(trust->bearssl);
    free(trust->ca_bundle);
    free(trust);
}

static CURLcode on_connection(CURL *easy, void *client, void *data)
{
    struct trust *trust = data;
    int64_t now = loop_now(trust->loop);

    (void)easy;
    trust->why[0] = '\0';
    return tls_bearssl_prepare(trust->bearssl, client, now, trust->why, sizeof(trust->why)) < 0
               ? CURLE_SSL_CACERT_BADFILE
               : CURLE_OK;
}

static CURLcode apply_bearssl(struct trust *trust, CURL *easy)
{
    CURLcode r = curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_connection);

    return r | curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, trust);
}

static CURLcode apply_bundle(const struct trust *trust, CURL *easy)
{
    /* Debian's libcurl also trusts /etc/ssl/certs, whatever bundle it is given, and with a folder
     * it parses the bundle again for each connection. */
    CURLcode r = curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);

    r |= curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, CA_SECONDS);
    if (trust->ca_bundle != NULL)
        r |= curl_easy_setopt(easy, CURLOPT_CAINFO, trust->ca_bundle);
    return r;
}

int trust_apply(struct trust *trust, void *easy)
{
    CURLcode r = on_bearssl ? apply_bearssl(trust, easy) : apply_bundle(trust, easy);

    return r == CURLE_OK ? 0 : -ENOMEM;
}

const char *trust_default_bundle(void)
{
    return curl_version_info(CURLVERSION_NOW)->cainfo;
}

const char *trust_why(const struct trust *trust)
{
    return trust->why;
}
