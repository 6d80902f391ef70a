/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* Changes that travel together: all or none, in one publish, in their order. */
#include "core/fleet.h"
#include "core/inside.h"

static struct fleet *two(void)
{
    struct fleet *f = fleet_new(NULL);

    fleet_start(f, fleet_add(f, "web1"));
    fleet_start(f, fleet_add(f, "web2"));
    fleet_settle(f);
    return f;
}

static void begin(struct fleet *f, size_t count, size_t bytes)
{
    fleet_request(f, &f->nodes[0],
                  (struct request){
                      .op = REQUEST_BATCH_BEGIN, .batch_count = count, .batch_bytes = bytes});
}

static void end(struct fleet *f)
{
    fleet_request(f, &f->nodes[0], (struct request){.op = REQUEST_BATCH_END});
}

/* Keys of the log's changes since `from`, in order: "a b c". */
static const char *log_since(const struct fleet *f, size_t from)
{
    static char text[4096];
    size_t used = 0;

    text[0] = 0;
    for (size_t i = from; i < f->log_count; i++) {
        const struct change *c = &f->entries[i].held.change;
        if (c->op > CHANGE_CLEAR)
            continue;
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%.*s%s", used ? " " : "",
                                 (int)c->key.size_bytes, f->entries[i].held.key,
                                 c->has_fingerprint ? "=" : "");
    }
    return text;
}

TEST(batch_goes_out_in_one_publish_and_is_answered_together)
{
    struct fleet *f = two();
    size_t from = f->log_count;

    begin(f, 4, 100);
    struct fleet_answer *a = fleet_request(f, &f->nodes[0], fleet_remove("a"));
    struct fleet_answer *b = fleet_request(f, &f->nodes[0], fleet_set("b", "1"));
    CHECK(fleet_hits(f, &f->nodes[0], "b", "1")); /* what is read in it sees what it did */
    struct fleet_answer *c = fleet_request(f, &f->nodes[0], fleet_remove("c"));
    unsigned before = f->nodes[0].publishes;
    end(f);
    CHECK(f->nodes[0].publishes == before + 1);
    fleet_run(f, 20 * NS_PER_MS);
    CHECK(a->count == 1 && b->count == 1 && c->count == 1);
    CHECK(a->answered_ns == c->answered_ns);
    CHECK(a->reply.status == ACCORD_OK && c->reply.status == ACCORD_OK);
    CHECK(a->reply.position.value == c->reply.position.value);
    CHECK(strcmp(log_since(f, from), "a b= c") == 0);
    outbox_check(&f->nodes[0].core->outbox);
    fleet_free(f);
}

TEST(batch_that_finds_no_room_is_refused_as_a_whole)
{
    struct fleet *f = two();
    size_t from = f->log_count;

    fleet_request(f, &f->nodes[0], fleet_set("a", "1"));
    fleet_run(f, 20 * NS_PER_MS);
    begin(f, PUBLISH_BATCH_MAX + 1, 0);
    struct fleet_answer *a = fleet_request(f, &f->nodes[0], fleet_remove("a"));
    end(f);
    CHECK(a->count == 1 && a->reply.status == ACCORD_E_FULL);
    begin(f, 2, OUTBOX_BYTES_MAX + 1);
    a = fleet_request(f, &f->nodes[0], fleet_remove("a"));
    end(f);
    CHECK(a->count == 1 && a->reply.status == ACCORD_E_FULL);
    CHECK(fleet_hits(f, &f->nodes[0], "a", "1")); /* nothing was removed */
    fleet_run(f, 20 * NS_PER_MS);
    CHECK(strcmp(log_since(f, from), "a=") == 0);
    a = fleet_request(f, &f->nodes[0], fleet_remove("a")); /* and the next is as ever */
    fleet_run(f, 20 * NS_PER_MS);
    CHECK(a->count == 1 && a->reply.status == ACCORD_OK);
    fleet_free(f);
}

TEST(batch_left_open_ends_with_what_anybody_else_asks)
{
    struct fleet *f = two();
    struct request other = fleet_remove("b");

    other.client = 9;
    begin(f, 2, 10);
    struct fleet_answer *a = fleet_request(f, &f->nodes[0], fleet_remove("a"));
    struct fleet_answer *b = fleet_request(f, &f->nodes[0], other);
    fleet_run(f, 20 * NS_PER_MS);
    CHECK(a->count == 1 && a->reply.status == ACCORD_OK);
    CHECK(b->count == 1 && b->reply.status == ACCORD_OK);
    CHECK(!f->nodes[0].core->batch.open);
    fleet_free(f);
}

/* A beat is due, and others wait before it: the largest batch there is waits for the next
 * publish rather than be torn. */
TEST(batch_is_never_torn)
{
    struct fleet *f = two();
    static struct bytes keys[PUBLISH_BATCH_MAX];
    static char names[PUBLISH_BATCH_MAX][8];
    struct fleet_node *n = &f->nodes[0];
    size_t from = f->log_count;

    for (size_t i = 0; i < PUBLISH_BATCH_MAX; i++) {
        snprintf(names[i], sizeof names[i], "k%zu", i);
        keys[i] = bytes_of_text(names[i]);
    }
    fleet_request(f, n, fleet_remove("x")); /* on its way */
    fleet_request(f, n, fleet_remove("y"));
    struct fleet_answer *a = fleet_request(
        f, n,
        (struct request){.op = REQUEST_REMOVE, .keys = keys, .key_count = PUBLISH_BATCH_MAX});
    n->core->beat_due_ns = 0;
    unsigned before = n->publishes;
    while (a->count == 0) {
        fleet_run(f, NS_PER_MS);
        CHECK(n->core->outbox.changes_count <= PUBLISH_BATCH_MAX);
    }
    CHECK(a->reply.status == ACCORD_OK);
    CHECK(n->publishes == before + 2);
    size_t first = from;
    while (f->entries[first].held.change.key.size_bytes != 2)
        first++;
    for (size_t i = 0; i < PUBLISH_BATCH_MAX; i++)
        CHECK(bytes_equal(bytes_of(f->entries[first + i].held.key,
                                   f->entries[first + i].held.change.key.size_bytes),
                          keys[i]));
    fleet_free(f);
}

TEST(batch_of_keys_tags_and_namespaces_is_one_request)
{
    struct fleet *f = two();
    struct bytes keys[] = {bytes_of_text("k"), bytes_of_text("t"), bytes_of_text("*")};
    uint8_t kinds[] = {REQUEST_REMOVE, REQUEST_REMOVE_TAG, REQUEST_CLEAR};
    struct request r = {
        .op = REQUEST_REMOVE_MANY, .keys = keys, .kinds = kinds, .key_count = 3};
    size_t from = f->log_count;

    fleet_request(f, &f->nodes[1], fleet_set("other", "1"));
    fleet_run(f, 20 * NS_PER_MS);
    struct fleet_answer *a = fleet_request(f, &f->nodes[0], r);
    fleet_run(f, 20 * NS_PER_MS);
    CHECK(a->count == 1 && a->reply.status == ACCORD_OK && a->reply.has_position);
    CHECK(a->reply.position.value == f->newest);
    CHECK(strcmp(log_since(f, from), "other= k t ") == 0);
    CHECK(!fleet_hits(f, &f->nodes[1], "other", "1"));
    keys[2] = bytes_of_text("nowhere"); /* then nothing is removed at all */
    fleet_request(f, &f->nodes[0], fleet_set("k", "1"));
    a = fleet_request(f, &f->nodes[0], r);
    CHECK(a->count == 1 && a->reply.status == ACCORD_E_ABSENT);
    CHECK(fleet_hits(f, &f->nodes[0], "k", "1"));
    fleet_free(f);
}

/* ---- T7: equal removals are folded, and nothing is reordered -------------------------------
 */

TEST(batch_keeps_the_last_of_equal_removals)
{
    struct fleet *f = two();
    size_t from = f->log_count;

    begin(f, 5, 10);
    fleet_request(f, &f->nodes[0], fleet_remove("k"));
    fleet_request(f, &f->nodes[0], fleet_remove("other"));
    fleet_request(f, &f->nodes[0], fleet_set("k", "1"));
    struct fleet_answer *a = fleet_request(f, &f->nodes[0], fleet_remove("k"));
    end(f);
    fleet_run(f, 20 * NS_PER_MS);
    CHECK(a->count == 1);
    CHECK(strcmp(log_since(f, from), "other k= k") == 0);
    CHECK(f->nodes[0].core->counts.folded == 1);
    begin(f, 3, 10);
    fleet_request(f, &f->nodes[0], fleet_set("k", "1"));
    fleet_request(f, &f->nodes[0], fleet_remove("k"));
    fleet_request(f, &f->nodes[0], fleet_set("k", "2"));
    end(f);
    from = f->log_count;
    fleet_run(f, 20 * NS_PER_MS);
    CHECK(strcmp(log_since(f, from), "k= k k=") == 0);
    CHECK(fleet_hits(f, &f->nodes[0], "k", "2"));
    fleet_free(f);
}

/* A removal that does not travel itself is made when the one that says the same is. */
TEST(batch_answers_who_asks_again_for_a_removal_that_a_later_one_says)
{
    struct fleet *f = two();
    struct request named = fleet_remove("k");
    size_t from = f->log_count;

    named.retry_id = bytes_of_text("r1");
    begin(f, 2, 10);
    struct fleet_answer *first = fleet_request(f, &f->nodes[0], named);
    struct fleet_answer *later = fleet_request(f, &f->nodes[0], fleet_remove("k"));
    end(f);
    struct fleet_answer *again = fleet_request(f, &f->nodes[0], named);
    CHECK(again->count == 0); /* nothing is in the log yet */
    fleet_run(f, 20 * NS_PER_MS);
    CHECK(first->count == 1 && first->reply.status == ACCORD_OK);
    CHECK(again->count == 1 && again->reply.status == ACCORD_OK);
    CHECK(again->reply.position.value == later->reply.position.value);
    CHECK(strcmp(log_since(f, from), "k") == 0);
    CHECK(f->nodes[0].core->counts.folded == 1);
    fleet_free(f);
}

static struct change random_change(uint64_t *rng, uint64_t n)
{
    static const char *const keys[] = {"a", "b", "c"};
    struct change c = {.op = test_random(rng, 4) == 0 ? CHANGE_TAG : CHANGE_REMOVE,
                       .key = bytes_of_text(keys[test_random(rng, 3)]),
                       .message = {1, n + 1},
                       .soft = test_random(rng, 5) == 0,
                       .nonce = test_random(rng, 5) == 0 ? n + 1 : 0};

    if (c.op == CHANGE_REMOVE && test_random(rng, 3) == 0) {
        c.has_fingerprint = !c.soft;
        c.fingerprint = test_random(rng, 2);
    } else if (test_random(rng, 6) == 0) {
        c.has_version = c.op == CHANGE_REMOVE;
        c.version = c.has_version ? test_random(rng, 2) : 0;
    }
    return c;
}

static bool same_words(const struct change *a, const struct change *b)
{
    return a->op == b->op && a->soft == b->soft && a->has_version == b->has_version &&
           a->version == b->version && !a->has_fingerprint && !b->has_fingerprint &&
           bytes_equal(a->key, b->key);
}

/* What travels is what was said, in its order, without what is said again later; and where
 * somebody asked for beats, something that asks for them travels. */
TEST_SEEDS(batch_without_what_a_later_change_says_again_is_in_order, 300)
{
    struct outbox *o = calloc(1, sizeof *o);
    struct change said[64];
    uint64_t sequence = 0, from;
    size_t count = 1 + test_random(rng, 64), at = 0;
    bool asked = false, asks = false;

    CHECK(o);
    outbox_init(o);
    from = o->next;
    for (size_t i = 0; i < count; i++) {
        said[i] = random_change(rng, i);
        asked |= said[i].nonce > 0;
        outbox_add(o, &said[i], false);
    }
    size_t folded = outbox_join(o, from);
    outbox_compose(o, NULL, &sequence);
    for (size_t i = 0; i < count; i++) {
        bool again = false;
        for (size_t j = i + 1; j < count; j++)
            again |= same_words(&said[i], &said[j]);
        if (again)
            continue;
        CHECK(at < o->changes_count);
        CHECK(id128_equal(o->batch_changes[at].message, said[i].message));
        asks |= o->batch_changes[at].nonce > 0;
        CHECK(o->batch_changes[at].sequence == at + 1); /* no hole */
        at++;
    }
    CHECK(at == o->changes_count);
    CHECK(at + folded == count);
    CHECK(asks == asked);
    CHECK(outbox_acknowledged(o, o->batch, 7));
    CHECK(outbox_count(o) == 0);
    for (uint64_t i = from; i < o->next; i++)
        CHECK(outbox_position(o, i) == 7);
    outbox_trim(o, 7);
    outbox_check(o);
    free(o);
}
