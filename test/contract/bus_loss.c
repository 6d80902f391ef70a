/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* bus_loss.c - the clauses of src/bus/bus.h on what is not there any more: lost, replaced,
 * pruned (B7, B8, B15), or not to be looked at (B17). */
#include "contract.h"

#include <stdlib.h>

/* B7. */

static void check_gone(struct peer *p, const struct cursor *at)
{
    struct bus_attached a;
    uint64_t head = 7;

    CHECK(p->ops->head(p->bus, at, &head, why) == ACCORD_E_GONE);
    CHECK(head == 7);
    CHECK(why[0]);
    CHECK(p->ops->attach(p->bus, at, VIEW_ALL_MS, &a, why) == ACCORD_E_GONE);
}

static void read_to_end(struct peer *p)
{
    const struct entry *entries;

    while (read_some(p, 0, &entries) > 0)
        ;
}

/* 1.7.1 to 1.7.4: a tail may be lost on each bus, and its positions given again. */
CLAUSE(bus_B7_tells_a_cursor_that_its_entry_was_lost)
{
    needs_one_log(kit);
    struct peer p = opened(kit, "gone"), q = opened(kit, "gone");
    const struct entry *entries;
    size_t count;

    for (unsigned i = 0; i < 5; i++)
        published_one(&p, rng, "k");
    read_to_end(&p);
    CHECK(head_of(&p) == p.at.position);
    kit->cut(p.url, 2);
    check_gone(&p, &p.at);
    attach(&p, NULL); /* and a new view works */
    read_to_end(&p);

    /* The log grows past the old place: what is there now is not what was seen. */
    struct cursor before = p.at;
    kit->cut(p.url, 1);
    attach(&q, NULL);
    for (unsigned i = 0; i < 3; i++)
        published_one(&q, rng, "k");
    CHECK(p.ops->read(p.bus, p.at.position, 0, &entries, &count, why) == ACCORD_E_GONE);
    check_gone(&p, &before);
    closed(&p);
    closed(&q);
}

CLAUSE(bus_B7_refuses_a_cursor_of_another_entry_epoch_or_log)
{
    struct peer p = opened(kit, "wrong");

    for (unsigned i = 0; i < 3; i++)
        published_one(&p, rng, "k");
    read_to_end(&p);
    struct cursor good = p.at, wrong;
    attach(&p, &good);

    wrong = good;
    wrong.message.low++;
    check_gone(&p, &wrong);
    wrong = good;
    wrong.epoch++;
    check_gone(&p, &wrong);
    wrong = good;
    wrong.log.low++;
    check_gone(&p, &wrong);
    wrong = good;
    wrong.position++;
    check_gone(&p, &wrong);
    wrong = good;
    wrong.position--;
    check_gone(&p, &wrong);
    attach(&p, &good); /* none of that did harm */
    CHECK(head_of(&p) == good.position);
    closed(&p);
}

/* 1.7.4: a stream that was made anew counts from one again. */
CLAUSE(bus_B7_notices_a_log_that_was_replaced)
{
    needs_one_log(kit);
    struct peer p = opened(kit, "replaced");
    const struct entry *entries;
    size_t count;

    published_one(&p, rng, "k");
    read_to_end(&p);
    struct cursor before = p.at;
    struct id128 log = p.attached.log;
    uint64_t epoch = p.attached.epoch;

    kit->replace(p.url);
    struct peer other = opened(kit, "replaced");
    struct change c = removal(rng, "astray");
    struct position last = {.value = 7};
    CHECK(p.ops->publish(p.bus, &c, 1, &last, why) == ACCORD_E_DOWN);
    CHECK(last.value == 7);
    CHECK(p.ops->read(p.bus, p.at.position, 0, &entries, &count, why) == ACCORD_E_GONE);
    check_gone(&p, &before);
    attach(&p, NULL);
    CHECK(!id128_equal(log, p.attached.log));
    CHECK(epoch != p.attached.epoch);
    published_one(&p, rng, "new");
    CHECK(bytes_equal(read_one(&p).change.key, bytes_of_text("new")));
    CHECK(bytes_equal(read_one(&other).change.key, bytes_of_text("new")));
    closed(&other);
    closed(&p);
}

/* B8. */

/* T3: else nobody could prove a place any more. T15: `slow` holds up nobody while it works. */
CLAUSE(bus_B8_prunes_old_entries_and_never_the_newest)
{
    enum { RETAIN = 80, COUNT = 1200 };
    struct bus_settings s = settings_of(NULL);
    struct peer p, other, *slow = has_one_log(kit) ? &other : &p;
    const struct entry *entries;
    size_t count, kept = 0;
    uint64_t last = 0;

    s.retain_changes = RETAIN;
    open_with(&p, kit, "prune", s);
    attach(&p, NULL);
    other = opened(kit, "prune");
    published_one(&p, rng, "first");
    read_one(slow);
    for (unsigned i = 0; i < COUNT / 8; i++) {
        struct change batch[8];
        for (size_t j = 0; j < COUNT_OF(batch); j++)
            batch[j] = removal(rng, "k");
        last = published(&p, batch, COUNT_OF(batch));
    }
    /* Whoever was overtaken is told, by every call: its next entries are gone. (Read from where
     * it began: a bus that pushes may have the entries after the first one here already.) */
    CHECK(p.ops->read(slow->bus, slow->attached.after, 0, &entries, &count, why) ==
          ACCORD_E_GONE);
    check_gone(slow, &slow->at);

    attach(slow, NULL);
    CHECK(slow->attached.head == last);
    while ((count = read_some(slow, 0, &entries)) > 0)
        kept += count;
    CHECK(slow->at.position == last);
    CHECK(kept >= RETAIN);
    CHECK(kept < COUNT);
    closed(&p);
    closed(&other);

    s.retain_changes = s.retain_ms = 0;
    open_with(&p, kit, "prune", s);
    attach(&p, NULL);
    for (unsigned i = 0; i < 300; i++)
        last = published_one(&p, rng, "k");
    attach(&p, NULL);
    CHECK(p.attached.head == last);
    read_to_end(&p);
    CHECK(p.at.position == last);
    CHECK(head_of(&p) == last);
    closed(&p);
}

/* T12: how old an entry is, the log's clock says, and none of those who publish. */
CLAUSE(bus_B8_keeps_what_is_young_whatever_its_publisher_s_clock_says)
{
    enum { BATCHES = 20, BATCH = 20 };
    struct bus_settings s = settings_of(NULL);
    struct peer p;
    const struct entry *entries;
    size_t count, kept = 0;

    s.retain_ms = 3600 * 1000;
    open_with(&p, kit, "clocks", s);
    attach(&p, NULL);
    for (unsigned i = 0; i < BATCHES; i++) {
        struct change batch[BATCH];
        for (size_t j = 0; j < COUNT_OF(batch); j++) {
            batch[j] = removal(rng, "k");
            batch[j].wall_ms = i % 2 ? 1 : 4102444800000; /* 2100 */
        }
        published(&p, batch, COUNT_OF(batch));
    }
    OK(p.ops->attach(p.bus, NULL, /* view_ms= */ 600 * 1000, &p.attached, why));
    p.at = (struct cursor){
        .log = p.attached.log, .epoch = p.attached.epoch, .position = p.attached.after};
    while ((count = read_some(&p, 0, &entries)) > 0)
        kept += count;
    CHECK(kept == BATCHES * BATCH);
    closed(&p);
}

CLAUSE(bus_B8_never_lets_beats_push_changes_out)
{
    enum { RETAIN = 20, BEATS = 400 };
    struct bus_settings s = settings_of(NULL);
    struct peer p;
    const struct entry *entries;
    size_t count, changes = 0;

    s.retain_changes = RETAIN;
    open_with(&p, kit, "beats", s);
    attach(&p, NULL);
    for (unsigned i = 0; i < RETAIN; i++)
        published_one(&p, rng, "k");
    for (unsigned i = 0; i < BEATS / 8; i++) {
        struct change beats[8];
        for (size_t j = 0; j < COUNT_OF(beats); j++)
            beats[j] = (struct change){.op = CHANGE_BEAT,
                                       .message = random_id(rng),
                                       .origin = bytes_of_text("web1"),
                                       .incarnation = {7, 7},
                                       .sequence = 1 + i * 8 + j,
                                       .nonce = 1};
        published(&p, beats, COUNT_OF(beats));
    }
    while ((count = read_some(&p, 0, &entries)) > 0) {
        for (size_t i = 0; i < count; i++)
            changes += entries[i].change.op == CHANGE_REMOVE;
    }
    CHECK(changes == RETAIN);
    closed(&p);
}

/* B15: who publishes may be the last to hear that the log lost its tail. A node that has read
 * the lost entries must not take the position that he is told for one of theirs. */
CLAUSE(bus_B15_never_names_a_position_by_the_epoch_before_a_loss)
{
    needs_one_log(kit);
    struct peer p = opened(kit, "epoch"), q = opened(kit, "epoch");
    uint64_t before = p.attached.epoch;

    for (unsigned i = 0; i < 3; i++)
        published_one(&p, rng, "k");
    read_to_end(&q);
    kit->cut(p.url, 2);
    for (unsigned i = 0; i < 4; i++) {
        struct change c = removal(rng, "after the loss");
        struct position at = {.epoch = before};
        int status = p.ops->publish(p.bus, &c, 1, &at, why);
        CHECK(status != ACCORD_OK || at.epoch != before);
        if (i == 1)
            attach(&q, NULL);
        CHECK(i < 1 || q.attached.epoch != before);
    }
    attach(&p, NULL);
    CHECK(p.attached.epoch == q.attached.epoch);
    published_one(&p, rng, "k");
    closed(&p);
    closed(&q);
}

/* B17: an entry of the poison list is not looked at, but it is there, and keeps its name: else
 * the node and those that read it would not agree on what stood at its place. */
CLAUSE(bus_B17_notes_what_it_parses_and_skips_what_is_poison)
{
    needs_one_log(kit);
    struct peer p = opened(kit, "poison"), q;
    struct cursor list[2] = {0};
    struct hand_place place = {0};
    struct bus_settings s = settings_of(NULL);
    struct id128 names[4];
    struct entry entries[4];

    for (unsigned i = 0; i < COUNT_OF(names); i++) {
        struct change c = removal(rng, "k");
        c.sequence = i + 1;
        names[i] = c.message;
        published(&p, &c, 1);
    }
    read_entries(&p, entries, COUNT_OF(names));
    for (unsigned i = 0; i < COUNT_OF(list); i++)
        list[i] = (struct cursor){.log = p.attached.log,
                                  .epoch = p.attached.epoch + i, /* [1]: of another epoch */
                                  .position = entries[1 + i].position};
    s.hand = (struct hand){&place, list, COUNT_OF(list)};
    open_with(&q, kit, "poison", s);
    attach(&q, NULL);
    hand_attach(&s.hand, q.attached.log, q.attached.epoch);
    place.position = 99;
    read_entries(&q, entries, COUNT_OF(names));
    CHECK(place.position == 0); /* out of hand again */
    for (unsigned i = 0; i < COUNT_OF(names); i++) {
        const struct change *c = &entries[i].change;
        CHECK(id128_equal(c->message, names[i]));
        CHECK(c->op == (i == 1 ? CHANGE_CLEAR : CHANGE_REMOVE));
        CHECK((c->key.size_bytes == 0) == (i == 1));
        CHECK((c->origin.size_bytes == 0) == (i == 1));
    }
    closed(&p);
    closed(&q);
}
