/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/fleet.h"

static struct fleet_node *fresh_node(struct fleet *f)
{
    struct fleet_node *n = fleet_add(f, "web1");

    fleet_start(f, n);
    fleet_settle(f);
    fleet_run(f, 10 * NS_PER_MS);
    return n;
}

static struct fleet_answer *load(struct fleet *f, struct fleet_node *n, const char *key,
                                 uint64_t client, uint64_t wait_ns)
{
    struct request r = fleet_load(key, wait_ns);

    r.client = client;
    return fleet_request(f, n, r);
}

static int fill(struct fleet *f, struct fleet_node *n, const char *key, uint64_t client,
                const struct token *token)
{
    struct request r = fleet_fill(key, "v", token);

    r.client = client;
    return fleet_request(f, n, r)->reply.status;
}

static bool has_right(const struct fleet_answer *a)
{
    return a->count == 1 && a->reply.status == ACCORD_OK && a->reply.has_token;
}

static bool has_value(const struct fleet_answer *a, enum accord_state state)
{
    return a->count == 1 && a->reply.status == ACCORD_OK && a->reply.state == state &&
           a->reply.has_value && bytes_equal(a->reply.value, bytes_of_text("v"));
}

TEST(single_load_gives_one_the_right_and_the_others_the_value)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);
    struct fleet_answer *first = load(f, n, "k", 1, NS_PER_S);
    struct fleet_answer *second = load(f, n, "k", 2, NS_PER_S);
    struct fleet_answer *third = load(f, n, "k", 3, 0);
    struct fleet_answer *elsewhere = load(f, n, "l", 3, 0);

    CHECK(has_right(first));
    CHECK(first->reply.state == ACCORD_MISS);
    CHECK(second->count == 0);
    CHECK(third->reply.state == ACCORD_BUSY);
    CHECK(has_right(elsewhere));
    CHECK(fill(f, n, "k", 1, &first->reply.token) == ACCORD_OK);
    CHECK(has_value(second, ACCORD_HIT));
    CHECK(load(f, n, "k", 4, 0)->reply.state == ACCORD_HIT); /* read again, then */
    CHECK(fleet_status(f, n).loads == 1);
    CHECK(fleet_status(f, n).loads_granted == 2);
    CHECK(fleet_status(f, n).loads_waited == 1);
    CHECK(fleet_status(f, n).loads_busy == 1);
    fleet_free(f);
}

TEST(single_load_tells_who_waits_too_long_that_another_is_busy)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);

    load(f, n, "k", 1, 0);
    struct fleet_answer *a = load(f, n, "k", 2, 100 * NS_PER_MS);
    fleet_run(f, 99 * NS_PER_MS);
    CHECK(a->count == 0);
    fleet_run(f, NS_PER_MS);
    CHECK(a->reply.state == ACCORD_BUSY);
    fleet_free(f);
}

TEST(single_load_passes_on_where_the_loader_takes_too_long_or_is_gone)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);
    struct fleet_answer *first = load(f, n, "k", 1, 0);
    struct fleet_answer *second = load(f, n, "k", 2, 5 * NS_PER_S);
    struct fleet_answer *third = load(f, n, "k", 3, 5 * NS_PER_S);

    fleet_run(f, 2 * NS_PER_S - 1);
    CHECK(second->count == 0);
    fleet_run(f, 1);
    CHECK(has_right(second));
    CHECK(third->count == 0);
    fleet_gone(f, n, 2);
    CHECK(has_right(third));
    CHECK(fleet_status(f, n).loads_lost == 2);
    CHECK(fill(f, n, "k", 1, &first->reply.token) == ACCORD_OK); /* late, and still good */
    CHECK(fleet_status(f, n).loads == 0);
    fleet_free(f);
}

TEST(single_load_of_one_who_left_ends_with_nobody_waiting)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);

    load(f, n, "k", 1, 0);
    struct fleet_answer *waits = load(f, n, "k", 2, NS_PER_S);
    fleet_gone(f, n, 2);
    CHECK(waits->count == 0);
    CHECK(fleet_status(f, n).waiters == 0);
    fleet_gone(f, n, 1);
    CHECK(fleet_status(f, n).loads == 0);
    fleet_free(f);
}

TEST(single_load_gives_no_value_to_who_came_after_what_made_it_old)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);
    struct fleet_answer *first = load(f, n, "k", 1, 0);
    struct fleet_answer *before = load(f, n, "k", 2, NS_PER_S);

    fleet_request(f, n, fleet_remove("k"));
    struct fleet_answer *after = load(f, n, "k", 3, NS_PER_S);
    struct fleet_answer *last = load(f, n, "k", 4, NS_PER_S);
    CHECK(fill(f, n, "k", 1, &first->reply.token) == ACCORD_E_TOKEN);
    CHECK(has_value(before, ACCORD_STALE)); /* its call began before the removal; never a hit */
    CHECK(before->reply.why == ACCORD_WHY_REMOVED);
    CHECK(has_right(after)); /* it is to read anew */
    CHECK(last->count == 0);
    CHECK(fill(f, n, "k", 3, &after->reply.token) == ACCORD_OK);
    CHECK(has_value(last, ACCORD_HIT));
    fleet_free(f);
}

TEST(single_load_is_not_ended_by_an_outdated_fill_of_somebody_else)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);
    struct token old = fleet_get(f, n, "k").token;

    fleet_request(f, n, fleet_remove("k"));
    CHECK(has_right(load(f, n, "k", 1, 0)));
    CHECK(fill(f, n, "k", 9, &old) == ACCORD_E_TOKEN);
    CHECK(fleet_status(f, n).loads == 1);
    struct token good = fleet_get(f, n, "k").token;
    CHECK(fill(f, n, "k", 9, &good) == ACCORD_OK); /* whoever has the value has it */
    CHECK(fleet_status(f, n).loads == 0);
    fleet_free(f);
}

TEST(single_load_of_a_stale_value_lets_one_refresh_and_serves_the_others)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);
    struct token token = fleet_get(f, n, "short:k").token;

    CHECK(fill(f, n, "short:k", 1, &token) == ACCORD_OK);
    fleet_run(f, 6 * NS_PER_S); /* past refresh_at */
    struct fleet_answer *a = load(f, n, "short:k", 1, NS_PER_S);
    CHECK(has_right(a));
    CHECK(a->reply.state == ACCORD_HIT);
    CHECK(a->reply.why == ACCORD_WHY_REFRESH);
    a = load(f, n, "short:k", 2, NS_PER_S);
    CHECK(a->count == 1);
    CHECK(!has_right(a));
    CHECK(a->reply.state == ACCORD_HIT);
    fleet_run(f, 6 * NS_PER_S); /* past its ttl, within grace; the right is long lost */
    a = load(f, n, "short:k", 3, NS_PER_S);
    CHECK(has_right(a));
    CHECK(a->reply.state == ACCORD_STALE);
    a = load(f, n, "short:k", 4, NS_PER_S);
    CHECK(!has_right(a));
    CHECK(a->reply.state == ACCORD_STALE);
    fleet_free(f);
}

TEST(single_load_while_unsure_spares_the_origin_and_says_what_it_cannot_know)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);

    fleet_cut(f, n, true);
    fleet_run(f, 2 * FLEET_L);
    struct fleet_answer *first = load(f, n, "k", 1, NS_PER_S);
    struct fleet_answer *second = load(f, n, "k", 2, NS_PER_S);
    CHECK(has_right(first));
    CHECK(first->reply.state == ACCORD_UNSURE);
    CHECK(second->count == 0);
    CHECK(fill(f, n, "k", 1, &first->reply.token) == ACCORD_E_UNSURE);
    CHECK(has_value(second, ACCORD_STALE));
    CHECK(second->reply.why == ACCORD_WHY_UNSURE);
    struct fleet_answer *refused = load(f, n, "short:k", 1, NS_PER_S); /* when_unsure = error */
    CHECK(refused->reply.state == ACCORD_UNSURE);
    CHECK(!has_right(refused));
    fleet_free(f);
}

TEST(single_load_hands_out_negatives)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);
    struct fleet_answer *first = load(f, n, "k", 1, 0);
    struct fleet_answer *second = load(f, n, "k", 2, NS_PER_S);
    struct request r = fleet_fill("k", "", &first->reply.token);

    r.item.flags = ITEM_NEGATIVE;
    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_OK);
    CHECK(second->reply.state == ACCORD_NEGATIVE);
    CHECK(!second->reply.has_value);
    CHECK(load(f, n, "k", 3, 0)->reply.state == ACCORD_NEGATIVE);
    fleet_free(f);
}

TEST(single_load_is_ended_by_a_set)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);

    load(f, n, "k", 1, 0);
    struct fleet_answer *second = load(f, n, "k", 2, NS_PER_S);
    fleet_request(f, n, fleet_set("k", "v"));
    CHECK(has_value(second, ACCORD_HIT));
    CHECK(fleet_status(f, n).loads == 0);
    fleet_free(f);
}

TEST(single_load_never_fails_where_its_table_is_full)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);
    static char key[32];

    for (int i = 0; i < LOADS_MAX; i++) {
        snprintf(key, sizeof key, "key%d", i);
        CHECK(has_right(load(f, n, key, 1, 0)));
    }
    CHECK(fleet_status(f, n).loads == LOADS_MAX);
    CHECK(has_right(load(f, n, "one more", 1, 0)));
    CHECK(has_right(load(f, n, "one more", 2, 0))); /* not one at a time, but never an error */
    CHECK(fleet_status(f, n).loads == LOADS_MAX);
    CHECK(load(f, n, "", 1, 0)->reply.status == ACCORD_E_INVALID);
    fleet_free(f);
}

TEST(single_load_while_unsure_is_one_in_unsure_ttl)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);

    fleet_cut(f, n, true);
    fleet_run(f, 2 * FLEET_L);
    CHECK(!fleet_status(f, n).fresh);
    struct fleet_answer *first = load(f, n, "k", 1, NS_PER_S);
    struct fleet_answer *second = load(f, n, "k", 2, NS_PER_S);
    CHECK(has_right(first));
    CHECK(second->count == 0);
    CHECK(fill(f, n, "k", 1, &first->reply.token) == ACCORD_E_UNSURE);
    CHECK(has_value(second, ACCORD_STALE));
    struct fleet_answer *later = load(f, n, "k", 3, NS_PER_S);
    CHECK(later->reply.state == ACCORD_STALE && later->reply.why == ACCORD_WHY_UNSURE);
    CHECK(!later->reply.has_token);
    fleet_run(f, NS_PER_S); /* unsure_ttl */
    CHECK(has_right(load(f, n, "k", 4, NS_PER_S)));
    fleet_free(f);
}

TEST(single_fill_with_a_newer_version_here_lets_who_waits_read_that)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);
    struct fleet_answer *first = load(f, n, "k", 1, NS_PER_S);
    struct fleet_answer *second = load(f, n, "k", 2, NS_PER_S);
    struct request r = fleet_fill("k", "new", &first->reply.token);

    /* Stored behind the core's back, as another loader of an older right would have. */
    struct item item = fixture_item("k", "new");
    item.version = 9;
    CHECK(writer_fill(n->segment.writer, &item, NULL, fleet_clock(f, n)) == ACCORD_OK);
    r.client = 1;
    r.item.version = 8;
    r.item.value = bytes_of_text("old");
    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_E_VERSION);
    CHECK(second->count == 1);
    CHECK(second->reply.state == ACCORD_HIT);
    CHECK(!second->reply.has_value); /* it reads again, and finds version 9 */
    CHECK(second->reply.version == 9);
    CHECK(fleet_hits(f, n, "k", "new"));
    fleet_free(f);
}

TEST(single_fill_with_a_newer_negative_here_lets_who_waits_have_that)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);
    struct fleet_answer *first = load(f, n, "k", 1, NS_PER_S);
    struct fleet_answer *second = load(f, n, "k", 2, NS_PER_S);
    struct request r = fleet_fill("k", "old", &first->reply.token);
    struct item item = fixture_item("k", "");

    item.version = 9;
    item.flags = ITEM_NEGATIVE;
    CHECK(writer_fill(n->segment.writer, &item, NULL, fleet_clock(f, n)) == ACCORD_OK);
    r.client = 1;
    r.item.version = 8;
    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_E_VERSION);
    CHECK(second->count == 1);
    CHECK(second->reply.state == ACCORD_NEGATIVE);
    CHECK(second->reply.version == 9);
    fleet_free(f);
}

/* A set removes what was read before it, also where it cannot be kept; so what it brings is
 * served as something that may be old by now. */
TEST(single_value_that_is_too_large_to_be_kept_is_served_to_who_waits)
{
    static char large[2 * 1024 * 1024];

    for (int is_set = 0; is_set < 2; is_set++) {
        struct fleet *f = fleet_new(NULL);
        struct fleet_node *n = fresh_node(f);
        struct fleet_answer *first = load(f, n, "k", 1, NS_PER_S);
        struct fleet_answer *second = load(f, n, "k", 2, NS_PER_S);
        struct request r = fleet_fill("k", "", &first->reply.token);

        r.op = is_set ? REQUEST_SET : REQUEST_FILL;
        r.client = 1;
        r.item.value = bytes_of(large, sizeof large);
        CHECK(fleet_request(f, n, r)->reply.status == ACCORD_E_SIZE);
        CHECK(second->count == 1);
        CHECK(second->reply.has_value);
        CHECK(second->reply.state == (is_set ? ACCORD_STALE : ACCORD_HIT));
        CHECK(second->reply.why == (is_set ? ACCORD_WHY_REMOVED : ACCORD_WHY_NONE));
        CHECK(fleet_get(f, n, "k").state == ACCORD_MISS);
        fleet_free(f);
    }
}

TEST(single_load_that_is_stale_is_passed_to_one_and_served_to_the_others)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);
    struct fleet_answer *first = load(f, n, "short:k", 1, 60 * NS_PER_S);
    struct fleet_answer *second = load(f, n, "short:k", 2, 60 * NS_PER_S);
    struct fleet_answer *third = load(f, n, "short:k", 3, 60 * NS_PER_S);
    struct item item = fixture_item("short:k", "v");

    CHECK(has_right(first));
    /* Something came that was stale at once: one of those who wait refreshes it. */
    item.flags = ITEM_SOFT;
    item.ttl_ns = NS_PER_MS;
    item.grace_ns = 3600 * NS_PER_S;
    CHECK(writer_fill(n->segment.writer, &item, NULL, fleet_clock(f, n)) == ACCORD_OK);
    fleet_run(f, 10 * NS_PER_MS);
    CHECK(fleet_get(f, n, "short:k").state == ACCORD_STALE);
    fleet_gone(f, n, 1);
    CHECK(has_right(second));
    CHECK(third->count == 1);
    CHECK(third->reply.state == ACCORD_STALE);
    CHECK(!third->reply.has_token);
    CHECK(fleet_status(f, n).loads == 1);
    fleet_free(f);
}

TEST(single_load_of_a_key_that_no_item_can_have_is_invalid)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);
    struct token token = fleet_get(f, n, "k").token;
    struct request r = fleet_fill("", "v", &token);

    CHECK(load(f, n, "", 1, 0)->reply.status == ACCORD_E_INVALID);
    CHECK(!load(f, n, "", 1, 0)->reply.has_token);
    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_E_SIZE); /* and ends nobody's load */
    CHECK(fleet_status(f, n).loads == 0);
    fleet_free(f);
}
