/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/fleet.h"

#include <stdlib.h>

#define HOLD_NS (20 * NS_PER_S)

enum { DEFAULT, LSN, ROW, HELD, SPACES };

static struct namespace_settings declared[SPACES];

static struct fleet_node *add(struct fleet *f, const char *name)
{
    static const char *const names[SPACES] = {"default", "lsn", "row", "held"};
    struct fleet_node *n = fleet_add(f, name);

    for (size_t i = 0; i < SPACES; i++) {
        declared[i] = n->settings.namespaces[0];
        snprintf(declared[i].name, sizeof declared[i].name, "%s", names[i]);
        declared[i].hold_off_ns = i == DEFAULT ? 0 : HOLD_NS;
        declared[i].delimiter = '/';
    }
    declared[LSN].version = VERSION_LSN;
    declared[ROW].version = VERSION_ROW;
    n->settings.namespaces = declared;
    n->settings.namespace_count = SPACES;
    return n;
}

static struct fleet_node *fresh_node(struct fleet *f)
{
    struct fleet_node *n = add(f, "web1");

    fleet_start(f, n);
    fleet_settle(f);
    fleet_run(f, HOLD_NS);
    return n;
}

/* With a token that is fresh. */
static struct fleet_answer *fill(struct fleet *f, struct fleet_node *n, const char *key,
                                 const char *value, uint64_t version)
{
    struct token token = fleet_get(f, n, key).token;
    struct request r = fleet_fill(key, value, &token);

    r.item.version = r.version = version;
    r.has_version = version > 0;
    return fleet_request(f, n, r);
}

static int fills(struct fleet *f, struct fleet_node *n, const char *key, uint64_t version)
{
    return fill(f, n, key, "v", version)->reply.status;
}

static struct request versioned(struct request r, uint64_t version)
{
    r.has_version = true;
    r.version = version;
    return r;
}

static struct request floor_request(const char *name, uint64_t version)
{
    static struct bytes keys[1];

    keys[0] = bytes_of_text(name);
    return (struct request){
        .op = REQUEST_FENCE_FLOOR, .keys = keys, .key_count = 1, .version = version};
}

static int does(struct fleet *f, struct fleet_node *n, struct request r)
{
    struct fleet_answer *a = fleet_request(f, n, r);

    fleet_run(f, 100 * NS_PER_MS);
    CHECK(a->count == 1);
    return a->reply.status;
}

static struct core_fence fence_of(struct fleet *f, struct fleet_node *n, size_t index)
{
    struct core_fence out;

    CHECK(core_fence(n->core, index, fleet_clock(f, n), &out));
    return out;
}

TEST(fencing_a_fill_proves_what_a_removal_said_wherever_the_removal_came_from)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f), *other = add(f, "web2");

    fleet_start(f, other);
    fleet_settle(f);
    fleet_run(f, HOLD_NS);
    CHECK(does(f, other, versioned(fleet_remove("lsn:a"), 50)) == ACCORD_OK);
    fleet_insert_change(f, (struct change){.op = CHANGE_REMOVE,
                                           .key = bytes_of_text("row:a"),
                                           .has_version = true,
                                           .version = 50});
    fleet_run(f, 100 * NS_PER_MS);
    for (int i = 0; i < 2; i++) {
        struct fleet_node *at = i == 0 ? n : other;
        CHECK(fills(f, at, "lsn:a", 49) == ACCORD_E_VERSION);
        CHECK(fills(f, at, "row:a", 49) == ACCORD_E_VERSION);
        CHECK(fills(f, at, "lsn:a", 0) == ACCORD_E_VERSION);
        CHECK(fills(f, at, "lsn:a", 50) == ACCORD_OK);
        CHECK(fills(f, at, "row:a", 50) == ACCORD_OK);
        CHECK(fills(f, at, "lsn:b", 1) == ACCORD_OK);
        CHECK(fleet_hits(f, at, "lsn:a", "v"));
    }
    CHECK(fleet_status(f, n).fills_refused_version == 3);
    CHECK(fence_of(f, n, LSN).newest == 50);
    CHECK(fence_of(f, n, LSN).refused_version == 2);
    /* The namespace up to a version: every key of it. */
    CHECK(does(f, n, versioned(fleet_clear("lsn"), 60)) == ACCORD_OK);
    CHECK(fills(f, other, "lsn:c", 59) == ACCORD_E_VERSION);
    CHECK(fills(f, other, "lsn:c", 60) == ACCORD_OK);
    CHECK(does(f, n, versioned(fleet_clear("row"), 60)) == ACCORD_E_INVALID);
    CHECK(does(f, n, versioned(fleet_clear("*"), 60)) == ACCORD_E_INVALID);
    CHECK(does(f, n, versioned(fleet_clear("lsn:x/"), 0)) == ACCORD_E_INVALID);
    fleet_free(f);
}

TEST(fencing_what_is_refused_is_served_to_those_who_wait_and_never_as_fresh)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);
    static const char *const keys[] = {"held:a", "lsn:a"};

    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        struct request r = fleet_load(keys[i], NS_PER_S);
        CHECK(does(f, n, versioned(fleet_remove(keys[i]), 50)) == ACCORD_OK);
        struct fleet_answer *first = fleet_request(f, n, r);
        r.client = 2;
        struct fleet_answer *second = fleet_request(f, n, r);
        CHECK(first->reply.has_token && second->count == 0);
        CHECK(fills(f, n, keys[i], 49) == (i == 0 ? ACCORD_E_HELD : ACCORD_E_VERSION));
        CHECK(second->count == 1);
        CHECK(second->reply.state == ACCORD_STALE && second->reply.why == ACCORD_WHY_REMOVED);
        CHECK(second->reply.has_value);
        CHECK(fleet_get(f, n, keys[i]).state == ACCORD_MISS);
    }
    CHECK(fleet_status(f, n).fills_refused_held == 1);
    fleet_run(f, HOLD_NS);
    CHECK(fills(f, n, "held:a", 0) == ACCORD_OK);
    fleet_free(f);
}

TEST(fencing_holds_tags_prefixes_and_namespaces)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);
    struct bytes tag = bytes_of_text("t");
    struct request tagged = {.op = REQUEST_REMOVE_TAG, .keys = &tag, .key_count = 1};

    CHECK(does(f, n, tagged) == ACCORD_OK);
    struct token token = fleet_get(f, n, "held:a").token;
    struct request r = fleet_fill("held:a", "v", &token);
    r.item.tags = &tag;
    r.item.tag_count = 1;
    CHECK(does(f, n, r) == ACCORD_E_HELD);
    r.item.tag_count = 0;
    CHECK(does(f, n, r) == ACCORD_OK);
    CHECK(does(f, n, fleet_clear("held:p/")) == ACCORD_OK);
    CHECK(fills(f, n, "held:p/1", 0) == ACCORD_E_HELD);
    CHECK(fills(f, n, "held:q/1", 0) == ACCORD_OK);
    CHECK(does(f, n, fleet_clear("held")) == ACCORD_OK);
    CHECK(fills(f, n, "held:q/1", 0) == ACCORD_E_HELD);
    CHECK(strcmp(fence_of(f, n, HELD).state, "held") == 0);
    CHECK(fills(f, n, "k", 0) == ACCORD_OK); /* who asks for nothing pays nothing */
    fleet_run(f, HOLD_NS);
    CHECK(fills(f, n, "held:q/1", 0) == ACCORD_OK);
    CHECK(!fence_of(f, n, DEFAULT).used && fence_of(f, n, HELD).used);
    CHECK(strcmp(fence_of(f, n, HELD).state, "open") == 0);
    fleet_free(f);
}

TEST(fencing_a_set_is_the_newest_there_is_and_fences_what_is_older)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);
    struct request set = fleet_set("held:a", "set");

    CHECK(does(f, n, fleet_remove("held:a")) == ACCORD_OK);
    CHECK(does(f, n, set) == ACCORD_OK);
    CHECK(fleet_hits(f, n, "held:a", "set"));
    CHECK(fills(f, n, "held:a", 0) == ACCORD_E_HELD);
    set.has_token = true; /* after a miss: it may be a row of a replica */
    set.token = fleet_get(f, n, "held:a").token;
    CHECK(does(f, n, set) == ACCORD_OK);
    CHECK(fleet_get(f, n, "held:a").state == ACCORD_MISS);

    set = versioned(fleet_set("lsn:a", "set"), 50);
    set.item.version = 50;
    CHECK(does(f, n, set) == ACCORD_OK);
    CHECK(fleet_hits(f, n, "lsn:a", "set"));
    CHECK(does(f, n, versioned(fleet_remove("lsn:a"), 60)) == ACCORD_OK);
    CHECK(does(f, n, set) == ACCORD_E_VERSION);
    CHECK(fleet_get(f, n, "lsn:a").state == ACCORD_MISS);
    fleet_free(f);
}

TEST(fencing_after_a_start_nothing_is_stored_until_a_floor_or_hold_off)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = add(f, "web1");

    fleet_start(f, n);
    fleet_settle(f);
    CHECK(fills(f, n, "k", 0) == ACCORD_OK);
    CHECK(fills(f, n, "lsn:a", 100) == ACCORD_E_HELD);
    CHECK(fills(f, n, "row:a", 100) == ACCORD_E_HELD);
    CHECK(strcmp(fence_of(f, n, LSN).state, "unknown") == 0);
    CHECK(does(f, n, floor_request("row", 90)) == ACCORD_E_INVALID);
    CHECK(does(f, n, floor_request("none", 90)) == ACCORD_E_ABSENT);
    CHECK(does(f, n, floor_request("lsn", 90)) == ACCORD_OK);
    CHECK(strcmp(fence_of(f, n, LSN).state, "open") == 0);
    CHECK(fills(f, n, "lsn:a", 89) == ACCORD_E_VERSION);
    CHECK(fills(f, n, "lsn:a", 90) == ACCORD_OK);
    fleet_run(f, HOLD_NS);
    CHECK(fills(f, n, "row:a", 100) == ACCORD_OK);
    fleet_step(f, n, &(struct event){.type = EVENT_CLOCK_BROKEN}); /* nor is that of a clock */
    fleet_settle(f);
    CHECK(fills(f, n, "row:a", 100) == ACCORD_E_HELD);
    fleet_run(f, HOLD_NS);
    /* A lost tail is a time of which nobody knows. */
    CHECK(does(f, n, versioned(fleet_remove("lsn:b"), 95)) == ACCORD_OK);
    fleet_run(f, 1);
    fleet_lose_tail(f, 1);
    fleet_run(f, 2 * FLEET_L);
    CHECK(fleet_status(f, n).cold_boots >= 1);
    CHECK(fleet_status(f, n).fresh);
    CHECK(fills(f, n, "lsn:a", 100) == ACCORD_E_HELD);
    CHECK(does(f, n, floor_request("lsn", 1)) == ACCORD_OK);
    CHECK(fills(f, n, "lsn:b", 94) == ACCORD_E_VERSION); /* what was known stays */
    CHECK(fills(f, n, "lsn:b", 95) == ACCORD_OK);
    fleet_free(f);
}

/* What was removed while the bus could not be reached, and is older than the view that reading
 * begins with, left no fence here: neither hold_off nor a floor may count from before that. */
TEST(fencing_knows_nothing_of_an_outage_that_is_longer_than_its_view_of_the_log)
{
    static const uint64_t hold_ns = 60 * NS_PER_S, view_ns = 11 * FLEET_L;

    for (int i = 0; i < 2; i++) {
        struct fleet *f = fleet_new(NULL);
        struct fleet_node *n = add(f, "web1");
        declared[LSN].hold_off_ns = declared[HELD].hold_off_ns = hold_ns;
        fleet_cut(f, n, i == 0); /* from the start, or from a cold boot on */
        fleet_start(f, n);
        if (i == 1) {
            fleet_settle(f);
            fleet_lose_tail(f, 1);
            for (int ms = 0; ms < 5000 && fleet_status(f, n).cold_boots == 0; ms++)
                fleet_run(f, NS_PER_MS);
            CHECK(fleet_status(f, n).cold_boots == 1);
            CHECK(!fleet_status(f, n).attached); /* it has asked, and is not answered */
            fleet_cut(f, n, true);
        }
        fleet_run(f, hold_ns);
        CHECK(does(f, n, floor_request("lsn", 90)) == ACCORD_OK);
        fleet_insert_change(
            f, (struct change){.op = CHANGE_REMOVE, .key = bytes_of_text("held:a")});
        fleet_insert_change(f, (struct change){.op = CHANGE_REMOVE,
                                               .key = bytes_of_text("lsn:a"),
                                               .has_version = true,
                                               .version = 100});
        fleet_run(f, view_ns);
        fleet_cut(f, n, false);
        fleet_settle(f);
        CHECK(fills(f, n, "held:a", 0) == ACCORD_E_HELD);
        CHECK(fills(f, n, "lsn:a", 95) == ACCORD_E_HELD);
        CHECK(does(f, n, floor_request("lsn", 100)) == ACCORD_OK);
        CHECK(fills(f, n, "lsn:a", 95) == ACCORD_E_VERSION);
        CHECK(fills(f, n, "lsn:a", 100) == ACCORD_OK);
        fleet_run(f, hold_ns);
        CHECK(fills(f, n, "held:a", 0) == ACCORD_OK);
        fleet_free(f);
    }
}

TEST(fencing_survives_a_restart_where_the_log_is_read_on)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);

    CHECK(does(f, n, versioned(fleet_remove("lsn:a"), 50)) == ACCORD_OK);
    fleet_run(f, 2 * NS_PER_S); /* so it is saved */
    CHECK(n->settings.fence_count == 1 && n->fences[0].newest == 50 && !n->fences[0].held);
    struct fence_saved saved = n->fences[0];
    struct cursor at = n->settings.fences_at;
    CHECK(does(f, n, versioned(fleet_remove("lsn:b"), 60)) == ACCORD_OK);
    fleet_kill(f, n);
    n->fences[0] = saved; /* the second one was not yet saved */
    n->settings.fences_at = at;
    fixture_done(&n->segment);
    fleet_insert_change(f, (struct change){.op = CHANGE_REMOVE,
                                           .key = bytes_of_text("lsn:c"),
                                           .has_version = true,
                                           .version = 70});
    fleet_start(f, n);
    fleet_settle(f);
    CHECK(fills(f, n, "lsn:d", 49) == ACCORD_E_VERSION);
    CHECK(fills(f, n, "lsn:d", 50) == ACCORD_OK);
    CHECK(fills(f, n, "lsn:b", 59) == ACCORD_E_VERSION);
    CHECK(fills(f, n, "lsn:c", 69) == ACCORD_E_VERSION);
    CHECK(fills(f, n, "lsn:c", 70) == ACCORD_OK);
    CHECK(fills(f, n, "row:a", 100) == ACCORD_E_HELD); /* of rows there is only time */
    /* Without a version there is only time, too. */
    CHECK(does(f, n, fleet_remove("lsn:d")) == ACCORD_OK);
    fleet_run(f, 2 * NS_PER_S);
    CHECK(n->fences[0].held);
    fleet_kill(f, n);
    fixture_done(&n->segment);
    fleet_start(f, n);
    fleet_settle(f);
    CHECK(fills(f, n, "lsn:e", 100) == ACCORD_E_HELD);
    fleet_free(f);
}

TEST(fencing_a_restart_that_missed_some_of_the_log_knows_nothing)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f), *other = add(f, "web2");

    CHECK(does(f, n, versioned(fleet_remove("lsn:a"), 50)) == ACCORD_OK);
    fleet_run(f, 2 * NS_PER_S);
    fleet_kill(f, n);
    fixture_done(&n->segment);
    fleet_start(f, other);
    fleet_run(f, 60 * NS_PER_S); /* more than the view that a start begins with */
    fleet_start(f, n);
    fleet_settle(f);
    CHECK(fills(f, n, "lsn:d", 1000) == ACCORD_E_HELD);
    fleet_free(f);
}

TEST(fencing_a_reset_travels_and_forgets_the_versions_of_an_older_history)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f), *other = add(f, "web2");

    fleet_start(f, other);
    fleet_settle(f);
    fleet_run(f, HOLD_NS);
    CHECK(does(f, n, versioned(fleet_remove("lsn:a"), 500)) == ACCORD_OK);
    CHECK(does(f, n, versioned(fleet_clear("lsn"), 500)) == ACCORD_OK);
    CHECK(fills(f, n, "lsn:a", 900) == ACCORD_OK);
    struct token before = fleet_get(f, other, "lsn:b").token;
    CHECK(does(f, other, versioned(fleet_clear("lsn"), 0)) == ACCORD_OK);
    CHECK(fleet_log_count(f, CHANGE_NAMESPACE, "lsn") == 2);
    CHECK(fleet_get(f, n, "lsn:a").state == ACCORD_MISS);
    CHECK(fills(f, n, "lsn:a", 7) == ACCORD_OK);
    CHECK(fills(f, other, "lsn:a", 7) == ACCORD_OK);
    CHECK(fence_of(f, n, LSN).newest == 0);
    struct request old = versioned(fleet_fill("lsn:b", "old", &before), 900);
    old.item.version = 900;
    CHECK(does(f, other, old) == ACCORD_E_TOKEN); /* a load of the old history */
    fleet_free(f);
}

TEST(fencing_a_prefix_holds_what_it_names_and_more_where_it_is_none_here)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = add(f, "web1");

    declared[DEFAULT].hold_off_ns = HOLD_NS;
    fleet_start(f, n);
    fleet_settle(f);
    fleet_run(f, HOLD_NS);
    CHECK(fence_of(f, n, DEFAULT).used);
    fleet_insert(f, CHANGE_PREFIX, "a/");
    fleet_run(f, 100 * NS_PER_MS);
    CHECK(fills(f, n, "a/1", 0) == ACCORD_E_HELD);
    CHECK(fills(f, n, "b/1", 0) == ACCORD_OK);
    CHECK(fills(f, n, "held:a/1", 0) == ACCORD_OK);
    /* Of a node with other settings: no prefix, the whole namespace is meant. */
    fleet_insert(f, CHANGE_PREFIX, "held:x");
    fleet_run(f, 100 * NS_PER_MS);
    CHECK(fills(f, n, "held:b/1", 0) == ACCORD_E_HELD);
    CHECK(fills(f, n, "b/1", 0) == ACCORD_OK);
    fleet_run(f, HOLD_NS);
    fleet_insert(f, CHANGE_PREFIX, "held:");
    fleet_run(f, 100 * NS_PER_MS);
    CHECK(fills(f, n, "held:b/1", 0) == ACCORD_E_HELD);
    fleet_free(f);
}

TEST(fencing_judges_an_item_of_a_namespace_without_prefixes_and_one_with_too_many_marks)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = add(f, "web1");
    static struct bytes tags[ITEM_TAGS_MAX + 1];

    declared[DEFAULT].delimiter = '\0';
    declared[DEFAULT].hold_off_ns = HOLD_NS;
    fleet_start(f, n);
    fleet_settle(f);
    fleet_run(f, HOLD_NS);
    fleet_insert(f, CHANGE_TAG, "t");
    fleet_run(f, 100 * NS_PER_MS);
    CHECK(fills(f, n, "a/1", 0) == ACCORD_OK);
    for (size_t i = 0; i < COUNT_OF(tags); i++)
        tags[i] = bytes_of_text(i == 0 ? "t" : "u");
    for (size_t count = ITEM_TAGS_MAX; count <= COUNT_OF(tags); count++) {
        struct token token = fleet_get(f, n, "held:a/1").token;
        struct request r = fleet_fill("held:a/1", "v", &token);
        r.item.tags = tags;
        r.item.tag_count = (uint32_t)count;
        CHECK(does(f, n, r) == ACCORD_E_HELD);
    }
    fleet_free(f);
}

TEST(fencing_a_restart_uses_only_what_was_saved_of_this_log_and_of_declared_namespaces)
{
    for (int other = 0; other < 3; other++) {
        struct fleet *f = fleet_new(NULL);
        struct fleet_node *n = fresh_node(f);

        CHECK(does(f, n, versioned(fleet_remove("lsn:a"), 50)) == ACCORD_OK);
        fleet_run(f, 2 * NS_PER_S);
        CHECK(n->settings.fence_count == 1);
        fleet_kill(f, n);
        fixture_done(&n->segment);
        if (other == 0)
            n->settings.fences_at.log.low++;
        else if (other == 1)
            n->settings.fences_at.epoch++;
        else
            snprintf(n->fences[0].name, sizeof n->fences[0].name, "gone");
        fleet_start(f, n);
        fleet_settle(f);
        CHECK(strcmp(fence_of(f, n, LSN).state, "unknown") == 0);
        CHECK(fills(f, n, "lsn:d", 1000) == ACCORD_E_HELD);
        fleet_free(f);
    }
}

TEST(fencing_takes_a_version_of_a_prefix_where_versions_have_one_order)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);
    struct request two = floor_request("lsn", 90);
    static const struct bytes keys[2] = {{(const uint8_t *)"lsn", 3},
                                         {(const uint8_t *)"lsn", 3}};
    struct core_fence out;

    CHECK(does(f, n, versioned(fleet_clear("lsn:x/"), 60)) == ACCORD_OK);
    CHECK(fills(f, n, "lsn:x/1", 59) == ACCORD_E_VERSION);
    CHECK(fills(f, n, "lsn:x/1", 60) == ACCORD_OK);
    CHECK(does(f, n, versioned(fleet_clear("row:x/"), 60)) == ACCORD_E_INVALID);
    two.keys = keys;
    two.key_count = 2;
    CHECK(does(f, n, two) == ACCORD_E_ABSENT);
    CHECK(fence_of(f, n, LSN).floor < 90);
    CHECK(!core_fence(n->core, SPACES, fleet_clock(f, n), &out));
    fleet_free(f);
}

/* ---- a database with replicas that lag -----------------------------------------------------
 * Every load reads a replica that is up to 12 s behind, and takes up to 5 s more. */

enum { KEYS = 6, COMMITS_MAX = 4000, LOADS = 24, LAG_MS = 12000, LOAD_MS = 5000 };

static const char *const rows[KEYS] = {"lsn:a", "lsn:b", "row:a", "row:b", "held:a", "held:b"};

struct commit {
    size_t key;
    uint64_t at_ns, lsn, row; /* what the row was from then on */
};

struct loading {
    bool busy;
    size_t node, key;
    uint64_t read_ns, fill_ns, lag_ns;
    uint64_t incarnation;
    struct token token;
    char value[24];
    uint64_t version;
};

struct world {
    struct fleet *f;
    uint64_t *rng;
    struct commit commits[COMMITS_MAX];
    size_t commit_count;
    struct loading loads[LOADS];
    struct {
        uint64_t at_ns, commit;
    } taken[KEYS][COMMITS_MAX]; /* removals as the bus took them, and what they stand for */
    size_t taken_count[KEYS];
    uint64_t hits, refused, stored;
};

static uint64_t roll(struct world *w, uint64_t below)
{
    return test_random(w->rng, below);
}

/* Number of the newest commit of the key until `at_ns`; 0: none. */
static uint64_t newest(const struct world *w, size_t key, uint64_t at_ns)
{
    for (size_t i = w->commit_count; i-- > 0;)
        if (w->commits[i].key == key && w->commits[i].at_ns <= at_ns)
            return i + 1;
    return 0;
}

static void on_taken(struct fleet *f, const struct change *c)
{
    struct world *w = f->context;

    for (size_t k = 0; k < KEYS; k++) {
        if (c->op != CHANGE_REMOVE || !bytes_equal(c->key, bytes_of_text(rows[k])))
            continue;
        uint64_t until_ns = c->wall_ms * NS_PER_MS;
        w->taken[k][w->taken_count[k]].at_ns = f->now_ns;
        w->taken[k][w->taken_count[k]++].commit = newest(w, k, until_ns > 0 ? until_ns - 1 : 0);
    }
}

static void commit_and_remove(struct world *w)
{
    size_t key = roll(w, KEYS);
    struct commit *c = &w->commits[w->commit_count];

    *c = (struct commit){.key = key, .at_ns = w->f->now_ns, .lsn = 10 * (w->commit_count + 1)};
    uint64_t before = newest(w, key, w->f->now_ns);
    c->row = before > 0 ? w->commits[before - 1].row + 1 : 2;
    w->commit_count++;
    fleet_run(w->f, 2 * NS_PER_MS);
    bool versioned_too = key < 4 && roll(w, 4) > 0;
    uint64_t version = key < 2 ? c->lsn : c->row;
    if (roll(w, 3) == 0) {
        fleet_insert_change(w->f, (struct change){.op = CHANGE_REMOVE,
                                                  .key = bytes_of_text(rows[key]),
                                                  .has_version = versioned_too,
                                                  .version = versioned_too ? version : 0});
        return;
    }
    struct fleet_node *n = &w->f->nodes[roll(w, w->f->count)];
    struct request r = fleet_remove(rows[key]);
    if (n->alive)
        fleet_request(w->f, n, versioned_too ? versioned(r, version) : r);
}

static void begin_load(struct world *w, struct loading *l)
{
    l->node = roll(w, w->f->count);
    l->key = roll(w, KEYS);
    struct fleet_node *n = &w->f->nodes[l->node];
    if (!n->alive)
        return;
    l->busy = true;
    l->incarnation = n->settings.incarnation.high;
    l->token = fleet_get(w->f, n, rows[l->key]).token;
    l->read_ns = w->f->now_ns + roll(w, LOAD_MS / 2) * NS_PER_MS;
    l->fill_ns = l->read_ns + roll(w, LOAD_MS / 2) * NS_PER_MS;
    l->lag_ns = roll(w, LAG_MS) * NS_PER_MS;
}

/* What the replica shows: the row as of then, and the log position up to which it has it all.
 */
static void end_load(struct world *w, struct loading *l)
{
    uint64_t seen_ns = u64_sub_sat(l->read_ns, l->lag_ns), lsn = 1;
    uint64_t commit = newest(w, l->key, seen_ns);
    struct fleet_node *n = &w->f->nodes[l->node];

    l->busy = false;
    for (size_t i = 0; i < w->commit_count && w->commits[i].at_ns <= seen_ns; i++)
        lsn = w->commits[i].lsn;
    if (!n->alive || n->settings.incarnation.high != l->incarnation)
        return;
    snprintf(l->value, sizeof l->value, "%llu", (unsigned long long)commit);
    struct request r = fleet_fill(rows[l->key], l->value, &l->token);
    r.item.version = l->key >= 4   ? 0
                     : l->key < 2  ? lsn
                     : commit == 0 ? 1
                                   : w->commits[commit - 1].row;
    int status = fleet_request(w->f, n, r)->reply.status;
    w->stored += status == ACCORD_OK;
    w->refused += status == ACCORD_E_VERSION || status == ACCORD_E_HELD;
}

static void judge(struct world *w)
{
    static char value[64];

    for (size_t i = 0; i < w->f->count; i++) {
        struct fleet_node *n = &w->f->nodes[i];
        for (size_t k = 0; n->alive && k < KEYS; k++) {
            struct read_result r;
            fixture_at(&n->segment, fleet_clock(w->f, n));
            reader_get(&n->segment.reader, bytes_of_text(rows[k]), value, sizeof value - 1, &r);
            if (r.state != ACCORD_HIT)
                continue;
            value[r.value_bytes] = '\0';
            uint64_t shown = strtoull(value, NULL, 10);
            w->hits++;
            for (size_t t = 0; t < w->taken_count[k]; t++)
                if (w->taken[k][t].at_ns + FLEET_L < w->f->now_ns)
                    CHECK(shown >= w->taken[k][t].commit);
        }
    }
}

static void disturb(struct world *w)
{
    struct fleet_node *n = &w->f->nodes[roll(w, w->f->count)];

    if (!n->alive) {
        fleet_start(w->f, n);
        if (roll(w, 2))
            return;
        uint64_t lsn = w->commit_count > 0 ? w->commits[w->commit_count - 1].lsn : 1;
        fleet_request(w->f, n, floor_request("lsn", lsn)); /* as read from the primary now */
    } else if (roll(w, 3) == 0) {
        fleet_kill(w->f, n);
        fixture_done(&n->segment);
    } else if (roll(w, 4) == 0) {
        fleet_cut(w->f, n, !n->cut);
    }
}

TEST_SEEDS(fencing_no_replica_that_lags_ever_brings_back_what_was_removed, 12)
{
    static struct world w;
    struct fleet *f = fleet_new(rng);

    memset(&w, 0, sizeof w);
    w.f = f;
    w.rng = rng;
    f->context = &w;
    f->taken = on_taken;
    for (int i = 0; i < 2; i++)
        fleet_start(f, add(f, i == 0 ? "web1" : "web2"));
    for (int i = 0; i < 20000; i++) {
        fleet_run(f, roll(&w, 60) * NS_PER_MS);
        if (roll(&w, 60) == 0 && w.commit_count < COMMITS_MAX)
            commit_and_remove(&w);
        for (size_t l = 0; l < LOADS; l++) {
            if (!w.loads[l].busy)
                begin_load(&w, &w.loads[l]);
            else if (w.loads[l].fill_ns <= f->now_ns)
                end_load(&w, &w.loads[l]);
        }
        if (roll(&w, 1500) == 0)
            disturb(&w);
        judge(&w);
    }
    CHECK(w.stored > 0);
    CHECK(w.refused > 0);
    CHECK(w.hits > 0);
    fleet_free(f);
}

TEST(fencing_what_is_refused_is_served_to_those_who_wait_though_something_older_is_here)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);

    CHECK(does(f, n, floor_request("lsn", 60)) == ACCORD_OK);
    struct fleet_answer *first = fleet_request(f, n, fleet_load("lsn:a", NS_PER_S));
    struct request r = fleet_load("lsn:a", NS_PER_S);
    r.client = 2;
    struct fleet_answer *second = fleet_request(f, n, r);
    struct item item = fixture_item("lsn:a", "v40");
    item.version = 40;
    CHECK(writer_fill(n->segment.writer, &item, NULL, fleet_clock(f, n)) == ACCORD_OK);
    r = fleet_fill("lsn:a", "v50", &first->reply.token);
    r.item.version = 50;
    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_E_VERSION);
    CHECK(second->count == 1);
    CHECK(second->reply.state == ACCORD_STALE);
    CHECK(second->reply.version == 50);
    fleet_free(f);
}

TEST(fencing_tells_a_set_of_an_older_version_that_there_is_a_newer_one)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);
    struct request r = fleet_set("lsn:a", "v");

    CHECK(does(f, n, floor_request("lsn", 60)) == ACCORD_OK);
    r.has_token = true;
    r.token = fleet_get(f, n, "lsn:a").token;
    r = versioned(r, 59);
    r.item.version = 59;
    CHECK(does(f, n, r) == ACCORD_E_VERSION);
    CHECK(fleet_get(f, n, "lsn:a").state == ACCORD_MISS);
    fleet_free(f);
}

TEST(fencing_holds_a_namespace_that_was_cleared_without_a_version)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);

    CHECK(strcmp(fence_of(f, n, HELD).state, "open") == 0);
    CHECK(does(f, n, fleet_clear("held")) == ACCORD_OK);
    CHECK(strcmp(fence_of(f, n, HELD).state, "held") == 0);
    CHECK(fence_of(f, n, HELD).left_ns > 0);
    fleet_free(f);
}
