/* SPDX-License-Identifier: Apache-2.0 */
/* Loaded into tallyd by the tests (LD_PRELOAD): at SIGUSR1 it tries what an intruder would, from
 * within, and writes to the file PROBE_OUT what came of it, one "name error" for each line. With
 * PROBE_GENTLY it leaves out what would harm where it is not refused. */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int out = -1;

static void report(const char *name, long result)
{
    dprintf(out, "%s %s\n", name, result < 0 ? strerrorname_np(errno) : "ok");
}

static void try_programs(void)
{
    char *arguments[] = {"true", NULL};

    report("execve", execve("/bin/true", arguments, NULL));
    report("execveat", syscall(SYS_execveat, AT_FDCWD, "/bin/true", arguments, NULL, 0));
    report("fork", syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
    report("clone3", syscall(SYS_clone3, NULL, 0));
    report("unshare", unshare(CLONE_NEWUSER));
    report("setns", setns(-1, 0));
}

static void try_others(void)
{
    struct iovec part = {&out, sizeof(out)};

    report("ptrace", ptrace(PTRACE_ATTACH, getppid(), 0, 0));
    report("process_vm_readv", process_vm_readv(getppid(), &part, 1, &part, 1, 0));
    report("kill", kill(getppid(), 0));
    report("tgkill", syscall(SYS_tgkill, getppid(), getppid(), 0));
    report("pidfd_open", syscall(SYS_pidfd_open, getppid(), 0));
    report("bpf", syscall(SYS_bpf, 0, NULL, 0));
    report("io_uring_setup", syscall(SYS_io_uring_setup, 1, NULL));
    report("userfaultfd", syscall(SYS_userfaultfd, 0));
    report("keyctl", syscall(SYS_keyctl, 0, 0, 0, 0, 0));
    report("mount", syscall(SYS_mount, "x", "/", "tmpfs", 0, NULL));
    report("chroot", chroot("/"));
    report("setuid", syscall(SYS_setuid, 0));
}

static void try_files(void)
{
    report("open-write", open("/dev/null", O_WRONLY));
    report("open-read-write", open("/dev/null", O_RDWR));
    report("open-create", open("made", O_RDONLY | O_CREAT, 0600));
    report("open-tmpfile", open("/tmp", O_TMPFILE | O_RDWR, 0600));
    report("memfd_create", memfd_create("x", 0));
    report("rename", rename("/nowhere/a", "/nowhere/b"));
    report("symlink", symlink("/nowhere", "/nowhere/a"));
    report("chmod", chmod("/nowhere", 0777));
    report("mkdir", mkdir("/nowhere/a", 0777));
    report("open-read", close(open("/dev/null", O_RDONLY)));
}

static void try_memory(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    report("map", page == MAP_FAILED ? -1 : 0);
    report("run-what-was-written", mprotect(page, 4096, PROT_READ | PROT_EXEC));
    report("map-written-and-run", mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
                                      ? -1
                                      : 0);
    munmap(page, 4096);
}

static void try_sockets(void)
{
    report("socket-raw", socket(AF_INET, SOCK_RAW, 1));
    report("socket-packet", socket(AF_PACKET, SOCK_RAW, 0));
    report("socket-netfilter", socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER));
    report("socket-vsock", socket(40, SOCK_STREAM, 0));
    report("listen", listen(-1, 1));
    report("eventfd", close(eventfd(0, EFD_CLOEXEC)));
    report("socket-tcp", close(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)));
}

static void *try_in_thread(void *data)
{
    char *arguments[] = {"true", NULL};

    report("thread-execve", execve("/bin/true", arguments, NULL));
    return data;
}

static void on_signal(int number)
{
    pthread_t thread;
    int error;

    (void)number;
    try_files();
    try_memory();
    try_sockets();
    if (getenv("PROBE_GENTLY") != NULL) {
        dprintf(out, "end\n");
        return;
    }
    try_programs();
    try_others();
    error = pthread_create(&thread, NULL, try_in_thread, NULL);
    errno = error;
    report("thread", error != 0 ? -1 : 0);
    if (error == 0)
        pthread_join(thread, NULL);
    dprintf(out, "end\n");
}

__attribute__((constructor)) static void load(void)
{
    const struct sigaction action = {.sa_handler = on_signal};
    const char *path = getenv("PROBE_OUT");

    if (path == NULL)
        return;
    out = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    sigaction(SIGUSR1, &action, NULL);
}
