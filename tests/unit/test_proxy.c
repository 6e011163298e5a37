/* SPDX-License-Identifier: Apache-2.0 */
/* Which proxy leads where: the cases of Go's httpproxy (proxy_test.go), and what is no proxy. */
#include "agent/aws/proxy.h"
#include "tests/unit/test.h"

#include <errno.h>

static struct proxy_environment environment;
static char why[400];

static bool is_direct(const char *no_proxy, const char *url)
{
    environment = (struct proxy_environment){.https = {"HTTPS_PROXY", "http://proxy:3128"},
        .http = {"HTTP_PROXY", "http://proxy:3128"},
        .no_proxy = no_proxy};
    return proxy_choose(&environment, url) == NULL;
}

TEST(proxy_bypasses_are_those_of_go)
{
    static const struct {
        const char *no_proxy;
        const char *url;
        bool direct;
    } cases[] = {
        {NULL, "https://dynamodb.eu-west-1.amazonaws.com/", false},
        {"", "https://a.example/", false},
        /* Loopback, whatever is said. */
        {NULL, "http://localhost/", true},
        {NULL, "http://localhost:8000/", true},
        {NULL, "http://127.0.0.1:8000/", true},
        {NULL, "http://127.0.0.2/", true},
        {NULL, "https://[::1]:8000/", true},
        {NULL, "https://[::ffff:127.0.0.1]/", true},
        {NULL, "http://x.localhost/", false},
        {NULL, "http://127.example.org/", false},
        {"*", "https://a.example/", true},
        {"b.example,*", "https://a.example/", true},
        /* Names. */
        {"a.example", "https://a.example/", true},
        {"a.example", "https://b.a.example/", true},
        {"a.example", "https://ba.example/", false},
        {"A.Example", "https://a.example/", true},
        {".a.example", "https://a.example/", false},
        {".a.example", "https://b.a.example/", true},
        {"*.a.example", "https://b.a.example/", true},
        {"*.a.example", "https://c.b.a.example/", true},
        {"*.a.example", "https://a.example/", false},
        {"*.a.example", "https://ba.example/", false},
        {"*.amazonaws.com", "https://sts.eu-west-1.amazonaws.com/", true},
        {" b.example , a.example ", "https://a.example/", true},
        {"b.example a.example", "https://a.example/", true},
        {",,", "https://a.example/", false},
        {"*a.example", "https://ba.example/", false},
        /* Ports. */
        {"a.example:443", "https://a.example/", true},
        {"a.example:443", "https://a.example:8443/", false},
        {"a.example:80", "http://a.example/", true},
        {"*.a.example:8443", "https://b.a.example:8443/", true},
        {".a.example:1", "https://b.a.example/", false},
        {":443", "https://a.example/", false},
        /* Addresses. */
        {"10.0.0.1", "http://10.0.0.1/", true},
        {"10.0.0.1", "http://10.0.0.11/", false},
        {"10.0.0.1:80", "http://10.0.0.1/", true},
        {"10.0.0.1:81", "http://10.0.0.1/", false},
        {"10.0.0.0/8", "http://10.255.0.1/", true},
        {"10.0.0.0/8", "http://11.0.0.1/", false},
        {"10.0.0.0/9", "http://10.128.0.1/", false},
        {"0.0.0.0/0", "http://11.0.0.1/", true},
        {"::/0", "http://11.0.0.1/", false},
        {"10.0.0.1/32", "http://10.0.0.1/", true},
        {"10.0.0.1/33", "http://10.0.0.1/", false},
        {"10.0.0.1/", "http://10.0.0.1/", false},
        {"10.0.0.0/8x", "http://10.0.0.1/", false},
        {"0.0.1", "http://10.0.0.1/", false},
        {"fd00::/8", "https://[fd12::1]/", true},
        {"fd00::/8", "https://[fe80::1]/", false},
        {"fd12::1", "https://[fd12::1]:8443/", true},
        {"[fd12::1]:8443", "https://[fd12::1]:8443/", true},
        {"[fd12::1]:8443", "https://[fd12::1]/", false},
        {"0:0::1", "https://[fd12::1]/", false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (is_direct(cases[i].no_proxy, cases[i].url) != cases[i].direct)
            TEST_FAIL("no_proxy \"%s\": %s", cases[i].no_proxy, cases[i].url);
}

/* ---- environment ---- */

static const char *const *variables; /* name, value, …, NULL */

static const char *get(const char *name)
{
    for (size_t i = 0; variables[i] != NULL; i += 2)
        if (strcmp(variables[i], name) == 0)
            return variables[i + 1];
    return NULL;
}

static const char *variable_for(const char *url, const char *const set[])
{
    const struct proxy *proxy;

    variables = set;
    proxy_environment_read(&environment, get);
    proxy = proxy_choose(&environment, url);
    return proxy != NULL ? proxy->variable : "none";
}

#define SET(...) ((const char *const[]){__VA_ARGS__, NULL})

TEST(proxy_variables_are_those_of_go_then_all_proxy)
{
    const char *https = "https://a.example/", *http = "http://a.example/";

    CHECK_STR("HTTPS_PROXY", variable_for(https, SET("https_proxy", "p", "HTTPS_PROXY", "q")));
    CHECK_STR("https_proxy", variable_for(https, SET("HTTPS_PROXY", "", "https_proxy", "p")));
    CHECK_STR("none", variable_for(https, SET("HTTP_PROXY", "p")));
    CHECK_STR("none", variable_for(http, SET("HTTPS_PROXY", "p")));
    CHECK_STR("HTTP_PROXY", variable_for(http, SET("HTTP_PROXY", "p", "ALL_PROXY", "q")));
    CHECK_STR("all_proxy", variable_for(http, SET("all_proxy", "p")));
    CHECK_STR("ALL_PROXY", variable_for(https, SET("ALL_PROXY", "p", "all_proxy", "q")));
    CHECK_STR("none", variable_for(https, SET("ALL_PROXY", "p", "no_proxy", "a.example")));
    CHECK_STR("ALL_PROXY",
        variable_for(https, SET("ALL_PROXY", "p", "NO_PROXY", "b", "no_proxy", "a.example")));
}

/* ---- the URL of a proxy ---- */

TEST(proxy_urls_are_read_with_the_ports_of_go)
{
    static const struct {
        const char *url;
        const char *host;
        bool has_user;
    } cases[] = {
        {"http://proxy.example:3128", "proxy.example:3128", false},
        {"http://proxy.example:3128/", "proxy.example:3128", false},
        {"proxy.example:3128", "proxy.example:3128", false},
        {"proxy.example", "proxy.example:80", false},
        {"HTTP://proxy.example", "proxy.example:80", false},
        {"https://proxy.example", "proxy.example:443", false},
        {"https://proxy.example:80", "proxy.example:80", false},
        {"socks5h://proxy.example", "proxy.example:1080", false},
        {"http://[fd00::1]:3128", "[fd00::1]:3128", false},
        {"http://[fd00::1]", "[fd00::1]:80", false},
        {"http://u:hunter%232@proxy.example:3128", "proxy.example:3128", true},
        {"http://u@x:p@ss@proxy.example:3128", "proxy.example:3128", true},
        {"u:p@proxy.example", "proxy.example:80", true},
    };
    struct proxy_parts parts;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct proxy proxy = {"HTTPS_PROXY", cases[i].url};

        if (proxy_parse(&proxy, &parts, why, sizeof(why)) < 0)
            TEST_FAIL("%s: %s", cases[i].url, why);
        CHECK_STR(cases[i].host, parts.host);
        CHECK(parts.has_user == cases[i].has_user);
    }
}

TEST(proxy_that_cannot_be_used_is_named_without_its_value)
{
    static const char *const urls[] = {"http://svc:hunter#2@proxy.example:3128",
        "http://svc:hunter/2@proxy.example:3128", "http://svc:12/hunter@proxy.example:3128",
        "http://svc:12#hunter@proxy.example:3128", "http://svc:hunter?2@proxy.example:3128",
        "http://svc:hunter@proxy.example:3128\n", "\"http://svc:hunter@proxy.example:3128\"",
        "'http://svc:hunter@proxy.example:3128'", "http://svc:hun ter@proxy.example:3128",
        " http://svc:hunter@proxy.example:3128", "http://svc:hunter@proxy.example:3128 ",
        "htps://svc:hunter@proxy.example:3128", "http://svc:hunter@proxy.example:99999",
        "http://svc:hunter@proxy.example:0",
        "http://svc:hunter@proxy.example:", "http://svc:hunter@",
        "http://svc:hunter%2@proxy.example", "http://svc:hunter%0A@proxy.example",
        "http://svc:hunter%7F@h", "http://svc:hunter%@h", "http://svc:hunter\x80@proxy.example",
        "http://svc:hunter@a_b c", "hunter://proxy.example",
        "http://svc:hunter@proxy.example:3128/path", "http://svc:hunter\\@proxy.example:3128",
        "://hunter", "http://", "http:///hunter", "svc:hunter"};

    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        environment = (struct proxy_environment){.http = {"ALL_PROXY", urls[i]}};
        if (proxy_environment_check(&environment, why, sizeof(why)) != -EINVAL)
            TEST_FAIL("taken: %s", urls[i]);
        CHECK(strstr(why, "ALL_PROXY is not the URL of a proxy: ") == why);
        CHECK(strstr(why, "hunter") == NULL && strstr(why, "svc") == NULL);
    }
    environment = (struct proxy_environment){.no_proxy = "#"};
    CHECK_INT(0, proxy_environment_check(&environment, why, sizeof(why)));
}

TEST_MAIN(RUN(proxy_bypasses_are_those_of_go), RUN(proxy_variables_are_those_of_go_then_all_proxy),
    RUN(proxy_urls_are_read_with_the_ports_of_go),
    RUN(proxy_that_cannot_be_used_is_named_without_its_value))
