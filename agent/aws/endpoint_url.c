/* The URLs that people configure. A strict reader: what it lets through means the same to every
 * other reader of URLs. */
#include "agent/aws/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOST_MAX  253
#define LABEL_MAX 63

#define LOWER    "abcdefghijklmnopqrstuvwxyz"
#define UPPER    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS   "0123456789"
#define HOSTNAME LOWER UPPER DIGITS "-_."
#define IN_PATH  LOWER UPPER DIGITS "-._~!$&'()*+,;=:@/%"

struct parts {
    bool https;
    char host[HOST_MAX + 1]; /* lower case, canonical; an IPv6 address without its brackets */
    bool bracketed;
    unsigned port;    /* 0: the scheme's */
    const char *path; /* of the text, up to its end; "" or from "/" or "?" */
};

static int refuse(char *why, size_t why_size, const char *reason)
{
    snprintf(why, why_size, "%s", reason);
    return -EINVAL;
}

/* ---- host ------------------------------------------------------------------------------------ */

static void copy_lower(char *to, const char *from, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] = (char)(from[i] >= 'A' && from[i] <= 'Z' ? from[i] + ('a' - 'A') : from[i]);
    to[len] = '\0';
}

/* Names that other readers take for IPv4 addresses: 127.1, 0x7f.1, 2130706433. */
static bool ends_in_number(const char *host)
{
    const char *dot = strrchr(host, '.');
    const char *label = dot != NULL ? dot + 1 : host;

    if (label[0] == '0' && label[1] == 'x')
        return label[2 + strspn(label + 2, DIGITS "abcdef")] == '\0';
    return label[strspn(label, DIGITS)] == '\0';
}

/* A name, or an IPv4 address in its one canonical form. */
static bool is_hostname(const char *host)
{
    struct in_addr address;

    if (host[0] == '\0' || host[strspn(host, HOSTNAME)] != '\0')
        return false;
    if (ends_in_number(host))
        return inet_pton(AF_INET, host, &address) == 1;
    for (;;) {
        size_t label = strcspn(host, ".");
        if (label == 0 || label > LABEL_MAX || host[0] == '-' || host[label - 1] == '-')
            return false;
        if (host[label] == '\0')
            return true;
        host += label + 1;
    }
}

/* Likewise brings an IPv6 address into its canonical form. */
static bool canonical_ipv6(char host[HOST_MAX + 1])
{
    struct in6_addr address;

    return inet_pton(AF_INET6, host, &address) == 1 &&
           inet_ntop(AF_INET6, &address, host, HOST_MAX + 1) != NULL;
}

/* An address as bytes: IPv4 as IPv4-mapped IPv6. Nothing but a whole, canonical address is
 * one, so a name like 127.example.org never is. */
static bool read_address(const char *host, struct in6_addr *address)
{
    char mapped[INET6_ADDRSTRLEN + 8];
    struct in_addr v4;

    if (inet_pton(AF_INET, host, &v4) == 1) {
        snprintf(mapped, sizeof(mapped), "::ffff:%.15s", host);
        return inet_pton(AF_INET6, mapped, address) == 1;
    }
    return inet_pton(AF_INET6, host, address) == 1;
}

bool endpoint_read_address(const char *host, unsigned char address[16], bool *is_ipv4)
{
    struct in6_addr read;

    if (!read_address(host, &read))
        return false;
    memcpy(address, &read, sizeof(read));
    *is_ipv4 = IN6_IS_ADDR_V4MAPPED(&read);
    return true;
}

bool endpoint_is_loopback(const char *host)
{
    struct in6_addr address;

    if (strcmp(host, "localhost") == 0)
        return true;
    if (!read_address(host, &address))
        return false;
    return IN6_IS_ADDR_LOOPBACK(&address) ||
           (IN6_IS_ADDR_V4MAPPED(&address) && address.s6_addr[12] == 127);
}

static bool is_credentials_host(const char *host)
{
    static const char *const allowed[] = {"169.254.170.2", "169.254.170.23", "fd00:ec2::23"};
    struct in6_addr address, known;

    if (endpoint_is_loopback(host))
        return true;
    if (!read_address(host, &address))
        return false;
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
        if (read_address(allowed[i], &known) && memcmp(&address, &known, sizeof(known)) == 0)
            return true;
    return false;
}

/* ---- the parts of the text --------------------------------------------------------------------
 */

static int read_port(const char *text, size_t len, unsigned *port, char *why, size_t why_size)
{
    *port = 0;
    if (len > 0 && len <= 5 && strspn(text, DIGITS) >= len)
        for (size_t i = 0; i < len; i++)
            *port = *port * 10 + (unsigned)(text[i] - '0');
    if (*port == 0 || *port > 65535)
        return refuse(why, why_size, "the port must be a number from 1 to 65535");
    return 0;
}

static int read_authority(
    struct parts *parts, const char *text, size_t len, char *why, size_t why_size)
{
    const char *close;
    size_t host_len;

    if (memchr(text, '@', len) != NULL)
        return refuse(why, why_size, "a user or password cannot be in it");
    parts->bracketed = text[0] == '[';
    if (parts->bracketed) {
        close = memchr(text, ']', len);
        if (close == NULL)
            return refuse(why, why_size, "the ] of the IPv6 address is missing");
        text++;
        len--;
        host_len = (size_t)(close - text);
    } else {
        close = memchr(text, ':', len);
        host_len = close != NULL ? (size_t)(close - text) : len;
    }
    if (host_len > HOST_MAX)
        return refuse(why, why_size, "the host name is too long");
    copy_lower(parts->host, text, host_len);
    if (parts->bracketed ? !canonical_ipv6(parts->host) : !is_hostname(parts->host))
        return refuse(why, why_size, "the host is neither a name nor an address");
    text += host_len + parts->bracketed;
    len -= host_len + parts->bracketed;
    if (len == 0)
        return 0;
    if (text[0] != ':')
        return refuse(why, why_size, "only a port can follow the ] of the IPv6 address");
    return read_port(text + 1, len - 1, &parts->port, why, why_size);
}

/* A segment "." or "..", in any spelling: other readers would shorten the path, and the
 * signature would be for another one. */
static bool has_dot_segment(const char *path, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        size_t at = i + 1;
        int dots = 0;
        if (path[i] != '/')
            continue;
        while (at < len &&
               (path[at] == '.' || (len - at >= 3 && path[at] == '%' && path[at + 1] == '2' &&
                                       (path[at + 2] | 32) == 'e'))) {
            at += path[at] == '.' ? 1 : 3;
            dots++;
        }
        if (dots > 0 && dots <= 2 && (at == len || path[at] == '/'))
            return true;
    }
    return false;
}

static int check_path(const char *path, bool query_allowed, char *why, size_t why_size)
{
    size_t path_len = strcspn(path, "?");

    if (strchr(path, '#') != NULL)
        return refuse(why, why_size, "a fragment (#...) cannot be in it");
    if (path[path_len] == '?' && !query_allowed)
        return refuse(why, why_size, "a query (?...) cannot be in it");
    if (path[strspn(path, IN_PATH "?")] != '\0')
        return refuse(why, why_size, "a character in the path must be percent-encoded");
    for (const char *at = path; (at = strchr(at, '%')) != NULL; at++)
        if (strspn(at + 1, DIGITS "abcdefABCDEF") < 2)
            return refuse(why, why_size, "two hexadecimal digits must follow each % in the path");
    if (has_dot_segment(path, path_len))
        return refuse(why, why_size, "the path cannot have the segments . and ..");
    return 0;
}

static int read_parts(
    struct parts *parts, const char *url, bool query_allowed, char *why, size_t why_size)
{
    size_t len;

    *parts = (struct parts){.https = strncasecmp(url, "https://", 8) == 0};
    if (!parts->https && strncasecmp(url, "http://", 7) != 0)
        return refuse(why, why_size, "it must begin with https:// or http://");
    url += parts->https ? 8 : 7;
    len = strcspn(url, "/?#\\");
    parts->path = url + len;
    if (read_authority(parts, url, len, why, why_size) < 0)
        return -EINVAL;
    return check_path(parts->path, query_allowed, why, why_size);
}

/* ---- the endpoint ---------------------------------------------------------------------------- */

/* Names below `localhost` are loopback, too (RFC 6761, 6.3). */
static bool in_clear(const struct parts *parts)
{
    static const char local[] = ".localhost";
    size_t len = strlen(parts->host);

    return !parts->https && !endpoint_is_loopback(parts->host) &&
           (len < sizeof(local) || strcmp(parts->host + len - (sizeof(local) - 1), local) != 0);
}

static int fill(struct endpoint *endpoint, const struct parts *parts, char *why, size_t why_size)
{
    size_t path_len = strcspn(parts->path, "?");
    bool port = parts->port != 0 && parts->port != (parts->https ? 443u : 80u);
    char port_text[8] = "";
    int len;

    *endpoint = (struct endpoint){.region = "", .in_clear = in_clear(parts)};
    if (port)
        snprintf(port_text, sizeof(port_text), ":%u", parts->port & 0xffffu);
    snprintf(endpoint->host, sizeof(endpoint->host), "%s%s%s%s", parts->bracketed ? "[" : "",
        parts->host, parts->bracketed ? "]" : "", port_text);
    len = snprintf(endpoint->url, sizeof(endpoint->url), "%s://%s%s%s",
        parts->https ? "https" : "http", endpoint->host, path_len == 0 ? "/" : "", parts->path);
    if (len < 0 || (size_t)len >= sizeof(endpoint->url))
        return refuse(why, why_size, "it is too long");
    snprintf(endpoint->path, sizeof(endpoint->path), "%.*s", path_len == 0 ? 1 : (int)path_len,
        path_len == 0 ? "/" : parts->path);
    return 0;
}

int endpoint_parse_url(
    struct endpoint *endpoint, const char *url, bool allow_http, char *why, size_t why_size)
{
    struct parts parts;

    if (read_parts(&parts, url, false, why, why_size) < 0)
        return -EINVAL;
    if (!parts.https && !allow_http && !endpoint_is_loopback(parts.host))
        return refuse(why, why_size,
            "plain http goes to a loopback address only; use https, or allow it (--allow-http)");
    return fill(endpoint, &parts, why, why_size);
}

int endpoint_parse_credentials_url(
    struct endpoint *endpoint, const char *url, char *why, size_t why_size)
{
    struct parts parts;

    if (read_parts(&parts, url, true, why, why_size) < 0)
        return -EINVAL;
    if (!parts.https && !is_credentials_host(parts.host))
        return refuse(why, why_size,
            "plain http goes to loopback, 169.254.170.2, 169.254.170.23 or [fd00:ec2::23] only");
    return fill(endpoint, &parts, why, why_size);
}
