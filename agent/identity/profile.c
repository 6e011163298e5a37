#include "agent/identity/profile.h"

#include "agent/identity/ini.h"
#include "proto/buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The settings that are understood, by their place in struct profile. */
static const struct setting {
    const char *name;
    size_t offset;
} settings[] = {
    {"aws_access_key_id", offsetof(struct profile, key_id)},
    {"aws_secret_access_key", offsetof(struct profile, secret_key)},
    {"aws_session_token", offsetof(struct profile, session_token)},
    {"role_arn", offsetof(struct profile, role)},
    {"source_profile", offsetof(struct profile, source_profile)},
    {"credential_source", offsetof(struct profile, credential_source)},
    {"web_identity_token_file", offsetof(struct profile, token_file)},
    {"role_session_name", offsetof(struct profile, session_name)},
    {"external_id", offsetof(struct profile, external_id)},
    {"region", offsetof(struct profile, region)},
    {"duration_seconds", offsetof(struct profile, duration_s)},
    {"endpoint_url", offsetof(struct profile, endpoint_url)},
    {"services", offsetof(struct profile, services)},
    {"ignore_configured_endpoint_urls", offsetof(struct profile, ignore_configured)},
    {"ca_bundle", offsetof(struct profile, ca_bundle)},
    {"use_fips_endpoint", offsetof(struct profile, fips)},
    {"use_dualstack_endpoint", offsetof(struct profile, dual_stack)},
    {"sts_regional_endpoints", offsetof(struct profile, sts_regional)},
};

/* Ways to get credentials that need a browser, a person or another program. */
static const char *const unsupported[] = {
    "credential_process", "mfa_serial", "sso_session", "sso_start_url", "login_session"};

#define SETTING_COUNT     (sizeof(settings) / sizeof(settings[0]))
#define UNSUPPORTED_COUNT (sizeof(unsupported) / sizeof(unsupported[0]))

static char **place_of(struct profile *profile, const struct setting *setting)
{
    return (char **)(void *)((char *)profile + setting->offset);
}

static void text_clear(char **text)
{
    if (*text != NULL)
        wipe(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

struct parsing {
    struct profile *profile;
    const char *name;
    enum profile_file file;
    bool no_memory;
};

/* [profile name], [profile "a name"] and [default]; in the credentials file plainly [name]. */
static bool is_section_of(const struct parsing *parsing, struct text section)
{
    bool prefixed = section.len > 7 && memcmp(section.data, "profile", 7) == 0 &&
                    (section.data[7] == ' ' || section.data[7] == '\t');

    if (parsing->file == PROFILE_CREDENTIALS)
        return text_equals(section, parsing->name);
    if (!prefixed)
        return strcmp(parsing->name, "default") == 0 && text_equals(section, "default");
    section.data += 8;
    section.len -= 8;
    while (section.len > 0 && (section.data[0] == ' ' || section.data[0] == '\t')) {
        section.data++;
        section.len--;
    }
    if (section.len >= 2 && (section.data[0] == '"' || section.data[0] == '\'') &&
        section.data[section.len - 1] == section.data[0]) {
        section.data++;
        section.len -= 2;
    }
    return text_equals(section, parsing->name);
}

static bool is_named(struct text name, const char *setting)
{
    return name.len == strlen(setting) && strncasecmp(name.data, setting, name.len) == 0;
}

static void on_entry(void *data, const struct ini_entry *entry)
{
    struct parsing *parsing = data;
    struct text name = entry->name, value = entry->value;

    if (!is_section_of(parsing, entry->section) || entry->parent.data != NULL)
        return;
    parsing->profile->found = true;
    if (name.data == NULL || value.len == 0)
        return;
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        char **place = place_of(parsing->profile, &settings[i]);
        if (!is_named(name, settings[i].name))
            continue;
        text_clear(place);
        *place = strndup(value.data, value.len);
        parsing->no_memory |= *place == NULL;
    }
    for (size_t i = 0; i < UNSUPPORTED_COUNT; i++)
        if (is_named(name, unsupported[i]))
            parsing->profile->unsupported = unsupported[i];
}

int profile_parse(struct profile *profile, const char *name, enum profile_file file,
    const char *text, size_t len, unsigned *line)
{
    struct parsing parsing = {.profile = profile, .name = name, .file = file};
    int r = ini_scan(text, len, on_entry, &parsing, line);

    return parsing.no_memory ? -ENOMEM : r;
}

void profile_clear(struct profile *profile)
{
    for (size_t i = 0; i < SETTING_COUNT; i++)
        text_clear(place_of(profile, &settings[i]));
    *profile = (struct profile){.found = false};
}

static bool is_set(const char *(*get)(const char *name), const char *variable)
{
    const char *value = get(variable);

    return value != NULL && value[0] != '\0';
}

static bool is_text(const char *value, const char *text)
{
    return value != NULL && strcasecmp(value, text) == 0;
}

/* The environment stands above the files. */
static bool is_endpoint_chosen(const struct profile *profile, const char *(*get)(const char *name))
{
    return is_set(get, "AWS_ENDPOINT_URL") || is_text(profile->ignore_configured, "true") ||
           is_text(get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), "true") ||
           (is_set(get, "AWS_ENDPOINT_URL_DYNAMODB") && is_set(get, "AWS_ENDPOINT_URL_STS"));
}

bool profile_redirects(const struct profile *profile, const char *(*get)(const char *name),
    const char **setting, const char **variable)
{
    const struct redirect {
        bool is_there;
        const char *setting, *variable;
    } redirects[] = {
        {profile->endpoint_url != NULL && !is_endpoint_chosen(profile, get), "endpoint_url",
            "AWS_ENDPOINT_URL"},
        {profile->services != NULL && !is_endpoint_chosen(profile, get), "services",
            "AWS_ENDPOINT_URL_DYNAMODB and AWS_ENDPOINT_URL_STS"},
        {profile->ca_bundle != NULL && !is_set(get, "AWS_CA_BUNDLE"), "ca_bundle", "AWS_CA_BUNDLE"},
        {is_text(profile->fips, "true") && !is_set(get, "AWS_USE_FIPS_ENDPOINT"),
            "use_fips_endpoint", "AWS_USE_FIPS_ENDPOINT"},
        {is_text(profile->dual_stack, "true") && !is_set(get, "AWS_USE_DUALSTACK_ENDPOINT"),
            "use_dualstack_endpoint", "AWS_USE_DUALSTACK_ENDPOINT"},
        {is_text(profile->sts_regional, "legacy") && !is_set(get, "AWS_STS_REGIONAL_ENDPOINTS"),
            "sts_regional_endpoints", "AWS_STS_REGIONAL_ENDPOINTS"},
    };

    for (size_t i = 0; i < sizeof(redirects) / sizeof(redirects[0]); i++) {
        if (redirects[i].is_there) {
            *setting = redirects[i].setting;
            *variable = redirects[i].variable;
            return true;
        }
    }
    return false;
}

const char *profile_workaround(const struct profile *profile)
{
    return is_text(profile->unsupported, "mfa_serial")
               ? "take a session with `aws sts get-session-token` and set its keys as variables"
               : "set the variables that `aws configure export-credentials --format env` prints";
}

bool profile_names_source(const struct profile *profile)
{
    return profile->key_id != NULL || profile->secret_key != NULL || profile->role != NULL ||
           profile->source_profile != NULL || profile->credential_source != NULL ||
           profile->token_file != NULL || profile->unsupported != NULL;
}
