/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* failing.c - preloaded into a daemon: one call of the C library fails, or all of them from one
 * on.
 *
 *   FAIL_CALL=pwrite64 FAIL_AT=17 FAIL_MODE=once FAIL_ERRNO=28   the 17th fails with ENOSPC
 *   FAIL_MODE=from                                                and every one after it
 *   FAIL_ERRNO=-1                                                 a read or write does only
 * half FAIL_COUNTS=/path   at the end, how often each call was made: "name count" lines
 *
 * What fails is not done (a close that fails has closed, as in Linux). The failure is said on
 * standard error. Calls are counted over all threads, in the order in which they come. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

/* clang-format off */
#define CALLS(CALL)                                                                           \
    CALL(malloc) CALL(calloc) CALL(realloc) CALL(aligned_alloc) CALL(posix_memalign)          \
    CALL(open) CALL(open64)                                                                   \
    CALL(openat) CALL(close) CALL(read) CALL(pread64) CALL(readv) CALL(write) CALL(pwrite64)  \
    CALL(writev) CALL(fsync) CALL(fdatasync) CALL(ftruncate64) CALL(fallocate64) CALL(mmap)   \
    CALL(mmap64) CALL(mremap) CALL(fcntl) CALL(fcntl64) CALL(stat) CALL(stat64) CALL(lstat)   \
    CALL(lstat64) CALL(fstat) CALL(fstat64) CALL(statfs) CALL(fstatfs) CALL(socket)           \
    CALL(bind) CALL(listen) CALL(accept4) CALL(connect) CALL(sendmsg) CALL(recvmsg)           \
    CALL(send) CALL(recv) CALL(setsockopt) CALL(getsockopt) CALL(socketpair)                  \
    CALL(epoll_create1) CALL(epoll_ctl) CALL(epoll_pwait) CALL(epoll_wait) CALL(eventfd)      \
    CALL(pipe2) CALL(inotify_init1) CALL(inotify_add_watch) CALL(memfd_create) CALL(fchmod)   \
    CALL(fchown) CALL(flock) CALL(unlink) CALL(rename) CALL(mkdir) CALL(getrandom)            \
    CALL(pthread_create) CALL(poll) CALL(ppoll) CALL(readlink) CALL(access)                   \
    CALL(timerfd_create) CALL(statx) CALL(pread) CALL(pwrite) CALL(ftruncate) CALL(madvise)   \
    CALL(getsockname) CALL(getrlimit) CALL(setrlimit) CALL(chmod)
/* clang-format on */

enum call {
#define CALL(name) CALL_##name,
    CALLS(CALL)
#undef CALL
        CALL_COUNT
};

static const char *const names[] = {
#define CALL(name) #name,
    CALLS(CALL)
#undef CALL
};

enum { HALF = -1 };

static _Atomic unsigned long counts[CALL_COUNT];
static int target = -1, failure; /* -1: none, or not read yet */
static unsigned long target_at;
static int from;

/* Not at the first call: a sanitizer calls before there is an environment. */
__attribute__((constructor)) static void read_settings(void)
{
    const char *call = getenv("FAIL_CALL"), *at = getenv("FAIL_AT");
    const char *mode = getenv("FAIL_MODE"), *number = getenv("FAIL_ERRNO");
    int found = -1;

    for (int i = 0; call && i < CALL_COUNT; i++)
        if (strcmp(call, names[i]) == 0)
            found = i;
    target_at = at ? strtoul(at, NULL, 10) : 0;
    from = mode && strcmp(mode, "from") == 0;
    failure = number ? (int)strtol(number, NULL, 10) : EIO;
    target = found;
}

/* Said once: with standard error broken too there is nobody to tell. */
static void say(enum call call, unsigned long n)
{
    static atomic_flag said = ATOMIC_FLAG_INIT;
    char line[80];

    if (atomic_flag_test_and_set(&said))
        return;
    int bytes = snprintf(line, sizeof line, "failing: %s %lu\n", names[call], n);
    syscall(SYS_write, 2, line, (size_t)bytes);
}

static _Thread_local int excused;

/* libuv aborts where it has no memory for its own tables, no pipe for its signals, or the
 * kernel does not take a descriptor into its set: that is not ours to mend. */
static int of_libuv(const void *caller)
{
    Dl_info from_where;

    return dladdr(caller, &from_where) && strstr(from_where.dli_fname, "libuv");
}

/* Counts the call. Nonzero: it is to fail, with this in `failure`. */
static int fails_for(enum call call, const void *caller)
{
    if (excused)
        return 0;
    unsigned long n = atomic_fetch_add(&counts[call], 1) + 1;

    if ((int)call != target || (from ? n < target_at : n != target_at))
        return 0;
    if ((call <= CALL_posix_memalign || call == CALL_epoll_ctl || call == CALL_pipe2) &&
        of_libuv(caller))
        return 0;
    say(call, n);
    return 1;
}

#define fails(call) fails_for(call, __builtin_return_address(0))

static int fails_with_errno(enum call call, const void *caller)
{
    if (!fails_for(call, caller))
        return 0;
    errno = failure == HALF ? EIO : failure;
    return 1;
}

#define fails_with(call) fails_with_errno(call, __builtin_return_address(0))

__attribute__((destructor)) static void tell(void)
{
    const char *path = getenv("FAIL_COUNTS");
    FILE *f = path ? fopen(path, "w") : NULL;

    for (int i = 0; f && i < CALL_COUNT; i++)
        fprintf(f, "%s %lu\n", names[i], counts[i]);
    if (f)
        fclose(f);
}

#define REAL(name)                                                                             \
    static __typeof__(name) *real;                                                             \
    if (!real)                                                                                 \
    *(void **)&real = dlsym(RTLD_NEXT, #name)

/* A call whose failure is -1, with its parameters and its arguments. */
#define SHIM(type, name, parameters, ...)                                                      \
    type name parameters                                                                       \
    {                                                                                          \
        REAL(name);                                                                            \
        return fails_with(CALL_##name) ? (type)-1 : real(__VA_ARGS__);                         \
    }

/* The C library looks groups up in tables that it reads at the first call, and crashes by
 * itself where it cannot allocate them (nss_database.c of glibc 2.36). */
struct group *getgrnam(const char *name)
{
    REAL(getgrnam);
    excused = 1;
    struct group *result = real(name);
    excused = 0;
    return result;
}

#ifndef FAILING_KEEPS_MALLOC /* a sanitizer has its own */
/* dlsym() itself allocates: the C library's other names for these. */
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t),
    *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);

void *malloc(size_t bytes)
{
    if (fails(CALL_malloc)) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    if (fails(CALL_calloc)) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_calloc(count, bytes);
}

void *realloc(void *old, size_t bytes)
{
    if (fails(CALL_realloc)) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_realloc(old, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    if (fails(CALL_aligned_alloc)) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_memalign(alignment, bytes);
}

int posix_memalign(void **out, size_t alignment, size_t bytes)
{
    void *memory = fails(CALL_posix_memalign) ? NULL : __libc_memalign(alignment, bytes);

    if (!memory)
        return ENOMEM;
    *out = memory;
    return 0;
}
#endif

#define OPEN(name)                                                                             \
    int name(const char *path, int flags, ...)                                                 \
    {                                                                                          \
        va_list more;                                                                          \
        REAL(name);                                                                            \
        va_start(more, flags);                                                                 \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;                \
        va_end(more);                                                                          \
        return fails_with(CALL_##name) ? -1 : real(path, flags, mode);                         \
    }
OPEN(open)
OPEN(open64)

int openat(int at, const char *path, int flags, ...)
{
    va_list more;
    REAL(openat);

    va_start(more, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    return fails_with(CALL_openat) ? -1 : real(at, path, flags, mode);
}

#define FCNTL(name)                                                                            \
    int name(int fd, int command, ...)                                                         \
    {                                                                                          \
        va_list more;                                                                          \
        REAL(name);                                                                            \
        va_start(more, command);                                                               \
        void *argument = va_arg(more, void *);                                                 \
        va_end(more);                                                                          \
        return fails_with(CALL_##name) ? -1 : real(fd, command, argument);                     \
    }
FCNTL(fcntl)
FCNTL(fcntl64)

int close(int fd)
{
    REAL(close);
    int result = real(fd);

    return fails_with(CALL_close) ? -1 : result;
}

/* Files and sockets: the kernel's own counters and pipes do not fail so, and libuv aborts where
 * one does. */
static int may_fail(int fd)
{
    struct stat st;

    return syscall(SYS_fstat, fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISSOCK(st.st_mode));
}

/* Half of what was asked for, where FAIL_ERRNO says so; at least a byte. */
#define PARTLY(name, parameters, ...)                                                          \
    ssize_t name parameters                                                                    \
    {                                                                                          \
        REAL(name);                                                                            \
        if (!may_fail(fd) || !fails(CALL_##name))                                              \
            return real(__VA_ARGS__);                                                          \
        if (failure == HALF && bytes > 1) {                                                    \
            bytes /= 2;                                                                        \
            return real(__VA_ARGS__);                                                          \
        }                                                                                      \
        errno = failure == HALF ? EINTR : failure;                                             \
        return -1;                                                                             \
    }
PARTLY(read, (int fd, void *data, size_t bytes), fd, data, bytes)
PARTLY(write, (int fd, const void *data, size_t bytes), fd, data, bytes)
PARTLY(pread64, (int fd, void *data, size_t bytes, off64_t at), fd, data, bytes, at)
PARTLY(pwrite64, (int fd, const void *data, size_t bytes, off64_t at), fd, data, bytes, at)
PARTLY(pread, (int fd, void *data, size_t bytes, off_t at), fd, data, bytes, at)
PARTLY(pwrite, (int fd, const void *data, size_t bytes, off_t at), fd, data, bytes, at)
PARTLY(send, (int fd, const void *data, size_t bytes, int flags), fd, data, bytes, flags)
PARTLY(recv, (int fd, void *data, size_t bytes, int flags), fd, data, bytes, flags)

void *mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    REAL(mmap);
    return fails_with(CALL_mmap) ? MAP_FAILED : real(at, bytes, protection, flags, fd, offset);
}

void *mmap64(void *at, size_t bytes, int protection, int flags, int fd, off64_t offset)
{
    REAL(mmap64);
    return fails_with(CALL_mmap64) ? MAP_FAILED
                                   : real(at, bytes, protection, flags, fd, offset);
}

void *mremap(void *old, size_t old_bytes, size_t bytes, int flags, ...)
{
    REAL(mremap);
    return fails_with(CALL_mremap) ? MAP_FAILED : real(old, old_bytes, bytes, flags);
}

int pthread_create(pthread_t *out, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *context)
{
    REAL(pthread_create);
    return fails(CALL_pthread_create) ? EAGAIN : real(out, attributes, run, context);
}

SHIM(ssize_t, readv, (int fd, const struct iovec *parts, int count), fd, parts, count)
SHIM(ssize_t, writev, (int fd, const struct iovec *parts, int count), fd, parts, count)
SHIM(int, fsync, (int fd), fd)
SHIM(int, fdatasync, (int fd), fd)
SHIM(int, ftruncate64, (int fd, off64_t bytes), fd, bytes)
SHIM(int, fallocate64, (int fd, int mode, off64_t at, off64_t bytes), fd, mode, at, bytes)
SHIM(int, stat, (const char *path, struct stat *out), path, out)
SHIM(int, stat64, (const char *path, struct stat64 *out), path, out)
SHIM(int, lstat, (const char *path, struct stat *out), path, out)
SHIM(int, lstat64, (const char *path, struct stat64 *out), path, out)
SHIM(int, fstat, (int fd, struct stat *out), fd, out)
SHIM(int, fstat64, (int fd, struct stat64 *out), fd, out)
SHIM(int, statfs, (const char *path, struct statfs *out), path, out)
SHIM(int, fstatfs, (int fd, struct statfs *out), fd, out)
SHIM(int, socket, (int domain, int type, int protocol), domain, type, protocol)
SHIM(int, bind, (int fd, const struct sockaddr *a, socklen_t bytes), fd, a, bytes)
SHIM(int, listen, (int fd, int backlog), fd, backlog)
SHIM(int, accept4, (int fd, struct sockaddr *a, socklen_t *bytes, int flags), fd, a, bytes,
     flags)
SHIM(int, connect, (int fd, const struct sockaddr *a, socklen_t bytes), fd, a, bytes)
SHIM(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags), fd, m, flags)
SHIM(ssize_t, recvmsg, (int fd, struct msghdr *m, int flags), fd, m, flags)
SHIM(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t bytes), fd,
     level, name, value, bytes)
SHIM(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *bytes), fd, level,
     name, value, bytes)
SHIM(int, socketpair, (int domain, int type, int protocol, int fds[2]), domain, type, protocol,
     fds)
SHIM(int, epoll_create1, (int flags), flags)
SHIM(int, epoll_ctl, (int epoll, int what, int fd, struct epoll_event *e), epoll, what, fd, e)
SHIM(int, epoll_wait, (int epoll, struct epoll_event *e, int max, int ms), epoll, e, max, ms)
SHIM(int, epoll_pwait,
     (int epoll, struct epoll_event *e, int max, int ms, const sigset_t *mask), epoll, e, max,
     ms, mask)
int eventfd(unsigned count, int flags);
SHIM(int, eventfd, (unsigned count, int flags), count, flags)
SHIM(int, pipe2, (int fds[2], int flags), fds, flags)
int inotify_init1(int flags);
SHIM(int, inotify_init1, (int flags), flags)
int inotify_add_watch(int fd, const char *path, uint32_t mask);
SHIM(int, inotify_add_watch, (int fd, const char *path, uint32_t mask), fd, path, mask)
SHIM(int, memfd_create, (const char *name, unsigned flags), name, flags)
SHIM(int, fchmod, (int fd, mode_t mode), fd, mode)
SHIM(int, fchown, (int fd, uid_t user, gid_t group), fd, user, group)
int flock(int fd, int what);
SHIM(int, flock, (int fd, int what), fd, what)
SHIM(int, unlink, (const char *path), path)
SHIM(int, rename, (const char *from_path, const char *to), from_path, to)
SHIM(int, mkdir, (const char *path, mode_t mode), path, mode)
ssize_t getrandom(void *data, size_t bytes, unsigned flags);
SHIM(ssize_t, getrandom, (void *data, size_t bytes, unsigned flags), data, bytes, flags)
SHIM(int, poll, (struct pollfd * fds, nfds_t count, int ms), fds, count, ms)
SHIM(int, ppoll,
     (struct pollfd * fds, nfds_t count, const struct timespec *t, const sigset_t *mask), fds,
     count, t, mask)
SHIM(ssize_t, readlink, (const char *path, char *out, size_t bytes), path, out, bytes)
SHIM(int, access, (const char *path, int mode), path, mode)
int timerfd_create(int clock, int flags);
SHIM(int, timerfd_create, (int clock, int flags), clock, flags)
SHIM(int, statx, (int at, const char *path, int flags, unsigned mask, struct statx *out), at,
     path, flags, mask, out)
SHIM(int, ftruncate, (int fd, off_t bytes), fd, bytes)
SHIM(int, madvise, (void *at, size_t bytes, int advice), at, bytes, advice)
SHIM(int, getsockname, (int fd, struct sockaddr *a, socklen_t *bytes), fd, a, bytes)
/* The C library's first parameter is an enum of its own. */
SHIM(int, getrlimit, (__rlimit_resource_t what, struct rlimit *out), what, out)
SHIM(int, setrlimit, (__rlimit_resource_t what, const struct rlimit *limit), what, limit)
SHIM(int, chmod, (const char *path, mode_t mode), path, mode)
