#include "agent/sandbox.h"

#include "agent/log.h"
#include "agent/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

/* Needed as they are, whatever their arguments. A name that an architecture does not have is
 * passed over. */
static const int plain_calls[] = {
    /* bytes in and out of what is open */
    SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(write), SCMP_SYS(writev),
    SCMP_SYS(lseek), SCMP_SYS(_llseek), SCMP_SYS(close), SCMP_SYS(fcntl), SCMP_SYS(fcntl64),
    SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(recvmmsg), SCMP_SYS(sendto), SCMP_SYS(sendmsg),
    SCMP_SYS(sendmmsg),
    /* sockets; which kinds may be made is below */
    SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(bind), SCMP_SYS(connect), SCMP_SYS(shutdown),
    SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
    /* waiting */
    SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2),
    SCMP_SYS(timerfd_settime), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select),
    SCMP_SYS(pselect6), SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep), SCMP_SYS(restart_syscall),
    /* looking at files; reading them is below. The socket's file goes with the agent. */
    SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(statx),
    SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(readlink),
    SCMP_SYS(readlinkat), SCMP_SYS(getdents64), SCMP_SYS(getcwd), SCMP_SYS(inotify_add_watch),
    SCMP_SYS(inotify_rm_watch), SCMP_SYS(unlink),
    /* memory */
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
    /* threads and signals of its own */
    SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(set_tid_address),
    SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(membarrier),
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
    SCMP_SYS(exit), SCMP_SYS(exit_group),
    /* clocks, chance, and who it is */
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday), SCMP_SYS(time),
    SCMP_SYS(getrandom), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getuid), SCMP_SYS(geteuid),
    SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(getgroups), SCMP_SYS(uname), SCMP_SYS(sysinfo),
    SCMP_SYS(getcpu), SCMP_SYS(getrlimit)};

#define MASKED(argument, mask, value)                                                              \
    {                                                                                              \
        (argument), SCMP_CMP_MASKED_EQ, (mask), (value)                                            \
    }
#define EQUAL(argument, value) MASKED(argument, UINT32_MAX, (uint32_t)(value))

#define WRITING (O_ACCMODE | O_CREAT | O_TRUNC)

/* Needed with these arguments only: one rule for each line. */
static const struct {
    int call;
    unsigned count;
    struct scmp_arg_cmp arguments[2];
} limited_calls[] = {
    {SCMP_SYS(open), 1, {MASKED(1, WRITING, O_RDONLY)}},
    {SCMP_SYS(openat), 1, {MASKED(2, WRITING, O_RDONLY)}},
    /* Memory is written or run, never both; a library of the resolver may be loaded. */
    {SCMP_SYS(mmap), 1, {MASKED(2, PROT_EXEC, 0)}},
    {SCMP_SYS(mmap), 1, {MASKED(2, PROT_EXEC | PROT_WRITE, PROT_EXEC)}},
    {SCMP_SYS(mmap2), 1, {MASKED(2, PROT_EXEC, 0)}},
    {SCMP_SYS(mmap2), 1, {MASKED(2, PROT_EXEC | PROT_WRITE, PROT_EXEC)}},
    {SCMP_SYS(mprotect), 1, {MASKED(2, PROT_EXEC, 0)}},
    {SCMP_SYS(clone), 1, {MASKED(0, CLONE_THREAD, CLONE_THREAD)}},
    {SCMP_SYS(socket), 1, {EQUAL(0, AF_UNIX)}},
    {SCMP_SYS(socket), 2, {EQUAL(0, AF_INET), MASKED(1, 0xf, SOCK_STREAM)}},
    {SCMP_SYS(socket), 2, {EQUAL(0, AF_INET), MASKED(1, 0xf, SOCK_DGRAM)}},
    {SCMP_SYS(socket), 2, {EQUAL(0, AF_INET6), MASKED(1, 0xf, SOCK_STREAM)}},
    {SCMP_SYS(socket), 2, {EQUAL(0, AF_INET6), MASKED(1, 0xf, SOCK_DGRAM)}},
    {SCMP_SYS(socket), 2, {EQUAL(0, AF_NETLINK), EQUAL(2, NETLINK_ROUTE)}},
    {SCMP_SYS(socketpair), 1, {EQUAL(0, AF_UNIX)}}, {SCMP_SYS(ioctl), 1, {EQUAL(1, FIONBIO)}},
    {SCMP_SYS(ioctl), 1, {EQUAL(1, FIONREAD)}}, {SCMP_SYS(ioctl), 1, {EQUAL(1, FIOCLEX)}},
    {SCMP_SYS(ioctl), 1, {EQUAL(1, TCGETS)}}, {SCMP_SYS(ioctl), 1, {EQUAL(1, TIOCGWINSZ)}},
    {SCMP_SYS(prctl), 1, {EQUAL(0, PR_SET_NAME)}},
    {SCMP_SYS(prlimit64), 1, {MASKED(2, UINT64_MAX, 0)}}, /* to read a limit */
};

/* ---- what happens to the rest ------------------------------------------------------------------
 */

#if defined(__x86_64__)
#define CALL_RESULT(context) ((context)->uc_mcontext.gregs[REG_RAX])
#elif defined(__aarch64__)
#define CALL_RESULT(context) ((context)->uc_mcontext.regs[0])
#endif

struct sandbox {
    int pipe[2]; /* numbers of calls, from the signal handler to the loop */
    struct loop_watch *watch;
};

static int report_fd = -1; /* where the signal handler writes; it gets no pointer */

#ifdef CALL_RESULT

#define DENY SCMP_ACT_TRAP

static void on_denied(int number, siginfo_t *info, void *context)
{
    int call = info->si_syscall;
    ssize_t written;

    (void)number;
    CALL_RESULT((ucontext_t *)context) = -EPERM;
    written = write(report_fd, &call, sizeof(call));
    (void)written; /* a full pipe has told enough */
}

static int catch_denied(void)
{
    struct sigaction action = {.sa_sigaction = on_denied, .sa_flags = SA_SIGINFO | SA_RESTART};

    return sigaction(SIGSYS, &action, NULL) < 0 ? -errno : 0;
}

#else

#define DENY SCMP_ACT_ERRNO(EPERM) /* where the handler does not know how to return it */

static int catch_denied(void)
{
    return 0;
}

#endif

static void on_report(void *data, unsigned events)
{
    struct sandbox *sandbox = data;
    int call;

    (void)events;
    while (read(sandbox->pipe[0], &call, sizeof(call)) == (ssize_t)sizeof(call)) {
        char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, call);

        log_event(LOG_LEVEL_ERROR, "syscall-denied", LOG_TEXT("call", name != NULL ? name : "?"),
            LOG_NUMBER("number", call),
            LOG_TEXT("help", "if this is no attack, report it, and start with --no-seccomp"));
        free(name);
    }
}

/* ---- the filter -------------------------------------------------------------------------------
 */

static int add_rules(scmp_filter_ctx filter)
{
    struct scmp_arg_cmp own_pid = EQUAL(0, getpid());
    int r = 0;

    for (size_t i = 0; r == 0 && i < sizeof(plain_calls) / sizeof(plain_calls[0]); i++)
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, plain_calls[i], 0);
    for (size_t i = 0; r == 0 && i < sizeof(limited_calls) / sizeof(limited_calls[0]); i++)
        r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, limited_calls[i].call,
            limited_calls[i].count, limited_calls[i].arguments);
    /* abort() signals itself. */
    if (r == 0)
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, own_pid);
    /* Its flags are in memory, where a filter cannot look; the C library then takes clone. */
    if (r == 0)
        r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    return r;
}

static int load_filter(void)
{
    scmp_filter_ctx filter = seccomp_init(DENY);
    int r;

    if (filter == NULL)
        return -ENOMEM;
    r = add_rules(filter);
    if (r == 0)
        r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1); /* threads that run already */
    /* Without it old kernels slow down memory access, for programs that run foreign code. */
    if (r == 0)
        r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
    if (r == 0)
        r = seccomp_load(filter);
    seccomp_release(filter);
    return r;
}

const char *sandbox_missing(void)
{
    return PROCESS_IS_SANITIZED ? "a sanitizer is at work" : NULL;
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
