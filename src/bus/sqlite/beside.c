/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/sqlite/beside.h"

#include "net/time.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    MARK_BYTES = 118, /* "accord-wake 1 " log position message checksum "\n" */
    LOCK_SLEEP_NS_MIN = 30 * 1000,
    LOCK_SLEEP_NS_MAX = 500 * 1000,
    TURN_SLEEP_NS_MAX = 100 * 1000,
    LOCK_TRIES = 4, /* of a file that was deleted each time */
};

void sqlite_sleep_ns(uint64_t ns)
{
    struct timespec t = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};

    nanosleep(&t, NULL);
}

static int open_fail(const char *path, char why[BUS_WHY_BYTES_MAX])
{
    bool denied = errno == EACCES || errno == EPERM || errno == EROFS;

    return bus_fail(why, denied ? ACCORD_E_DENIED : ACCORD_E_IO,
                    "cannot open %.300s: %s; let this user write that file and its folder",
                    path, strerror(errno));
}

/* Whoever may write the database may write these: as SQLite does for its own files beside. */
static int open_beside(const char *path, const char *database, int *out, uint64_t *device,
                       uint64_t *inode, char why[BUS_WHY_BYTES_MAX])
{
    const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    struct sqlite_identity like;
    struct stat opened;
    int fd = open(path, flags);

    if (fd < 0 && errno == ENOENT) {
        bool known = sqlite_identify(database, &like);

        fd = open(path, flags | O_CREAT, known ? 0600 : 0644);
        if (fd >= 0 && known) {
            /* Failing, these leave a file that others may not use; they will say so. */
            bool given = (like.uid == geteuid() && like.gid == getegid()) ||
                         fchown(fd, like.uid, like.gid) == 0;
            (void)fchmod(fd, given ? like.mode & 0666 : 0600);
        }
    }
    if (fd < 0)
        return open_fail(path, why);
    if (fstat(fd, &opened) != 0) {
        int status = open_fail(path, why);
        close(fd);
        return status;
    }
    *out = fd;
    *device = opened.st_dev;
    *inode = opened.st_ino;
    return ACCORD_OK;
}

/* Whether the open one is still what the path names: files beside get deleted by tidy people.
 */
static bool still_there(uint64_t device, uint64_t inode, const char *path)
{
    struct stat named;

    return stat(path, &named) == 0 && named.st_ino == inode && named.st_dev == device;
}

/* The lock. */

/* Two bytes of the file: who waits for LOCK_TURN holds LOCK_LINE meanwhile, so that whoever
 * gives the lock back and wants it again at once comes after him. (Polling for one byte starved
 * a writer for a minute beside three that published without a pause.) */
enum lock_byte { LOCK_TURN, LOCK_LINE };

static bool lock_range(int fd, short type, enum lock_byte first, off_t bytes)
{
    struct flock range = {
        .l_type = type, .l_whence = SEEK_SET, .l_start = first, .l_len = bytes};

    return fcntl(fd, F_OFD_SETLK, &range) == 0;
}

static bool lock_set(int fd, short type, enum lock_byte byte)
{
    return lock_range(fd, type, byte, 1);
}

int sqlite_lock_open(struct sqlite_lock *l, const struct sqlite_place *p,
                     char why[BUS_WHY_BYTES_MAX])
{
    if (l->fd >= 0)
        return ACCORD_OK;
    return open_beside(p->lock_path, p->path, &l->fd, &l->device, &l->inode, why);
}

static int lock_failed(const struct sqlite_place *p, int error, char why[BUS_WHY_BYTES_MAX])
{
    if (error != EAGAIN && error != EACCES)
        return bus_fail(why, ACCORD_E_IO, "cannot lock %.300s: %s", p->lock_path,
                        strerror(error));
    return bus_fail(why, ACCORD_E_DOWN,
                    "another Accord process holds %.300s and does not let go; find it with "
                    "`fuser -v` on that file",
                    p->lock_path);
}

/* 0, or errno: EAGAIN where the deadline has passed. */
static int lock_wait(int fd, enum lock_byte byte, uint64_t sleep_ns_max, uint64_t deadline_ns)
{
    uint64_t sleep_ns = LOCK_SLEEP_NS_MIN;

    while (!lock_set(fd, F_WRLCK, byte)) {
        if ((errno != EAGAIN && errno != EACCES) || time_monotonic_ns() >= deadline_ns)
            return errno;
        sqlite_sleep_ns(sleep_ns);
        sleep_ns = u64_min(2 * sleep_ns, sleep_ns_max);
    }
    return 0;
}

/* 0, or errno. The line is held too where the turn is, or where waiting for that failed. Where
 * nobody holds either, and so nobody waits, both are had at once. */
static int lock_both(int fd, uint64_t deadline_ns)
{
    if (lock_range(fd, F_WRLCK, LOCK_TURN, 2))
        return 0;
    int error = lock_wait(fd, LOCK_LINE, LOCK_SLEEP_NS_MAX, deadline_ns);
    return error != 0 ? error : lock_wait(fd, LOCK_TURN, TURN_SLEEP_NS_MAX, deadline_ns);
}

int sqlite_lock_take(struct sqlite_lock *l, const struct sqlite_place *p, uint64_t deadline_ns,
                     char why[BUS_WHY_BYTES_MAX])
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        int status = sqlite_lock_open(l, p, why);
        if (status != ACCORD_OK)
            return status;
        int error = lock_both(l->fd, deadline_ns);
        (void)lock_set(l->fd, F_UNLCK, LOCK_LINE);
        if (error != 0)
            return lock_failed(p, error, why);
        if (still_there(l->device, l->inode, p->lock_path))
            return ACCORD_OK;
        sqlite_lock_close(l); /* the lock of a deleted file excludes nobody */
    }
    /* Or it was there, and the kernel would not say so: then each try had it, and kept it from
     * all others. */
    return bus_fail(why, ACCORD_E_DOWN,
                    "%.300s is deleted again and again, or cannot be looked at; who deletes it "
                    "is to leave it alone, and this user must be let into its folder",
                    p->lock_path);
}

void sqlite_lock_give(struct sqlite_lock *l)
{
    if (l->fd >= 0)
        (void)lock_set(l->fd, F_UNLCK, LOCK_TURN);
}

bool sqlite_lock_is_held(const struct sqlite_lock *l)
{
    struct flock turn = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCK_TURN, .l_len = 1};

    return l->fd >= 0 && fcntl(l->fd, F_OFD_GETLK, &turn) == 0 && turn.l_type != F_UNLCK;
}

void sqlite_lock_close(struct sqlite_lock *l)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}

/* The wake file. */

int sqlite_wake_open(struct sqlite_wake *w, const struct sqlite_place *p,
                     char why[BUS_WHY_BYTES_MAX])
{
    if (w->fd >= 0 && still_there(w->device, w->inode, p->wake_path))
        return ACCORD_OK;
    sqlite_wake_close(w);
    return open_beside(p->wake_path, p->path, &w->fd, &w->device, &w->inode, why);
}

void sqlite_wake_close(struct sqlite_wake *w)
{
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
}

static uint64_t checksum(const struct sqlite_mark *m)
{
    return cursor_hash(cursor_hash(0, 0, m->log), m->position, m->message);
}

void sqlite_wake_write(struct sqlite_wake *w, const struct sqlite_mark *m)
{
    char text[MARK_BYTES + 1];

    if (w->fd < 0)
        return;
    int bytes = snprintf(text, sizeof text,
                         "accord-wake 1 %016" PRIx64 "%016" PRIx64 " %020" PRIu64 " %016" PRIx64
                         "%016" PRIx64 " %016" PRIx64 "\n",
                         m->log.high, m->log.low, m->position, m->message.high, m->message.low,
                         checksum(m));
    ASSERT(bytes == MARK_BYTES);
    if (pwrite(w->fd, text, MARK_BYTES, 0) != MARK_BYTES)
        return; /* a full disk: readers find out by themselves */
}

struct sqlite_mark sqlite_wake_read(const struct sqlite_wake *w)
{
    struct sqlite_mark m = {0};
    char text[MARK_BYTES + 1] = "";
    uint64_t sum = 0;

    if (w->fd < 0 || pread(w->fd, text, MARK_BYTES, 0) != MARK_BYTES)
        return m;
    if (sscanf(text,
               "accord-wake 1 %16" SCNx64 "%16" SCNx64 " %20" SCNu64 " %16" SCNx64 "%16" SCNx64
               " %16" SCNx64,
               &m.log.high, &m.log.low, &m.position, &m.message.high, &m.message.low,
               &sum) != 6 ||
        sum != checksum(&m))
        return (struct sqlite_mark){0};
    return m;
}
