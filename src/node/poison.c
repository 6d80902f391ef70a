/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/poison.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FORMAT = 1, FILE_BYTES = 4096, PATH_BYTES_MAX = 1200 };

static const uint8_t magic[8] = {'A', 'C', 'C', 'O', 'H', 'A', 'N', 'D'};

struct suspect {
    struct id128 log;
    uint64_t epoch;
    uint64_t position;
    uint64_t tries; /* 0: nobody */
    uint64_t check; /* of all these */
};

/* The file; see docs/format/state.txt. */
struct hand_file {
    uint8_t magic[8];
    uint64_t format;
    struct hand_place places[POISON_STAGES];
    struct suspect suspects[POISONS_MAX];
};
_Static_assert(sizeof(struct hand_place) == 40, "as in docs/format/state.txt");
_Static_assert(offsetof(struct hand_file, suspects) == 96, "as in docs/format/state.txt");
_Static_assert(sizeof(struct suspect) == 48, "as in docs/format/state.txt");
_Static_assert(sizeof(struct hand_file) <= FILE_BYTES, "it has room");

struct poison {
    struct hand_file *file; /* mapped */
    struct cursor list[POISONS_MAX];
    size_t count;
    bool suspecting; /* somebody has tries, but not enough */
};

/* ---- suspects ------------------------------------------------------------------------------
 */

static uint64_t check_of(const struct suspect *s)
{
    return cursor_hash(hand_check(s->log, s->epoch), s->position,
                       (struct id128){s->tries, POISONS_MAX});
}

static bool of_log(const struct suspect *s, struct id128 log, uint64_t epoch)
{
    return s->tries > 0 && s->epoch == epoch && id128_equal(s->log, log);
}

/* Whose place somebody new takes: nobody's, else that of the entry furthest back. */
static struct suspect *least(struct hand_file *f)
{
    struct suspect *s = &f->suspects[0];

    for (size_t i = 1; i < POISONS_MAX && s->tries > 0; i++) {
        struct suspect *other = &f->suspects[i];
        if (other->tries == 0 || other->position < s->position)
            s = other;
    }
    return s;
}

/* Counts the try of what was in hand in this place. */
static void blame(struct hand_file *f, const struct hand_place *place,
                  struct poison_found *found)
{
    struct suspect *s = NULL;

    for (size_t i = 0; i < POISONS_MAX; i++) {
        struct suspect *other = &f->suspects[i];
        if (of_log(other, place->log, place->epoch) && other->position == place->position)
            s = other;
    }
    if (!s) {
        s = least(f);
        *s = (struct suspect){
            .log = place->log, .epoch = place->epoch, .position = place->position};
    }
    s->tries = u64_add_sat(s->tries, 1);
    s->check = check_of(s);
    *found = (struct poison_found){{.log = s->log, .epoch = s->epoch, .position = s->position},
                                   s->tries};
}

static void forget(struct suspect *s)
{
    memset(s, 0, sizeof *s);
}

/* ---- the file ------------------------------------------------------------------------------
 */

/* What cannot be understood says nothing. */
static void settle(struct hand_file *f)
{
    if (memcmp(f->magic, magic, sizeof magic) != 0 || f->format != FORMAT) {
        memset(f, 0, sizeof *f);
        memcpy(f->magic, magic, sizeof magic);
        f->format = FORMAT;
    }
    for (size_t i = 0; i < POISONS_MAX; i++)
        if (f->suspects[i].check != check_of(&f->suspects[i]))
            forget(&f->suspects[i]);
}

static size_t judge(struct hand_file *f, struct poison_found found[POISON_STAGES])
{
    size_t count = 0;

    for (size_t i = 0; i < POISON_STAGES; i++) {
        struct hand_place *place = &f->places[i];
        if (place->position > 0 && place->check == hand_check(place->log, place->epoch))
            blame(f, place, &found[count++]);
        memset(place, 0, sizeof *place);
    }
    return count;
}

static int fail(char why[POISON_WHY_BYTES_MAX], const char *what)
{
    snprintf(why, POISON_WHY_BYTES_MAX, "state.hand: %s: %s", what, strerror(errno));
    return ACCORD_E_IO;
}

/* Its blocks are taken now: a page of a mapping that finds none later is a crash. */
static int map(int fd, struct hand_file **out, char why[POISON_WHY_BYTES_MAX])
{
    struct stat st;
    int error;

    if (fstat(fd, &st) != 0)
        return fail(why, "cannot look at it");
    if (!S_ISREG(st.st_mode)) {
        snprintf(why, POISON_WHY_BYTES_MAX, "state.hand is not a file");
        return ACCORD_E_IO;
    }
    do
        error = posix_fallocate(fd, 0, FILE_BYTES);
    while (error == EINTR);
    if (error != 0) {
        errno = error;
        return fail(why, "no room for it");
    }
    void *at = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return fail(why, "cannot map it");
    *out = at;
    return ACCORD_OK;
}

int poison_open(struct poison **out, const char *folder,
                struct poison_found found[POISON_STAGES], size_t *found_count,
                char why[POISON_WHY_BYTES_MAX])
{
    char path[PATH_BYTES_MAX];
    struct poison *p = calloc(1, sizeof *p);
    int fd = -1, status;

    if (!p) {
        errno = ENOMEM;
        return fail(why, "no memory");
    }
    snprintf(path, sizeof path, "%.1100s/state.hand", folder);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    status = fd >= 0 ? map(fd, &p->file, why) : fail(why, "cannot open it");
    if (fd >= 0)
        close(fd);
    if (status != ACCORD_OK) {
        free(p);
        return status;
    }
    settle(p->file);
    *found_count = judge(p->file, found);
    for (size_t i = 0; i < POISONS_MAX; i++) {
        const struct suspect *s = &p->file->suspects[i];
        if (s->tries >= POISON_TRIES)
            p->list[p->count++] =
                (struct cursor){.log = s->log, .epoch = s->epoch, .position = s->position};
        p->suspecting |= s->tries > 0 && s->tries < POISON_TRIES;
    }
    *out = p;
    return ACCORD_OK;
}

void poison_close(struct poison *p)
{
    if (!p)
        return;
    munmap(p->file, FILE_BYTES);
    free(p);
}

/* ---- at work -------------------------------------------------------------------------------
 */

struct hand poison_hand(struct poison *p, enum poison_stage stage)
{
    if (!p)
        return (struct hand){0};
    return (struct hand){&p->file->places[stage], p->list, p->count};
}

static bool is_near(const struct suspect *s, const struct hand_place *at, uint64_t position)
{
    return of_log(s, at->log, at->epoch) && s->tries < POISON_TRIES && position <= s->position;
}

bool poison_is_near(const struct poison *p, uint64_t position)
{
    bool near = false;

    for (size_t i = 0; p && p->suspecting && i < POISONS_MAX; i++)
        near |= is_near(&p->file->suspects[i], &p->file->places[POISON_APPLYING], position);
    return near;
}

void poison_passed(struct poison *p, enum poison_stage stage, uint64_t position)
{
    if (!p)
        return;
    const struct hand_place *at = &p->file->places[stage];
    struct hand hand = poison_hand(p, stage);

    hand_take(&hand, 0);
    for (size_t i = 0; p->suspecting && i < POISONS_MAX; i++) {
        struct suspect *s = &p->file->suspects[i];
        if (of_log(s, at->log, at->epoch) && s->tries < POISON_TRIES && s->position <= position)
            forget(s);
    }
}
