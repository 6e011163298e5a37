/* SPDX-License-Identifier: Apache-2.0 */
/* Files and folders on disk, as a pod and a node have them. */
#include "tests/unit/config_world.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

static char base[] = "/tmp/tally-test-config-XXXXXX";

static const char *path_of(const char *name)
{
    static char path[512];

    snprintf(path, sizeof(path), "%s/%s", base, name);
    return path;
}

static void write_file(const char *name, const char *text, size_t len)
{
    FILE *file = fopen(path_of(name), "w");

    CHECK(file != NULL);
    CHECK_INT(len, fwrite(text, 1, len, file));
    CHECK_INT(0, fclose(file));
}

static void write_trigger(const char *name)
{
    const char *text =
        "triggers:\n- type: aws-dynamodb\n  metadata: {awsRegion: r, tableName: tab, "
        "targetValue: '1', keyConditionExpression: k}\n";

    write_file(name, text, strlen(text));
}

static struct config *read_paths(const char *a, const char *b)
{
    char first[512], second[512];
    const char *const paths[] = {first, second};
    const struct config_options options = {
        .paths = paths, .path_count = b != NULL ? 2 : 1, .secrets_dir = base};

    snprintf(first, sizeof(first), "%s", path_of(a));
    snprintf(second, sizeof(second), "%s", path_of(b != NULL ? b : ""));
    struct config *config = config_read(&options);
    CHECK(config != NULL);
    return config;
}

/* The errors and warnings, without the folder's name in front. */
static const char *problems_of_path(const char *name)
{
    static char text[1024];
    struct config *config = read_paths(name, NULL);
    const char *lines = config_lines(config, FINDING_WARNING);
    size_t len = strlen(base) + 1;

    snprintf(text, sizeof(text), "%s", strlen(lines) > len ? lines + len : lines);
    config_destroy(config);
    return text;
}

static void make_folder(const char *name)
{
    CHECK_INT(0, mkdir(path_of(name), 0700));
}

TEST(a_folder_is_read_in_order_without_hidden_files)
{
    make_folder("folder");
    write_trigger("folder/b.yml");
    write_trigger("folder/a.yaml");
    write_trigger("folder/.hidden.yaml");
    write_trigger("folder/notes.txt");
    write_file("folder/c.json", "{}", 2);
    struct config *config = read_paths("folder", "folder/b.yml");
    CHECK_INT(3, config->trigger_count);
    CHECK_STR("default/a", config->triggers[0].name);
    CHECK_INT(1, config->error_count); /* b is there twice */
    config_destroy(config);
}

TEST(a_mounted_config_map_is_read_once)
{
    /* As the kubelet lays it out: names are links through a link that it swaps. */
    make_folder("mounted");
    make_folder("mounted/..2026_01");
    write_trigger("mounted/..2026_01/jobs.yaml");
    CHECK_INT(0, symlink("..2026_01", path_of("mounted/..data")));
    CHECK_INT(0, symlink("..data/jobs.yaml", path_of("mounted/jobs.yaml")));
    struct config *config = read_paths("mounted", NULL);
    CHECK_STR("", config_lines(config, FINDING_WARNING));
    CHECK_INT(1, config->trigger_count);
    CHECK_STR("default/jobs", config->triggers[0].name);
    CHECK_STR(path_of("mounted/jobs.yaml"), config->triggers[0].file);
    config_destroy(config);
}

TEST(what_cannot_be_read_is_reported)
{
    char expected[128];

    snprintf(expected, sizeof(expected),
        "missing.yaml: error: cannot be read by uid %u: No such file or directory\n",
        (unsigned)geteuid());
    CHECK_STR(expected, problems_of_path("missing.yaml"));
    CHECK_INT(0, mkfifo(path_of("pipe.yaml"), 0600));
    CHECK_STR("pipe.yaml: error: not a regular file; name a YAML file or a folder of them (only "
              "--check reads the standard input and pipes)\n",
        problems_of_path("pipe.yaml"));
    make_folder("nested");
    make_folder("nested/inner.yaml");
    CHECK_STR("nested/inner.yaml: error: not a regular file; name a YAML file or a folder of "
              "them\n",
        problems_of_path("nested"));
    make_folder("empty");
    CHECK_STR("empty: warning: the folder has no *.yaml, *.yml or *.json file, so there is nothing "
              "to count\n",
        problems_of_path("empty"));
    write_file("nothing.yaml", "", 0);
    CHECK(strncmp(problems_of_path("nothing.yaml"), "nothing.yaml: warning: no ScaledObject", 38) ==
          0);
}

TEST(a_file_may_have_one_mebibyte)
{
    size_t size = 1 << 20;
    char *text = malloc(size + 1);

    CHECK(text != NULL);
    memset(text, ' ', size + 1);
    memcpy(text, "a: 1\n#", 6);
    write_file("large.yaml", text, size);
    CHECK(strstr(problems_of_path("large.yaml"), "error") == NULL);
    write_file("large.yaml", text, size + 1);
    CHECK_STR("large.yaml: error: larger than 1 MiB; split it\n", problems_of_path("large.yaml"));
    free(text);
}

TEST(a_mounted_secret_s_path_is_below_the_secrets_folder)
{
    make_folder("s");
    write_file("s/arn", "arn:x\n", 6);
    const char *text =
        "apiVersion: keda.sh/v1alpha1\nkind: TriggerAuthentication\nmetadata: {name: a}\nspec:\n"
        "  secretTargetRef: [{parameter: awsRoleArn, name: s, key: arn}]\n---\n"
        "triggers:\n- type: aws-dynamodb\n  authenticationRef: {name: a}\n  metadata: {awsRegion: "
        "r, tableName: tab, targetValue: '1', keyConditionExpression: k}\n";
    write_file("uses.yaml", text, strlen(text));
    struct config *config = read_paths("uses.yaml", NULL);
    CHECK_INT(0, config->error_count);
    CHECK_INT(SOURCE_FILE, config->triggers[0].identity->role.source);
    CHECK_STR(path_of("s/arn"), config->triggers[0].identity->role.text);
    CHECK_STR("Secret s key arn", config->triggers[0].identity->role.origin);
    CHECK(strstr(config_lines(config, FINDING_NOTE), "mounted") == NULL);
    config_destroy(config);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

TEST(the_folder_goes)
{
    CHECK_INT(0, nftw(base, remove_entry, 16, FTW_DEPTH | FTW_PHYS));
}

static void make_base(void)
{
    CHECK(mkdtemp(base) != NULL);
}

TEST_MAIN({"a_folder_of_its_own", make_base}, RUN(a_folder_is_read_in_order_without_hidden_files),
    RUN(a_mounted_config_map_is_read_once), RUN(what_cannot_be_read_is_reported),
    RUN(a_file_may_have_one_mebibyte), RUN(a_mounted_secret_s_path_is_below_the_secrets_folder),
    RUN(the_folder_goes))
