/* SPDX-License-Identifier: Apache-2.0 */
/* Chooses the proxy for a URL by the rules of Go's net/http (golang.org/x/net/http/httpproxy),
 * which KEDA uses. Pure: the environment comes in as a struct.
 *
 * A proxy's URL may hold a password: it is passed to libcurl and never appears in a message. */
#ifndef TALLY_AGENT_AWS_PROXY_H
#define TALLY_AGENT_AWS_PROXY_H

#include <stdbool.h>
#include <stddef.h>

struct proxy {
    const char *variable; /* the environment variable: "HTTPS_PROXY"; NULL: there is no proxy */
    const char *url;      /* its value; the scheme may be absent, which means http */
};

struct proxy_environment {
    struct proxy https;   /* for https URLs: HTTPS_PROXY, https_proxy, ALL_PROXY, all_proxy */
    struct proxy http;    /* for http URLs: HTTP_PROXY, http_proxy, ALL_PROXY, all_proxy */
    const char *no_proxy; /* NO_PROXY, no_proxy; NULL: unset */
};

/* Fills it from a getenv-like function, whose texts it borrows; an empty one counts as unset. */
void proxy_environment_read(
    struct proxy_environment *environment, const char *(*get)(const char *name));

/* 0, or -EINVAL if a proxy cannot be used. `why` names the variable and never its value. */
int proxy_environment_check(
    const struct proxy_environment *environment, char *why, size_t why_size);

/* The proxy for this URL, or NULL: none. `localhost` and loopback addresses have none. The entries
 * of no_proxy, separated by commas: "*", "host", ".domain", "*.domain", an address, a CIDR block;
 * each but a block optionally with ":port". A name also matches all its subdomains. */
const struct proxy *proxy_choose(const struct proxy_environment *environment, const char *url);

/* The parts of a proxy that was checked. */
struct proxy_parts {
    char host[270]; /* "proxy.example:3128", without user and password */
    long port;      /* if the URL has none: the default of the scheme */
    bool has_user;
};
int proxy_parse(const struct proxy *proxy, struct proxy_parts *parts, char *why, size_t why_size);

#endif
