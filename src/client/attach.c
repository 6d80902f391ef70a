/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* attach.c - the client's side of ACCORD.ATTACH, whose contract is src/door/attach.h. */
#include "client/handle.h"

#include "base/hex.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { TRIES = 3, NOT_ATTACHED = 1 };

void attach_unmap(struct attachment *at)
{
    if (!at)
        return;
    munmap((void *)(uintptr_t)at->reader.segment, at->reader.segment_bytes);
    if (at->hints)
        munmap(at->hints, at->reader.hints_bytes);
    if (at->segment_fd >= 0)
        close(at->segment_fd);
    free(at);
}

/* ---- mapping ---- */

/* Without the seal a daemon that shrinks its file would kill us with SIGBUS. */
static void *map(int fd, size_t size, int protection)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);

    if (size == 0 || seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &st) != 0 ||
        st.st_size < 0 || (uint64_t)st.st_size < size)
        return NULL;
    void *at = mmap(NULL, size, protection, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return NULL;
    (void)madvise(at, size, MADV_DONTDUMP); /* the cache is no part of a core dump */
    return at;
}

struct offer {
    uint64_t segment_bytes, hints_bytes;
    struct id128 incarnation;
    struct id128 wanted; /* of an earlier segment that the daemon would copy from; none: none */
    int64_t line;
};

static bool read_id(const struct reply_node *id, struct id128 *out)
{
    return id && id->type == REPLY_TEXT && hex_parse(id->text, &out->high, &out->low);
}

static int read_offer(const struct reply_node *reply, struct offer *out)
{
    struct offer o = {.line = -1};
    const struct reply_node *line = reply_field(reply, "line");

    if (reply_u64(reply_field(reply, "segment_bytes"), &o.segment_bytes) != ACCORD_OK ||
        reply_u64(reply_field(reply, "hints_bytes"), &o.hints_bytes) != ACCORD_OK ||
        !read_id(reply_field(reply, "incarnation"), &o.incarnation))
        return ACCORD_E_FORMAT;
    (void)read_id(reply_field(reply, "wanted"), &o.wanted);
    if (line && line->type == REPLY_INTEGER && line->integer >= 0 &&
        line->integer <= UINT32_MAX)
        o.line = line->integer;
    *out = o;
    return ACCORD_OK;
}

/* NULL: it cannot be mapped here, or is not what the daemon said it is. */
static struct attachment *map_offer(const struct link *c, const struct offer *o)
{
    struct attachment *at = calloc(1, sizeof *at);
    void *segment = NULL;

    if (!at || c->fd_count != LINK_FDS_MAX || o->segment_bytes > SIZE_MAX)
        goto failed;
    segment = map(c->fds[0], o->segment_bytes, PROT_READ);
    at->hints = map(c->fds[1], o->hints_bytes, PROT_READ | PROT_WRITE);
    if (segment &&
        reader_init(&at->reader, segment, o->segment_bytes, at->hints,
                    at->hints ? o->hints_bytes : 0) == ACCORD_OK &&
        id128_equal(at->reader.incarnation, o->incarnation)) {
        at->segment_fd = fcntl(c->fds[0], F_DUPFD_CLOEXEC, 0); /* -1: never given back */
        return at;
    }
failed:
    if (segment)
        munmap(segment, o->segment_bytes);
    if (at && at->hints)
        munmap(at->hints, o->hints_bytes);
    free(at);
    return NULL;
}

/* ---- what is current ---- */

void attach_forget_line(struct accord *a, const struct seat *s)
{
    struct attachment *at = (struct attachment *)(uintptr_t)atomic_load(&a->current);

    if (a->line_of != s)
        return;
    a->line_of = NULL;
    if (at)
        atomic_store(&at->line, NULL);
}

static void take_line(struct accord *a, struct seat *s)
{
    struct attachment *at = (struct attachment *)(uintptr_t)atomic_load(&a->current);

    if (!at || a->line_of || s->line < 0)
        return;
    a->line_of = s;
    atomic_store(&at->line, reader_count_line(&at->reader, (uint32_t)s->line));
}

static void reclaim(struct accord *a)
{
    struct attachment **link = &a->retired;

    if (!*link || !pins_settle())
        return;
    while (*link) {
        struct attachment *at = *link;
        if (pin_is_held(at)) {
            link = &at->next;
            continue;
        }
        *link = at->next;
        attach_unmap(at);
    }
    atomic_store(&a->has_retired, a->retired != NULL);
}

void attach_reclaim(struct accord *a)
{
    if (!atomic_load_explicit(&a->has_retired, memory_order_relaxed))
        return;
    pthread_mutex_lock(&a->lock);
    reclaim(a);
    pthread_mutex_unlock(&a->lock);
}

/* Whether the daemon that `s` speaks to is the one whose mapping is current. */
static bool is_current(struct accord *a, struct seat *s)
{
    pthread_mutex_lock(&a->lock);
    const struct attachment *at = atomic_load(&a->current);
    bool same = at && id128_equal(at->reader.incarnation, s->link.incarnation);
    if (same)
        take_line(a, s);
    pthread_mutex_unlock(&a->lock);
    return same;
}

/* `at` may be NULL: reads go over the socket from now on. */
static void make_current(struct accord *a, struct seat *s, struct attachment *at)
{
    struct attachment *old;

    pthread_mutex_lock(&a->lock);
    old = (struct attachment *)(uintptr_t)atomic_load(&a->current);
    if (at && old && id128_equal(at->reader.incarnation, old->reader.incarnation)) {
        attach_unmap(at); /* another thread was faster */
    } else {
        attach_forget_line(a, a->line_of);
        atomic_store(&a->current, at);
        if (old) {
            old->next = a->retired;
            a->retired = old;
        }
    }
    take_line(a, s);
    atomic_store(&a->has_retired, a->retired != NULL);
    reclaim(a);
    pthread_mutex_unlock(&a->lock);
}

/* ---- the question ---- */

/* NOT_ATTACHED: the daemon will not, or what it gave cannot be used. */
static int ask_offer(struct accord *a, struct seat *s, uint64_t deadline_ns, struct offer *out)
{
    const struct reply_node *reply;
    struct timespec now;
    char text[DIGITS_MAX];

    clock_gettime(CLOCK_BOOTTIME, &now);
    struct bytes args[] = {
        bytes_of_text("ACCORD.ATTACH"), bytes_of_text("1"),
        digits(text, (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec)};
    int status = seat_ask(a, s, args, COUNT_OF(args), deadline_ns, &reply);
    if (status != ACCORD_OK)
        return status;
    if (reply_says(reply, "NOATTACH"))
        return NOT_ATTACHED;
    if (reply->type == REPLY_ERROR) {
        status = ask_status(reply);
        /* It does not know the command: something listens there, but it is not Accord. */
        return status == ACCORD_E_INVALID ? ACCORD_E_UNSUPPORTED : status;
    }
    return read_offer(reply, out);
}

/* ---- giving back ---- */

/* A descriptor of the segment of that incarnation, the caller's; -1: it is not mapped here. */
static int segment_of(struct accord *a, struct id128 incarnation)
{
    int fd = -1;

    pthread_mutex_lock(&a->lock);
    const struct attachment *at = atomic_load(&a->current);
    if (!at || !id128_equal(at->reader.incarnation, incarnation))
        for (at = a->retired; at && !id128_equal(at->reader.incarnation, incarnation);)
            at = at->next;
    if (at && at->segment_fd >= 0)
        fd = fcntl(at->segment_fd, F_DUPFD_CLOEXEC, 0);
    pthread_mutex_unlock(&a->lock);
    return fd;
}

/* A daemon that starts anew may copy from the segment of the one before, which nobody else may
 * hold any more. What it answers changes nothing here. */
static int give_back(struct accord *a, struct seat *s, struct id128 wanted,
                     uint64_t deadline_ns)
{
    const struct reply_node *reply;
    char text[40];
    int fd = id128_is_none(wanted) ? -1 : segment_of(a, wanted);

    if (fd < 0)
        return ACCORD_OK;
    snprintf(text, sizeof text, "%016llx%016llx", (unsigned long long)wanted.high,
             (unsigned long long)wanted.low);
    struct bytes args[] = {bytes_of_text("ACCORD.OFFER"), bytes_of_text(text)};
    int status = link_send_fd(&s->link, args, COUNT_OF(args), fd, deadline_ns);
    close(fd);
    return status == ACCORD_OK ? link_receive(&s->link, deadline_ns, &reply) : status;
}

int attach_seat(struct accord *a, struct seat *s, uint64_t deadline_ns)
{
    struct attachment *at = NULL;
    struct offer offer = {0};
    int status = NOT_ATTACHED;

    /* We may have been held up between reading our clock and the daemon's reading its own. */
    for (int i = 0; i < TRIES && status == NOT_ATTACHED; i++)
        status = ask_offer(a, s, deadline_ns, &offer);
    if (status >= 0 && !link_is_settled(&s->link))
        status = ACCORD_E_FORMAT; /* more came than was asked for */
    if (status < 0)
        return status;
    if (status == ACCORD_OK) {
        int given = give_back(a, s, offer.wanted, deadline_ns);
        if (given != ACCORD_OK)
            return given;
        s->link.incarnation = offer.incarnation;
        s->line = offer.line;
        if (is_current(a, s)) {
            link_trim(&s->link);
            return ACCORD_OK;
        }
        at = map_offer(&s->link, &offer);
        link_trim(&s->link); /* closes the descriptors: the mappings stay */
    }
    if (!at) {
        s->link.incarnation = (struct id128){0, 0};
        s->line = -1;
    }
    make_current(a, s, at);
    return ACCORD_OK;
}
