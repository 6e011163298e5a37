/* SPDX-License-Identifier: Apache-2.0 */
/* Where a service is: URL, Host header and signing region, from region and environment. Pure: the
 * environment comes in as a struct. endpoint.c builds the AWS host names and parses the URLs that
 * users configure. */
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
    const char *region;                /* of region_variable; surrounding blanks are ignored */
    const char *region_variable;       /* AWS_REGION, else AWS_DEFAULT_REGION */
    bool ignore_configured;            /* AWS_IGNORE_CONFIGURED_ENDPOINT_URLS */
    bool sts_legacy;                   /* AWS_STS_REGIONAL_ENDPOINTS=legacy */
    bool fips;                         /* AWS_USE_FIPS_ENDPOINT */
    bool dual_stack;                   /* AWS_USE_DUALSTACK_ENDPOINT */
    bool allow_http;                   /* --allow-http */
};

/* Fills it from a getenv-like function, whose texts it borrows; a blank one counts as unset.
 * `allow_http` stays unchanged. */
void endpoint_environment_read(
    struct endpoint_environment *environment, const char *(*get)(const char *name));

/* What is wrong where there is no endpoint. */
enum endpoint_fault {
    ENDPOINT_FAULT_REGION,      /* the given region */
    ENDPOINT_FAULT_CUSTOM,      /* the given endpoint */
    ENDPOINT_FAULT_ENVIRONMENT, /* a variable */
};

struct endpoint {
    char url[ENDPOINT_URL_SIZE];       /* "https://dynamodb.eu-west-1.amazonaws.com/" */
    char host[ENDPOINT_URL_SIZE];      /* the Host header, with any non-default port */
    char path[ENDPOINT_URL_SIZE];      /* "/", or the custom endpoint's path, without a query */
    char region[ENDPOINT_REGION_SIZE]; /* for the signature */
    bool in_clear; /* plain http, and not to a loopback address: no token is sent there */
    bool own;      /* custom, for one trigger or query: implies nothing about other AWS endpoints */
    enum endpoint_fault fault; /* of endpoint_dynamodb and endpoint_sts, after -EINVAL */
};

/* 0, or -EINVAL with what is wrong and what to do in `why`. `custom`: the trigger's awsEndpoint
 * or NULL. The pseudo-regions fips-… and …-fips mean the region and its FIPS endpoint. */
int endpoint_dynamodb(struct endpoint *endpoint, const struct endpoint_environment *environment,
    const char *region, const char *custom, char *why, size_t why_size);

/* `fallback_region`: the trigger's, where the environment sets no region; NULL: the trigger sets
 * none either. */
int endpoint_sts(struct endpoint *endpoint, const struct endpoint_environment *environment,
    const char *fallback_region, char *why, size_t why_size);

/* A configured URL: https, or http to a loopback address or `localhost` or with allow_http; no
 * user, query or fragment. Checks it, and fills url, host and path; `region` stays empty. 0, or
 * -EINVAL with `why`, which never repeats the URL: a password may be in it. */
int endpoint_parse_url(
    struct endpoint *endpoint, const char *url, bool allow_http, char *why, size_t why_size);

/* A whole, canonical address (without brackets) as bytes, IPv4 as IPv4-mapped IPv6; else false. */
bool endpoint_read_address(const char *host, unsigned char address[16], bool *is_ipv4);

/* A loopback address, or `localhost`. */
bool endpoint_is_loopback(const char *host);

/* The credential endpoint rule (EKS Pod Identity, ECS): https anywhere; http only to loopback
 * and `localhost`, 169.254.170.2, 169.254.170.23 and fd00:ec2::23, compared as addresses. A
 * query is allowed, and is in `url` only. */
int endpoint_parse_credentials_url(
    struct endpoint *endpoint, const char *url, char *why, size_t why_size);

#endif
