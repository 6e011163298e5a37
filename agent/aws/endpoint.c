#include "agent/aws/endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define GLOBAL_STS_HOST   "sts.amazonaws.com"
#define GLOBAL_STS_REGION "us-east-1"

#define BLANKS " \t\r\n"

struct partition {
    const char *prefix; /* of its regions */
    const char *global; /* the pseudo-region of the partition as a whole begins so; or NULL */
    const char *suffix;
    const char *dual_stack_suffix;
    bool plain_is_fips; /* its ordinary names are the FIPS ones */
};

/* AWS's partitions.json as SDKs carry it; a region that fits none of the others is in the
 * first, as new ones mostly are. */
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

/* Where AWS_STS_REGIONAL_ENDPOINTS=legacy means the one global endpoint; regions that are
 * younger than this list never had it. */
static const char *const legacy_sts_regions[] = {"ap-northeast-1", "ap-south-1", "ap-southeast-1",
    "ap-southeast-2", "aws-global", "ca-central-1", "eu-central-1", "eu-north-1", "eu-west-1",
    "eu-west-2", "eu-west-3", "sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2"};

/* ---- environment ----------------------------------------------------------------------------- */

static const char *read_text(const char *(*get)(const char *name), const char *name)
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
    environment->endpoint_url = read_text(get, "AWS_ENDPOINT_URL");
    environment->endpoint_url_dynamodb = read_text(get, "AWS_ENDPOINT_URL_DYNAMODB");
    environment->endpoint_url_sts = read_text(get, "AWS_ENDPOINT_URL_STS");
    environment->region_variable = "AWS_REGION";
    environment->region = read_text(get, environment->region_variable);
    if (environment->region == NULL) {
        environment->region_variable = "AWS_DEFAULT_REGION";
        environment->region = read_text(get, environment->region_variable);
    }
    environment->ignore_configured = is_set_to(get, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
    environment->sts_legacy = is_set_to(get, "AWS_STS_REGIONAL_ENDPOINTS", "legacy");
    environment->fips = is_set_to(get, "AWS_USE_FIPS_ENDPOINT", "true");
    environment->dual_stack = is_set_to(get, "AWS_USE_DUALSTACK_ENDPOINT", "true");
}

/* ---- regions --------------------------------------------------------------------------------- */

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

/* A host label, because it becomes one: what else is in it could lead the request, and its
 * signature, to another host. */
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

/* What is asked for, once it is known to be possible. */
struct wish {
    char region[ENDPOINT_REGION_SIZE];
    bool fips;
    bool dual_stack;
};

static int refuse_region(const char *region, char *why, size_t why_size)
{
    snprintf(why, why_size, "\"%.40s\" is no region; one looks like eu-west-1", region);
    return -EINVAL;
}

static int read_wish(struct wish *wish, const struct endpoint_environment *environment,
    const char *region, char *why, size_t why_size)
{
    size_t len;

    *wish = (struct wish){.fips = environment->fips, .dual_stack = environment->dual_stack};
    if (region == NULL || region[0] == '\0') {
        snprintf(why, why_size, "no region is known; set AWS_REGION");
        return -EINVAL;
    }
    if (!is_region(region))
        return refuse_region(region, why, why_size);
    if (starts_with(region, "fips-")) {
        region += strlen("fips-");
        wish->fips = true;
    }
    len = strlen(region);
    memcpy(wish->region, region, len + 1);
    if (len > strlen("-fips") && strcmp(region + len - strlen("-fips"), "-fips") == 0) {
        wish->region[len - strlen("-fips")] = '\0';
        wish->fips = true;
    }
    return is_region(wish->region) ? 0 : refuse_region(region, why, why_size);
}

/* ---- endpoints ------------------------------------------------------------------------------- */

static void set_host(struct endpoint *endpoint, const char *host)
{
    snprintf(endpoint->host, sizeof(endpoint->host), "%s", host);
    snprintf(endpoint->url, sizeof(endpoint->url), "https://%s/", host);
    snprintf(endpoint->path, sizeof(endpoint->path), "/");
}

/* The host that AWS gives the service there. Both variants together have a name of their own in
 * every partition. */
static void set_aws_host(struct endpoint *endpoint, const char *service, const struct wish *wish)
{
    const struct partition *partition = partition_of(wish->region);
    bool fips = wish->fips && (wish->dual_stack || !partition->plain_is_fips);
    char host[160];

    snprintf(host, sizeof(host), "%s%s.%s.%s", service, fips ? "-fips" : "", wish->region,
        wish->dual_stack ? partition->dual_stack_suffix : partition->suffix);
    set_host(endpoint, host);
}

static int set_custom(struct endpoint *endpoint, const struct wish *wish, const char *source,
    const char *url, bool allow_http, char *why, size_t why_size)
{
    char reason[160];

    if (wish->fips || wish->dual_stack) {
        snprintf(why, why_size,
            "%s gives the endpoint, so %s cannot choose one; remove one of the two", source,
            wish->fips ? "AWS_USE_FIPS_ENDPOINT (or a fips region)" : "AWS_USE_DUALSTACK_ENDPOINT");
        return -EINVAL;
    }
    if (endpoint_parse_url(endpoint, url, allow_http, reason, sizeof(reason)) < 0) {
        snprintf(why, why_size, "%s: %s", source, reason);
        return -EINVAL;
    }
    return 0;
}

/* Where the environment gives the URL of a service; NULL: nowhere. */
static const char *configured_url(const struct endpoint_environment *environment,
    const char *own_name, const char *own_url, const char **source)
{
    if (environment->ignore_configured)
        return NULL;
    *source = own_url != NULL ? own_name : "AWS_ENDPOINT_URL";
    return own_url != NULL ? own_url : environment->endpoint_url;
}

/* The SDKs' endpoint rules send the pseudo-region "local" to DynamoDB Local, signed for us-east-1.
 */
#define LOCAL_URL            "http://localhost:8000"
#define LOCAL_SIGNING_REGION "us-east-1"

static bool is_local(const struct wish *wish)
{
    return strcmp(wish->region, "local") == 0 && !wish->fips && !wish->dual_stack;
}

int endpoint_dynamodb(struct endpoint *endpoint, const struct endpoint_environment *environment,
    const char *region, const char *custom, char *why, size_t why_size)
{
    const char *source = "awsEndpoint";
    bool own = custom != NULL;
    struct wish wish;
    int r = 0;

    *endpoint = (struct endpoint){.region = ""};
    if (read_wish(&wish, environment, region, why, why_size) < 0)
        return -EINVAL;
    if (custom == NULL)
        custom = configured_url(
            environment, "AWS_ENDPOINT_URL_DYNAMODB", environment->endpoint_url_dynamodb, &source);
    if (custom == NULL && is_local(&wish)) {
        custom = LOCAL_URL;
        source = "region local";
        own = true;
        snprintf(wish.region, sizeof(wish.region), "%s", LOCAL_SIGNING_REGION);
    }
    if (custom != NULL)
        r = set_custom(endpoint, &wish, source, custom, environment->allow_http, why, why_size);
    else
        set_aws_host(endpoint, "dynamodb", &wish);
    endpoint->own = own;
    memcpy(endpoint->region, wish.region, sizeof(wish.region));
    return r;
}

/* The pseudo-region of the global endpoint, or a region that the old setting sends there. */
static bool is_global_sts(const struct endpoint_environment *environment, const struct wish *wish)
{
    if (wish->fips || wish->dual_stack)
        return false;
    if (strcmp(wish->region, "aws-global") == 0)
        return true;
    for (size_t i = 0; i < sizeof(legacy_sts_regions) / sizeof(legacy_sts_regions[0]); i++)
        if (environment->sts_legacy && strcmp(wish->region, legacy_sts_regions[i]) == 0)
            return true;
    return false;
}

/* Tokens are sent there, so --allow-http does not concern it. */
static int set_custom_sts(struct endpoint *endpoint, const struct wish *wish, const char *source,
    const char *url, char *why, size_t why_size)
{
    int r = set_custom(endpoint, wish, source, url, true, why, why_size);

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
    struct wish wish;
    size_t len;
    bool global;
    int r = 0;

    *endpoint = (struct endpoint){.region = ""};
    if (environment->region != NULL) {
        trim_region(environment->region, trimmed, sizeof(trimmed));
        region = trimmed;
        if (!is_region(region)) {
            len = (size_t)snprintf(why, why_size, "%s: ", environment->region_variable);
            return refuse_region(region, why + len, why_size - len);
        }
    }
    if (read_wish(&wish, environment, region, why, why_size) < 0)
        return -EINVAL;
    global = custom == NULL && is_global_sts(environment, &wish);
    if (custom != NULL)
        r = set_custom_sts(endpoint, &wish, source, custom, why, why_size);
    else if (global)
        set_host(endpoint, GLOBAL_STS_HOST);
    else
        set_aws_host(endpoint, "sts", &wish);
    snprintf(
        endpoint->region, sizeof(endpoint->region), "%s", global ? GLOBAL_STS_REGION : wish.region);
    return r;
}
