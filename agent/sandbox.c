/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sandbox.h"

#include "agent/log.h"
#include "agent/process.h"
#include "agent/sandbox_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

/* ---- denied calls ---- */

struct sandbox {
    int pipe[2]; /* syscall numbers, from the signal handler to the loop */
    struct loop_watch *watch;
};

static int report_fd = -1; /* where the signal handler writes; it cannot be passed a pointer */

#if SANDBOX_TRAPS

/* The register in which a call returns: signed on one architecture, unsigned on the other. */
#if defined(__x86_64__)
#define CALL_RETURNS(context, value) ((context)->uc_mcontext.gregs[REG_RAX] = (value))
#elif defined(__aarch64__)
#define CALL_RETURNS(context, value) ((context)->uc_mcontext.regs[0] = (unsigned long long)(value))
#endif

static void on_denied(int number, siginfo_t *info, void *context)
{
    int call = info->si_syscall;
    ssize_t written;

    (void)number;
    CALL_RETURNS((ucontext_t *)context, -EPERM);
    written = write(report_fd, &call, sizeof(call));
    (void)written; /* a full pipe has reported enough */
}

static int catch_denied(void)
{
    struct sigaction action = {.sa_sigaction = on_denied, .sa_flags = SA_SIGINFO | SA_RESTART};

    return sigaction(SIGSYS, &action, NULL) < 0 ? -errno : 0;
}

#else

static int catch_denied(void)
{
    return 0;
}

#endif

static const char *call_name(int call)
{
    const char *name = sandbox_call_names;

    if (call < 0 || call >= SANDBOX_NAMED_CALLS)
        return "?";
    while (call-- > 0)
        name += strlen(name) + 1;
    return *name != '\0' ? name : "?";
}

/* Calls that the C library, libuv and resolver modules (NSS) try, and can do without: not a sign of
 * an attack. */
static bool is_expected(const char *call)
{
    static const char *const expected[] = {"prctl", "inotify_init", "inotify_init1",
        "epoll_create1", "io_uring_setup", "setrlimit", "prlimit64", "getpriority", "setpriority",
        "sched_getparam", "sched_getscheduler", "sched_setscheduler", "sched_setaffinity",
        "get_mempolicy", "mlock", "mlock2", "munlock", "mincore", "fadvise64", "statfs", "fstatfs",
        "getresuid", "getresgid", "getppid", "getpgrp", "getsid", "getrusage", "times", "umask",
        "flock"};

    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        if (strcmp(call, expected[i]) == 0)
            return true;
    return false;
}

static void on_report(void *data, unsigned events)
{
    struct sandbox *sandbox = data;
    int call;

    (void)events;
    while (read(sandbox->pipe[0], &call, sizeof(call)) == (ssize_t)sizeof(call)) {
        const char *name = call_name(call);

        if (is_expected(name))
            log_event(LOG_LEVEL_DEBUG, "syscall_denied", LOG_TEXT("call", name),
                LOG_NUMBER("number", call), LOG_TEXT("message", "libraries do without this call"));
        else
            log_event(LOG_LEVEL_ERROR, "syscall_denied", LOG_TEXT("call", name),
                LOG_NUMBER("number", call),
                LOG_TEXT("message",
                    "this program and its libraries never need this call: look for foreign code in "
                    "the process, such as a preloaded library, and report it"));
    }
}

/* ---- the filter ---- */

/* For running threads, too. Without the second flag old kernels slow down memory access, to protect
 * programs that run foreign code; still older ones do not, and reject the flag. */
static int sandbox_install(const struct sock_fprog *program)
{
    long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
        SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW, program);

    if (r < 0 && errno == EINVAL)
        r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, program);
    if (r < 0)
        return -errno;
    return r == 0 ? 0 : -EBUSY; /* the thread that could not be synchronised */
}

static int load_filter(void)
{
    const struct sock_fprog program = {
        .len = (unsigned short)sandbox_filter_len, .filter = sandbox_filter};

    for (size_t i = 0; i < sandbox_filter_len; i++)
        if (sandbox_filter[i].code == (BPF_JMP | BPF_JEQ | BPF_K) &&
            sandbox_filter[i].k == SANDBOX_OWN_PID)
            sandbox_filter[i].k = (uint32_t)getpid();
    return sandbox_install(&program);
}

const char *sandbox_missing(void)
{
    return PROCESS_IS_SANITIZED ? "this is a sanitizer build" : NULL;
}

struct sandbox *sandbox_enter(struct loop *loop, char *why, size_t why_size)
{
    struct sandbox *sandbox = calloc(1, sizeof(*sandbox));
    int r = -ENOMEM;

    if (sandbox == NULL)
        goto finish;
    sandbox->pipe[0] = sandbox->pipe[1] = -1;
    if (pipe2(sandbox->pipe, O_CLOEXEC | O_NONBLOCK) < 0) {
        r = -errno;
        goto finish;
    }
    sandbox->watch = loop_watch_create(loop, sandbox->pipe[0], on_report, sandbox);
    if (sandbox->watch == NULL)
        goto finish;
    r = loop_watch_set(sandbox->watch, LOOP_READABLE);
    report_fd = sandbox->pipe[1];
    if (r == 0)
        r = catch_denied();
    if (r == 0)
        r = load_filter();

finish:
    if (r == 0)
        return sandbox;
    snprintf(why, why_size,
        "cannot filter system calls: %s; where the kernel does not allow that, start with "
        "--no-seccomp",
        strerror(-r));
    sandbox_destroy(sandbox);
    return NULL;
}

void sandbox_destroy(struct sandbox *sandbox)
{
    if (sandbox == NULL)
        return;
    loop_watch_destroy(sandbox->watch);
    report_fd = -1;
    for (int i = 0; i < 2; i++)
        if (sandbox->pipe[i] >= 0)
            close(sandbox->pipe[i]);
    free(sandbox);
}
