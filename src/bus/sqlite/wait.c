/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/sqlite/wait.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

enum { POLLING_NS = 2 * 1000 * 1000 };

int sqlite_wait_init(struct sqlite_wait *w, char why[BUS_WHY_BYTES_MAX])
{
    *w = (struct sqlite_wait){.wake = -1, .wal = -1, .file = -1};
    w->committed = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    w->writing = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    w->stop = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (w->stop < 0) {
        int status = bus_fail(why, ACCORD_E_IO, "no descriptor is left (%s); raise `ulimit -n`",
                              strerror(errno));
        sqlite_wait_done(w);
        return status;
    }
    return ACCORD_OK;
}

void sqlite_wait_done(struct sqlite_wait *w)
{
    if (w->committed > 0)
        close(w->committed);
    if (w->writing > 0)
        close(w->writing);
    if (w->stop > 0)
        close(w->stop);
    *w = (struct sqlite_wait){.wake = -1, .wal = -1, .file = -1};
    w->committed = w->writing = w->stop = -1;
}

static void watch(int inotify, int *at, const char *path, uint32_t events)
{
    int fresh = inotify < 0 ? -1 : inotify_add_watch(inotify, path, events);

    if (*at >= 0 && *at != fresh)
        (void)inotify_rm_watch(inotify, *at);
    *at = fresh;
}

void sqlite_wait_watch(struct sqlite_wait *w, const struct sqlite_place *p)
{
    const uint32_t gone = IN_DELETE_SELF | IN_MOVE_SELF;

    watch(w->committed, &w->wake, p->wake_path, IN_MODIFY | IN_ATTRIB | gone);
    watch(w->committed, &w->file, p->path, IN_ATTRIB | gone);
    watch(w->writing, &w->wal, p->wal_path, IN_MODIFY | gone);
}

static unsigned hint_of(const struct sqlite_wait *w, const struct inotify_event *e, int wake)
{
    if (e->mask & IN_Q_OVERFLOW)
        return SQL_HINT_COMMITTED | SQL_HINT_WRITING | SQL_HINT_FILES;
    if (e->mask & IN_IGNORED)
        return 0; /* of a watch that was removed, or after what told us so */
    if (e->mask & (IN_DELETE_SELF | IN_MOVE_SELF))
        return SQL_HINT_FILES;
    if (wake < 0)
        return e->wd == w->wal ? SQL_HINT_WRITING : 0;
    /* Of the link count, too: an unlinked file lives on as long as it is open. */
    return (e->wd == wake ? SQL_HINT_COMMITTED : 0u) |
           (e->mask & IN_ATTRIB ? SQL_HINT_FILES : 0u);
}

/* `wake`: the watch that means a commit; -1: these are events of the WAL. One read takes what
 * is there: asking until nothing is left cost a commit's readers a call for each of its writes.
 * What comes later, or finds no room, ends the next sleep. */
static unsigned drain(const struct sqlite_wait *w, int inotify, int wake)
{
    _Alignas(struct inotify_event) char events[4096];
    unsigned hints = 0;

    ssize_t bytes = read(inotify, events, sizeof events);
    for (ssize_t at = 0; at < bytes;) {
        struct inotify_event e;

        memcpy(&e, events + at, sizeof e);
        hints |= hint_of(w, &e, wake);
        at += (ssize_t)(sizeof e + e.len);
    }
    return hints;
}

unsigned sqlite_wait_sleep(struct sqlite_wait *w, uint64_t timeout_ns, bool hear_writing)
{
    struct pollfd fds[3] = {{.fd = w->stop, .events = POLLIN},
                            {.fd = w->committed, .events = POLLIN},
                            {.fd = hear_writing ? w->writing : -1, .events = POLLIN}};
    unsigned hints = 0;
    uint64_t stops;

    if (w->committed < 0 || w->writing < 0)
        timeout_ns = u64_min(timeout_ns, POLLING_NS);
    struct timespec t = {.tv_sec = (time_t)(timeout_ns / NS_PER_S),
                         .tv_nsec = (long)(timeout_ns % NS_PER_S)};
    if (ppoll(fds, 3, &t, NULL) <= 0)
        return w->committed < 0 || w->writing < 0 ? SQL_HINT_COMMITTED : 0;
    if (fds[1].revents & POLLIN)
        hints |= drain(w, w->committed, w->wake);
    /* After a commit also what it did to the WAL: else that would end the next sleep. */
    if ((fds[2].revents & POLLIN) || (hints & SQL_HINT_COMMITTED))
        hints |= drain(w, w->writing, -1);
    if ((fds[0].revents & POLLIN) && read(w->stop, &stops, sizeof stops) == sizeof stops)
        hints |= SQL_HINT_STOP;
    return hints;
}

void sqlite_wait_stop(struct sqlite_wait *w)
{
    uint64_t one = 1;

    if (write(w->stop, &one, sizeof one) != sizeof one)
        return; /* full: it is set already */
}
