/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/fences.h"

#include "test/test.h"

#include <stdlib.h>

enum { NONE, HOLD, LSN, ROW, SPACES };

#define HOLD_NS (60 * NS_PER_S)

static struct policy policy;

static struct fences *fences_made(void)
{
    static const struct namespace_settings base = {
        .ttl_ns = 1, .negative_ttl_ns = 1, .unsure_ttl_ns = 1, .max_stale_ns = UINT64_MAX};
    struct namespace_settings list[SPACES] = {base, base, base, base};

    list[HOLD].hold_off_ns = list[LSN].hold_off_ns = list[ROW].hold_off_ns = HOLD_NS;
    list[LSN].version = VERSION_LSN;
    list[ROW].version = VERSION_ROW;
    CHECK(policy_init(&policy, list, SPACES) == ACCORD_OK);
    struct fences *f = calloc(1, sizeof *f);
    CHECK(f);
    fences_init(f, &policy, 0);
    return f;
}

static int fills(struct fences *f, size_t space, uint64_t hash, uint64_t version,
                 uint64_t now_ns)
{
    struct fence_fill fill = {.space = space, .hash = hash, .version = version};

    return fences_check(f, &fill, now_ns);
}

static void removes(struct fences *f, size_t space, uint64_t hash, uint64_t version,
                    uint64_t now_ns)
{
    fences_key(f, space, hash, version > 0 ? &version : NULL, now_ns);
}

TEST(fences_are_shut_from_the_start_until_hold_off_or_a_floor)
{
    struct fences *f = fences_made();

    CHECK(fills(f, NONE, 1, 0, 5) == ACCORD_OK);
    CHECK(fills(f, HOLD, 1, 0, HOLD_NS) == ACCORD_E_HELD);
    CHECK(fills(f, HOLD, 1, 0, HOLD_NS + 1) == ACCORD_OK);
    CHECK(fills(f, ROW, 1, 9, HOLD_NS) == ACCORD_E_HELD);
    CHECK(fills(f, LSN, 1, 9, HOLD_NS) == ACCORD_E_HELD);
    CHECK(fences_shut_until_ns(f, LSN, 5) == HOLD_NS + 1);
    fences_floor(f, LSN, 100);
    CHECK(fences_shut_until_ns(f, LSN, 5) == 0);
    CHECK(fills(f, LSN, 1, 99, 5) == ACCORD_E_VERSION);
    CHECK(fills(f, LSN, 1, 100, 5) == ACCORD_OK);
    CHECK(f->spaces[LSN].refused_version == 1 && f->spaces[LSN].refused_held == 1);
    fences_unknown(f, 7); /* a gap: the floor stays, and does not suffice */
    CHECK(fills(f, LSN, 1, 100, 8) == ACCORD_E_HELD);
    CHECK(fills(f, LSN, 1, 99, HOLD_NS + 7) == ACCORD_E_VERSION);
    CHECK(fills(f, LSN, 1, 100, HOLD_NS + 7) == ACCORD_OK);
    free(f);
}

TEST(fences_refuse_what_proves_less_than_the_removal)
{
    struct fences *f = fences_made();
    uint64_t now_ns = 2 * HOLD_NS;

    removes(f, LSN, 1, 50, now_ns);
    removes(f, LSN, 1, 40, now_ns); /* published later, committed before */
    CHECK(fills(f, LSN, 1, 49, now_ns) == ACCORD_E_VERSION);
    CHECK(fills(f, LSN, 1, 0, now_ns) == ACCORD_E_VERSION);
    CHECK(fills(f, LSN, 1, 50, now_ns) == ACCORD_OK);
    CHECK(fills(f, LSN, 2, 1, now_ns) == ACCORD_OK);
    CHECK(fills(f, LSN, 2, 0, now_ns) == ACCORD_E_VERSION); /* it proves nothing, ever */
    CHECK(fills(f, LSN, 1, 49, now_ns + 10 * HOLD_NS) == ACCORD_E_VERSION);
    removes(f, ROW, 1, 50, now_ns); /* the same name elsewhere is another key */
    CHECK(fills(f, ROW, 1, 49, now_ns + HOLD_NS - 1) == ACCORD_E_VERSION);
    CHECK(fills(f, ROW, 1, 50, now_ns) == ACCORD_OK);
    CHECK(fills(f, ROW, 1, 49, now_ns + HOLD_NS) == ACCORD_OK);
    removes(f, ROW, 1, 3, now_ns + HOLD_NS); /* and what it remembered is forgotten */
    CHECK(fills(f, ROW, 1, 4, now_ns + HOLD_NS) == ACCORD_OK);
    free(f);
}

TEST(fences_hold_what_bears_no_version_for_hold_off)
{
    for (size_t space = HOLD; space < SPACES; space++) {
        struct fences *f = fences_made();
        uint64_t now_ns = 2 * HOLD_NS, v = space == HOLD ? 0 : 77;

        removes(f, space, 1, 0, now_ns);
        CHECK(fills(f, space, 1, v, now_ns + HOLD_NS - 1) == ACCORD_E_HELD);
        CHECK(fills(f, space, 2, v, now_ns) == ACCORD_OK);
        CHECK(fills(f, space, 1, v, now_ns + HOLD_NS) == ACCORD_OK);
        /* A later removal with a version says nothing of that one. */
        if (space != HOLD) {
            removes(f, space, 1, 0, now_ns);
            removes(f, space, 1, 5, now_ns);
            CHECK(fills(f, space, 1, v, now_ns) == ACCORD_E_HELD);
        }
        free(f);
    }
}

TEST(fences_know_tags_prefixes_namespaces_and_everything)
{
    struct fences *f = fences_made();
    uint64_t now_ns = 2 * HOLD_NS, version = 30, marks[] = {7, 8};
    struct fence_fill fill = {
        .space = HOLD, .hash = 1, .marks = marks, .tag_count = 1, .prefix_count = 1};

    fences_tag(f, 7, now_ns);
    CHECK(fences_check(f, &fill, now_ns) == ACCORD_E_HELD);
    fill.tag_count = 0; /* then 7 is a prefix */
    CHECK(fences_check(f, &fill, now_ns) == ACCORD_OK);
    fences_prefix(f, ROW, 7, now_ns);
    CHECK(fences_check(f, &fill, now_ns) == ACCORD_OK);
    fences_prefix(f, HOLD, 7, now_ns);
    CHECK(fences_check(f, &fill, now_ns) == ACCORD_E_HELD);

    fences_space(f, LSN, &version, now_ns);
    CHECK(fills(f, LSN, 9, 29, now_ns) == ACCORD_E_VERSION);
    CHECK(fills(f, LSN, 9, 30, now_ns) == ACCORD_OK);
    fences_space(f, ROW, &version, now_ns); /* of which row? so it counts as none */
    CHECK(fills(f, ROW, 9, 31, now_ns) == ACCORD_E_HELD);
    fences_floor(f, LSN, 31);
    fences_all(f, now_ns);
    CHECK(fills(f, LSN, 9, 99, now_ns) == ACCORD_E_HELD);
    fences_floor(f, LSN, 32); /* read who knows when: only time opens that */
    CHECK(fills(f, LSN, 9, 99, now_ns) == ACCORD_E_HELD);
    CHECK(fences_held(f, LSN, now_ns + HOLD_NS - 1) && !fences_held(f, LSN, now_ns + HOLD_NS));
    CHECK(fills(f, LSN, 9, 31, now_ns + HOLD_NS) == ACCORD_E_VERSION);
    fences_reset(f, LSN);
    CHECK(fills(f, LSN, 9, 1, now_ns) == ACCORD_OK);
    free(f);
}

TEST(fences_that_are_restored_open_unless_something_without_a_version_may_count)
{
    struct fences *f = fences_made();

    fences_restore(f, LSN, 500, /* held= */ true);
    CHECK(fills(f, LSN, 1, 600, 5) == ACCORD_E_HELD);
    fences_restore(f, LSN, 500, /* held= */ false);
    CHECK(fills(f, LSN, 1, 499, 5) == ACCORD_E_VERSION);
    CHECK(fills(f, LSN, 1, 500, 5) == ACCORD_OK);
    fences_restore(f, ROW, 500, /* held= */ false);
    CHECK(fills(f, ROW, 1, 500, 5) == ACCORD_E_HELD);
    free(f);
}

TEST(a_set_is_asked_for_its_version_alone)
{
    struct fences *f = fences_made();
    struct fence_fill set = {.space = LSN, .hash = 1, .is_set = true};

    CHECK(fences_check(f, &set, 5) == ACCORD_OK);
    removes(f, LSN, 1, 50, 5);
    CHECK(fences_check(f, &set, 5) == ACCORD_OK);
    set.version = 49;
    CHECK(fences_check(f, &set, 5) == ACCORD_E_VERSION);
    set.version = 50;
    CHECK(fences_check(f, &set, 5) == ACCORD_OK);
    free(f);
}

/* ---- against a table that forgets nothing --------------------------------------------------
 */

enum { KEYS = 64, STEPS = 3000 };

struct told {
    uint64_t lsn, row, row_ns, held_ns;
};

/* Whether a plain table would let it in; the real one may refuse more, and never less. */
static bool may_pass(const struct told *t, size_t space, uint64_t version, uint64_t now_ns)
{
    if (t->held_ns > 0 && now_ns < t->held_ns + HOLD_NS)
        return false;
    if (space == LSN)
        return version >= t->lsn && version > 0;
    if (space == ROW)
        return version > 0 &&
               (t->row_ns == 0 || now_ns >= t->row_ns + HOLD_NS || version >= t->row);
    return true;
}

TEST_SEEDS(fences_never_let_in_what_a_plain_table_would_refuse, 30)
{
    static struct told told[SPACES][KEYS];
    struct fences *f = fences_made();
    uint64_t now_ns = 2 * HOLD_NS, passed = 0, refused = 0, versions = 1;
    bool crowded = test_random(rng, 2); /* all in one bucket, or each in its own */

    memset(told, 0, sizeof told);
    for (int i = 0; i < STEPS; i++) {
        size_t space = HOLD + test_random(rng, SPACES - HOLD), k = test_random(rng, KEYS);
        uint64_t hash = crowded ? k + 1 : (k + 1) << 32, version = 1 + test_random(rng, 1000);
        struct told *t = &told[space][k];

        versions += test_random(rng, 3);
        if (space == LSN) /* an order that grows, and removals that come out of turn */
            version = 1 + u64_sub_sat(versions, test_random(rng, 20));
        now_ns += test_random(rng, 200) == 0 ? HOLD_NS / 3 : test_random(rng, 50 * NS_PER_MS);
        if (test_random(rng, 3) > 0) {
            int status = fills(f, space, hash, version, now_ns);
            CHECK(status != ACCORD_OK || may_pass(t, space, version, now_ns));
            passed += status == ACCORD_OK;
            refused += status != ACCORD_OK;
            if (!crowded)
                CHECK((status == ACCORD_OK) == may_pass(t, space, version, now_ns));
        } else if (space == HOLD || test_random(rng, 4) == 0) {
            removes(f, space, hash, 0, now_ns);
            t->held_ns = now_ns;
        } else {
            removes(f, space, hash, version, now_ns);
            bool over = t->row_ns == 0 || now_ns >= t->row_ns + HOLD_NS;
            t->lsn = u64_max(t->lsn, version);
            t->row = over ? version : u64_max(t->row, version);
            t->row_ns = now_ns;
        }
    }
    CHECK(refused > 0);
    CHECK(crowded || passed > 0);
    CHECK(crowded == (f->crowded > 0));
    free(f);
}
