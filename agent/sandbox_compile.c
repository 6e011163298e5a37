/* SPDX-License-Identifier: Apache-2.0 */
/* Compiles the system call filter of a program when it is built: libseccomp generates it, and this
 * program prints it as C for agent/sandbox_filter.h. So tallyd does not generate it at start-up,
 * which took a static tallyd a third of the time to its first answer, and does not link the
 * library.
 *
 *   sandbox-compile tallyd|tally-bridge [ARCHITECTURE]
 *
 * It runs on the build machine. ARCHITECTURE is that of the program, by libseccomp's name
 * (aarch64), where it is another one: libseccomp then translates the numbers of the calls by their
 * names. The constants below that are compared with arguments have the same values on x86-64 and
 * arm64. */
#include "agent/sandbox_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

/* The programs that have a filter, as bits: a call is allowed to some of them. */
enum { TALLYD = 1 << 0, BRIDGE = 1 << 1, BOTH = TALLYD | BRIDGE };

/* Allowed with any arguments. A name that an architecture does not have is skipped. */
static const int plain_calls[] = {
    /* I/O on open descriptors */
    SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(write), SCMP_SYS(writev),
    SCMP_SYS(lseek), SCMP_SYS(_llseek), SCMP_SYS(close), SCMP_SYS(fcntl), SCMP_SYS(fcntl64),
    SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(recvmmsg), SCMP_SYS(sendto), SCMP_SYS(sendmsg),
    SCMP_SYS(sendmmsg),
    /* sockets; the allowed kinds are below */
    SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(connect), SCMP_SYS(shutdown),
    SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
    /* waiting */
    SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2),
    SCMP_SYS(timerfd_settime), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select),
    SCMP_SYS(pselect6), SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep), SCMP_SYS(restart_syscall),
    /* file metadata; reading files is below */
    SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(statx),
    SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    /* memory */
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
    /* its own threads and signals */
    SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(set_tid_address),
    SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(membarrier),
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
    SCMP_SYS(exit), SCMP_SYS(exit_group),
    /* clocks, random numbers, and its own ids */
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday), SCMP_SYS(time),
    SCMP_SYS(getrandom), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getuid), SCMP_SYS(geteuid),
    SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(getgroups), SCMP_SYS(uname), SCMP_SYS(sysinfo),
    SCMP_SYS(getcpu), SCMP_SYS(getrlimit)};

/* What tallyd alone needs: name lookups, for which newer versions of libcurl create a pipe or an
 * eventfd, folders that it watches, and its socket's file, which it removes at exit. */
static const int tallyd_calls[] = {SCMP_SYS(bind), SCMP_SYS(pipe2), SCMP_SYS(eventfd2),
    SCMP_SYS(getdents64), SCMP_SYS(getcwd), SCMP_SYS(inotify_add_watch), SCMP_SYS(inotify_rm_watch),
    SCMP_SYS(unlinkat)};

#define MASKED(argument, mask, value)                                                              \
    {                                                                                              \
        (argument), SCMP_CMP_MASKED_EQ, (mask), (value)                                            \
    }
#define EQUAL(argument, value) MASKED(argument, UINT32_MAX, (uint32_t)(value))

#define WRITING (O_ACCMODE | O_CREAT | O_TRUNC)

/* Allowed with these arguments only: one rule per line. tally-bridge connects to Unix sockets
 * alone, and starts no thread. */
static const struct {
    unsigned programs;
    int call;
    unsigned count;
    struct scmp_arg_cmp arguments[2];
} limited_calls[] = {
    {BOTH, SCMP_SYS(open), 1, {MASKED(1, WRITING, O_RDONLY)}},
    {BOTH, SCMP_SYS(openat), 1, {MASKED(2, WRITING, O_RDONLY)}},
    /* Memory is writable or executable, never both; a resolver library may be loaded. */
    {BOTH, SCMP_SYS(mmap), 1, {MASKED(2, PROT_EXEC, 0)}},
    {TALLYD, SCMP_SYS(mmap), 1, {MASKED(2, PROT_EXEC | PROT_WRITE, PROT_EXEC)}},
    {BOTH, SCMP_SYS(mmap2), 1, {MASKED(2, PROT_EXEC, 0)}},
    {TALLYD, SCMP_SYS(mmap2), 1, {MASKED(2, PROT_EXEC | PROT_WRITE, PROT_EXEC)}},
    {BOTH, SCMP_SYS(mprotect), 1, {MASKED(2, PROT_EXEC, 0)}},
    {TALLYD, SCMP_SYS(clone), 1, {MASKED(0, CLONE_THREAD, CLONE_THREAD)}},
    {BOTH, SCMP_SYS(socket), 1, {EQUAL(0, AF_UNIX)}},
    {TALLYD, SCMP_SYS(socket), 2, {EQUAL(0, AF_INET), MASKED(1, 0xf, SOCK_STREAM)}},
    {TALLYD, SCMP_SYS(socket), 2, {EQUAL(0, AF_INET), MASKED(1, 0xf, SOCK_DGRAM)}},
    {TALLYD, SCMP_SYS(socket), 2, {EQUAL(0, AF_INET6), MASKED(1, 0xf, SOCK_STREAM)}},
    {TALLYD, SCMP_SYS(socket), 2, {EQUAL(0, AF_INET6), MASKED(1, 0xf, SOCK_DGRAM)}},
    {TALLYD, SCMP_SYS(socket), 2, {EQUAL(0, AF_NETLINK), EQUAL(2, NETLINK_ROUTE)}},
    {TALLYD, SCMP_SYS(socketpair), 1, {EQUAL(0, AF_UNIX)}},
    {BRIDGE, SCMP_SYS(epoll_create1), 1,
        {EQUAL(0, EPOLL_CLOEXEC)}}, /* a further handle of libtally */
    {BOTH, SCMP_SYS(ioctl), 1, {EQUAL(1, FIONBIO)}},
    {BOTH, SCMP_SYS(ioctl), 1, {EQUAL(1, FIONREAD)}},
    {BOTH, SCMP_SYS(ioctl), 1, {EQUAL(1, SIOCOUTQ)}},
    {BOTH, SCMP_SYS(ioctl), 1, {EQUAL(1, FIOCLEX)}}, {BOTH, SCMP_SYS(ioctl), 1, {EQUAL(1, TCGETS)}},
    {BOTH, SCMP_SYS(ioctl), 1, {EQUAL(1, TIOCGWINSZ)}},
    {TALLYD, SCMP_SYS(prctl), 1, {EQUAL(0, PR_SET_NAME)}},
    {BOTH, SCMP_SYS(prlimit64), 1, {MASKED(2, UINT64_MAX, 0)}}, /* to read a limit */
};

static int add_plain(scmp_filter_ctx filter, const int *calls, size_t count)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < count; i++)
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
    return r;
}

static int add_rules(scmp_filter_ctx filter, unsigned program)
{
    struct scmp_arg_cmp own_pid = EQUAL(0, SANDBOX_OWN_PID);
    int r = add_plain(filter, plain_calls, sizeof(plain_calls) / sizeof(plain_calls[0]));

    if (r == 0 && program == TALLYD)
        r = add_plain(filter, tallyd_calls, sizeof(tallyd_calls) / sizeof(tallyd_calls[0]));
    for (size_t i = 0; r == 0 && i < sizeof(limited_calls) / sizeof(limited_calls[0]); i++)
        if ((limited_calls[i].programs & program) != 0)
            r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, limited_calls[i].call,
                limited_calls[i].count, limited_calls[i].arguments);
    /* abort() signals itself. */
    if (r == 0)
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, own_pid);
    /* Its flags are in memory, which a filter cannot read; the C library then falls back to
     * clone. */
    if (r == 0)
        r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    /* As a tree: kernels before 5.11 run it at each call. */
    if (r == 0)
        r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    return r;
}

/* A new filter has the architecture of the machine that builds. */
static int set_architecture(scmp_filter_ctx filter, uint32_t architecture)
{
    int r;

    if (architecture == seccomp_arch_native())
        return 0;
    r = seccomp_arch_remove(filter, SCMP_ARCH_NATIVE);
    return r == 0 ? seccomp_arch_add(filter, architecture) : r;
}

/* The filter as a file of BPF instructions. NULL: errno says why. */
static FILE *export_filter(unsigned program, uint32_t architecture)
{
    scmp_filter_ctx filter = seccomp_init(SANDBOX_TRAPS ? SCMP_ACT_TRAP : SCMP_ACT_ERRNO(EPERM));
    FILE *file = tmpfile();
    int r = filter == NULL || file == NULL ? -ENOMEM : set_architecture(filter, architecture);

    if (r == 0)
        r = add_rules(filter, program);
    if (r == 0)
        r = seccomp_export_bpf(filter, fileno(file));
    seccomp_release(filter);
    if (r == 0)
        return file;
    if (file != NULL)
        fclose(file);
    errno = -r;
    return NULL;
}

static void print_filter(FILE *file)
{
    struct sock_filter step;

    printf("struct sock_filter sandbox_filter[] = {\n");
    rewind(file);
    while (fread(&step, sizeof(step), 1, file) == 1)
        printf("    {0x%x, %u, %u, 0x%x},\n", step.code, step.jt, step.jf, step.k);
    printf(
        "};\n"
        "const size_t sandbox_filter_len = sizeof(sandbox_filter) / sizeof(sandbox_filter[0]);\n");
}

/* Numbers without a name have an empty one. */
static void print_names(uint32_t architecture)
{
    printf("const char sandbox_call_names[] =\n");
    for (int number = 0; number < SANDBOX_NAMED_CALLS; number++) {
        char *name = seccomp_syscall_resolve_num_arch(architecture, number);

        printf("    \"%s\\0\"\n", name != NULL ? name : "");
        free(name);
    }
    printf("    ;\n");
}

int main(int argc, char **argv)
{
    unsigned program = argc > 1 && strcmp(argv[1], "tally-bridge") == 0 ? BRIDGE : TALLYD;
    uint32_t architecture = argc > 2 ? seccomp_arch_resolve_name(argv[2]) : seccomp_arch_native();
    FILE *file;

    if (architecture == 0) {
        fprintf(stderr, "sandbox-compile: libseccomp has no architecture '%s'\n", argv[2]);
        return 2;
    }
    file = export_filter(program, architecture);
    if (file == NULL) {
        fprintf(stderr, "sandbox-compile: libseccomp: %s\n", strerror(errno));
        return 1;
    }
    printf("#include \"agent/sandbox_filter.h\"\n");
    printf("_Static_assert(SANDBOX_TRAPS == %d, \"compiled for a kind of target that differs\");\n",
        SANDBOX_TRAPS);
    print_filter(file);
    fclose(file);
    print_names(architecture);
    return fflush(stdout) == 0 ? 0 : 1;
}
