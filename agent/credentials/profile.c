/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/profile.h"

#include "agent/file.h"
#include "proto/buffer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define SHARED_FILE_BYTES (256u * 1024u)

struct shared_files {
    char config[1024]; /* "" if there is no home folder */
    char credentials[1024];
};

/* ---- ini ---- */

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct text profile_trim(struct text text)
{
    while (text.len > 0 && is_blank(text.data[0])) {
        text.data++;
        text.len--;
    }
    while (text.len > 0 && is_blank(text.data[text.len - 1]))
        text.len--;
    return text;
}

static bool is_comment(char c)
{
    return c == '#' || c == ';';
}

static struct text without_comment(struct text value)
{
    for (size_t i = 1; i < value.len; i++)
        if (is_comment(value.data[i]) && is_blank(value.data[i - 1]))
            value.len = i;
    return value;
}

/* Takes the next line off the text. */
static struct text take_line(struct text *rest)
{
    const char *end = memchr(rest->data, '\n', rest->len);
    struct text line = {rest->data, end != NULL ? (size_t)(end - rest->data) : rest->len};
    size_t taken = line.len + (end != NULL ? 1 : 0);

    rest->data += taken;
    rest->len -= taken;
    return line;
}

static int scan_section(struct text line, struct text *section)
{
    const char *end = memchr(line.data, ']', line.len);

    if (end == NULL)
        return -EINVAL;
    *section = profile_trim((struct text){line.data + 1, (size_t)(end - line.data) - 1});
    return 0;
}

static int scan_setting(struct text line, struct text *name, struct text *value)
{
    const char *equals = memchr(line.data, '=', line.len);
    size_t name_len;

    if (equals == NULL)
        return -EINVAL;
    name_len = (size_t)(equals - line.data);
    *name = profile_trim((struct text){line.data, name_len});
    *value = profile_trim(without_comment((struct text){equals + 1, line.len - name_len - 1}));
    return name->len > 0 ? 0 : -EINVAL;
}

struct scanning {
    struct ini_entry entry;
    struct text above; /* the latest setting that is not a sub-setting */
    size_t indent;     /* its own */
    bool is_open;      /* it has no value, so deeper lines belong to it */
};

static int scan_line(struct scanning *scanning, struct text raw, ini_fn *fn, void *data)
{
    struct ini_entry *entry = &scanning->entry;
    struct text content = profile_trim(raw);
    size_t indent = (size_t)(content.data - raw.data);
    int r;

    if (content.data[0] == '[') {
        *scanning = (struct scanning){.is_open = false};
        r = scan_section(content, &entry->section);
        if (r == 0)
            fn(data, entry);
        return r;
    }
    entry->parent = (struct text){NULL, 0};
    r = entry->section.data != NULL ? scan_setting(content, &entry->name, &entry->value) : -EINVAL;
    if (scanning->is_open && indent > scanning->indent) {
        entry->parent = scanning->above;
        if (r == 0)
            fn(data, entry);
        return 0; /* sub-settings are validated by the code that knows the setting */
    }
    if (r < 0)
        return r;
    scanning->above = entry->name;
    scanning->indent = indent;
    scanning->is_open = entry->value.len == 0;
    fn(data, entry);
    return 0;
}

int ini_scan(const char *text, size_t len, ini_fn *fn, void *data, unsigned *line)
{
    struct scanning scanning = {.is_open = false};
    struct text rest = {text, len};
    int r = 0;

    if (len >= 3 && memcmp(text, BYTE_ORDER_MARK, 3) == 0)
        rest = (struct text){text + 3, len - 3};
    for (*line = 1; r == 0 && rest.len > 0; *line += r == 0) {
        struct text raw = take_line(&rest);
        struct text content = profile_trim(raw);

        if (content.len > 0 && !is_comment(content.data[0]))
            r = scan_line(&scanning, raw, fn, data);
    }
    return r;
}

/* ---- shared files ---- */

/* A path from a variable, with "~/" for the home folder; else the default below the home folder. */
static void profile_find(const struct identity_context *context, const char *variable,
    const char *default_path, char *path, size_t size)
{
    const char *home = context_variable(context, "HOME");
    const char *named = context_variable(context, variable);
    int len = 0;

    path[0] = '\0';
    if (named != NULL && (strncmp(named, "~/", 2) != 0 || home == NULL))
        len = snprintf(path, size, "%s", named);
    else if (home != NULL)
        len = snprintf(path, size, "%s/%s", home, named != NULL ? named + 2 : default_path);
    if (len < 0 || (size_t)len >= size)
        path[0] = '\0';
}

/* By AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE, else in ~/.aws. */
static void shared_files_find(struct shared_files *files, const struct identity_context *context)
{
    profile_find(context, "AWS_CONFIG_FILE", ".aws/config", files->config, sizeof(files->config));
    profile_find(context, "AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials", files->credentials,
        sizeof(files->credentials));
}

struct shared_stamps shared_stamps_of(const struct identity_context *context)
{
    struct shared_files files;

    shared_files_find(&files, context);
    return (struct shared_stamps){
        .config = file_stamp_of(files.config),
        .credentials = file_stamp_of(files.credentials),
    };
}

bool shared_stamps_equal(const struct shared_stamps *a, const struct shared_stamps *b)
{
    return file_stamp_equal(&a->config, &b->config) &&
           file_stamp_equal(&a->credentials, &b->credentials);
}

/* A missing file configures nothing, whether a variable names it or not, and users set /dev/null to
 * mean "no file". A file below a folder that the agent may not enter, such as another user's home,
 * counts as missing; one that exists and cannot be read is an error. */
static bool is_as_good_as_empty(const char *path, int error)
{
    struct stat status;

    return error == -ENOENT || error == -ENOTDIR || strcmp(path, "/dev/null") == 0 ||
           (error == -EACCES && stat(path, &status) < 0);
}

static int profile_read_one(const char *path, enum profile_file file, const char *name,
    struct profile *profile, struct failure *failure)
{
    char why[sizeof(failure->message)];
    struct buffer content;
    unsigned line = 0;
    int r;

    if (path[0] == '\0')
        return 0;
    buffer_init_secret(&content, SHARED_FILE_BYTES);
    r = file_read(path, &content);
    if (r < 0 && is_as_good_as_empty(path, r)) {
        r = 0;
    } else if (r < 0) {
        file_explain(path, r, why, sizeof(why));
        failure_set_settings(failure, "shared AWS file: %s", why);
    } else {
        r = profile_parse(profile, name, file, buffer_string(&content), content.len, &line);
        if (r == -EINVAL)
            failure_set_settings(failure,
                "shared AWS file: %s:%u: neither a [section] nor 'name = value'", path, line);
        else if (r < 0)
            failure_set(failure, ERROR_INTERNAL, "shared AWS file: %s: no memory", path);
    }
    buffer_free(&content);
    return r;
}

int profile_read(const struct identity_context *context, const char *name, struct profile *profile,
    struct failure *failure)
{
    struct shared_files files;
    int r;

    *profile = (struct profile){.found = false};
    shared_files_find(&files, context);
    r = profile_read_one(files.config, PROFILE_CONFIG, name, profile, failure);
    if (r == 0)
        r = profile_read_one(files.credentials, PROFILE_CREDENTIALS, name, profile, failure);
    if (r < 0)
        profile_clear(profile);
    return r;
}

const char *shared_profile_name(const struct identity_context *context, bool *named)
{
    const char *name = context_variable(context, "AWS_PROFILE");

    if (name == NULL)
        name = context_variable(context, "AWS_DEFAULT_PROFILE");
    *named = name != NULL;
    return name != NULL ? name : "default";
}

/* ---- profile ---- */

/* The supported settings, by their offset in struct profile. */
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

/* Ways to get credentials that need a browser, a user or another program. */
static const char *const unsupported[] = {
    "credential_process", "mfa_serial", "sso_session", "sso_start_url", "login_session"};

#define SETTING_COUNT     (sizeof(settings) / sizeof(settings[0]))
#define UNSUPPORTED_COUNT (sizeof(unsupported) / sizeof(unsupported[0]))

static char **place_of(struct profile *profile, const struct setting *setting)
{
    return (char **)(void *)((char *)profile + setting->offset);
}

static void profile_text_clear(char **text)
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

/* [profile name], [profile "a name"] and [default]; in the credentials file just [name]. */
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
        profile_text_clear(place);
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
        profile_text_clear(place_of(profile, &settings[i]));
    *profile = (struct profile){.found = false};
}

static bool profile_is_set(const char *(*get)(const char *name), const char *variable)
{
    const char *value = get(variable);

    return value != NULL && value[0] != '\0';
}

static bool profile_is_text(const char *value, const char *text)
{
    return value != NULL && strcasecmp(value, text) == 0;
}

/* The environment takes precedence over the files. */
static bool is_endpoint_chosen(const struct profile *profile, const char *(*get)(const char *name))
{
    return profile_is_set(get, "AWS_ENDPOINT_URL") ||
           profile_is_text(profile->ignore_configured, "true") ||
           profile_is_text(get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), "true") ||
           (profile_is_set(get, "AWS_ENDPOINT_URL_DYNAMODB") &&
               profile_is_set(get, "AWS_ENDPOINT_URL_STS"));
}

/* The setting that makes an SDK send requests, and with them signatures and tokens, to another
 * endpoint than the environment's variables, and the variable that replaces it; false: none. `get`:
 * getenv-like. Both are static. */
static bool profile_redirects(const struct profile *profile, const char *(*get)(const char *name),
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
        {profile->ca_bundle != NULL && !profile_is_set(get, "AWS_CA_BUNDLE"), "ca_bundle",
            "AWS_CA_BUNDLE"},
        {profile_is_text(profile->fips, "true") && !profile_is_set(get, "AWS_USE_FIPS_ENDPOINT"),
            "use_fips_endpoint", "AWS_USE_FIPS_ENDPOINT"},
        {profile_is_text(profile->dual_stack, "true") &&
                !profile_is_set(get, "AWS_USE_DUALSTACK_ENDPOINT"),
            "use_dualstack_endpoint", "AWS_USE_DUALSTACK_ENDPOINT"},
        {profile_is_text(profile->sts_regional, "legacy") &&
                !profile_is_set(get, "AWS_STS_REGIONAL_ENDPOINTS"),
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

bool profile_names_source(const struct profile *profile)
{
    return profile->key_id != NULL || profile->secret_key != NULL || profile->role != NULL ||
           profile->source_profile != NULL || profile->credential_source != NULL ||
           profile->token_file != NULL || profile->unsupported != NULL;
}

bool profile_redirection(const struct identity_context *context, struct failure *failure)
{
    struct profile profile;
    struct failure unread;
    const char *setting, *variable_name;
    bool named, redirects = false;
    const char *name = shared_profile_name(context, &named);

    if (profile_read(context, name, &profile, &unread) < 0)
        return false;
    redirects = profile_redirects(&profile, context->getenv, &setting, &variable_name);
    if (redirects)
        failure_set_settings(failure,
            "profile %s: %s is not read from the shared AWS files, and no key is sent past it; set "
            "%s instead",
            name, setting, variable_name);
    profile_clear(&profile);
    return redirects;
}

bool profile_configured(const struct identity_context *context)
{
    struct profile profile;
    struct failure failure;
    bool named;
    const char *name = shared_profile_name(context, &named);
    bool configured = true;

    if (profile_read(context, name, &profile, &failure) == 0) {
        configured = profile_names_source(&profile) || (named && !profile.found);
        profile_clear(&profile);
    }
    return configured;
}
