/// Not in the header: with it, this module and Glibc would define the same types differently, and no Swift file could import both.
#define _GNU_SOURCE 1

#include "CSystem.h"

#include <malloc.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/un.h>

int testbed_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

int testbed_die_with_parent(int signal) { return prctl(PR_SET_PDEATHSIG, signal); }

int testbed_is_ignored(int signal) {
    struct sigaction action;
    return sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

pid_t testbed_fork_session(int kept) {
    pid_t child = fork();
    if (child != 0) return child;
    int null = open("/dev/null", O_RDONLY);
    if (setsid() < 0 || null < 0 || dup2(null, 0) < 0 || (kept != 3 && dup2(kept, 3) < 0)) _exit(1);
    fcntl(3, F_SETFD, FD_CLOEXEC);
    syscall(SYS_close_range, 4U, ~0U, 0U);
    return 0;
}

pid_t testbed_fork_job(int kept) {
    pid_t parent = getpid();
    pid_t child = fork();
    if (child != 0) return child;
    int null = open("/dev/null", O_RDWR);
    if (setpgid(0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent) _exit(1);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || (kept != 3 && dup2(kept, 3) < 0)) _exit(1);
    fcntl(3, F_SETFD, FD_CLOEXEC);
    syscall(SYS_close_range, 4U, ~0U, 0U);
    return 0;
}

/// The watcher's life: ends the program's group when nobody holds the lifeline any more, and itself with the program.
static void watch_program(pid_t program, int lifeline) {
    int status = 0;
    int ended = testbed_pidfd_open(program);
    struct pollfd items[] = {{.fd = ended, .events = POLLIN}, {.fd = lifeline, .events = POLLIN}};
    while (ended >= 0 && poll(items, 2, -1) < 0 && errno == EINTR) {}
    if (items[0].revents == 0) {
        kill(-program, SIGTERM);
        items[1].fd = -1;
        poll(items, 2, 500);
    }
    // What it has left behind, too.
    kill(-program, SIGKILL);
    waitpid(program, &status, 0);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

pid_t testbed_start_program(char *const arguments[], int log, int *lifeline) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return -1;
    pid_t watcher = fork();
    if (watcher != 0) {
        int code = errno;
        close(ends[0]);
        if (watcher < 0) close(ends[1]); else *lifeline = ends[1];
        errno = code;
        return watcher;
    }
    setpgid(0, 0);
    for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    // Out of the way of the descriptors that they are to become.
    int null = open("/dev/null", O_RDONLY);
    int kept = fcntl(ends[0], F_DUPFD, 10);
    int written = fcntl(log, F_DUPFD, 10);
    if (null < 0 || kept < 0 || written < 0 || dup2(null, 0) < 0 || dup2(written, 1) < 0 || dup2(written, 2) < 0 || dup2(kept, 3) < 0) _exit(126);
    fcntl(3, F_SETFD, FD_CLOEXEC);
    syscall(SYS_close_range, 4U, ~0U, 0U);
    pid_t self = getpid();
    pid_t program = fork();
    if (program == 0) {
        setpgid(0, 0);
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != self) _exit(126);
        execvp(arguments[0], arguments);
        dprintf(2, "%s: %s\n", arguments[0], strerror(errno));
        _exit(127);
    }
    if (program < 0) _exit(126);
    setpgid(program, program);
    watch_program(program, 3);
    _exit(126);
}

static int unix_address(const char *path, struct sockaddr_un *address) {
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof address->sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address->sun_path, path);
    return 0;
}

static int listen_at(const char *path, int type, int backlog) {
    struct sockaddr_un address;
    if (unix_address(path, &address) < 0) return -1;
    int listener = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener < 0) return -1;
    // On Linux the socket's file gets the mode of the socket itself.
    if (fchmod(listener, 0600) == 0 && bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, backlog) == 0)
        return listener;
    int code = errno;
    close(listener);
    errno = code;
    return -1;
}

static int connect_to(const char *path, int type) {
    struct sockaddr_un address;
    if (unix_address(path, &address) < 0) return -1;
    int connection = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (connection < 0) return -1;
    if (connect(connection, (struct sockaddr *)&address, sizeof address) == 0) return connection;
    int code = errno;
    close(connection);
    errno = code;
    return -1;
}

int testbed_listen(const char *path) { return listen_at(path, SOCK_STREAM, 64); }

int testbed_connect(const char *path) { return connect_to(path, SOCK_STREAM); }

int testbed_listen_for_packets(const char *path, int backlog) { return listen_at(path, SOCK_SEQPACKET, backlog); }

int testbed_connect_for_packets(const char *path) { return connect_to(path, SOCK_SEQPACKET); }

int testbed_accept(int listener) { return accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK); }

pid_t testbed_peer(int connection) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.uid != getuid()) return -1;
    return peer.pid;
}

int testbed_terminal_columns(int fd) {
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) != 0) return 0;
    return size.ws_col;
}

int testbed_open(const char *path, int flags, mode_t mode) { return open(path, flags | O_CLOEXEC, mode); }

void testbed_keep_memory(void) {
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
}

int testbed_stay_on_processor(int processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int each = 0; each < CPU_SETSIZE; each++)
        if (processor < 0 || each == processor) CPU_SET(each, &set);
    return sched_setaffinity(0, sizeof set, &set);
}
