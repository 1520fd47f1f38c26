/// Not in the header: with it, this module and Glibc would define the same types differently, and no Swift file could import both.
#define _GNU_SOURCE 1

#include "CSystem.h"

#include <sys/syscall.h>

int testbed_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

int testbed_die_with_parent(int signal) { return prctl(PR_SET_PDEATHSIG, signal); }

int testbed_is_ignored(int signal) {
    struct sigaction action;
    return sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

int testbed_terminal_columns(int fd) {
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) != 0) return 0;
    return size.ws_col;
}

int testbed_open(const char *path, int flags, mode_t mode) { return open(path, flags | O_CLOEXEC, mode); }

int testbed_stay_on_processor(int processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int each = 0; each < CPU_SETSIZE; each++)
        if (processor < 0 || each == processor) CPU_SET(each, &set);
    return sched_setaffinity(0, sizeof set, &set);
}
