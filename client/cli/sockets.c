/* tally sockets: the agents of the pods on this node. */
#include "client/cli/cli.h"
#include "client/cli/memory.h"
#include "client/cli/table.h"
#include "proto/duration.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Where kubelet keeps the volumes of pods, one folder deeper for a subPath, and the default. */
static const char *const places[] = {
    "/var/lib/kubelet/pods/*/volumes/kubernetes.io~empty-dir/*/tally*.sock",
    "/var/lib/kubelet/pods/*/volumes/kubernetes.io~empty-dir/*/*/tally*.sock",
    TALLY_SOCKET_DEFAULT,
};

enum { ANSWER_MS = 500 }; /* an agent that is alive answers in far less */

struct finding {
    struct json *list; /* for -o json: a map of path to what is known */
    struct table table;
};

/* The pod's uid in a path of kubelet's: the folder behind "/pods/". */
static bool pod_uid(const char *path, char *uid, size_t size)
{
    const char *start = strstr(path, "/pods/");
    if (start == NULL)
        return false;
    start += strlen("/pods/");
    size_t len = strcspn(start, "/");
    if (len == 0 || len >= size)
        return false;
    memcpy(uid, start, len);
    uid[len] = '\0';
    return true;
}

/* "namespace/pod", from the folder of the pod's logs: <namespace>_<pod>_<uid>. */
static bool pod_name(const char *uid, char *name, size_t size)
{
    char pattern[320];
    glob_t logs;
    const char *root = getenv("TALLY_POD_LOGS");
    snprintf(pattern, sizeof(pattern), "%s/*_*_%s", root != NULL ? root : "/var/log/pods", uid);
    if (glob(pattern, 0, NULL, &logs) != 0)
        return false;
    const char *folder = strrchr(logs.gl_pathv[0], '/') + 1;
    size_t namespace_len = strcspn(folder, "_");
    const char *pod = folder + namespace_len + (folder[namespace_len] == '_');
    snprintf(name, size, "%.*s/%.*s", (int)namespace_len, folder, (int)strcspn(pod, "_"), pod);
    globfree(&logs);
    return true;
}

/* Asks who is there. The text is "" where an agent answered, or why it did not. */
static struct json *ask(const char *path, char *trouble, size_t size)
{
    struct tally *tally = NULL;
    struct json *result = NULL;
    const void *packed = NULL;
    size_t len = 0;
    trouble[0] = '\0';
    if (tally_open(&tally, path) < 0)
        memory_exhausted();
    tally_set_timeout(tally, ANSWER_MS);
    if (tally_call_packed(tally, "hello", NULL, 0, &packed, &len) == 0)
        result = json_from_msgpack(packed, len);
    else
        snprintf(
            trouble, size, "%s", tally_error_name(tally_answer_error(tally_last_answer(tally))));
    tally_close(tally);
    return result;
}

static void add(struct finding *finding, const char *path)
{
    char uid[128] = "", name[300] = "", trouble[64];
    struct json *hello = ask(path, trouble, sizeof(trouble));
    if (pod_uid(path, uid, sizeof(uid)))
        pod_name(uid, name, sizeof(name));
    const char *version = hello != NULL ? json_get_string(hello, "agent", "?") : trouble;
    struct json *entry = json_new_map();
    json_set(entry, "path", json_new_string(path));
    if (uid[0] != '\0')
        json_set(entry, "pod_uid", json_new_string(uid));
    if (name[0] != '\0')
        json_set(entry, "pod", json_new_string(name));
    json_set(entry, hello != NULL ? "version" : "error", json_new_string(version));
    json_append(finding->list, entry);
    table_add(&finding->table, name[0] != '\0' ? name : uid);
    table_add(&finding->table, uid);
    table_add(&finding->table, version);
    table_add(&finding->table, path);
    json_free(hello);
}

static void search(struct finding *finding, const char *pattern)
{
    glob_t paths;
    struct stat info;
    int r = glob(pattern, 0, NULL, &paths);
    if (r == GLOB_NOSPACE)
        memory_exhausted();
    if (r != 0)
        return;
    for (size_t i = 0; i < paths.gl_pathc; i++) {
        if (stat(paths.gl_pathv[i], &info) == 0 && S_ISSOCK(info.st_mode))
            add(finding, paths.gl_pathv[i]);
    }
    globfree(&paths);
}

/* Operands, else TALLY_SOCKETS (patterns with colons between them), else the usual places. */
static void search_all(const struct cli *cli, struct finding *finding)
{
    char *copy = NULL, *rest = NULL;
    const char *environment = getenv("TALLY_SOCKETS");
    if (cli_operand(cli, 0) != NULL) {
        for (size_t i = 0; cli_operand(cli, i) != NULL; i++)
            search(finding, cli_operand(cli, i));
        return;
    }
    if (environment == NULL) {
        for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
            search(finding, places[i]);
        return;
    }
    copy = rest = memory_need(strdup(environment));
    for (const char *one; (one = strsep(&rest, ":")) != NULL;)
        search(finding, one);
    free(copy);
}

int run_sockets(struct cli *cli)
{
    struct finding finding = {.list = json_new_list()};
    table_init(&finding.table);
    table_column(&finding.table, "POD", false);
    table_column(&finding.table, "UID", false);
    table_column(&finding.table, "VERSION", false);
    table_column(&finding.table, "SOCKET", false);
    search_all(cli, &finding);
    if (cli->output == OUTPUT_JSON)
        json_print(stdout, finding.list, false);
    else if (json_size(finding.list) == 0)
        cli_note("no agent's socket was found; patterns to look for can be given as operands");
    else
        table_print(&finding.table, stdout, 0);
    table_free(&finding.table);
    json_free(finding.list);
    return EXIT_OK;
}
