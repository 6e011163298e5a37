/* SPDX-License-Identifier: Apache-2.0 */
/* Where a service is: URL, Host header and signing region, from region and environment.
 * Pure: the environment comes in as a struct. Names are made by endpoint.c, URLs that somebody
 * configured are read by endpoint_url.c. */
#ifndef TALLY_AGENT_ENDPOINT_H
#define TALLY_AGENT_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

#define ENDPOINT_URL_SIZE    512
#define ENDPOINT_REGION_SIZE 64

/* The AWS_… variables that decide; NULL where unset. */
struct endpoint_environment {
    const char *endpoint_url;          /* AWS_ENDPOINT_URL */
    const char *endpoint_url_dynamodb; /* AWS_ENDPOINT_URL_DYNAMODB */
    const char *endpoint_url_sts;      /* AWS_ENDPOINT_URL_STS */
    const char *region;                /* of region_variable; blanks around it do not count */
    const char *region_variable;       /* AWS_REGION, else AWS_DEFAULT_REGION */
    bool ignore_configured;            /* AWS_IGNORE_CONFIGURED_ENDPOINT_URLS */
    bool sts_legacy;                   /* AWS_STS_REGIONAL_ENDPOINTS=legacy */
    bool fips;                         /* AWS_USE_FIPS_ENDPOINT */
    bool dual_stack;                   /* AWS_USE_DUALSTACK_ENDPOINT */
    bool allow_http;                   /* --allow-http */
};

/* Fills it from a getenv-like function, whose texts it borrows; a blank one counts as unset.
 * `allow_http` is left alone. */
void endpoint_environment_read(
    struct endpoint_environment *environment, const char *(*get)(const char *name));

struct endpoint {
    char url[ENDPOINT_URL_SIZE];  /* "https://dynamodb.eu-west-1.amazonaws.com/" */
    char host[ENDPOINT_URL_SIZE]; /* as the Host header has it: with a port that is not the scheme's
                                   */
    char path[ENDPOINT_URL_SIZE]; /* "/", or the custom endpoint's path, without a query */
    char region[ENDPOINT_REGION_SIZE]; /* for the signature */
    bool in_clear; /* plain http, and not to a loopback address: no token goes there */
    bool own;      /* somebody's own for one trigger or query: it says nothing of AWS elsewhere */
};

/* 0, or -EINVAL with what is wrong and what to do in `why`. `custom`: the trigger's awsEndpoint
 * or NULL. The pseudo-regions fips-… and …-fips mean the region and its FIPS endpoint. */
int endpoint_dynamodb(struct endpoint *endpoint, const struct endpoint_environment *environment,
    const char *region, const char *custom, char *why, size_t why_size);

/* `fallback_region`: the trigger's, where the environment names none; NULL: none either. */
int endpoint_sts(struct endpoint *endpoint, const struct endpoint_environment *environment,
    const char *fallback_region, char *why, size_t why_size);

/* A URL that somebody configured: https, or http to a loopback address or `localhost` or with
 * allow_http; no user, query or fragment. Checks, and fills url, host and path; `region` is left
 * empty. 0, or -EINVAL with `why`, which never repeats the URL: a password may be in it. */
int endpoint_parse_url(
    struct endpoint *endpoint, const char *url, bool allow_http, char *why, size_t why_size);

/* A whole, canonical address (without brackets) as bytes, IPv4 as IPv4-mapped IPv6; false: none. */
bool endpoint_read_address(const char *host, unsigned char address[16], bool *is_ipv4);

/* A loopback address, or `localhost`. */
bool endpoint_is_loopback(const char *host);

/* The credential endpoint rule (EKS Pod Identity, ECS): https anywhere; http only to loopback
 * and `localhost`, 169.254.170.2, 169.254.170.23 and fd00:ec2::23, compared as addresses. A
 * query is allowed, and is in `url` only. */
int endpoint_parse_credentials_url(
    struct endpoint *endpoint, const char *url, char *why, size_t why_size);

#endif
