/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define DESCRIPTORS_WANTED 4096

/* Else the first socket would become stderr, and receive the log lines. */
static void fill_standard_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

/* Debugging aids of linked libraries, which write secrets to files or to stderr, or need system
 * calls that the filter refuses: a user who sets one for another program in the same pod does not
 * mean the agent. Variables that choose trust, providers or resolvers (OPENSSL_CONF, SSL_CERT_FILE,
 * RES_OPTIONS) stay. */
static void remove_debugging_variables(void)
{
    static const char *const names[] = {
        "SSLKEYLOGFILE", /* libcurl, OpenSSL, GnuTLS: the keys of each TLS session */
        "EXPAT_ACCOUNTING_DEBUG", "EXPAT_ENTITY_DEBUG", /* parts of STS's replies */
        "EXPAT_ENTROPY_DEBUG", "GNUTLS_DEBUG_LEVEL", "KRB5_TRACE", "CURL_DEBUG", "UV_USE_IO_URING"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unsetenv(names[i]);
}

/* The soft limit is meant for programs that use select; the agent needs more descriptors. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= DESCRIPTORS_WANTED)
        return;
    limit.rlim_cur = limit.rlim_max < DESCRIPTORS_WANTED ? limit.rlim_max : DESCRIPTORS_WANTED;
    setrlimit(RLIMIT_NOFILE, &limit);
}

bool process_is_out_of_descriptors(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0)
        close(fd);
    return fd < 0 && (errno == EMFILE || errno == ENFILE);
}

void process_harden(void)
{
    struct rlimit none = {0, 0};
    const struct sigaction ignore = {.sa_handler = SIG_IGN};

    fill_standard_descriptors();
    remove_debugging_variables();
    raise_descriptor_limit();
    setrlimit(RLIMIT_CORE, &none);
    if (!PROCESS_IS_SANITIZED)
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    sigaction(SIGPIPE, &ignore, NULL);
}

const char *process_getenv(const char *name)
{
    return getenv(name);
}

long process_passed_descriptors(void)
{
    const char *pid = getenv("LISTEN_PID");
    const char *count = getenv("LISTEN_FDS");

    if (pid == NULL || count == NULL || strtol(pid, NULL, 10) != getpid())
        return 0;
    return strtol(count, NULL, 10);
}

void process_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = path != NULL ? strlen(path) : 0;
    int fd;

    if (len == 0 || len >= sizeof(address.sun_path))
        return;
    memcpy(address.sun_path, path, len);
    if (path[0] == '@')
        address.sun_path[0] = '\0'; /* an abstract name, without a terminator */
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)&address,
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    close(fd);
}

/* ---- random ---- */

uint32_t random_bits(void)
{
    uint32_t bits = 0;

    if (getrandom(&bits, sizeof(bits), GRND_NONBLOCK) != (ssize_t)sizeof(bits))
        return 0;
    return bits;
}
