/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/fleet.h"
#include "core/inside.h"

static struct fleet_node *fresh_node(struct fleet *f, const char *name)
{
    struct fleet_node *n = fleet_add(f, name);

    fleet_start(f, n);
    fleet_settle(f);
    fleet_run(f, 10 * NS_PER_MS);
    return n;
}

static int fill(struct fleet *f, struct fleet_node *n, const char *key, const char *value)
{
    struct token token = fleet_get(f, n, key).token;

    return fleet_request(f, n, fleet_fill(key, value, &token))->reply.status;
}

static void make_unsure(struct fleet *f, struct fleet_node *n)
{
    fleet_cut(f, n, true);
    fleet_run(f, 2 * FLEET_L);
    CHECK(!fleet_status(f, n).fresh);
}

/* ---- fills ---------------------------------------------------------------------------------
 */

TEST(request_fill_needs_a_token_that_nothing_has_outdated)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct token token = fleet_get(f, n, "k").token;
    struct request r = fleet_fill("k", "v", &token);

    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_OK);
    CHECK(fleet_hits(f, n, "k", "v"));
    fleet_request(f, n, fleet_remove("k"));
    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_E_TOKEN);
    r.has_token = false;
    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_E_INVALID);
    CHECK(fleet_get(f, n, "k").state == ACCORD_MISS);
    CHECK(fleet_status(f, n).fills_stored == 1);
    CHECK(fleet_status(f, n).fills_refused_token == 1);
    fleet_free(f);
}

TEST(request_fill_refuses_older_versions_and_what_is_too_large)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    static char large[2 * 1024 * 1024];
    struct token token = fleet_get(f, n, "k").token;
    struct request r = fleet_fill("k", "v", &token);

    r.item.version = 5;
    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_OK);
    r.item.version = 4;
    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_E_VERSION);
    r.item.version = 0;
    r.item.value = bytes_of(large, sizeof large);
    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_E_SIZE);
    r.item.key = bytes_of(large, 0);
    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_E_SIZE);
    r.item.key = bytes_of(large, KEY_BYTES_MAX + 1);
    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_E_SIZE);
    CHECK(fleet_status(f, n).fills_refused_version == 1);
    CHECK(fleet_status(f, n).fills_refused_size == 3);
    fleet_free(f);
}

TEST(request_fill_gives_the_namespace_its_times)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct token token = fleet_get(f, n, "short:n").token;
    struct request r = fleet_fill("short:n", "", &token);

    CHECK(fill(f, n, "short:k", "v") == ACCORD_OK);
    r.item.flags = ITEM_NEGATIVE;
    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_OK);
    CHECK(fleet_get(f, n, "short:n").state == ACCORD_NEGATIVE);
    fleet_run(f, 9900 * NS_PER_MS);
    CHECK(fleet_get(f, n, "short:k").state == ACCORD_HIT);
    fleet_run(f, 200 * NS_PER_MS);
    CHECK(fleet_get(f, n, "short:k").state == ACCORD_STALE);
    CHECK(fleet_get(f, n, "short:n").state == ACCORD_MISS);
    fleet_run(f, 10 * NS_PER_S);
    CHECK(fleet_get(f, n, "short:k").state == ACCORD_MISS);
    fleet_free(f);
}

TEST(request_fill_without_a_lease_is_kept_shortly_and_never_called_fresh)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");

    make_unsure(f, n);
    CHECK(fill(f, n, "k", "v") == ACCORD_E_UNSURE);
    CHECK(fleet_get(f, n, "k").state == ACCORD_STALE);
    CHECK(fleet_get(f, n, "k").why == ACCORD_WHY_UNSURE);
    CHECK(fill(f, n, "short:k", "v") == ACCORD_E_UNSURE); /* when_unsure = error */
    CHECK(fleet_get(f, n, "short:k").state == ACCORD_UNSURE);
    fleet_run(f, NS_PER_S + 2 * NS_PER_MS);
    CHECK(fleet_get(f, n, "k").state == ACCORD_UNSURE);
    CHECK(fill(f, n, "k", "v") == ACCORD_E_UNSURE);
    fleet_cut(f, n, false);
    fleet_settle(f);
    CHECK(fleet_get(f, n, "k").state == ACCORD_MISS); /* dropped when the lease returns */
    CHECK(fleet_status(f, n).fills_refused_unsure == 3);
    fleet_free(f);
}

/* ---- set -----------------------------------------------------------------------------------
 */

TEST(request_set_stores_here_and_removes_elsewhere_but_for_the_same_bytes)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1"), *same = fresh_node(f, "web2"),
                      *other = fresh_node(f, "web3");

    CHECK(fill(f, same, "k", "new") == ACCORD_OK);
    CHECK(fill(f, other, "k", "old") == ACCORD_OK);
    struct fleet_answer *a = fleet_request(f, n, fleet_set("k", "new"));
    CHECK(fleet_hits(f, n, "k", "new"));
    fleet_run(f, 20 * NS_PER_MS);
    CHECK(a->reply.status == ACCORD_OK);
    CHECK(a->reply.has_position);
    CHECK(fleet_hits(f, n, "k", "new"));
    CHECK(fleet_hits(f, same, "k", "new"));
    CHECK(fleet_get(f, other, "k").state == ACCORD_MISS);
    fleet_free(f);
}

static const char *const together_keys[] = {"a", "b", "fill:a", "fill:b", "short:a"};
static const char *const together_values[] = {"v0", "v1", "v2", "v3"};

/* Drawn alike for two nodes; the token is of the node's own segment. */
static struct request draw_request(uint64_t *rng, struct fleet *f, struct fleet_node *n)
{
    const char *key = together_keys[test_random(rng, COUNT_OF(together_keys))];
    struct token token = fleet_get(f, n, key).token;
    struct request r = fleet_set(key, together_values[test_random(rng, 4)]);

    r.has_token = test_random(rng, 3) > 0;
    r.token = token;
    switch (test_random(rng, 6)) {
    case 0:
        return fleet_remove(key);
    case 1:
        return fleet_load(key, /* wait_ns= */ 0);
    case 2:
        r.item.key = bytes_of(NULL, 0); /* refused */
        return r;
    default:
        return r;
    }
}

TEST_SEEDS(request_several_at_once_do_what_they_do_one_by_one, 60)
{
    struct fleet *f[2] = {fleet_new(NULL), fleet_new(NULL)};
    struct fleet_node *n[2] = {fresh_node(f[0], "web1"), fresh_node(f[1], "web1")};

    for (int round = 0; round < 20; round++) {
        struct request list[2][REQUESTS_MAX];
        struct fleet_answer *answers[2] = {&f[0]->answers[f[0]->answer_count], NULL};
        size_t count = 1 + test_random(rng, REQUESTS_MAX);
        for (size_t i = 0; i < count; i++) {
            uint64_t same = *rng;
            list[0][i] = draw_request(rng, f[0], n[0]);
            list[1][i] = draw_request(&same, f[1], n[1]);
        }
        for (size_t i = 0; i < count; i++)
            fleet_request(f[0], n[0], list[0][i]);
        answers[1] = fleet_requests(f[1], n[1], list[1], count);
        for (int late = 0; late < 2; late++) {
            for (size_t k = 0; k < COUNT_OF(together_keys); k++) {
                const char *key = together_keys[k];
                CHECK(fleet_get(f[0], n[0], key).state == fleet_get(f[1], n[1], key).state);
                for (size_t v = 0; v < COUNT_OF(together_values); v++)
                    CHECK(fleet_hits(f[0], n[0], key, together_values[v]) ==
                          fleet_hits(f[1], n[1], key, together_values[v]));
            }
            fleet_run(f[0], 20 * NS_PER_MS);
            fleet_run(f[1], 20 * NS_PER_MS);
        }
        for (size_t i = 0; i < count; i++) {
            CHECK(answers[0][i].count == 1);
            CHECK(answers[1][i].count == 1);
            CHECK(answers[0][i].reply.status == answers[1][i].reply.status);
            CHECK(answers[0][i].reply.state == answers[1][i].reply.state);
        }
    }
    fleet_free(f[0]);
    fleet_free(f[1]);
}

TEST(request_set_refuses_loads_that_began_before_it)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct token token = fleet_get(f, n, "k").token;

    for (int with_token = 0; with_token < 2; with_token++) {
        struct request r = fleet_set("k", "new");
        r.has_token = with_token;
        r.token = fleet_get(f, n, "k").token;
        CHECK(fleet_request(f, n, r)->reply.status == ACCORD_OK);
        CHECK(fleet_hits(f, n, "k", "new"));
        CHECK(fleet_request(f, n, fleet_fill("k", "old", &token))->reply.status ==
              ACCORD_E_TOKEN);
        CHECK(fleet_hits(f, n, "k", "new"));
        token = fleet_get(f, n, "k").token;
    }
    fleet_free(f);
}

TEST(request_set_with_an_outdated_token_stores_nothing_removes_and_says_ok)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1"), *other = fresh_node(f, "web2");
    struct request r = fleet_set("k", "old");

    r.has_token = true;
    r.token = fleet_get(f, n, "k").token;
    fleet_request(f, n, fleet_remove("k"));
    CHECK(fill(f, n, "k", "newer") == ACCORD_OK);
    fleet_run(f, 20 * NS_PER_MS);
    CHECK(fill(f, other, "k", "old") == ACCORD_OK); /* the same bytes, and as outdated */
    struct fleet_answer *a = fleet_request(f, n, r);
    CHECK(fleet_get(f, n, "k").state == ACCORD_MISS);
    fleet_run(f, 20 * NS_PER_MS);
    CHECK(a->reply.status == ACCORD_OK);
    CHECK(fleet_get(f, other, "k").state == ACCORD_MISS);
    fleet_free(f);
}

TEST(request_set_is_a_plain_fill_where_the_namespace_says_so_and_a_token_is_given)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct request r = fleet_set("fill:k", "v");

    r.has_token = true;
    r.token = fleet_get(f, n, "fill:k").token;
    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_OK);
    CHECK(fleet_hits(f, n, "fill:k", "v"));
    fleet_request(f, n, fleet_remove("fill:k"));
    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_OK); /* refused, in silence */
    CHECK(fleet_get(f, n, "fill:k").state == ACCORD_MISS);
    fleet_run(f, 20 * NS_PER_MS);
    CHECK(fleet_log_count(f, CHANGE_REMOVE, "fill:k") == 1); /* the removal's alone */
    r.has_token = false;
    fleet_request(f, n, r);
    fleet_run(f, 20 * NS_PER_MS);
    CHECK(fleet_log_count(f, CHANGE_REMOVE, "fill:k") == 2);
    fleet_free(f);
}

TEST(request_set_while_unsure_is_kept_shortly_and_published_later)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");

    make_unsure(f, n);
    for (int with_token = 0; with_token < 2; with_token++) {
        struct request r = fleet_set("k", "v");
        r.has_token = with_token;
        r.token = fleet_get(f, n, "k").token;
        struct fleet_answer *a = fleet_request(f, n, r);
        CHECK(fleet_get(f, n, "k").state == ACCORD_STALE);
        CHECK(fleet_get(f, n, "k").why == ACCORD_WHY_UNSURE);
        fleet_run(f, NS_PER_S);
        CHECK(a->reply.status == ACCORD_E_UNPUBLISHED);
        CHECK(strcmp(a->reply.why_text, "the connection was cut") == 0);
    }
    fleet_cut(f, n, false);
    fleet_settle(f);
    fleet_run(f, NS_PER_S);
    CHECK(fleet_log_count(f, CHANGE_REMOVE, "k") == 2);
    fleet_free(f);
}

TEST(request_set_that_is_too_large_fails_and_drops_the_old_value_everywhere)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1"), *other = fresh_node(f, "web2");
    static char large[2 * 1024 * 1024];
    struct request r = fleet_set("k", "v");

    CHECK(fill(f, n, "k", "old") == ACCORD_OK);
    CHECK(fill(f, other, "k", "old") == ACCORD_OK);
    r.item.value = bytes_of(large, sizeof large);
    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_E_SIZE);
    CHECK(fleet_get(f, n, "k").state == ACCORD_MISS);
    fleet_run(f, 20 * NS_PER_MS);
    CHECK(fleet_get(f, other, "k").state == ACCORD_MISS);
    fleet_free(f);
}

TEST(request_set_of_an_older_version_keeps_the_newer_one)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct request r = fleet_set("k", "seven");

    r.has_version = true;
    r.version = r.item.version = 7;
    fleet_request(f, n, r);
    CHECK(fleet_hits(f, n, "k", "seven"));
    r = fleet_set("k", "six");
    r.has_version = true;
    r.version = r.item.version = 6;
    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_E_VERSION);
    CHECK(fleet_hits(f, n, "k", "seven"));
    fleet_free(f);
}

/* ---- removals ------------------------------------------------------------------------------
 */

TEST(request_remove_counts_what_was_here_and_travels_as_one)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1"), *other = fresh_node(f, "web2");
    const struct bytes keys[] = {bytes_of_text("a"), bytes_of_text("b"), bytes_of_text("c")};
    struct request r = {.op = REQUEST_REMOVE, .keys = keys, .key_count = 3};

    fill(f, n, "a", "v");
    fill(f, n, "c", "v");
    fill(f, other, "b", "v");
    struct fleet_answer *a = fleet_request(f, n, r);
    CHECK(fleet_get(f, n, "a").state == ACCORD_MISS);
    fleet_run(f, 20 * NS_PER_MS);
    CHECK(a->count == 1);
    CHECK(a->reply.count == 2);
    CHECK(a->reply.position.value == f->newest);
    CHECK(fleet_get(f, other, "b").state == ACCORD_MISS);
    fleet_free(f);
}

TEST(request_remove_is_refused_outside_its_bounds)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    static struct bytes keys[REMOVE_KEYS_MAX + 1];
    static uint8_t long_key[KEY_BYTES_MAX + 1];
    struct request r = {.op = REQUEST_REMOVE, .keys = keys};

    for (size_t i = 0; i < COUNT_OF(keys); i++)
        keys[i] = bytes_of_text("k");
    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_E_INVALID);
    r.key_count = REMOVE_KEYS_MAX + 1;
    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_E_INVALID);
    r.key_count = 2;
    keys[1] = bytes_of(long_key, 0);
    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_E_INVALID);
    keys[1] = bytes_of(long_key, KEY_BYTES_MAX + 1);
    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_E_INVALID);
    CHECK(fleet_status(f, n).outbox == 0);
    r.key_count = 1;
    CHECK(fleet_request(f, n, r)->count == 0);
    fleet_run(f, 20 * NS_PER_MS);
    fleet_free(f);
}

TEST(request_clear_knows_all_a_namespace_and_a_prefix)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1"), *other = fresh_node(f, "web2");
    static const char *const whats[] = {"*", "fill", "fill:a:", "default"};

    for (size_t i = 0; i < COUNT_OF(whats); i++) {
        fill(f, other, "fill:a:1", "v");
        fill(f, other, "fill:b:1", "v");
        fill(f, other, "k", "v");
        struct fleet_answer *a = fleet_request(f, n, fleet_clear(whats[i]));
        fleet_run(f, 20 * NS_PER_MS);
        CHECK(a->reply.status == ACCORD_OK);
        CHECK((fleet_get(f, other, "fill:a:1").state == ACCORD_MISS) == (i < 3));
        CHECK((fleet_get(f, other, "fill:b:1").state == ACCORD_MISS) == (i < 2));
        CHECK((fleet_get(f, other, "k").state == ACCORD_MISS) == (i == 0 || i == 3));
    }
    CHECK(fleet_request(f, n, fleet_clear("nowhere"))->reply.status == ACCORD_E_ABSENT);
    CHECK(fleet_request(f, n, fleet_clear("fill:a"))->reply.status == ACCORD_E_ABSENT);
    fleet_free(f);
}

TEST(request_expire_changes_the_times_of_what_is_here)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    const struct bytes key = bytes_of_text("k");
    struct request r = {.op = REQUEST_EXPIRE, .keys = &key, .key_count = 1};

    r.item.ttl_ns = NS_PER_S;
    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_E_ABSENT);
    fill(f, n, "k", "v");
    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_OK);
    fleet_run(f, 900 * NS_PER_MS);
    CHECK(fleet_hits(f, n, "k", "v"));
    fleet_run(f, 110 * NS_PER_MS);
    CHECK(fleet_get(f, n, "k").state == ACCORD_MISS);
    fleet_free(f);
}

/* ---- waits ---------------------------------------------------------------------------------
 */

TEST(request_sync_waits_until_a_position_is_applied_here)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1"), *other = fresh_node(f, "web2");
    struct fleet_answer *removed = fleet_request(f, n, fleet_remove("k"));
    struct request r = fleet_sync(NS_PER_S);

    fleet_cut(f, other, true);
    fleet_run(f, 100 * NS_PER_MS);
    r.has_position = true;
    r.position = removed->reply.position;
    struct fleet_answer *waits = fleet_request(f, other, r);
    r.wait_ns = 50 * NS_PER_MS;
    struct fleet_answer *expires = fleet_request(f, other, r);
    r.wait_ns = 0;
    CHECK(fleet_request(f, other, r)->reply.status == ACCORD_E_TIMEOUT);
    fleet_run(f, 100 * NS_PER_MS);
    CHECK(waits->count == 0);
    CHECK(expires->reply.status == ACCORD_E_TIMEOUT);
    CHECK(expires->answered_ns - expires->asked_ns == 50 * NS_PER_MS);
    fleet_cut(f, other, false);
    fleet_run(f, 400 * NS_PER_MS);
    CHECK(waits->reply.status == ACCORD_OK);
    CHECK(waits->reply.position.value >= r.position.value);
    CHECK(fleet_request(f, other, r)->reply.status == ACCORD_OK); /* at once */
    r.position.epoch++;
    CHECK(fleet_request(f, other, r)->reply.status == ACCORD_E_GONE);
    fleet_free(f);
}

TEST(request_waits_that_go_on_cost_a_step_nothing)
{
    enum { WAITERS = 1500 };
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct fleet_answer *removed = fleet_request(f, n, fleet_remove("k"));
    struct request r = fleet_sync(60 * NS_PER_S);
    struct waits *w = &n->core->waits;

    fleet_run(f, 20 * NS_PER_MS);
    r.has_position = true;
    r.position = removed->reply.position;
    r.position.value += 1000;
    for (unsigned i = 0; i < WAITERS; i++) {
        r.client = 10 + i;
        fleet_request(f, n, r);
    }
    CHECK(fleet_status(f, n).waiters == WAITERS);
    w->looked_at = w->owners.looked_at = 0;
    fleet_step(f, n, &(struct event){.type = EVENT_TICK});
    fleet_gone(f, n, 10);
    fleet_gone(f, n, 5); /* who waits for nothing */
    CHECK(w->looked_at + w->owners.looked_at < 150);
    CHECK(fleet_status(f, n).waiters == WAITERS - 1);
    waits_check(w);
    fleet_free(f);
}

TEST(request_sync_waits_for_the_head_as_it_is_asked_now)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1"), *other = fresh_node(f, "web2");
    struct fleet_answer *removed = fleet_request(f, n, fleet_remove("k"));

    while (removed->count == 0)
        fleet_run(f, NS_PER_MS / 10);
    struct fleet_answer *a = fleet_request(f, other, fleet_sync(NS_PER_S));
    CHECK(a->count == 0);
    fleet_run(f, 20 * NS_PER_MS);
    CHECK(a->reply.status == ACCORD_OK);
    CHECK(a->reply.position.value >= removed->reply.position.value);
    fleet_free(f);
}

TEST(request_sync_that_waited_for_a_position_of_a_lost_epoch_is_done_by_the_cold_boot)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct request r = fleet_sync(5 * NS_PER_S);

    fill(f, n, "k", "v");
    r.has_position = true;
    r.position = (struct position){f->epoch, f->newest + 100};
    struct fleet_answer *a = fleet_request(f, n, r);
    fleet_run(f, 10 * NS_PER_MS);
    CHECK(a->count == 0);
    fleet_lose_tail(f, 1);
    fleet_run(f, FLEET_L);
    CHECK(a->reply.status == ACCORD_OK);
    CHECK(a->reply.position.epoch == f->epoch);
    CHECK(fleet_get(f, n, "k").state == ACCORD_MISS);
    fleet_free(f);
}

/* The log gives the positions that it lost again. Neither who published has noticed, nor who is
 * asked, who has applied what was there before. */
TEST(request_sync_does_not_take_a_lost_entry_for_the_one_in_its_place)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1"), *other = fresh_node(f, "web2");
    struct request r = fleet_sync(0);

    for (unsigned i = 0; i < 3; i++)
        fleet_request(f, n, fleet_remove("before"));
    fleet_run(f, 20 * NS_PER_MS);
    uint64_t applied = fleet_status(f, other).cursor.position;
    CHECK(applied == f->newest);
    fleet_cut(f, other, true);
    struct fleet_answer *removed = fleet_request(f, n, fleet_remove("after"));
    fleet_lose_tail(f, 3); /* before that one arrives */
    while (removed->count == 0)
        fleet_run(f, NS_PER_MS / 10);
    CHECK(removed->reply.status == ACCORD_OK);
    CHECK(removed->reply.position.value <= applied);
    CHECK(fleet_status(f, other).cursor.epoch != f->epoch);
    r.has_position = true;
    r.position = removed->reply.position;
    CHECK(fleet_request(f, other, r)->reply.status == ACCORD_E_GONE);
    fleet_free(f);
}

TEST(request_freshen_uses_the_question_that_is_young_enough_and_else_asks)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct request r = {.op = REQUEST_FRESHEN, .wait_ns = NS_PER_S, .max_stale_ns = FLEET_L};

    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_OK); /* at once */
    unsigned asks = n->asks;
    r.max_stale_ns = 0;
    struct fleet_answer *a = fleet_request(f, n, r);
    CHECK(a->count == 0);
    CHECK(n->asks == asks + 1); /* now, though none was due */
    struct fleet_answer *b = fleet_request(f, n, r);
    r.max_stale_ns = 100 * NS_PER_MS;
    struct fleet_answer *c = fleet_request(f, n, r);
    CHECK(n->asks == asks + 1);
    fleet_run(f, 2 * NS_PER_MS);
    CHECK(a->reply.status == ACCORD_OK);
    CHECK(c->count == 1); /* the same question will do */
    CHECK(b->count == 0); /* for it was sent before b came */
    fleet_run(f, 2 * NS_PER_MS);
    CHECK(b->reply.status == ACCORD_OK);
    fixture_at(&n->segment, fleet_clock(f, n));
    CHECK(fleet_clock(f, n) - reader_asked_ns(&n->segment.reader) <= 4 * NS_PER_MS);
    fleet_free(f);
}

TEST(request_freshen_without_a_bus_ends_at_its_time)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct request r = {.op = REQUEST_FRESHEN, .wait_ns = 100 * NS_PER_MS};

    fleet_cut(f, n, true);
    fleet_run(f, 10 * NS_PER_MS);
    struct fleet_answer *a = fleet_request(f, n, r);
    fleet_run(f, 99 * NS_PER_MS);
    CHECK(a->count == 0);
    fleet_run(f, NS_PER_MS);
    CHECK(a->reply.status == ACCORD_E_TIMEOUT);
    fleet_free(f);
}

/* ---- what is refused, whatever the door let pass --------------------------------------------
 */

TEST(request_names_the_keys_it_is_about_or_is_invalid)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    static uint8_t long_key[KEY_BYTES_MAX + 1];
    static const uint8_t kinds[2] = {REQUEST_REMOVE, REQUEST_REMOVE};
    static const enum request_op ops[] = {REQUEST_LOAD, REQUEST_CLEAR, REQUEST_EXPIRE,
                                          REQUEST_REMOVE_MANY};
    struct bytes keys[2] = {bytes_of_text("fill"), bytes_of_text("fill")};

    for (size_t i = 0; i < COUNT_OF(ops); i++) {
        bool many = ops[i] == REQUEST_REMOVE_MANY;
        struct request r = {
            .op = ops[i], .keys = keys, .key_count = many ? 0 : 2, .kinds = kinds};
        CHECK(fleet_request(f, n, r)->reply.status == ACCORD_E_INVALID);
        r.key_count = 1;
        keys[0] = bytes_of(long_key, 0);
        CHECK(fleet_request(f, n, r)->reply.status == ACCORD_E_INVALID);
        keys[0] = bytes_of(long_key, KEY_BYTES_MAX + 1);
        CHECK(fleet_request(f, n, r)->reply.status == ACCORD_E_INVALID);
        keys[0] = bytes_of_text("fill");
    }
    struct request set = fleet_set("", "v");
    CHECK(fleet_request(f, n, set)->reply.status == ACCORD_E_SIZE);
    set.item.key = bytes_of(long_key, KEY_BYTES_MAX + 1);
    CHECK(fleet_request(f, n, set)->reply.status == ACCORD_E_SIZE);
    fleet_run(f, 20 * NS_PER_MS);
    CHECK(fleet_status(f, n).outbox == 0);
    CHECK(fleet_log_count(f, CHANGE_REMOVE, NULL) == 0);
    CHECK(fleet_log_count(f, CHANGE_NAMESPACE, NULL) == 0);
    fleet_free(f);
}

TEST(request_that_would_change_something_is_refused_while_the_node_stops)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    static const uint8_t kinds[1] = {REQUEST_REMOVE};
    struct request many = fleet_remove("k"), plain = fleet_set("k", "v");

    many.op = REQUEST_REMOVE_MANY;
    many.kinds = kinds;
    CHECK(fleet_request(f, n, fleet_load("first", NS_PER_S))->reply.has_token);
    struct fleet_answer *waits = fleet_request(f, n, fleet_load("first", NS_PER_S));
    struct fleet_answer *accepted = fleet_request(f, n, fleet_remove("a"));
    CHECK(waits->count == 0);
    fleet_step(f, n, &(struct event){.type = EVENT_STOP});
    CHECK(waits->reply.state == ACCORD_BUSY); /* nobody may come to fill it any more */
    CHECK(fleet_request(f, n, fleet_remove("k"))->reply.status == ACCORD_E_DOWN);
    CHECK(fleet_request(f, n, fleet_clear("fill"))->reply.status == ACCORD_E_DOWN);
    CHECK(fleet_request(f, n, many)->reply.status == ACCORD_E_DOWN);
    CHECK(fleet_request(f, n, plain)->reply.status == ACCORD_E_DOWN);
    CHECK(fleet_request(f, n, fleet_sync(NS_PER_S))->reply.status == ACCORD_E_TIMEOUT);
    struct fleet_answer *load = fleet_request(f, n, fleet_load("other", NS_PER_S));
    CHECK(load->reply.has_token); /* everybody may read the origin */
    CHECK(fleet_status(f, n).loads == 1);
    fleet_run(f, 2 * NS_PER_S);
    CHECK(accepted->reply.status == ACCORD_OK);
    CHECK(fleet_log_count(f, CHANGE_REMOVE, NULL) == 1);
    fleet_free(f);
}

TEST(request_remove_many_does_all_or_nothing)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    uint8_t kinds[] = {REQUEST_REMOVE, REQUEST_REMOVE_TAG, REQUEST_CLEAR, REQUEST_CLEAR};
    struct bytes keys[] = {bytes_of_text("k"), bytes_of_text("t"), bytes_of_text("nowhere"),
                           bytes_of_text("fill")};
    struct request r = {
        .op = REQUEST_REMOVE_MANY, .keys = keys, .key_count = 4, .kinds = kinds};

    CHECK(fill(f, n, "k", "v") == ACCORD_OK);
    CHECK(fill(f, n, "fill:1", "v") == ACCORD_OK);
    CHECK(fill(f, n, "short:1", "v") == ACCORD_OK);
    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_E_ABSENT); /* no such namespace */
    keys[2] = bytes_of_text("*");
    kinds[2] = REQUEST_LOAD; /* no removal at all */
    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_E_ABSENT);
    CHECK(fleet_hits(f, n, "k", "v"));
    CHECK(fleet_hits(f, n, "fill:1", "v"));
    kinds[2] = REQUEST_REMOVE;
    struct fleet_answer *a = fleet_request(f, n, r);
    fleet_run(f, 20 * NS_PER_MS);
    CHECK(a->reply.status == ACCORD_OK);
    CHECK(a->reply.count == 1);
    CHECK(fleet_get(f, n, "k").state == ACCORD_MISS);
    CHECK(fleet_get(f, n, "fill:1").state == ACCORD_MISS);
    CHECK(fleet_hits(f, n, "short:1", "v"));
    kinds[2] = REQUEST_CLEAR;
    a = fleet_request(f, n, r);
    CHECK(fleet_get(f, n, "short:1").state == ACCORD_MISS);
    fleet_run(f, 20 * NS_PER_MS);
    CHECK(a->reply.status == ACCORD_OK);
    CHECK(fleet_log_count(f, CHANGE_CLEAR, NULL) == 1);
    fleet_free(f);
}

TEST(request_remove_here_is_heard_of_by_no_other_node)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *one = fresh_node(f, "web1"), *two = fresh_node(f, "web2");
    uint8_t kind = REQUEST_REMOVE;
    struct bytes key = bytes_of_text("k");
    struct request r = {
        .op = REQUEST_REMOVE_HERE, .keys = &key, .key_count = 1, .kinds = &kind};

    CHECK(fill(f, one, "k", "v") == ACCORD_OK);
    CHECK(fill(f, two, "k", "v") == ACCORD_OK);
    CHECK(fill(f, one, "fill:1", "v") == ACCORD_OK);
    size_t logged = fleet_log_count(f, CHANGE_REMOVE, NULL);
    struct read_result missed = fleet_get(f, one, "other"); /* a load under way */
    struct fleet_answer *a = fleet_request(f, one, r);
    CHECK(a->reply.status == ACCORD_OK); /* at once: it waits for nobody */
    CHECK(a->reply.count == 1);
    CHECK(fleet_get(f, one, "k").state == ACCORD_MISS);
    CHECK(fleet_request(f, one, r)->reply.count == 0);
    key = bytes_of_text("other");
    CHECK(fleet_request(f, one, r)->reply.status == ACCORD_OK);
    CHECK(fleet_request(f, one, fleet_fill("other", "old", &missed.token))->reply.status ==
          ACCORD_E_TOKEN);
    kind = REQUEST_CLEAR;
    key = bytes_of_text("nowhere");
    CHECK(fleet_request(f, one, r)->reply.status == ACCORD_E_ABSENT);
    key = bytes_of_text("fill");
    CHECK(fleet_request(f, one, r)->reply.status == ACCORD_OK);
    CHECK(fleet_get(f, one, "fill:1").state == ACCORD_MISS);
    key = bytes_of(NULL, 0);
    CHECK(fleet_request(f, one, r)->reply.status == ACCORD_E_INVALID);
    fleet_run(f, NS_PER_S);
    CHECK(fleet_hits(f, two, "k", "v"));
    CHECK(fleet_log_count(f, CHANGE_REMOVE, NULL) == logged);
    CHECK(fleet_log_count(f, CHANGE_NAMESPACE, NULL) == 0);
    fleet_free(f);
}

TEST(request_says_no_version_of_what_has_no_order_of_its_own)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct request r = fleet_remove("t");

    r.op = REQUEST_REMOVE_TAG;
    r.has_version = true;
    r.version = 7;
    fleet_request(f, n, r);
    fleet_run(f, 20 * NS_PER_MS);
    CHECK(f->entries[f->log_count - 1].held.change.op == CHANGE_TAG);
    CHECK(!f->entries[f->log_count - 1].held.change.has_version);
    CHECK(f->entries[f->log_count - 1].held.change.version == 0);
    fleet_free(f);
}

TEST(request_clear_of_a_namespace_s_empty_prefix_is_all_of_it)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1"), *other = fresh_node(f, "web2");

    CHECK(fill(f, other, "fill:a:1", "v") == ACCORD_OK);
    CHECK(fill(f, other, "k", "v") == ACCORD_OK);
    struct fleet_answer *a = fleet_request(f, n, fleet_clear("fill:"));
    fleet_run(f, 20 * NS_PER_MS);
    CHECK(a->reply.status == ACCORD_OK);
    CHECK(fleet_get(f, other, "fill:a:1").state == ACCORD_MISS);
    CHECK(fleet_hits(f, other, "k", "v"));
    fleet_free(f);
}

TEST(request_of_a_batch_that_holds_more_than_a_publish_can_carry_is_refused)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    static struct bytes keys[REMOVE_KEYS_MAX];
    struct request begin = {.op = REQUEST_BATCH_BEGIN, .client = 1, .batch_count = 1},
                   end = {.op = REQUEST_BATCH_END, .client = 1},
                   all = {.op = REQUEST_REMOVE, .keys = keys, .key_count = REMOVE_KEYS_MAX};

    for (size_t i = 0; i < COUNT_OF(keys); i++)
        keys[i] = bytes_of_text("k");
    f->gathers = true; /* more follows */
    fleet_step(f, n, &(struct event){.type = EVENT_REQUEST, .request = begin});
    struct fleet_answer *a = fleet_request(f, n, all);
    CHECK(a->count == 0);
    CHECK(fleet_request(f, n, fleet_remove("l"))->reply.status == ACCORD_E_FULL);
    f->gathers = false;
    fleet_step(f, n, &(struct event){.type = EVENT_REQUEST, .request = end});
    fleet_run(f, 20 * NS_PER_MS);
    CHECK(a->reply.status == ACCORD_OK);
    CHECK(fleet_log_count(f, CHANGE_REMOVE, "l") == 0);
    CHECK(fleet_log_count(f, CHANGE_REMOVE, "k") == 1); /* said 1024 times */
    fleet_free(f);
}

TEST(request_set_of_a_negative_keeps_no_bytes_anywhere_else)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1"), *other = fresh_node(f, "web2");
    struct request r = fleet_set("k", "");

    CHECK(fill(f, other, "k", "") == ACCORD_OK); /* the same bytes, but a value */
    r.item.flags = ITEM_NEGATIVE;
    fleet_request(f, n, r);
    CHECK(fleet_get(f, n, "k").state == ACCORD_NEGATIVE);
    fleet_run(f, 20 * NS_PER_MS);
    CHECK(fleet_get(f, n, "k").state == ACCORD_NEGATIVE);
    CHECK(fleet_get(f, other, "k").state == ACCORD_MISS);
    fleet_free(f);
}

TEST(request_set_after_a_miss_is_refused_for_what_it_is_as_a_plain_one)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    static char large[2 * 1024 * 1024];
    struct request r = fleet_set("k", "seven");

    r.item.version = 7;
    CHECK(fleet_request(f, n, r)->count == 0);
    r = fleet_set("k", "six");
    r.item.version = 6;
    r.has_token = true;
    r.token = fleet_get(f, n, "k").token;
    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_E_VERSION);
    CHECK(fleet_hits(f, n, "k", "seven"));
    r.item.version = 8;
    r.item.value = bytes_of(large, sizeof large);
    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_E_SIZE);
    CHECK(fleet_get(f, n, "k").state == ACCORD_MISS);
    r.item.key = bytes_of_text("fill:k"); /* where a set after a miss is a fill */
    r.token = fleet_get(f, n, "fill:k").token;
    struct fleet_answer *a = fleet_request(f, n, r);
    CHECK(a->reply.status == ACCORD_E_SIZE);
    fleet_run(f, 20 * NS_PER_MS);
    CHECK(fleet_log_count(f, CHANGE_REMOVE, "fill:k") == 0);
    fleet_free(f);
}

TEST(request_freshen_joins_the_question_that_is_on_its_way_if_that_is_young_enough)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct request old = {.op = REQUEST_FRESHEN, .max_stale_ns = 1, .wait_ns = NS_PER_S};

    f->delay_min_ns = f->delay_max_ns = 5 * NS_PER_MS;
    struct fleet_answer *first = fleet_request(f, n, old); /* asks */
    unsigned asks = n->asks;
    CHECK(first->count == 0);
    old.max_stale_ns = 2 * NS_PER_MS;
    fleet_run(f, NS_PER_MS);
    struct fleet_answer *joins = fleet_request(f, n, old);
    old.max_stale_ns = NS_PER_MS / 2;
    struct fleet_answer *asks_again = fleet_request(f, n, old);
    CHECK(n->asks == asks);
    fleet_run(f, 9 * NS_PER_MS);
    CHECK(first->reply.status == ACCORD_OK && first->count == 1);
    CHECK(joins->count == 1);
    CHECK(asks_again->count == 0);
    fleet_run(f, 10 * NS_PER_MS);
    CHECK(asks_again->count == 1);
    CHECK(n->asks == asks + 1);
    old.max_stale_ns = FLEET_L;
    CHECK(fleet_request(f, n, old)->count == 1); /* nothing to wait for */
    fleet_free(f);
}

TEST(request_sync_asked_before_the_first_attach_knows_the_epoch_only_then)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fleet_add(f, "web1");
    struct request r = fleet_sync(10 * NS_PER_S);

    fleet_insert(f, CHANGE_REMOVE, "k");
    fleet_start(f, n);
    r.has_position = true;
    r.position = (struct position){f->epoch, f->newest};
    struct fleet_answer *right = fleet_request(f, n, r);
    r.position.epoch = f->epoch + 1;
    struct fleet_answer *wrong = fleet_request(f, n, r);
    CHECK(right->count == 0);
    CHECK(wrong->count == 0);
    fleet_settle(f);
    CHECK(right->reply.status == ACCORD_OK && right->count == 1);
    /* Whoever named it knew it before: nothing that is older can have been stored since. */
    CHECK(wrong->reply.status == ACCORD_OK && wrong->count == 1);
    CHECK(wrong->reply.position.epoch == f->epoch);
    fleet_free(f);
}

TEST(request_of_a_clear_or_of_many_that_is_asked_again_is_the_same_one)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    uint8_t kinds[] = {REQUEST_CLEAR, REQUEST_REMOVE};
    struct bytes keys[] = {bytes_of_text("*"), bytes_of_text("k")};
    struct request clear = fleet_clear("fill"), many = {.op = REQUEST_REMOVE_MANY,
                                                        .keys = keys,
                                                        .key_count = 2,
                                                        .kinds = kinds,
                                                        .has_version = true,
                                                        .version = 5};

    clear.retry_id = bytes_of_text("c1");
    many.retry_id = bytes_of_text("m1");
    for (int i = 0; i < 2; i++) {
        struct fleet_answer *a = fleet_request(f, n, clear), *b = fleet_request(f, n, many);
        fleet_run(f, 20 * NS_PER_MS);
        CHECK(a->reply.status == ACCORD_OK);
        CHECK(b->reply.status == ACCORD_OK);
    }
    CHECK(fleet_log_count(f, CHANGE_NAMESPACE, "fill") == 1);
    CHECK(fleet_log_count(f, CHANGE_CLEAR, NULL) == 1);
    CHECK(fleet_log_count(f, CHANGE_REMOVE, "k") == 1);
    for (size_t i = 0; i < f->log_count; i++) { /* all has no order of its own */
        const struct change *c = &f->entries[i].held.change;
        CHECK(c->op != CHANGE_CLEAR || !c->has_version);
        CHECK(c->op != CHANGE_REMOVE || c->version == 5);
    }
    CHECK(fleet_status(f, n).retries == 2);
    fleet_free(f);
}

TEST(request_remove_here_takes_one_key_or_all_that_is_here)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    uint8_t kinds[] = {REQUEST_CLEAR, REQUEST_CLEAR};
    struct bytes keys[] = {bytes_of_text("*"), bytes_of_text("*")};
    struct request r = {
        .op = REQUEST_REMOVE_HERE, .keys = keys, .key_count = 2, .kinds = kinds};

    CHECK(fill(f, n, "k", "v") == ACCORD_OK);
    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_E_INVALID);
    CHECK(fleet_hits(f, n, "k", "v"));
    r.key_count = 1;
    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_OK);
    CHECK(fleet_get(f, n, "k").state == ACCORD_MISS);
    CHECK(fleet_log_count(f, CHANGE_CLEAR, NULL) == 0);
    fleet_free(f);
}

TEST(request_freshen_while_unsure_asks_however_old_the_last_question_may_be)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct request r = {
        .op = REQUEST_FRESHEN, .max_stale_ns = 3600 * NS_PER_S, .wait_ns = 100 * NS_PER_MS};

    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_OK);
    make_unsure(f, n);
    struct fleet_answer *a = fleet_request(f, n, r);
    CHECK(a->count == 0);
    fleet_run(f, 100 * NS_PER_MS);
    CHECK(a->reply.status == ACCORD_E_TIMEOUT);
    fleet_free(f);
}

TEST(request_sync_asked_before_a_resumed_attach_refuses_a_position_of_another_epoch)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct request r = fleet_sync(10 * NS_PER_S);

    fleet_run(f, 2 * NS_PER_S);
    CHECK(n->saved.position > 0);
    r.has_position = true;
    r.position = (struct position){f->epoch + 1, 1};
    fleet_kill(f, n);
    struct fixture old = n->segment;
    fleet_start_resumed(f, n, NULL);
    struct fleet_answer *a = fleet_request(f, n, r);
    CHECK(a->count == 0);
    fleet_settle(f);
    CHECK(a->count == 1);
    CHECK(a->reply.status == ACCORD_E_GONE);
    fixture_done(&old);
    fleet_free(f);
}
