/* SPDX-License-Identifier: Apache-2.0 */
/* tally sockets: the agents of the pods on this node. A pod controls its volume: no link there is
 * followed, and the peer may answer anything. */
#include "client/cli/table.h"
#include "client/cli/terminal.h"
#include "client/cli/verbs.h"
#include "proto/clock.h"
#include "proto/limits.h"
#include "proto/message.h"
#include "proto/reader.h"
#include "proto/writer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Where kubelet keeps the volumes of pods, one folder deeper for a subPath. */
static const char *const places[] = {
    "/var/lib/kubelet/pods/*/volumes/kubernetes.io~empty-dir/*/tally*.sock",
    "/var/lib/kubelet/pods/*/volumes/kubernetes.io~empty-dir/*/*/tally*.sock",
};

enum {
    ANSWER_MS = 1000, /* for all of them; a running agent answers in far less */
    RETRY_MS = 10,    /* between two attempts to connect when a backlog is full */
    VERSION_WIDTH = 16,
    READ_CHUNK = 4096,
    HELLO_BYTES = 64 * 1024, /* the largest answer, a hundred times that of an agent */
    HELLO_VALUES = 4096,
    PROBES_MAX = 512,
    FOLDER_MAX = 64, /* in one folder, so that one pod does not use the limit of all others */
};

/* One socket that is probed. */
struct probe {
    char path[PATH_MAX];
    char pod[300], pod_uid[128];
    int place; /* O_PATH: the socket that was found, even if its name was replaced since; or -1 */
    int kept;  /* the same, until the probe is freed; or -1 */
    int fd;    /* the connection, or -1 */
    int error; /* 0, or a negative enum tally_error */
    bool done;
    bool shown;
    bool has_peer;
    struct ucred peer;
    struct buffer in;
    struct frame_scan scan;
    struct json *hello;
};

struct search {
    struct probe *probes[PROBES_MAX];
    size_t count, shown;
    size_t links;  /* symbolic links that were not followed */
    bool too_many; /* there are more sockets than are probed */
    bool keeps;    /* each probe keeps its place, and none is shown */
    enum cli_output output;
    size_t pod_width, uid_width;
    int64_t deadline; /* of the search and of all answers */
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

static void probe_end(struct probe *probe, int error)
{
    probe->done = true;
    probe->error = error;
    if (probe->place >= 0)
        close(probe->place);
    if (probe->fd >= 0)
        close(probe->fd);
    probe->place = probe->fd = -1;
}

static void probe_free(struct probe *probe)
{
    probe_end(probe, probe->error);
    if (probe->kept >= 0)
        close(probe->kept);
    buffer_free(&probe->in);
    json_free(probe->hello);
    free(probe);
}

static int connection_error(int error)
{
    return error == EACCES || error == EPERM ? TALLY_EPERMISSION : TALLY_ENOAGENT;
}

static void probe_start_frame(struct probe *probe)
{
    frame_scan_init(&probe->scan, HELLO_BYTES, FRAME_DEPTH_MAX);
    frame_scan_limit_values(&probe->scan, HELLO_VALUES);
}

/* Connects through the descriptor and sends the request. Retries later if the backlog is full. */
static void probe_connect(struct probe *probe)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct buffer hello;
    socklen_t size = sizeof(probe->peer);

    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", probe->place);
    if (probe->fd < 0)
        probe->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe->fd < 0) {
        probe_end(probe, TALLY_ESYSTEM);
        return;
    }
    if (connect(probe->fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        if (errno != EAGAIN && errno != EINTR)
            probe_end(probe, connection_error(errno));
        return;
    }
    close(probe->place);
    probe->place = -1;
    probe->has_peer = getsockopt(probe->fd, SOL_SOCKET, SO_PEERCRED, &probe->peer, &size) == 0;
    buffer_init(&hello, LIMIT_REQUEST_BYTES);
    message_begin_request(&hello, 0, "hello");
    write_array(&hello, 0);
    ssize_t n = send(probe->fd, hello.data, hello.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n != (ssize_t)hello.len)
        probe_end(probe, TALLY_ENOAGENT);
    buffer_free(&hello);
}

static void probe_take_answer(struct probe *probe, const struct message *message)
{
    struct reader result = message->result;
    struct failure failure;
    struct reader error = message->error;
    struct text packed = {NULL, 0};

    if (message->has_error) {
        int code = failure_unpack(&error, &failure) ? (int)failure.code : 0;

        probe_end(probe, code > 0 && code < 100 ? -code : TALLY_EPROTOCOL);
        return;
    }
    if (reader_skip(&result, &packed))
        probe->hello = json_from_msgpack(packed.data, packed.len);
    bool known = probe->hello != NULL && cli_is_hello(probe->hello);
    probe_end(probe, known ? 0 : TALLY_EPROTOCOL);
}

/* Reads once, so that a peer that sends without end does not delay the others. */
static void probe_read(struct probe *probe)
{
    struct buffer *in = &probe->in;

    if (buffer_reserve(in, READ_CHUNK) < 0) {
        probe_end(probe, TALLY_EPROTOCOL);
        return;
    }
    ssize_t n = recv(probe->fd, in->data + in->len, READ_CHUNK, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        probe_end(probe, TALLY_ENOAGENT);
        return;
    }
    in->len += (size_t)n;
    while (!probe->done) {
        struct message message;
        enum frame_status status = frame_scan_feed(&probe->scan, in->data, in->len);

        if (status == FRAME_MORE)
            return;
        if (status == FRAME_REFUSED || message_decode(&message, in->data, probe->scan.offset) < 0) {
            probe_end(probe, TALLY_EPROTOCOL);
            return;
        }
        if (message.kind == MESSAGE_ANSWER && message.id == 0)
            probe_take_answer(probe, &message);
        buffer_consume(in, probe->scan.offset);
        probe_start_frame(probe);
    }
}

/* Takes ownership of the descriptor of a socket that was found. */
static void search_add(struct search *search, const char *path, int place)
{
    if (search->count == PROBES_MAX) {
        search->too_many = true;
        close(place);
        return;
    }
    struct probe *probe = memory_need(calloc(1, sizeof(*probe)));
    probe->place = place;
    probe->kept = search->keeps ? fcntl(place, F_DUPFD_CLOEXEC, 0) : -1;
    probe->fd = -1;
    snprintf(probe->path, sizeof(probe->path), "%s", path);
    buffer_init(&probe->in, HELLO_BYTES + READ_CHUNK);
    probe_start_frame(probe);
    if (pod_uid(path, probe->pod_uid, sizeof(probe->pod_uid)))
        pod_name(probe->pod_uid, probe->pod, sizeof(probe->pod));
    search->probes[search->count++] = probe;
}

static void search_folder(struct search *search, int folder, const char *path, const char *rest);

/* Continues with one name in a folder: a socket at the end of the pattern, a folder before it. True
 * if it is a socket to probe. */
static bool search_name(
    struct search *search, int folder, const char *path, const char *name, const char *rest)
{
    char longer[PATH_MAX];
    struct stat info;
    int used = snprintf(longer, sizeof(longer), "%s%s%s", path, name, rest[0] != '\0' ? "/" : "");

    if (strcmp(name, "..") == 0 || used < 0 || (size_t)used >= sizeof(longer))
        return false;
    int found = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (found < 0)
        return false;
    if (fstat(found, &info) == 0 && S_ISLNK(info.st_mode))
        search->links++;
    else if (rest[0] != '\0' && S_ISDIR(info.st_mode))
        search_folder(search, found, longer, rest + strspn(rest, "/"));
    else if (rest[0] == '\0' && S_ISSOCK(info.st_mode)) {
        search_add(search, longer, found);
        return true;
    }
    close(found);
    return false;
}

/* `rest` is the part of the pattern that has yet to be found in the folder. */
static void search_folder(struct search *search, int folder, const char *path, const char *rest)
{
    char name[NAME_MAX + 1];
    size_t len = strcspn(rest, "/"), found = 0;

    if (len == 0 || len >= sizeof(name))
        return;
    memcpy(name, rest, len);
    name[len] = '\0';
    if (strpbrk(name, "*?[") == NULL) {
        search_name(search, folder, path, name, rest + len);
        return;
    }
    int listed = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *names = listed >= 0 ? fdopendir(listed) : NULL;
    if (names == NULL) {
        if (listed >= 0)
            close(listed);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(names)) != NULL;) {
        if (fnmatch(name, entry->d_name, FNM_PERIOD) != 0)
            continue;
        if (found == FOLDER_MAX || clock_ms() >= search->deadline) {
            search->too_many = true;
            break;
        }
        found += search_name(search, folder, path, entry->d_name, rest + len);
    }
    closedir(names);
}

/* The length of the part of the pattern that belongs to this node: up to the first wildcard, to the
 * folder of the pods, or to the name of the socket. Links in it are followed. */
static size_t trusted_length(const char *pattern)
{
    const char *pods = strstr(pattern, "/pods/");
    size_t len = strcspn(pattern, "*?[");

    while (len > 0 && pattern[len - 1] != '/')
        len--;
    if (pods != NULL && (size_t)(pods - pattern) + strlen("/pods/") < len)
        len = (size_t)(pods - pattern) + strlen("/pods/");
    return len;
}

static void search_pattern(struct search *search, const char *pattern)
{
    char root[PATH_MAX];
    size_t len = trusted_length(pattern);

    if (len >= sizeof(root))
        return;
    memcpy(root, pattern, len);
    root[len] = '\0';
    int folder = open(len > 0 ? root : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return;
    search_folder(search, folder, root, pattern + len);
    close(folder);
}

/* Operands of `tally sockets`, else TALLY_SOCKETS (patterns with colons between them), else the
 * usual places. */
static void search_all(const struct cli *cli, struct search *search)
{
    char *copy = NULL, *rest = NULL;
    const char *environment = getenv("TALLY_SOCKETS");
    const char *own = cli->socket != NULL ? cli->socket : getenv("TALLY_SOCKET");

    if (!search->keeps && cli_operand(cli, 0) != NULL) {
        for (size_t i = 0; cli_operand(cli, i) != NULL; i++)
            search_pattern(search, cli_operand(cli, i));
        return;
    }
    if (environment == NULL || environment[0] == '\0') {
        for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
            search_pattern(search, places[i]);
        search_pattern(search, own != NULL && own[0] != '\0' ? own : TALLY_SOCKET_DEFAULT);
        return;
    }
    copy = rest = memory_need(strdup(environment));
    for (const char *one; (one = strsep(&rest, ":")) != NULL;)
        search_pattern(search, one);
    free(copy);
}

static void show_json(struct search *search, const struct probe *probe, const char *version)
{
    struct json *entry = json_new_map();

    json_set(entry, "path", json_new_string(probe->path));
    if (probe->pod_uid[0] != '\0')
        json_set(entry, "pod_uid", json_new_string(probe->pod_uid));
    if (probe->pod[0] != '\0')
        json_set(entry, "pod", json_new_string(probe->pod));
    if (probe->has_peer)
        json_set(entry, "peer_uid", json_new_integer(probe->peer.uid));
    json_set(entry, probe->error == 0 ? "version" : "error", json_new_string(version));
    terminal_print(stdout, search->shown == 0 ? "[" : ",");
    json_print(stdout, entry, true);
    json_free(entry);
}

static void show_row(const struct search *search, const char *pod, const char *uid,
    const char *version, const char *peer, const char *path)
{
    table_print_cell(stdout, pod, search->pod_width, false, false);
    table_print_cell(stdout, uid, search->uid_width, false, false);
    table_print_cell(stdout, version, VERSION_WIDTH, false, false);
    table_print_cell(stdout, peer, strlen("65536"), true, false);
    table_print_cell(stdout, path, terminal_width(path), false, true);
}

static void sockets_show(struct search *search, struct probe *probe)
{
    const char *version = probe->error == 0 ? json_get_string(probe->hello, "agent", "?")
                                            : tally_error_name(probe->error);
    char peer[16] = "-";

    if (probe->has_peer)
        snprintf(peer, sizeof(peer), "%u", (unsigned)probe->peer.uid);
    if (search->output == OUTPUT_JSON) {
        show_json(search, probe, version);
    } else {
        const char *pod = probe->pod[0] != '\0' ? probe->pod : probe->pod_uid;

        if (search->shown == 0)
            show_row(search, "POD", "UID", "VERSION", "PEER", "SOCKET");
        show_row(search, pod, probe->pod_uid, version, peer, probe->path);
    }
    probe->shown = true;
    search->shown++;
    fflush(stdout);
}

/* One turn of all probes without an answer. False: none remains, and all are shown. */
static bool search_turn(struct search *search)
{
    struct pollfd fds[PROBES_MAX];
    size_t left = 0;
    bool retry = false;

    for (size_t i = 0; i < search->count; i++) {
        struct probe *probe = search->probes[i];

        if (!probe->done && probe->place >= 0)
            probe_connect(probe);
        if (probe->done && !probe->shown && !search->keeps)
            sockets_show(search, probe);
        retry = retry || probe->place >= 0;
        left += !probe->done;
        fds[i] = (struct pollfd){probe->place >= 0 ? -1 : probe->fd, POLLIN, 0};
    }
    if (left == 0)
        return false;
    int64_t wait = search->deadline - clock_ms();
    wait = wait < 0 ? 0 : retry && wait > RETRY_MS ? RETRY_MS : wait;
    poll(fds, search->count, (int)wait);
    for (size_t i = 0; i < search->count; i++) {
        struct probe *probe = search->probes[i];

        if (!probe->done && probe->fd >= 0 && fds[i].revents != 0)
            probe_read(probe);
        if (!probe->done && clock_ms() >= search->deadline)
            probe_end(probe, TALLY_EDEADLINE);
    }
    return true;
}

/* Finds the sockets. One descriptor for each, if the hard limit allows it. */
static void search_begin(struct search *search, const struct cli *cli, int64_t timeout_ms)
{
    struct rlimit limit;

    search->output = cli->output;
    search->deadline = clock_ms() + timeout_ms;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    search_all(cli, search);
}

static void search_remark(const struct search *search)
{
    if (search->count == 0 && search->output == OUTPUT_TEXT)
        cli_note("no agent's socket was found; patterns to look for can be given %s",
            search->keeps ? "by TALLY_SOCKETS" : "as operands");
    if (search->links > 0)
        cli_note("%zu symbolic link%s not followed", search->links,
            search->links == 1 ? " was" : "s were");
    if (search->too_many)
        cli_note("there are more sockets than the %d, %d of one folder, that are probed",
            PROBES_MAX, FOLDER_MAX);
}

static void search_free(struct search *search)
{
    for (size_t i = 0; i < search->count; i++)
        probe_free(search->probes[i]);
}

int run_sockets(struct cli *cli)
{
    struct search search = {.pod_width = 3, .uid_width = 3};

    search_begin(&search, cli, cli_number(cli, OPTION_TIMEOUT, ANSWER_MS));
    for (size_t i = 0; i < search.count; i++) {
        const struct probe *probe = search.probes[i];
        size_t uid = terminal_width(probe->pod_uid);
        size_t pod = probe->pod[0] != '\0' ? terminal_width(probe->pod) : uid;

        search.pod_width = pod > search.pod_width ? pod : search.pod_width;
        search.uid_width = uid > search.uid_width ? uid : search.uid_width;
    }
    while (search_turn(&search))
        ;
    if (cli->output == OUTPUT_JSON)
        terminal_print(stdout, search.count == 0 ? "[]\n" : "]\n");
    search_remark(&search);
    search_free(&search);
    return EXIT_OK;
}

/* ---- a verb with all of them ---- */

static void sockets_print_heading(const struct cli *cli, const struct probe *probe, bool first)
{
    if (cli->output == OUTPUT_JSON) {
        struct json *path = json_new_string(probe->path);

        terminal_print(stdout, first ? "{" : ",");
        json_print(stdout, path, true);
        json_free(path);
        terminal_print(stdout, ":");
        return;
    }
    if (!first)
        terminal_print(stdout, "\n");
    terminal_print(stdout, "%s%s%s%s%s\n", terminal_colour(stdout, COLOUR_BOLD), probe->pod,
        probe->pod[0] != '\0' ? "  " : "", probe->path, terminal_reset(stdout));
}

/* Through the descriptor: the pod may have replaced the name since. */
static int sockets_run_one(struct cli *cli, const struct probe *probe, int (*run)(struct cli *cli))
{
    char path[40];
    int code;

    if (probe->error < 0)
        return cli_refuse(probe->error, tally_strerror(probe->error));
    snprintf(path, sizeof(path), "/proc/self/fd/%d", probe->kept);
    cli->socket = path;
    cli->shown = probe->path;
    cli->deadline = 0;
    code = run(cli);
    tally_close(cli->tally);
    cli->tally = NULL;
    cli->socket = cli->shown = NULL;
    return code;
}

/* `hello` is sent to all at once, so that those that do not answer cost one deadline. */
int sockets_run_all(struct cli *cli, int (*run)(struct cli *cli))
{
    struct search search = {.keeps = true};
    int worst = EXIT_OK;

    search_begin(&search, cli, ANSWER_MS);
    while (search_turn(&search))
        ;
    cli_print_errors(stdout, cli->output == OUTPUT_JSON);
    for (size_t i = 0; i < search.count && worst != EXIT_USAGE; i++) {
        sockets_print_heading(cli, search.probes[i], i == 0);
        int code = sockets_run_one(cli, search.probes[i], run);
        worst = code > worst ? code : worst;
    }
    if (cli->output == OUTPUT_JSON)
        terminal_print(stdout, search.count == 0 ? "{}\n" : "}\n");
    search_remark(&search);
    search_free(&search);
    return search.count == 0 ? EXIT_NO_AGENT : worst;
}
