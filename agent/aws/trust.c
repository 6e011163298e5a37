#include "agent/aws/trust.h"

#include "agent/aws/tls_bearssl.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#ifdef TALLY_TLS_BEARSSL

struct trust {
    struct loop *loop;
    struct tls_bearssl *tls;
    char why[256];
};

struct trust *trust_create(struct loop *loop, const char *ca_bundle)
{
    struct trust *trust = calloc(1, sizeof(*trust));

    if (trust == NULL)
        return NULL;
    trust->loop = loop;
    trust->tls = tls_bearssl_create(ca_bundle);
    if (trust->tls == NULL) {
        free(trust);
        return NULL;
    }
    return trust;
}

void trust_destroy(struct trust *trust)
{
    if (trust == NULL)
        return;
    tls_bearssl_destroy(trust->tls);
    free(trust);
}

static CURLcode on_tls(CURL *easy, void *client, void *data)
{
    struct trust *trust = data;
    int64_t now = loop_now(trust->loop);

    (void)easy;
    trust->why[0] = '\0';
    return tls_bearssl_prepare(trust->tls, client, now, trust->why, sizeof(trust->why)) < 0
               ? CURLE_SSL_CACERT_BADFILE
               : CURLE_OK;
}

int trust_apply(struct trust *trust, void *easy)
{
    CURLcode r = curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_tls);

    r |= curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, trust);
    return r == CURLE_OK ? 0 : -ENOMEM;
}

const char *trust_why(const struct trust *trust)
{
    return trust->why;
}

#else

#define CA_SECONDS 10L /* until a bundle that was replaced is read anew; libcurl's is a day */

struct trust {
    char *ca_bundle; /* NULL: libcurl's default */
};

struct trust *trust_create(struct loop *loop, const char *ca_bundle)
{
    struct trust *trust = calloc(1, sizeof(*trust));

    (void)loop;
    if (trust == NULL || ca_bundle == NULL)
        return trust;
    trust->ca_bundle = strdup(ca_bundle);
    if (trust->ca_bundle == NULL) {
        free(trust);
        return NULL;
    }
    return trust;
}

void trust_destroy(struct trust *trust)
{
    if (trust == NULL)
        return;
    free(trust->ca_bundle);
    free(trust);
}

int trust_apply(struct trust *trust, void *easy)
{
    /* Debian's libcurl also trusts /etc/ssl/certs, whatever bundle it is given, and with a folder
     * it parses the bundle anew for each connection. */
    CURLcode r = curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);

    r |= curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, CA_SECONDS);
    if (trust->ca_bundle != NULL)
        r |= curl_easy_setopt(easy, CURLOPT_CAINFO, trust->ca_bundle);
    return r == CURLE_OK ? 0 : -ENOMEM;
}

/* libcurl says it itself. */
const char *trust_why(const struct trust *trust)
{
    (void)trust;
    return "";
}

#endif
