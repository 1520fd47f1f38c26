/// Shims for what Swift cannot import: macros, variadic calls and system calls without a wrapper.
#ifndef TESTBED_CSYSTEM_H
#define TESTBED_CSYSTEM_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/// A descriptor that becomes readable when the process ends; -1 and errno on failure.
int testbed_pidfd_open(pid_t pid);

/// Has the kernel send `signal` to this process when its parent dies.
int testbed_die_with_parent(int signal);

/// Whether this process ignores the signal.
int testbed_is_ignored(int signal);

/// Forks. The child gets a session of its own, so that no terminal's signals reach it, nothing on standard input, and keeps no descriptor but
/// its standard streams and `kept`, which becomes 3. Answers as fork does; the child ends at once when it cannot do so.
pid_t testbed_fork_session(int kept);

/// Forks. The child gets a process group of its own, so that Ctrl-C on a terminal reaches its parent alone, dies with its parent, has nothing on
/// standard input and output, and keeps no descriptor but these, standard error and `kept`, which becomes 3. Answers as fork does; the child ends
/// at once when it cannot do so.
pid_t testbed_fork_job(int kept);

/// Starts a program of the user's: `arguments[0]` is found on the PATH, its standard output and error go to `log`, and there is nothing on its
/// standard input. Answers the process that watches over it, and in `lifeline` a descriptor: when that is closed, also by the end of this process in
/// whatever way, the program and all of its process group are ended. The watcher ends with the program: with its code, or 128 more than the signal;
/// 127 when it cannot be run. Answers -1 and errno on failure.
pid_t testbed_start_program(char *const arguments[], int log, int *lifeline);

/// A stream socket that listens at `path`, for this user alone, and does not block; -1 and errno on failure.
int testbed_listen(const char *path);

/// A connection to the stream socket at `path`; -1 and errno on failure.
int testbed_connect(const char *path);

/// The same for packets, each of which comes whole or not at all; up to `backlog` connections wait to be accepted.
int testbed_listen_for_packets(const char *path, int backlog);
int testbed_connect_for_packets(const char *path);

/// The next connection to a socket that listens, which does not block; -1 and errno on failure.
int testbed_accept(int listener);

/// The process at the other end of a connection; -1 when it cannot be told or belongs to another user.
pid_t testbed_peer(int connection);

/// Columns of the terminal at `fd`, or 0 when it is none.
int testbed_terminal_columns(int fd);

/// Opens a file; `mode` counts when the file is made.
int testbed_open(const char *path, int flags, mode_t mode);

/// Has the process keep memory that it has given back: what it takes again and again would be asked of the system each time.
void testbed_keep_memory(void);

/// Keeps the calling thread on one processor, or lets it run on any again when `processor` is negative; -1 and errno on failure.
int testbed_stay_on_processor(int processor);

#endif
