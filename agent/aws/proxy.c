/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/aws/proxy.h"

#include "agent/endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALNUM   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
/* RFC 3986, 3.2.1, and "@", which libcurl and Go take as a part of it if another one follows. */
#define IN_USER ALNUM "-._~!$&'()*+,;=:@%"

#define HOST_SIZE 256

/* The schemes of libcurl, and the default port of each: Go's numbers, because libcurl's own default
 * is 1080 for each. */
static const struct {
    const char *scheme;
    long port;
} schemes[] = {
    {"http://", 80},
    {"https://", 443},
    {"socks5://", 1080},
    {"socks5h://", 1080},
    {"socks4://", 1080},
    {"socks4a://", 1080},
};

#define SCHEME_COUNT ((int)(sizeof(schemes) / sizeof(schemes[0])))

/* ---- environment ---- */

static void proxy_read(
    struct proxy *proxy, const char *(*get)(const char *name), const char *const names[4])
{
    *proxy = (struct proxy){.variable = NULL};
    for (int i = 0; i < 4 && proxy->variable == NULL; i++) {
        const char *value = get(names[i]);

        if (value != NULL && value[0] != '\0')
            *proxy = (struct proxy){.variable = names[i], .url = value};
    }
}

void proxy_environment_read(
    struct proxy_environment *environment, const char *(*get)(const char *name))
{
    static const char *const https[] = {"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"};
    static const char *const http[] = {"HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"};

    proxy_read(&environment->https, get, https);
    proxy_read(&environment->http, get, http);
    environment->no_proxy = get("NO_PROXY");
    if (environment->no_proxy == NULL || environment->no_proxy[0] == '\0')
        environment->no_proxy = get("no_proxy");
}

int proxy_environment_check(const struct proxy_environment *environment, char *why, size_t why_size)
{
    const struct proxy *proxies[] = {&environment->https, &environment->http};
    struct proxy_parts parts;
    char reason[160];

    for (int i = 0; i < 2; i++) {
        if (proxies[i]->variable == NULL ||
            proxy_parse(proxies[i], &parts, reason, sizeof(reason)) == 0)
            continue;
        snprintf(why, why_size,
            "%s is not the URL of a proxy: %s; it looks like http://user:password@host:port, where "
            "each of #, /, ?, %%, quotes and blanks in user and password is percent-encoded",
            proxies[i]->variable, reason);
        return -EINVAL;
    }
    return 0;
}

/* ---- the URL of a proxy ---- */

/* Splits "host:port", "[address]:port" or a host without a port into two texts; false: too long. */
static bool split_port(const char *text, size_t len, char *host, char *port, size_t port_size)
{
    const char *close = len > 0 && text[0] == '[' ? memchr(text, ']', len) : NULL;
    const char *colon = close != NULL ? memchr(close, ':', len - (size_t)(close - text))
                                      : memchr(text, ':', len);
    size_t host_len = len;

    port[0] = '\0';
    /* More than one colon: an IPv6 address. */
    if (colon != NULL && memchr(colon + 1, ':', len - (size_t)(colon + 1 - text)) == NULL) {
        host_len = (size_t)(colon - text);
        snprintf(port, port_size, "%.*s", (int)(len - host_len - 1), colon + 1);
    }
    if (close != NULL) {
        text++;
        host_len = (size_t)(close - text);
    }
    if (host_len >= HOST_SIZE)
        return false;
    for (size_t i = 0; i < host_len; i++)
        host[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + ('a' - 'A') : text[i]);
    host[host_len] = '\0';
    return true;
}

static int proxy_refuse(char *why, size_t why_size, const char *reason)
{
    snprintf(why, why_size, "%s", reason);
    return -EINVAL;
}

/* The index of the scheme that the text begins with, which is skipped; -1: unknown scheme. */
static int read_scheme(const char **text)
{
    if (strstr(*text, "://") == NULL)
        return 0;
    for (int i = 0; i < SCHEME_COUNT; i++) {
        size_t len = strlen(schemes[i].scheme);

        if (strncasecmp(*text, schemes[i].scheme, len) == 0) {
            *text += len;
            return i;
        }
    }
    return -1;
}

/* The length of "user:password@" in front of the host. */
static size_t user_length(const char *text)
{
    size_t authority = strcspn(text, "/?#");

    while (authority > 0 && text[authority - 1] != '@')
        authority--;
    return authority;
}

static bool is_user(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (strchr(IN_USER, text[i]) == NULL)
            return false;
        /* Nor a control character, which libcurl does not accept. */
        if (text[i] == '%' &&
            (strspn(text + i + 1, "0123456789abcdefABCDEF") < 2 ||
                strchr("01", text[i + 1]) != NULL || strncasecmp(text + i + 1, "7f", 2) == 0))
            return false;
    }
    return true;
}

int proxy_parse(const struct proxy *proxy, struct proxy_parts *parts, char *why, size_t why_size)
{
    const char *rest = proxy->url;
    int scheme = read_scheme(&rest);
    size_t user_len = user_length(rest);
    struct endpoint endpoint;
    char url[HOST_SIZE + 32], host[HOST_SIZE], port[8];

    if (scheme < 0)
        return proxy_refuse(
            why, why_size, "its scheme must be http, https, socks5, socks5h, socks4 or socks4a");
    if (!is_user(rest, user_len))
        return proxy_refuse(
            why, why_size, "a character of the user or password is not percent-encoded");
    rest += user_len;
    if (strlen(rest) >= HOST_SIZE)
        return proxy_refuse(why, why_size, "the host name is too long");
    snprintf(url, sizeof(url), "http://%s", rest);
    if (endpoint_parse_url(&endpoint, url, true, why, why_size) < 0)
        return -EINVAL;
    if (strcmp(endpoint.path, "/") != 0 ||
        !split_port(rest, strcspn(rest, "/"), host, port, sizeof(port)))
        return proxy_refuse(why, why_size, "nothing can follow the port");
    *parts = (struct proxy_parts){.has_user = user_len > 0};
    parts->port = port[0] != '\0' ? strtol(port, NULL, 10) : schemes[scheme].port;
    snprintf(parts->host, sizeof(parts->host), strchr(host, ':') != NULL ? "[%s]:%ld" : "%s:%ld",
        host, parts->port);
    return 0;
}

/* ---- the choice ---- */

struct target {
    char host[HOST_SIZE]; /* lower case, without brackets */
    char port[8];
    bool is_address;
    bool is_ipv4;
    unsigned char address[16];
};

static bool target_read(struct target *target, const char *url, bool https)
{
    const char *authority = strstr(url, "://") + 3;

    if (!split_port(
            authority, strcspn(authority, "/?#"), target->host, target->port, sizeof(target->port)))
        return false;
    if (target->port[0] == '\0')
        snprintf(target->port, sizeof(target->port), "%s", https ? "443" : "80");
    target->is_address = endpoint_read_address(target->host, target->address, &target->is_ipv4);
    return true;
}

/* "10.0.0.0/8"; false also if the text is not a CIDR block. */
static bool in_block(const struct target *target, const char *text)
{
    const char *slash = strchr(text, '/');
    char host[HOST_SIZE];
    unsigned char block[16];
    bool is_ipv4;
    char *end;
    unsigned long bits;

    if (slash == NULL)
        return false;
    snprintf(host, sizeof(host), "%.*s", (int)(slash - text), text);
    bits = strtoul(slash + 1, &end, 10);
    if (!endpoint_read_address(host, block, &is_ipv4) || slash[1] < '0' || slash[1] > '9' ||
        *end != '\0' || bits > (is_ipv4 ? 32 : 128) || !target->is_address ||
        target->is_ipv4 != is_ipv4)
        return false;
    bits += is_ipv4 ? 96 : 0;
    for (unsigned long i = 0; i < bits; i++)
        if (((block[i / 8] ^ target->address[i / 8]) & (0x80u >> i % 8)) != 0)
            return false;
    return true;
}

static bool below_domain(const char *host, const char *domain)
{
    bool itself = domain[0] != '.';
    size_t host_len = strlen(host), len;

    if (domain[0] == '*' && domain[1] == '.') {
        domain++;
        itself = false;
    }
    len = strlen(domain);
    if (itself && strcmp(host, domain) == 0)
        return true;
    return host_len > len && strcmp(host + host_len - len, domain) == 0 &&
           (!itself || host[host_len - len - 1] == '.');
}

/* One entry of no_proxy. */
static bool entry_matches(const struct target *target, const char *text, size_t len)
{
    char host[HOST_SIZE], port[8];
    unsigned char address[16];
    bool is_ipv4;

    if (len == 1 && text[0] == '*')
        return true;
    if (!split_port(text, len, host, port, sizeof(port)) || host[0] == '\0')
        return false;
    if (strchr(host, '/') != NULL)
        return in_block(target, host);
    if (port[0] != '\0' && strcmp(port, target->port) != 0)
        return false;
    if (endpoint_read_address(host, address, &is_ipv4))
        return target->is_address && memcmp(address, target->address, sizeof(address)) == 0;
    return !target->is_address && below_domain(target->host, host);
}

const struct proxy *proxy_choose(const struct proxy_environment *environment, const char *url)
{
    static const char separators[] = ", \t\r\n";
    bool https = strncasecmp(url, "https://", 8) == 0;
    const struct proxy *proxy = https ? &environment->https : &environment->http;
    const char *entry = environment->no_proxy != NULL ? environment->no_proxy : "";
    struct target target;

    if (proxy->variable == NULL || !target_read(&target, url, https) ||
        endpoint_is_loopback(target.host))
        return NULL;
    for (;;) {
        size_t len;

        entry += strspn(entry, separators);
        len = strcspn(entry, separators);
        if (len == 0)
            return proxy;
        if (entry_matches(&target, entry, len))
            return NULL;
        entry += len;
    }
}
