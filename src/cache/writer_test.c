/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cache/fixture.h"

static struct bytes text(const char *t)
{
    return bytes_of_text(t);
}

static struct token token_for(const struct fixture *f, const char *key)
{
    struct token t;

    reader_token(&f->reader, text(key), &t);
    return t;
}

static int fill_with(struct fixture *f, const char *key, const struct token *t)
{
    struct item item = fixture_item(key, "loaded");

    return writer_fill(f->writer, &item, t, f->now_ns);
}

static int fill_tagged(struct fixture *f, const char *key, const char *tag,
                       const struct token *t)
{
    struct item item = fixture_item(key, "tagged");
    struct bytes tags[] = {text("another"), text(tag)};

    item.tags = tags;
    item.tag_count = 2;
    return writer_fill(f->writer, &item, t, f->now_ns);
}

static void with_namespaces(struct fixture *f)
{
    fixture_settings(f, 8 * MIB);
    fixture_namespace(f, (struct segment_namespace){.name = "users", .delimiter = '/'});
    fixture_namespace(f, (struct segment_namespace){.name = "colon", .delimiter = ':'});
    fixture_namespace(f, (struct segment_namespace){.name = "plain"});
    fixture_start(f);
    fixture_lease(f, 3600 * NS_PER_S);
}

/* ---- tokens (P2) ---- */

TEST(a_fill_with_a_current_token_is_stored)
{
    struct fixture f;

    fixture_plain(&f);
    struct token t = fixture_get(&f, "k").token;
    CHECK(fill_with(&f, "k", &t) == ACCORD_OK);
    CHECK(fixture_has(&f, "k", "loaded"));
    CHECK(fill_with(&f, "k", &t) == ACCORD_OK); /* a retry is harmless */
}

TEST(a_removal_after_the_token_refuses_the_fill)
{
    for (int soft = 0; soft < 2; soft++) {
        struct fixture f;
        fixture_plain(&f);
        struct token t = token_for(&f, "k");
        CHECK(!writer_remove_key(f.writer, text("k"), soft, f.now_ns));
        CHECK(fill_with(&f, "k", &t) == ACCORD_E_TOKEN);
        CHECK(fixture_is(&f, "k", ACCORD_MISS, ACCORD_WHY_ABSENT));
        t = token_for(&f, "k");
        CHECK(fill_with(&f, "k", &t) == ACCORD_OK);
        fixture_done(&f);
    }
}

TEST(a_refused_fill_leaves_what_was_there)
{
    struct fixture f;

    fixture_plain(&f);
    struct token t = token_for(&f, "k");
    CHECK(!writer_remove_key(f.writer, text("k"), false, f.now_ns));
    CHECK(fixture_set(&f, "k", "newer") == ACCORD_OK);
    CHECK(fill_with(&f, "k", &t) == ACCORD_E_TOKEN);
    CHECK(fixture_has(&f, "k", "newer"));
}

TEST(a_token_of_another_epoch_or_incarnation_is_refused)
{
    struct fixture f;

    fixture_plain(&f);
    struct token t = token_for(&f, "k"), other = t;
    other.incarnation.low++;
    CHECK(fill_with(&f, "k", &other) == ACCORD_E_TOKEN);
    other = t;
    other.bulk++; /* from the future: forged */
    CHECK(fill_with(&f, "k", &other) == ACCORD_E_TOKEN);
    writer_new_epoch(f.writer);
    CHECK(fill_with(&f, "k", &t) == ACCORD_E_TOKEN);
    t = token_for(&f, "k");
    CHECK(fill_with(&f, "k", &t) == ACCORD_OK);
}

TEST(a_bulk_removal_after_the_token_refuses_only_what_it_touches)
{
    struct fixture f;

    for (int soft = 0; soft < 2; soft++) {
        with_namespaces(&f);
        struct token t = token_for(&f, "users:1/a");
        writer_remove_tag(f.writer, text("unrelated"), soft);
        CHECK(fill_tagged(&f, "users:1/a", "red", &t) == ACCORD_OK);
        writer_remove_tag(f.writer, text("red"), soft);
        CHECK(fill_tagged(&f, "users:1/a", "red", &t) == ACCORD_E_TOKEN);
        CHECK(fill_tagged(&f, "users:1/a", "blue", &t) == ACCORD_OK);
        CHECK(writer_remove_prefix(f.writer, text("users:2/"), soft) == ACCORD_OK);
        CHECK(fill_tagged(&f, "users:1/a", "blue", &t) == ACCORD_OK);
        CHECK(writer_remove_prefix(f.writer, text("users:1/"), soft) == ACCORD_OK);
        CHECK(fill_tagged(&f, "users:1/a", "blue", &t) == ACCORD_E_TOKEN);
        t = token_for(&f, "users:1/a");
        CHECK(writer_remove_namespace(f.writer, text("colon"), soft) == ACCORD_OK);
        CHECK(fill_tagged(&f, "users:1/a", "blue", &t) == ACCORD_OK);
        CHECK(writer_remove_namespace(f.writer, text("users"), soft) == ACCORD_OK);
        CHECK(fill_tagged(&f, "users:1/a", "blue", &t) == ACCORD_E_TOKEN);
        t = token_for(&f, "users:1/a");
        writer_clear(f.writer, soft);
        CHECK(fill_tagged(&f, "users:1/a", "blue", &t) == ACCORD_E_TOKEN);
        writer_check(f.writer);
        fixture_done(&f);
    }
}

TEST(a_fill_without_a_lease_obeys_the_same_tokens)
{
    struct fixture f;
    struct item item = fixture_item("k", "v");

    fixture_plain(&f);
    fixture_lease(&f, 0);
    item.flags = ITEM_UNSURE;
    struct token t = fixture_get(&f, "k").token;
    CHECK(writer_fill(f.writer, &item, &t, f.now_ns) == ACCORD_OK);
    CHECK(writer_remove_key(f.writer, item.key, false, f.now_ns));
    CHECK(writer_fill(f.writer, &item, &t, f.now_ns) == ACCORD_E_TOKEN);
}

/* ---- removals ---- */

TEST(a_removed_key_is_gone_and_a_softly_removed_one_is_stale)
{
    struct fixture f;

    fixture_plain(&f);
    CHECK(fixture_set(&f, "k", "v") == ACCORD_OK);
    CHECK(writer_remove_key(f.writer, text("k"), true, f.now_ns));
    CHECK(fixture_is(&f, "k", ACCORD_STALE, ACCORD_WHY_REMOVED));
    CHECK(strcmp(fixture_text, "v") == 0);
    CHECK(fixture_get(&f, "k").flags & ITEM_SOFT);
    CHECK(fixture_set(&f, "k", "w") == ACCORD_OK);
    CHECK(fixture_has(&f, "k", "w"));
    CHECK(writer_remove_key(f.writer, text("k"), false, f.now_ns));
    CHECK(fixture_is(&f, "k", ACCORD_MISS, ACCORD_WHY_ABSENT));
    CHECK(!writer_remove_key(f.writer, text("k"), false, f.now_ns));
}

TEST(a_tag_removes_all_that_has_it_and_nothing_else)
{
    struct fixture f;

    for (int soft = 0; soft < 2; soft++) {
        enum accord_state after = soft ? ACCORD_STALE : ACCORD_MISS;
        fixture_plain(&f);
        CHECK(fill_tagged(&f, "a", "red", NULL) == ACCORD_OK);
        CHECK(fill_tagged(&f, "b", "red", NULL) == ACCORD_OK);
        CHECK(fill_tagged(&f, "c", "blue", NULL) == ACCORD_OK);
        writer_remove_tag(f.writer, text("red"), soft);
        CHECK(fixture_is(&f, "a", after, ACCORD_WHY_REMOVED));
        CHECK(fixture_is(&f, "b", after, ACCORD_WHY_REMOVED));
        CHECK(fixture_has(&f, "c", "tagged"));
        CHECK(fill_tagged(&f, "a", "red", NULL) == ACCORD_OK);
        CHECK(fixture_has(&f, "a", "tagged"));
        fixture_done(&f);
    }
}

TEST(a_prefix_removes_what_is_below_it)
{
    struct fixture f;

    with_namespaces(&f);
    const char *keys[] = {"users:a/b/c", "users:a/b/", "users:a/x", "users:b/b", "users:ab"};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        CHECK(fixture_set(&f, keys[i], "v") == ACCORD_OK);
    CHECK(writer_remove_prefix(f.writer, text("users:a/b/"), false) == ACCORD_OK);
    CHECK(fixture_is(&f, keys[0], ACCORD_MISS, ACCORD_WHY_REMOVED));
    CHECK(fixture_is(&f, keys[1], ACCORD_MISS, ACCORD_WHY_REMOVED));
    CHECK(fixture_has(&f, keys[2], "v"));
    CHECK(writer_remove_prefix(f.writer, text("users:a/"), true) == ACCORD_OK);
    CHECK(fixture_is(&f, keys[2], ACCORD_STALE, ACCORD_WHY_REMOVED));
    CHECK(fixture_has(&f, keys[3], "v"));
    CHECK(fixture_has(&f, keys[4], "v"));
    CHECK(writer_remove_prefix(f.writer, text("users:"), false) == ACCORD_OK); /* all of it */
    CHECK(fixture_is(&f, keys[3], ACCORD_MISS, ACCORD_WHY_REMOVED));
    CHECK(fixture_is(&f, keys[4], ACCORD_MISS, ACCORD_WHY_REMOVED));
}

TEST(a_prefix_without_its_delimiter_is_invalid)
{
    struct fixture f;

    with_namespaces(&f);
    CHECK(fixture_set(&f, "colon:a:b", "v") == ACCORD_OK);
    CHECK(fixture_set(&f, "x/y", "v") == ACCORD_OK);
    CHECK(writer_remove_prefix(f.writer, text("users:a"), false) == ACCORD_E_INVALID);
    CHECK(writer_remove_prefix(f.writer, text("x/"), false) == ACCORD_E_INVALID);
    CHECK(writer_remove_prefix(f.writer, text("plain:a/"), false) == ACCORD_E_INVALID);
    CHECK(writer_remove_prefix(f.writer, text(""), false) == ACCORD_E_INVALID);
    CHECK(fixture_has(&f, "x/y", "v"));
    CHECK(writer_remove_prefix(f.writer, text("colon:a:"), false) == ACCORD_OK);
    CHECK(fixture_is(&f, "colon:a:b", ACCORD_MISS, ACCORD_WHY_REMOVED));
}

TEST(a_tag_and_a_prefix_of_the_same_text_are_two_things)
{
    struct fixture f;

    with_namespaces(&f);
    CHECK(fixture_set(&f, "users:a/b", "v") == ACCORD_OK);
    writer_remove_tag(f.writer, text("users:a/"), false);
    CHECK(fixture_has(&f, "users:a/b", "v"));
}

TEST(a_namespace_is_removed_by_name)
{
    struct fixture f;

    with_namespaces(&f);
    CHECK(fixture_set(&f, "users:1", "v") == ACCORD_OK);
    CHECK(fixture_set(&f, "undeclared:1", "v") == ACCORD_OK);
    CHECK(fixture_set(&f, "1", "v") == ACCORD_OK);
    CHECK(writer_namespace_of(f.writer, text("users:1")) == 1);
    CHECK(writer_namespace_of(f.writer, text("users")) == 0);
    CHECK(writer_namespace_of(f.writer, text("undeclared:1")) == 0);
    CHECK(writer_namespace_of(f.writer, text(":1")) == 0);
    CHECK(writer_remove_namespace(f.writer, text("undeclared"), false) == ACCORD_E_ABSENT);
    CHECK(writer_remove_namespace(f.writer, text("users"), false) == ACCORD_OK);
    CHECK(fixture_is(&f, "users:1", ACCORD_MISS, ACCORD_WHY_REMOVED));
    CHECK(fixture_has(&f, "undeclared:1", "v"));
    CHECK(writer_remove_namespace(f.writer, text("default"), true) == ACCORD_OK);
    CHECK(fixture_is(&f, "undeclared:1", ACCORD_STALE, ACCORD_WHY_REMOVED));
    CHECK(fixture_is(&f, "1", ACCORD_STALE, ACCORD_WHY_REMOVED));
}

TEST(clear_removes_everything_and_counts_nothing)
{
    struct fixture f;
    struct writer_counts counts;
    char key[16];

    fixture_plain(&f);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 5000; i++) {
            snprintf(key, sizeof key, "%d", i);
            CHECK(fixture_set(&f, key, "v") == ACCORD_OK);
        }
        writer_clear(f.writer, false);
        writer_count(f.writer, &counts);
        CHECK(counts.items == 0);
        CHECK(counts.item_bytes == 0);
        CHECK(fixture_is(&f, "0", ACCORD_MISS, ACCORD_WHY_REMOVED));
        CHECK(fixture_set(&f, "0", "w") == ACCORD_OK);
        CHECK(fixture_has(&f, "0", "w"));
        writer_count(f.writer, &counts);
        CHECK(counts.items == 1);
        writer_check(f.writer);
    }
    writer_clear(f.writer, true);
    CHECK(fixture_is(&f, "0", ACCORD_STALE, ACCORD_WHY_REMOVED));
}

TEST(a_removal_with_a_fingerprint_keeps_the_same_bytes)
{
    struct fixture f;
    uint64_t same = value_fingerprint(text("v")), other = value_fingerprint(text("w"));

    fixture_plain(&f);
    CHECK(fixture_set(&f, "k", "v") == ACCORD_OK);
    struct token t = token_for(&f, "k");
    CHECK(writer_remove_unless(f.writer, text("k"), same, f.now_ns));
    CHECK(fixture_has(&f, "k", "v"));
    CHECK(fill_with(&f, "k", &t) == ACCORD_E_TOKEN); /* the slot moved all the same */
    CHECK(!writer_remove_unless(f.writer, text("k"), other, f.now_ns));
    CHECK(fixture_is(&f, "k", ACCORD_MISS, ACCORD_WHY_ABSENT));
    CHECK(!writer_remove_unless(f.writer, text("k"), same, f.now_ns));
    /* What is already doubtful is not kept. */
    CHECK(fixture_set(&f, "k", "v") == ACCORD_OK);
    CHECK(writer_remove_key(f.writer, text("k"), true, f.now_ns));
    CHECK(!writer_remove_unless(f.writer, text("k"), same, f.now_ns));
    CHECK(fixture_is(&f, "k", ACCORD_MISS, ACCORD_WHY_ABSENT));
}

/* ---- versions ---- */

static int fill_version(struct fixture *f, const char *value, uint64_t version)
{
    struct item item = fixture_item("k", value);

    item.version = version;
    return writer_fill(f->writer, &item, NULL, f->now_ns);
}

TEST(an_older_version_does_not_replace_a_newer_one)
{
    struct fixture f;

    fixture_plain(&f);
    CHECK(fill_version(&f, "five", 5) == ACCORD_OK);
    CHECK(fill_version(&f, "four", 4) == ACCORD_E_VERSION);
    CHECK(fixture_has(&f, "k", "five"));
    CHECK(fixture_get(&f, "k").version == 5);
    CHECK(fill_version(&f, "five again", 5) == ACCORD_OK);
    CHECK(fill_version(&f, "most", UINT64_MAX) == ACCORD_OK);
    CHECK(fixture_get(&f, "k").version == UINT64_MAX);
    CHECK(fill_version(&f, "none", 0) == ACCORD_OK);
    CHECK(fill_version(&f, "one", 1) == ACCORD_OK);
    writer_clear(f.writer, false); /* what is gone has no version */
    CHECK(fill_version(&f, "one", 1) == ACCORD_OK);
}

TEST(a_removal_with_a_version_keeps_that_version_and_later_ones)
{
    struct fixture f;

    fixture_plain(&f);
    CHECK(fill_version(&f, "five", 5) == ACCORD_OK);
    struct token t = token_for(&f, "k");
    CHECK(!writer_remove_older(f.writer, text("k"), 4, false, f.now_ns));
    CHECK(!writer_remove_older(f.writer, text("k"), 5, false, f.now_ns));
    CHECK(fixture_has(&f, "k", "five"));
    CHECK(fill_with(&f, "k", &t) == ACCORD_E_TOKEN);
    CHECK(writer_remove_older(f.writer, text("k"), 6, true, f.now_ns));
    CHECK(fixture_is(&f, "k", ACCORD_STALE, ACCORD_WHY_REMOVED));
    CHECK(writer_remove_older(f.writer, text("k"), 6, false, f.now_ns));
    CHECK(fixture_is(&f, "k", ACCORD_MISS, ACCORD_WHY_ABSENT));
    CHECK(!writer_remove_older(f.writer, text("k"), 6, false, f.now_ns));
}

/* ---- sizes ---- */

TEST(a_value_fits_a_block_and_not_a_byte_more)
{
    struct fixture f;
    struct item item = fixture_item("k", "");

    fixture_plain(&f);
    size_t most = f.sizes.block_bytes - 8 - 12 - 1; /* without ttl, version and tags */
    CHECK(f.sizes.value_bytes_max <= most);
    uint8_t *value = malloc(most + 1), *back = malloc(most + 1);
    CHECK(value && back);
    memset(value, 'v', most + 1);
    for (int extra = -1; extra <= 1; extra++) {
        struct read_result r;
        CHECK(fixture_set(&f, "k", "older") == ACCORD_OK);
        item.value = bytes_of(value, most + (size_t)(ptrdiff_t)extra);
        int status = writer_fill(f.writer, &item, NULL, f.now_ns);
        CHECK(status == (extra <= 0 ? ACCORD_OK : ACCORD_E_SIZE));
        reader_get(&f.reader, item.key, back, most + 1, &r);
        CHECK(r.state == (extra <= 0 ? ACCORD_HIT : ACCORD_MISS)); /* the older one went too */
        CHECK(extra > 0 || memcmp(back, value, item.value.size_bytes) == 0);
        writer_check(f.writer);
    }
    item.value = bytes_of(value, f.sizes.value_bytes_max);
    item.ttl_ns = UINT64_MAX - 1;
    item.grace_ns = UINT64_MAX - 1;
    item.version = 1;
    CHECK(writer_fill(f.writer, &item, NULL, f.now_ns) == ACCORD_OK);
    free(value);
    free(back);
}

TEST(an_item_has_at_most_so_many_tags_prefixes_included)
{
    struct bytes tags[ITEM_TAGS_MAX + 1];
    struct fixture f;
    struct item item = fixture_item("users:a/b/c", "v");

    with_namespaces(&f);
    for (size_t i = 0; i < COUNT_OF(tags); i++)
        tags[i] = bytes_of(&"0123456789abcdefghijklmnopqrstuvw"[i], 1);
    item.tags = tags;
    for (size_t count = ITEM_TAGS_MAX - 3; count <= ITEM_TAGS_MAX - 1; count++) {
        item.tag_count = count;
        CHECK(writer_fill(f.writer, &item, NULL, f.now_ns) ==
              (count + 2 <= ITEM_TAGS_MAX ? ACCORD_OK : ACCORD_E_SIZE));
    }
    item.key = text("plain:a");
    item.tag_count = ITEM_TAGS_MAX;
    CHECK(writer_fill(f.writer, &item, NULL, f.now_ns) == ACCORD_OK);
    writer_remove_tag(f.writer, tags[ITEM_TAGS_MAX - 1], false);
    CHECK(fixture_is(&f, "plain:a", ACCORD_MISS, ACCORD_WHY_REMOVED));
    item.tag_count = ITEM_TAGS_MAX + 1;
    CHECK(writer_fill(f.writer, &item, NULL, f.now_ns) == ACCORD_E_SIZE);
}

TEST(a_ttl_of_nothing_is_invalid)
{
    struct fixture f;
    struct item item = fixture_item("k", "v");

    fixture_plain(&f);
    item.ttl_ns = 0;
    CHECK(writer_fill(f.writer, &item, NULL, f.now_ns) == ACCORD_E_INVALID);
    item.ttl_ns = 1;
    CHECK(writer_fill(f.writer, &item, NULL, f.now_ns) == ACCORD_OK);
    CHECK(fixture_set(&f, "k", "v") == ACCORD_OK);
    CHECK(writer_expire(f.writer, text("k"), 0, 0, f.now_ns) == ACCORD_E_INVALID);
}

/* ---- expiry ---- */

TEST(expire_changes_the_ttl_and_keeps_the_rest)
{
    struct fixture f;
    struct item item = fixture_item("k", "v");
    struct bytes tag = text("red");

    fixture_plain(&f);
    item.version = 9;
    item.tags = &tag;
    item.tag_count = 1;
    CHECK(writer_fill(f.writer, &item, NULL, f.now_ns) == ACCORD_OK);
    uint64_t start_ns = f.now_ns;
    fixture_at(&f, start_ns + 4 * NS_PER_S);
    CHECK(writer_expire(f.writer, item.key, 3 * NS_PER_S, 2 * NS_PER_S, f.now_ns) == ACCORD_OK);
    struct read_result r = fixture_get(&f, "k");
    CHECK(r.state == ACCORD_HIT);
    CHECK(r.ttl_ns == 3 * NS_PER_S);
    CHECK(r.age_ns == 4 * NS_PER_S);
    CHECK(r.version == 9);
    fixture_at(&f, start_ns + 7 * NS_PER_S);
    CHECK(fixture_is(&f, "k", ACCORD_STALE, ACCORD_WHY_EXPIRED));
    CHECK(writer_expire(f.writer, item.key, UINT64_MAX, 0, f.now_ns) == ACCORD_OK);
    CHECK(fixture_has(&f, "k", "v"));
    CHECK(fixture_get(&f, "k").ttl_ns == UINT64_MAX);
    writer_remove_tag(f.writer, tag, true);
    CHECK(writer_expire(f.writer, item.key, NS_PER_S, 0, f.now_ns) == ACCORD_OK);
    CHECK(fixture_is(&f, "k", ACCORD_STALE, ACCORD_WHY_REMOVED));
    writer_remove_tag(f.writer, tag, false);
    CHECK(writer_expire(f.writer, item.key, NS_PER_S, 0, f.now_ns) == ACCORD_E_ABSENT);
    CHECK(writer_expire(f.writer, text("never"), NS_PER_S, 0, f.now_ns) == ACCORD_E_ABSENT);
    writer_check(f.writer);
}

TEST(peek_answers_as_a_reader_would)
{
    struct fixture f;
    struct item item = fixture_item("k", "value");
    struct read_result mine, theirs;

    fixture_plain(&f);
    item.ttl_ns = 10 * NS_PER_S;
    item.grace_ns = 10 * NS_PER_S;
    item.version = 3;
    CHECK(writer_fill(f.writer, &item, NULL, f.now_ns) == ACCORD_OK);
    for (int i = 0; i < 4; i++) {
        writer_peek(f.writer, item.key, f.now_ns, &mine);
        theirs = fixture_get(&f, "k");
        CHECK(mine.state == theirs.state);
        CHECK(mine.why == theirs.why);
        CHECK(mine.version == theirs.version);
        CHECK(mine.age_ns == theirs.age_ns);
        CHECK(mine.ttl_ns == theirs.ttl_ns);
        CHECK(mine.value_bytes == theirs.value_bytes);
        CHECK(!mine.truncated);
        CHECK(memcmp(&mine.token, &theirs.token, sizeof mine.token) == 0);
        fixture_at(&f, f.now_ns + 8 * NS_PER_S);
    }
}
