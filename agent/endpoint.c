/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- endpoint ---- */

#define GLOBAL_STS_HOST   "sts.amazonaws.com"
#define GLOBAL_STS_REGION "us-east-1"

#define BLANKS " \t\r\n"

struct partition {
    const char *prefix; /* of its regions */
    const char *global; /* prefix of the pseudo-region of the whole partition; or NULL */
    const char *suffix;
    const char *dual_stack_suffix;
    bool plain_is_fips; /* its ordinary host names are the FIPS ones */
};

/* AWS's partitions.json as SDKs carry it; a region that matches no other partition is in the first,
 * as most new regions are. */
static const struct partition partitions[] = {
    {"", NULL, "amazonaws.com", "api.aws", false},
    {"cn-", "aws-cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn", false},
    {"us-gov-", "aws-us-gov-", "amazonaws.com", "api.aws", true},
    {"eusc-", NULL, "amazonaws.eu", "api.amazonwebservices.eu", false},
    {"us-iso-", "aws-iso-", "c2s.ic.gov", "api.aws.ic.gov", false},
    {"us-isob-", "aws-iso-b-", "sc2s.sgov.gov", "api.aws.scloud", false},
    {"eu-isoe-", "aws-iso-e-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk", false},
    {"us-isof-", "aws-iso-f-", "csp.hci.ic.gov", "api.aws.hci.ic.gov", false},
};

/* Regions where AWS_STS_REGIONAL_ENDPOINTS=legacy means the one global endpoint; regions newer than
 * this list never had it. */
static const char *const legacy_sts_regions[] = {"ap-northeast-1", "ap-south-1", "ap-southeast-1",
    "ap-southeast-2", "aws-global", "ca-central-1", "eu-central-1", "eu-north-1", "eu-west-1",
    "eu-west-2", "eu-west-3", "sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2"};

/* ---- environment ---- */

static const char *endpoint_read_text(const char *(*get)(const char *name), const char *name)
{
    const char *text = get(name);

    return text != NULL && text[strspn(text, BLANKS)] != '\0' ? text : NULL;
}

static bool is_set_to(const char *(*get)(const char *name), const char *name, const char *value)
{
    const char *text = get(name);

    return text != NULL && strcasecmp(text, value) == 0;
}

void endpoint_environment_read(
    struct endpoint_environment *environment, const char *(*get)(const char *name))
{
    environment->endpoint_url = endpoint_read_text(get, "AWS_ENDPOINT_URL");
    environment->endpoint_url_dynamodb = endpoint_read_text(get, "AWS_ENDPOINT_URL_DYNAMODB");
    environment->endpoint_url_sts = endpoint_read_text(get, "AWS_ENDPOINT_URL_STS");
    environment->region_variable = "AWS_REGION";
    environment->region = endpoint_read_text(get, environment->region_variable);
    if (environment->region == NULL) {
        environment->region_variable = "AWS_DEFAULT_REGION";
        environment->region = endpoint_read_text(get, environment->region_variable);
    }
    environment->ignore_configured = is_set_to(get, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
    environment->sts_legacy = is_set_to(get, "AWS_STS_REGIONAL_ENDPOINTS", "legacy");
    environment->fips = is_set_to(get, "AWS_USE_FIPS_ENDPOINT", "true");
    environment->dual_stack = is_set_to(get, "AWS_USE_DUALSTACK_ENDPOINT", "true");
}

/* ---- regions ---- */

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static const struct partition *partition_of(const char *region)
{
    for (size_t i = 1; i < sizeof(partitions) / sizeof(partitions[0]); i++) {
        const struct partition *partition = &partitions[i];

        if (starts_with(region, partition->prefix) ||
            (partition->global != NULL && starts_with(region, partition->global) &&
                strcmp(region + strlen(partition->global), "global") == 0))
            return partition;
    }
    return &partitions[0];
}

/* Must be a host label, because it becomes one: any other character could direct the request, and
 * its signature, to another host. */
static bool is_region(const char *region)
{
    size_t len = strlen(region);

    return len > 0 && len < ENDPOINT_REGION_SIZE &&
           strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") == len &&
           strspn(region, "0123456789") < len && region[0] != '-' && region[len - 1] != '-';
}

/* Variables often end in a line break of the file they were read from. */
static void trim_region(const char *text, char *region, size_t size)
{
    const char *begin = text + strspn(text, BLANKS);
    size_t len = strlen(begin);

    while (len > 0 && strchr(BLANKS, begin[len - 1]) != NULL)
        len--;
    snprintf(region, size, "%.*s", (int)len, begin);
}

/* The region of an endpoint, and which variant of it, as AWS calls them. */
struct variant {
    char region[ENDPOINT_REGION_SIZE];
    bool fips;
    bool dual_stack;
};

static int refuse_region(const char *region, char *why, size_t why_size)
{
    snprintf(why, why_size, "\"%.40s\" is not a region; one looks like eu-west-1", region);
    return -EINVAL;
}

static int variant_read(struct variant *variant, const struct endpoint_environment *environment,
    const char *region, char *why, size_t why_size)
{
    size_t len;

    *variant = (struct variant){.fips = environment->fips, .dual_stack = environment->dual_stack};
    if (region == NULL || region[0] == '\0') {
        snprintf(why, why_size, "no region is known; set AWS_REGION");
        return -EINVAL;
    }
    if (!is_region(region))
        return refuse_region(region, why, why_size);
    if (starts_with(region, "fips-")) {
        region += strlen("fips-");
        variant->fips = true;
    }
    len = strlen(region);
    memcpy(variant->region, region, len + 1);
    if (len > strlen("-fips") && strcmp(region + len - strlen("-fips"), "-fips") == 0) {
        variant->region[len - strlen("-fips")] = '\0';
        variant->fips = true;
    }
    return is_region(variant->region) ? 0 : refuse_region(region, why, why_size);
}

/* ---- endpoints ---- */

static void set_host(struct endpoint *endpoint, const char *host)
{
    snprintf(endpoint->host, sizeof(endpoint->host), "%s", host);
    snprintf(endpoint->url, sizeof(endpoint->url), "https://%s/", host);
    snprintf(endpoint->path, sizeof(endpoint->path), "/");
}

/* The service's AWS host in that region. FIPS and dual-stack combined have a separate name in every
 * partition. */
static void set_aws_host(
    struct endpoint *endpoint, const char *service, const struct variant *variant)
{
    const struct partition *partition = partition_of(variant->region);
    bool fips = variant->fips && (variant->dual_stack || !partition->plain_is_fips);
    char host[160];

    snprintf(host, sizeof(host), "%s%s.%s.%s", service, fips ? "-fips" : "", variant->region,
        variant->dual_stack ? partition->dual_stack_suffix : partition->suffix);
    set_host(endpoint, host);
}

static int set_custom(struct endpoint *endpoint, const struct variant *variant, const char *source,
    const char *url, bool allow_http, char *why, size_t why_size)
{
    char reason[160];

    if (variant->fips || variant->dual_stack) {
        snprintf(why, why_size,
            "%s gives the endpoint, so %s cannot choose one; remove one of the two", source,
            variant->fips ? "AWS_USE_FIPS_ENDPOINT (or a fips region)"
                          : "AWS_USE_DUALSTACK_ENDPOINT");
        return -EINVAL;
    }
    if (endpoint_parse_url(endpoint, url, allow_http, reason, sizeof(reason)) < 0) {
        snprintf(why, why_size, "%s: %s", source, reason);
        return -EINVAL;
    }
    return 0;
}

/* The service's URL from the environment; NULL: not set. */
static const char *configured_url(const struct endpoint_environment *environment,
    const char *own_name, const char *own_url, const char **source)
{
    if (environment->ignore_configured)
        return NULL;
    *source = own_url != NULL ? own_name : "AWS_ENDPOINT_URL";
    return own_url != NULL ? own_url : environment->endpoint_url;
}

/* What is wrong where the environment's URL cannot be used. */
static enum endpoint_fault url_fault(
    const struct endpoint_environment *environment, const struct variant *variant)
{
    return variant->fips && !environment->fips ? ENDPOINT_FAULT_REGION : ENDPOINT_FAULT_ENVIRONMENT;
}

/* The SDKs' endpoint rules send the pseudo-region "local" to DynamoDB Local, signed for us-east-1.
 */
#define LOCAL_URL            "http://localhost:8000"
#define LOCAL_SIGNING_REGION "us-east-1"

static bool is_local(const struct variant *variant)
{
    return strcmp(variant->region, "local") == 0 && !variant->fips && !variant->dual_stack;
}

int endpoint_dynamodb(struct endpoint *endpoint, const struct endpoint_environment *environment,
    const char *region, const char *custom, char *why, size_t why_size)
{
    const char *source = "awsEndpoint";
    bool own = custom != NULL;
    struct variant variant;
    int r = 0;

    *endpoint = (struct endpoint){.region = ""};
    if (variant_read(&variant, environment, region, why, why_size) < 0)
        return -EINVAL;
    if (custom == NULL)
        custom = configured_url(
            environment, "AWS_ENDPOINT_URL_DYNAMODB", environment->endpoint_url_dynamodb, &source);
    if (custom == NULL && is_local(&variant)) {
        custom = LOCAL_URL;
        source = "region local";
        own = true;
        snprintf(variant.region, sizeof(variant.region), "%s", LOCAL_SIGNING_REGION);
    }
    if (custom != NULL)
        r = set_custom(endpoint, &variant, source, custom, environment->allow_http, why, why_size);
    else
        set_aws_host(endpoint, "dynamodb", &variant);
    endpoint->own = own;
    endpoint->fault = own ? ENDPOINT_FAULT_CUSTOM : url_fault(environment, &variant);
    memcpy(endpoint->region, variant.region, sizeof(variant.region));
    return r;
}

/* The pseudo-region of the global endpoint, or a region that the old setting sends there. */
static bool is_global_sts(
    const struct endpoint_environment *environment, const struct variant *variant)
{
    if (variant->fips || variant->dual_stack)
        return false;
    if (strcmp(variant->region, "aws-global") == 0)
        return true;
    for (size_t i = 0; i < sizeof(legacy_sts_regions) / sizeof(legacy_sts_regions[0]); i++)
        if (environment->sts_legacy && strcmp(variant->region, legacy_sts_regions[i]) == 0)
            return true;
    return false;
}

/* Tokens are sent there, so --allow-http does not apply. */
static int set_custom_sts(struct endpoint *endpoint, const struct variant *variant,
    const char *source, const char *url, char *why, size_t why_size)
{
    int r = set_custom(endpoint, variant, source, url, true, why, why_size);

    if (r < 0 || !endpoint->in_clear)
        return r;
    snprintf(why, why_size,
        "%s: tokens go over https, or over plain http to a loopback address; --allow-http is for "
        "DynamoDB only",
        source);
    return -EINVAL;
}

int endpoint_sts(struct endpoint *endpoint, const struct endpoint_environment *environment,
    const char *fallback_region, char *why, size_t why_size)
{
    char trimmed[ENDPOINT_REGION_SIZE + 1];
    const char *region = fallback_region;
    const char *source;
    const char *custom = configured_url(
        environment, "AWS_ENDPOINT_URL_STS", environment->endpoint_url_sts, &source);
    struct variant variant;
    size_t len;
    bool global;
    int r = 0;

    *endpoint = (struct endpoint){.region = ""};
    if (environment->region != NULL) {
        trim_region(environment->region, trimmed, sizeof(trimmed));
        region = trimmed;
        if (!is_region(region)) {
            endpoint->fault = ENDPOINT_FAULT_ENVIRONMENT;
            len = (size_t)snprintf(why, why_size, "%s: ", environment->region_variable);
            return refuse_region(region, why + len, why_size - len);
        }
    }
    if (variant_read(&variant, environment, region, why, why_size) < 0)
        return -EINVAL;
    global = custom == NULL && is_global_sts(environment, &variant);
    if (custom != NULL)
        r = set_custom_sts(endpoint, &variant, source, custom, why, why_size);
    else if (global)
        set_host(endpoint, GLOBAL_STS_HOST);
    else
        set_aws_host(endpoint, "sts", &variant);
    endpoint->fault = url_fault(environment, &variant);
    snprintf(endpoint->region, sizeof(endpoint->region), "%s",
        global ? GLOBAL_STS_REGION : variant.region);
    return r;
}

/* ---- endpoint url ---- */

/* The URLs that users configure. A strict parser: what it accepts means the same to every other URL
 * parser. */

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
    const char *path; /* points into the text, up to its end; "" or from "/" or "?" */
};

/* ---- host ---- */

static void copy_lower(char *to, const char *from, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] = (char)(from[i] >= 'A' && from[i] <= 'Z' ? from[i] + ('a' - 'A') : from[i]);
    to[len] = '\0';
}

/* Names that other parsers take for IPv4 addresses: 127.1, 0x7f.1, 2130706433. */
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

/* An address as bytes: IPv4 as IPv4-mapped IPv6. Only a whole, canonical address counts, so a name
 * like 127.example.org never does. */
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

/* ---- the parts of the text ---- */

/* NULL, or why it is refused: as the functions below. */
static const char *read_port(const char *text, size_t len, unsigned *port)
{
    *port = 0;
    if (len > 0 && len <= 5 && strspn(text, DIGITS) >= len)
        for (size_t i = 0; i < len; i++)
            *port = *port * 10 + (unsigned)(text[i] - '0');
    if (*port == 0 || *port > 65535)
        return "the port must be a number from 1 to 65535";
    return NULL;
}

static const char *read_authority(struct parts *parts, const char *text, size_t len)
{
    const char *close;
    size_t host_len;

    if (memchr(text, '@', len) != NULL)
        return "a user or password cannot be in it";
    parts->bracketed = text[0] == '[';
    if (parts->bracketed) {
        close = memchr(text, ']', len);
        if (close == NULL)
            return "the ] of the IPv6 address is missing";
        text++;
        len--;
        host_len = (size_t)(close - text);
    } else {
        close = memchr(text, ':', len);
        host_len = close != NULL ? (size_t)(close - text) : len;
    }
    if (host_len > HOST_MAX)
        return "the host name is too long";
    copy_lower(parts->host, text, host_len);
    if (parts->bracketed ? !canonical_ipv6(parts->host) : !is_hostname(parts->host))
        return "the host is neither a name nor an address";
    text += host_len + parts->bracketed;
    len -= host_len + parts->bracketed;
    if (len == 0)
        return NULL;
    if (text[0] != ':')
        return "only a port can follow the ] of the IPv6 address";
    return read_port(text + 1, len - 1, &parts->port);
}

/* A segment "." or "..", in any spelling: other parsers would shorten the path, and the signature
 * would be for another one. */
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

static const char *check_path(const char *path, bool query_allowed)
{
    size_t path_len = strcspn(path, "?");

    if (strchr(path, '#') != NULL)
        return "a fragment (#...) cannot be in it";
    if (path[path_len] == '?' && !query_allowed)
        return "a query (?...) cannot be in it";
    if (path[strspn(path, IN_PATH "?")] != '\0')
        return "a character in the path must be percent-encoded";
    for (const char *at = path; (at = strchr(at, '%')) != NULL; at++)
        if (strspn(at + 1, DIGITS "abcdefABCDEF") < 2)
            return "two hexadecimal digits must follow each % in the path";
    if (has_dot_segment(path, path_len))
        return "the path cannot have the segments . and ..";
    return NULL;
}

static const char *read_parts(struct parts *parts, const char *url, bool query_allowed)
{
    const char *reason;
    size_t len;

    *parts = (struct parts){.https = strncasecmp(url, "https://", 8) == 0};
    if (!parts->https && strncasecmp(url, "http://", 7) != 0)
        return "it must begin with https:// or http://";
    url += parts->https ? 8 : 7;
    len = strcspn(url, "/?#\\");
    parts->path = url + len;
    reason = read_authority(parts, url, len);
    return reason != NULL ? reason : check_path(parts->path, query_allowed);
}

/* ---- the endpoint ---- */

/* Names below `localhost` are loopback, too (RFC 6761, 6.3). */
static bool in_clear(const struct parts *parts)
{
    static const char local[] = ".localhost";
    size_t len = strlen(parts->host);

    return !parts->https && !endpoint_is_loopback(parts->host) &&
           (len < sizeof(local) || strcmp(parts->host + len - (sizeof(local) - 1), local) != 0);
}

static const char *endpoint_fill(struct endpoint *endpoint, const struct parts *parts)
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
        return "it is too long";
    snprintf(endpoint->path, sizeof(endpoint->path), "%.*s", path_len == 0 ? 1 : (int)path_len,
        path_len == 0 ? "/" : parts->path);
    return NULL;
}

/* The end of both parsers: fills it, unless a `reason` against it is known. */
static int endpoint_finish(struct endpoint *endpoint, const struct parts *parts, const char *reason,
    char *why, size_t why_size)
{
    if (reason == NULL)
        reason = endpoint_fill(endpoint, parts);
    if (reason == NULL)
        return 0;
    snprintf(why, why_size, "%s", reason);
    return -EINVAL;
}

int endpoint_parse_url(
    struct endpoint *endpoint, const char *url, bool allow_http, char *why, size_t why_size)
{
    struct parts parts;
    const char *reason = read_parts(&parts, url, false);

    if (reason == NULL && !parts.https && !allow_http && !endpoint_is_loopback(parts.host))
        reason = "plain http goes to a loopback address only; use https, or allow it "
                 "(--allow-http)";
    return endpoint_finish(endpoint, &parts, reason, why, why_size);
}

int endpoint_parse_credentials_url(
    struct endpoint *endpoint, const char *url, char *why, size_t why_size)
{
    struct parts parts;
    const char *reason = read_parts(&parts, url, true);

    if (reason == NULL && !parts.https && !is_credentials_host(parts.host))
        reason = "plain http goes to loopback, 169.254.170.2, 169.254.170.23 or [fd00:ec2::23] "
                 "only";
    return endpoint_finish(endpoint, &parts, reason, why, why_size);
}
