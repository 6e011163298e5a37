#include "agent/aws/transport_error.h"

#include <stdio.h>
#include <string.h>

#define REASON "%.160s" /* of libcurl's texts */

/* Of "https://host:port/…" all but the path, in which ECS puts an id that is as good as a key. */
static int authority_length(const char *url)
{
    const char *scheme_end = strstr(url, "://");
    size_t start = scheme_end != NULL ? (size_t)(scheme_end - url) + 3 : 0;
    size_t len = start + strcspn(url + start, "/");

    return len < 180 ? (int)len : 180;
}

static void set_proxy_error(
    struct aws_error *error, const char *url, const struct http_response *response)
{
    const char *variable = response->proxy->variable;
    int len = authority_length(url);
    struct proxy_parts parts = {.port = 0};
    char why[160];
    char proxy[120];

    proxy_parse(response->proxy, &parts, why, sizeof(why));
    snprintf(proxy, sizeof(proxy), "the proxy %.80s (%.20s)", parts.host, variable);
    if (response->proxy_status == 407 && parts.has_user)
        snprintf(error->message, sizeof(error->message),
            "%s does not accept its user and password for %.*s (HTTP 407)", proxy, len, url);
    else if (response->proxy_status == 407)
        snprintf(error->message, sizeof(error->message),
            "%s requires a user and a password for %.*s (HTTP 407)", proxy, len, url);
    else if (response->proxy_status == 403)
        snprintf(error->message, sizeof(error->message),
            "%s does not allow connections to %.*s (HTTP 403); allow it there, or add the name to "
            "NO_PROXY",
            proxy, len, url);
    else if (response->proxy_status >= 300)
        snprintf(error->message, sizeof(error->message), "%s did not connect to %.*s (HTTP %d)",
            proxy, len, url, response->proxy_status);
    else
        snprintf(error->message, sizeof(error->message), "%s cannot be reached: " REASON, proxy,
            response->error);
}

/* A name that a setting made and that does not exist: not each service is everywhere. */
static const char *hint_of_name(const char *url)
{
    if (strstr(url, "-fips.") != NULL)
        return "; AWS_USE_FIPS_ENDPOINT (or a fips region) gives this name, which not each region "
               "has";
    if (strstr(url, ".api.aws") != NULL || strstr(url, ".api.amazonwebservices.") != NULL ||
        strstr(url, ".api.cloud-aws.") != NULL)
        return "; AWS_USE_DUALSTACK_ENDPOINT gives this name, which not each region has";
    return "";
}

void transport_error_set(
    struct aws_error *error, const char *url, const struct http_response *response)
{
    int len = authority_length(url);

    error->outcome = response->refused_tls ? AWS_REFUSED : AWS_TRANSIENT;
    if (response->proxy != NULL && response->proxy_failed) {
        set_proxy_error(error, url, response);
    } else if (response->refused_tls) {
        snprintf(error->message, sizeof(error->message),
            "the certificate of %.*s is not trusted: " REASON "%s%.60s; AWS_CA_BUNDLE names the "
            "file of CA certificates (SSL_CERT_FILE is not read)",
            len, url, response->error, response->issuer[0] != '\0' ? "; its issuer is " : "",
            response->issuer);
    } else {
        snprintf(error->message, sizeof(error->message), "%.*s %s: " REASON "%s", len, url,
            response->outcome == HTTP_UNREACHABLE ? "cannot be reached"
            : response->outcome == HTTP_STALLED   ? "did not answer in time"
                                                  : "broke off or sent a wrong reply",
            response->error, response->unresolved ? hint_of_name(url) : "");
    }
}
