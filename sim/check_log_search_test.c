/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* check_log.c against what P4 says, on small histories. The checker keeps a place and a list of
 * what was missed; here each question is answered by looking through all that happened: which
 * entries were applied since the cache was dropped, which of those between them were withheld
 * and did not come yet, and who has told the host of that. (Logs that are cut back in silence,
 * and restarts, are in check_test.c alone.) */
#include "sim/check.h"

#include "base/base.h"
#include "test.h"

#include <inttypes.h>
#include <stdio.h>

enum { HISTORIES = 1000, OPS_MAX = 10, LOG = 8, SENDERS = 2, HOST = 2 };

enum kind {
    APPLY,
    MISS,   /* the bus passes an entry over */
    DROP,   /* the host drops its cache, and goes on */
    ANEW,   /* and reads from another place */
    BEGINS, /* and reads from a place before */
    EPOCH,  /* the log gets another one */
    NOTICE, /* the host has seen a number of that sender, and not applied it */
    RESENT, /* the sender said that one again */
    LEASE,
    KINDS
};

struct op {
    enum kind kind;
    uint64_t index, epoch;     /* of an entry */
    uint64_t sender, sequence; /* of it; of NOTICE and RESENT, as they say */
};

struct history {
    uint64_t sender[LOG + 1], sequence[LOG + 1]; /* of the entries, from 1 on */
    struct op ops[OPS_MAX];
    size_t count;
};

static struct check c;
static unsigned failures;

/* ---- what P4 says: each of these as it was before event `at` -------------------------------
 */

static bool drops(enum kind kind)
{
    return kind == DROP || kind == ANEW || kind == BEGINS;
}

/* The first event since the cache was dropped. */
static size_t since(const struct history *h, size_t at)
{
    while (at > 0 && !drops(h->ops[at - 1].kind))
        at--;
    return at;
}

/* The newest entry applied since; NULL: none. */
static const struct op *newest(const struct history *h, size_t at)
{
    const struct op *found = NULL;

    for (size_t i = since(h, at); i < at; i++)
        if (h->ops[i].kind == APPLY && (!found || h->ops[i].index > found->index))
            found = &h->ops[i];
    return found;
}

/* What event `miss` tells of did not come until now, and may still remove something: nothing
 * was dropped in view of an entry behind it. */
static bool lacks(const struct history *h, size_t miss, size_t at)
{
    for (size_t i = miss + 1; i < at; i++) {
        const struct op *o = &h->ops[i];
        bool passes =
            o->index == h->ops[miss].index || (o->index > h->ops[miss].index && !newest(h, i));
        if (o->kind == ANEW || (o->kind == APPLY && passes))
            return false;
    }
    return true;
}

static bool lacks_entry(const struct history *h, uint64_t index, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (h->ops[i].kind == MISS && h->ops[i].index == index && lacks(h, i, at))
            return true;
    return false;
}

static bool tells(const struct history *h, size_t miss, size_t at)
{
    const struct op *m = &h->ops[miss], *o = &h->ops[at];

    if ((o->kind != APPLY && o->kind != NOTICE) || o->sender != m->sender ||
        o->sequence <= m->sequence || !lacks(h, miss, at + 1))
        return false;
    return o->kind == NOTICE || newest(h, at + 1)->index > m->index;
}

static bool is_told_and_not_excused(const struct history *h, size_t miss, size_t at)
{
    bool told = false;

    for (size_t i = miss + 1; i < at; i++) {
        const struct op *o = &h->ops[i], *m = &h->ops[miss];
        if (o->kind == BEGINS ||
            (o->kind == RESENT && o->sender == m->sender && o->sequence == m->sequence))
            return false;
        told = told || tells(h, miss, i);
    }
    return told;
}

static bool may_hold_a_lease(const struct history *h, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (h->ops[i].kind == MISS && lacks(h, i, at) && is_told_and_not_excused(h, i, at))
            return false;
    return true;
}

static bool may_be_applied(const struct history *h, size_t at)
{
    const struct op *o = &h->ops[at], *last = newest(h, at);

    if (!last)
        return true;
    if (last->epoch != o->epoch)
        return false;
    if (o->index <= last->index)
        return o->index < last->index && lacks_entry(h, o->index, at);
    for (uint64_t i = last->index + 1; i < o->index; i++)
        if (!lacks_entry(h, i, at))
            return false;
    return true;
}

/* All was right before the last event; is it still? */
static bool is_right(const struct history *h)
{
    size_t last = h->count - 1;

    return h->ops[last].kind == APPLY   ? may_be_applied(h, last)
           : h->ops[last].kind == LEASE ? may_hold_a_lease(h, last)
                                        : true;
}

/* ---- what the checker says -----------------------------------------------------------------
 */

static void note(void *context, const char *promise, const char *text)
{
    (void)context;
    (void)promise;
    (void)text;
    failures++;
}

/* As check_begin(), of what is used here: the whole is large. */
static void begin(void)
{
    c.failed = note;
    failures = 0;
    memset(c.chains, 0, sizeof c.chains);
    memset(c.holes, 0, sizeof c.holes);
    c.holes_made = 0;
}

static void tell_entry(const struct op *o)
{
    check_entry(&c, HOST,
                &(struct check_entry){.log = 1,
                                      .epoch = o->epoch,
                                      .index = o->index,
                                      .taking = o->index,
                                      .position = o->index,
                                      .serial = 10 + o->index,
                                      .before = 10 + o->index - 1});
    check_sender(&c, HOST, o->sender, o->sequence);
}

static void tell(const struct op *o)
{
    switch (o->kind) {
    case APPLY:
        tell_entry(o);
        break;
    case MISS:
        check_hole(&c, HOST,
                   &(struct check_hole){
                       .index = o->index, .sender = o->sender, .sequence = o->sequence});
        break;
    case DROP:
        check_dropped(&c, HOST);
        break;
    case ANEW:
        check_anew(&c, HOST);
        break;
    case BEGINS:
        check_begins(&c, HOST);
        break;
    case NOTICE:
        check_noticed(&c, HOST, o->sender, o->sequence);
        break;
    case RESENT:
        check_resent(&c, HOST, o->sender, o->sequence, o->sequence + 1);
        break;
    case LEASE:
        check_leased(&c, HOST);
        break;
    case EPOCH:
    case KINDS:
        break;
    }
}

/* ---- histories -----------------------------------------------------------------------------
 */

static enum kind any_kind(uint64_t *rng, bool of_epochs)
{
    static const enum kind of_holes[] = {APPLY, APPLY, APPLY, APPLY,  MISS,   MISS,  DROP,
                                         ANEW,  LEASE, LEASE, BEGINS, NOTICE, RESENT};
    static const enum kind others[] = {APPLY, APPLY, APPLY, APPLY, DROP, ANEW, EPOCH, LEASE};

    return of_epochs ? others[test_random(rng, COUNT_OF(others))]
                     : of_holes[test_random(rng, COUNT_OF(of_holes))];
}

/* Mostly what comes next. */
static uint64_t any_index(const struct history *h, uint64_t *rng)
{
    const struct op *last = newest(h, h->count);
    uint64_t next = last ? last->index + 1 : 1 + test_random(rng, 2);

    while (test_random(rng, 10) < 9 && lacks_entry(h, next, h->count))
        next++;
    next = test_random(rng, 5) > 0 ? next : 1 + test_random(rng, LOG);
    return u64_min(next, LOG);
}

static uint64_t epoch_of(const struct history *h)
{
    uint64_t epoch = 1;

    for (size_t i = 0; i < h->count; i++)
        epoch += h->ops[i].kind == EPOCH;
    return epoch;
}

static void add(struct history *h, uint64_t *rng, bool of_epochs)
{
    struct op o = {
        .kind = any_kind(rng, of_epochs), .index = any_index(h, rng), .epoch = epoch_of(h)};
    const struct op *last = newest(h, h->count);

    /* The bus passes over what lies ahead, once. */
    if (o.kind == MISS &&
        ((last && o.index <= last->index) || lacks_entry(h, o.index, h->count)))
        o.kind = LEASE;
    o.sender = h->sender[o.index];
    o.sequence = h->sequence[o.index];
    h->ops[h->count++] = o;
}

static void print(const struct history *h)
{
    static const char *const words[KINDS] = {"apply", "miss",   "drop",   "anew", "begins",
                                             "epoch", "notice", "resent", "lease"};

    for (size_t i = 0; i < h->count; i++)
        printf("%-7s %" PRIu64 " of epoch %" PRIu64 ", sender %" PRIu64 "'s %" PRIu64 "\n",
               words[h->ops[i].kind], h->ops[i].index, h->ops[i].epoch, h->ops[i].sender,
               h->ops[i].sequence);
    printf("%s, says the checker\n", failures > 0 ? "bad" : "good");
    fflush(stdout);
}

static unsigned judge(uint64_t *rng, bool of_epochs)
{
    struct history h = {.count = 0};
    uint64_t said[SENDERS] = {0};

    begin();
    for (size_t i = 1; i <= LOG; i++) {
        h.sender[i] = 1 + test_random(rng, SENDERS);
        h.sequence[i] = ++said[h.sender[i] - 1];
    }
    while (h.count < OPS_MAX) {
        add(&h, rng, of_epochs);
        tell(&h.ops[h.count - 1]);
        bool agree = (failures == 0) == is_right(&h);
        if (!agree)
            print(&h);
        CHECK(agree);
        if (failures > 0)
            return 1;
    }
    return 0;
}

TEST_SEEDS(checkers_agree_with_a_search_over_small_logs, 100)
{
    for (int of_epochs = 0; of_epochs < 2; of_epochs++) {
        unsigned broken = 0;
        for (int i = 0; i < HISTORIES; i++)
            broken += judge(rng, of_epochs);
        CHECK(broken > HISTORIES / 20); /* both kinds are met often */
        CHECK(broken < HISTORIES - HISTORIES / 20);
    }
}
