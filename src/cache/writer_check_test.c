/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* A check that cannot fail is none: each kind of damage must end it. */
#include "cache/fixture.h"
#include "cache/index.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum damage {
    NOTHING,
    AN_ENTRY_LOST,
    A_KEY_TWICE,
    A_COUNT_WRONG,
    A_BLOCK_LOST,
    A_CHAIN_CUT,
    A_BYTE_OF_A_KEY,
    DAMAGES
};

static struct place any_entry(const struct writer *w)
{
    struct place at = {0, 0};

    while (index_location(w, at) == 0)
        at.bucket++;
    return at;
}

static void damage(struct fixture *f, enum damage what)
{
    struct writer *w = f->writer;
    struct place at = any_entry(w), free_at;
    uint64_t location = index_location(w, at);
    struct item_view item;

    CHECK(view_item(w, location, &item));
    uint64_t hash = hash_of_key(w, item_key(w, &item));
    if (what == AN_ENTRY_LOST)
        index_unlink(w, at);
    if (what == A_KEY_TWICE) {
        CHECK(index_make_room(w, hash, &free_at));
        index_link(w, free_at, hash, location, 0);
    }
    if (what == A_COUNT_WRONG)
        w->counts.items++;
    if (what == A_BLOCK_LOST)
        w->free_count--;
    if (what == A_CHAIN_CUT)
        w->chains[EVICT_SMALL].oldest = w->chains[EVICT_SMALL].newest;
    if (what == A_BYTE_OF_A_KEY)
        w->blocks[item.key_offset] ^= 1;
}

/* Whether writer_check() survives it, in a child that says nothing. */
static bool survives(enum damage what)
{
    struct fixture f;
    char key[16];
    int status;

    fixture_plain(&f);
    for (int i = 0; i < 3000; i++) {
        snprintf(key, sizeof key, "%d", i);
        CHECK(fixture_set(&f, key, "a value of some forty bytes, or a few less") == ACCORD_OK);
    }
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        damage(&f, what);
        writer_check(f.writer);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    fixture_done(&f);
    CHECK(WIFEXITED(status) || WTERMSIG(status) == SIGABRT);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(the_check_fails_on_every_kind_of_damage)
{
    CHECK(survives(NOTHING));
    for (int what = NOTHING + 1; what < DAMAGES; what++)
        CHECK(!survives((enum damage)what));
}
