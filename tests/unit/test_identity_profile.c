/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/profile.h"
#include "agent/credentials/profile_chain.h"
#include "tests/unit/identity_world.h"

/* ---- the INI text ---- */

static char seen[1024];

static void note(void *data, const struct ini_entry *entry)
{
    size_t used = strlen(seen);
    struct text section = entry->section, name = entry->name, value = entry->value;

    (void)data;
    if (name.data == NULL)
        snprintf(seen + used, sizeof(seen) - used, "[%.*s]", (int)section.len, section.data);
    else if (entry->parent.data != NULL)
        snprintf(seen + used, sizeof(seen) - used, "%.*s.%.*s=%.*s;", (int)entry->parent.len,
            entry->parent.data, (int)name.len, name.data, (int)value.len, value.data);
    else
        snprintf(seen + used, sizeof(seen) - used, "%.*s=%.*s;", (int)name.len, name.data,
            (int)value.len, value.data);
}

TEST(ini_text_is_read_as_the_sdks_read_it)
{
    static const struct {
        const char *text, *seen;
    } cases[] = {
        {"", ""},
        {"[a]\nk=v\n", "[a]k=v;"},
        {"[a]\r\nk = v\r\n", "[a]k=v;"},
        {"\xef\xbb\xbf[a]\nk=v", "[a]k=v;"},
        {"# x\n; y\n\n [ a ] # z\n\tk\t=\tv w \n", "[a]k=v w;"},
        {"[a]\nk = v # comment\nl = v#no comment\nm = a=b;c\n", "[a]k=v;l=v#no comment;m=a=b;c;"},
        {"[a]\ns3 =\n  max = 1\nk = v\n", "[a]s3=;s3.max=1;k=v;"},
        {"[a]\n  k = v\n", "[a]k=v;"},
        {"[a]\n    k = v\n    l = w\n", "[a]k=v;l=w;"},
        {"[a]\n\tk = v\n\tl = w\n", "[a]k=v;l=w;"},
        {"[a]\nk = v\n  l = w\n", "[a]k=v;l=w;"},
        {"[a]\n  s3 =\n    max = 1\n  k = v\n", "[a]s3=;s3.max=1;k=v;"},
        {"[a]\ns3 =\n[b]\n  k = v\n", "[a]s3=;[b]k=v;"},
        {"[a]\nk =\n", "[a]k=;"},
        {"[a]\n[b]\n[a]\nk=v", "[a][b][a]k=v;"},
        {"[profile \"a b\"]\nk=v", "[profile \"a b\"]k=v;"},
    };
    unsigned line;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        seen[0] = '\0';
        CHECK_INT(0, ini_scan(cases[i].text, strlen(cases[i].text), note, NULL, &line));
        CHECK_STR(cases[i].seen, seen);
    }
}

TEST(ini_text_that_is_wrong_is_refused_with_its_line)
{
    static const struct {
        const char *text;
        unsigned line;
    } cases[] = {
        {"k=v\n", 1},
        {"[a]\n\nnonsense\n", 3},
        {"[a\nk=v\n", 1},
        {"[a]\n= v\n", 2},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned line = 0;

        CHECK(ini_scan(cases[i].text, strlen(cases[i].text), note, NULL, &line) < 0);
        CHECK_INT(cases[i].line, line);
    }
}

TEST(a_profile_is_found_by_the_rules_of_each_file)
{
    static const struct {
        enum profile_file file;
        const char *name, *text;
        const char *region; /* NULL: not found */
    } cases[] = {
        {PROFILE_CONFIG, "default", "[default]\nregion = r", "r"},
        {PROFILE_CONFIG, "default", "[profile default]\nregion = r", "r"},
        {PROFILE_CONFIG, "dev", "[profile dev]\nregion = r", "r"},
        {PROFILE_CONFIG, "dev", "[profile   dev]\nREGION = r", "r"},
        {PROFILE_CONFIG, "my dev", "[profile \"my dev\"]\nregion = r", "r"},
        {PROFILE_CONFIG, "my dev", "[profile 'my dev']\nregion = r", "r"},
        {PROFILE_CONFIG, "dev", "[dev]\nregion = r", NULL},
        {PROFILE_CONFIG, "dev", "[profiledev]\nregion = r", NULL},
        {PROFILE_CONFIG, "dev", "[profile dev2]\nregion = r", NULL},
        {PROFILE_CONFIG, "session", "[sso-session session]\nregion = r", NULL},
        {PROFILE_CREDENTIALS, "dev", "[dev]\nregion = r", "r"},
        {PROFILE_CREDENTIALS, "dev", "[profile dev]\nregion = r", NULL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct profile profile = {.found = false};
        unsigned line;

        CHECK_INT(0, profile_parse(&profile, cases[i].name, cases[i].file, cases[i].text,
                         strlen(cases[i].text), &line));
        CHECK_INT(cases[i].region != NULL, profile.found);
        if (cases[i].region != NULL)
            CHECK_STR(cases[i].region, profile.region);
        profile_clear(&profile);
    }
}

/* ---- the provider ---- */

#define ROLE_A "arn:aws:iam::111122223333:role/a"
#define ROLE_B "arn:aws:iam::111122223333:role/b"

static struct world world;
static struct facts facts;
static struct provider *provider;
static struct asker asker;

static void start(const char *name, const char *config, const char *credentials)
{
    world_open(&world);
    asker = (struct asker){.answers = 0};
    CHECK_INT(0, mkdir(world_path(&world, ".aws"), 0700));
    world_set("HOME", world.folder);
    if (name != NULL)
        world_set("AWS_PROFILE", name);
    if (config != NULL)
        world_write(&world, ".aws/config", config);
    if (credentials != NULL)
        world_write(&world, ".aws/credentials", credentials);
    provider = profile_chain_create(&world.context, &facts, NULL);
    CHECK(provider != NULL);
    asker_ask(&asker, provider);
}

static void stop(void)
{
    provider_destroy(provider);
    asker_clear(&asker);
    facts_clear(&facts);
    world_close(&world);
}

TEST(keys_of_a_profile_come_from_either_file)
{
    start(NULL, NULL,
        "[default]\naws_access_key_id = AKIA1\naws_secret_access_key = s#1\n"
        "aws_session_token=t\n");
    CHECK_STR("AKIA1", asker.credentials->access_key_id);
    CHECK_STR("s#1", asker.credentials->secret_access_key);
    CHECK_STR("t", asker.credentials->session_token);
    CHECK_STR("static", facts.kind);
    stop();
    start("dev",
        "[profile dev]\naws_access_key_id=AKIA2\naws_secret_access_key=two\nregion=eu-west-3\n",
        "[dev]\naws_access_key_id=AKIA3\naws_secret_access_key=three\n");
    CHECK_STR("AKIA3", asker.credentials->access_key_id);
    stop();
}

TEST(changed_files_are_read_again)
{
    start(NULL, NULL, "[default]\naws_access_key_id=AKIA1\naws_secret_access_key=s\n");
    world_write(&world, ".aws/credentials",
        "[default]\naws_access_key_id=AKIA2\naws_secret_access_key=s\n");
    asker_ask(&asker, provider);
    CHECK_STR("AKIA2", asker.credentials->access_key_id);
    stop();
}

TEST(a_role_stands_on_its_source_profile)
{
    start("top",
        "[profile top]\nrole_arn=" ROLE_B "\nsource_profile=middle\nexternal_id=x+1\n"
        "role_session_name=me@home\n"
        "[profile middle]\nrole_arn=" ROLE_A "\nsource_profile=keys\n",
        "[keys]\naws_access_key_id=AKIA1\naws_secret_access_key=s\n");
    CHECK_INT(1, fake_http_count());
    CHECK(strstr(fake_http_at(0)->headers, "Credential=AKIA1/") != NULL);
    CHECK(strstr(fake_http_at(0)->body, "role%2Fa") != NULL);
    CHECK(strstr(fake_http_at(0)->body, "ExternalId") == NULL);
    fake_http_answer(200, world_sts_reply(&world, "AssumeRole", "ASIAMIDDLE", 60 * MINUTE));
    CHECK(strstr(fake_http_at(1)->headers, "Credential=ASIAMIDDLE/") != NULL);
    CHECK(strstr(fake_http_at(1)->body, "role%2Fb") != NULL);
    CHECK(strstr(fake_http_at(1)->body, "ExternalId=x%2B1") != NULL);
    CHECK(strstr(fake_http_at(1)->body, "RoleSessionName=me%40home") != NULL);
    fake_http_answer(200, world_sts_reply(&world, "AssumeRole", "ASIATOP", 60 * MINUTE));
    CHECK_STR("ASIATOP", asker.credentials->access_key_id);
    CHECK_STR("assume-role", facts.kind);
    CHECK_STR(ROLE_B, facts.role);
    stop();
}

TEST(a_profile_may_be_its_own_source)
{
    start("me",
        "[profile me]\nrole_arn=" ROLE_A "\nsource_profile=me\naws_access_key_id=AKIA1\n"
        "aws_secret_access_key=s\n",
        NULL);
    CHECK(strstr(fake_http_at(0)->headers, "Credential=AKIA1/") != NULL);
    fake_http_answer(200, world_sts_reply(&world, "AssumeRole", "ASIA1", 60 * MINUTE));
    CHECK_STR("ASIA1", asker.credentials->access_key_id);
    stop();
}

TEST(a_profile_may_hold_a_token_file)
{
    char config[512];

    start(NULL, NULL, NULL);
    snprintf(config, sizeof(config), "[default]\nrole_arn=" ROLE_A "\nweb_identity_token_file=%s\n",
        world_write(&world, "token", "t0ken"));
    world_write(&world, ".aws/config", config);
    asker_ask(&asker, provider);
    CHECK(strstr(fake_http_at(0)->body, "Action=AssumeRoleWithWebIdentity") != NULL);
    fake_http_answer(
        200, world_sts_reply(&world, "AssumeRoleWithWebIdentity", "ASIA1", 60 * MINUTE));
    CHECK_STR("ASIA1", asker.credentials->access_key_id);
    CHECK_STR("web-identity", facts.kind);
    stop();
}

TEST(a_role_may_stand_on_a_named_source)
{
    static const struct {
        const char *source, *url;
    } cases[] = {
        {"EcsContainer", "http://169.254.170.2/creds"},
        {"Ec2InstanceMetadata", "http://169.254.169.254/latest/api/token"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char config[256];

        snprintf(config, sizeof(config), "[default]\nrole_arn=" ROLE_A "\ncredential_source=%s\n",
            cases[i].source);
        start(NULL, config, NULL);
        world_set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/creds");
        if (fake_http_count() == 0)
            asker_ask(&asker, provider);
        CHECK_STR(cases[i].url, fake_http_at(fake_http_count() - 1)->url);
        stop();
    }
    start(NULL, "[default]\nrole_arn=" ROLE_A "\ncredential_source=Environment\n", NULL);
    CHECK(strstr(asker.failure.message, "AWS_ACCESS_KEY_ID is not set") != NULL);
    world_set("AWS_ACCESS_KEY_ID", "AKIAENV");
    world_set("AWS_SECRET_ACCESS_KEY", "s");
    asker_ask(&asker, provider);
    CHECK(strstr(fake_http_at(0)->headers, "Credential=AKIAENV/") != NULL);
    stop();
}

TEST(wrong_profiles_are_errors_that_say_what_is_wrong)
{
    static const struct {
        const char *name, *config, *message;
    } cases[] = {
        {"nobody", "[default]\nregion=x\n", "profile nobody: it is in none"},
        {"a", "[profile a]\nregion=x\n", "profile a: it names no source"},
        {"a", "[profile a]\nrole_arn=r\n", "needs source_profile or credential_source"},
        {"a", "[profile a]\nrole_arn=r\nsource_profile=b\n", "profile b: it is in none"},
        {"a",
            "[profile a]\nrole_arn=r\nsource_profile=b\n[profile b]\nrole_arn=r\n"
            "source_profile=a\n",
            "profile a: its chain of source_profile leads back"},
        {"a", "[profile a]\nrole_arn=r\nsource_profile=a\n",
            "profile a: its chain of source_profile leads back"},
        {"a", "[profile a]\nrole_arn=r\nsource_profile=b\ncredential_source=Environment\n",
            "exclude each other"},
        {"a", "[profile a]\nrole_arn=r\ncredential_source=Else\n", "credential_source must be"},
        {"a", "[profile a]\nsso_session=x\n",
            "sso_session is not supported; set the variables that `aws configure export-"},
        {"a", "[profile a]\ncredential_process=/bin/x\n", "credential_process"},
        {"a", "[profile a]\nrole_arn=r\nsource_profile=b\nmfa_serial=x\n", "mfa_serial"},
        {"a", "[profile a]\nrole_arn=r\ncredential_source=Environment\nduration_seconds=60\n",
            "from 900 to 43200"},
        {"a", "[profile a]\nrole_arn=r\ncredential_source=Environment\nduration_seconds=1h\n",
            "from 900 to 43200"},
        {"a", "[profile a]\naws_access_key_id=AKIA\n", "no secret access key"},
        {"a", "[profile a]\nnonsense\n", "config:2: neither"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start(cases[i].name, cases[i].config, NULL);
        CHECK_INT(1, asker.answers);
        CHECK_INT(ERROR_CREDENTIALS, asker.failure.code);
        if (strstr(asker.failure.message, cases[i].message) == NULL)
            TEST_FAIL("\"%s\" lacks \"%s\"", asker.failure.message, cases[i].message);
        CHECK_INT(0, fake_http_count());
        stop();
    }
}

TEST(only_files_that_name_a_source_or_a_missing_profile_are_a_configuration)
{
    static const struct {
        const char *name, *config;
        bool configured;
    } cases[] = {
        {NULL, NULL, false},
        {NULL, "[default]\nregion=x\n", false},
        {NULL, "[profile other]\naws_access_key_id=A\n", false},
        {NULL, "[default]\naws_access_key_id=A\n", true},
        {NULL, "[default]\nsso_session=x\n", true},
        {NULL, "[default]\nnonsense\n", true},
        {"dev", "[profile dev]\nregion=x\n", false},
        {"dev", "[default]\nregion=x\n", true},
        {"dev", NULL, true},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start(cases[i].name, cases[i].config, NULL);
        CHECK_INT(cases[i].configured, profile_configured(&world.context));
        stop();
    }
}

TEST(files_may_be_elsewhere_or_not_there)
{
    start(NULL, NULL, NULL);
    world_write(&world, "creds", "[default]\naws_access_key_id=A\naws_secret_access_key=s\n");
    world_set("AWS_SHARED_CREDENTIALS_FILE", "~/creds");
    asker_ask(&asker, provider);
    CHECK_STR("A", asker.credentials->access_key_id);
    stop();
    start(NULL, NULL, NULL);
    world_set("AWS_CONFIG_FILE", "/nowhere/config"); /* as good as an empty one */
    asker_ask(&asker, provider);
    CHECK(asker.credentials == NULL);
    CHECK(strstr(asker.failure.message, "it is in none of the shared AWS files") != NULL);
    CHECK(!profile_configured(&world.context));
    stop();
}

TEST_MAIN(RUN(ini_text_is_read_as_the_sdks_read_it),
    RUN(ini_text_that_is_wrong_is_refused_with_its_line),
    RUN(a_profile_is_found_by_the_rules_of_each_file), RUN(keys_of_a_profile_come_from_either_file),
    RUN(changed_files_are_read_again), RUN(a_role_stands_on_its_source_profile),
    RUN(a_profile_may_be_its_own_source), RUN(a_profile_may_hold_a_token_file),
    RUN(a_role_may_stand_on_a_named_source), RUN(wrong_profiles_are_errors_that_say_what_is_wrong),
    RUN(only_files_that_name_a_source_or_a_missing_profile_are_a_configuration),
    RUN(files_may_be_elsewhere_or_not_there))
