/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cache/arena.h"
#include "cache/fixture.h"
#include "cache/index.h"
#include "cache/pair.h"

static void set_number(struct fixture *f, int i)
{
    char key[16];

    snprintf(key, sizeof key, "%d", i);
    CHECK(fixture_set(f, key, "") == ACCORD_OK);
}

/* The load from which it grows, and that no insert needs another bucket before. */
TEST(the_index_grows_at_its_load_and_no_earlier)
{
    struct fixture f;

    fixture_settings(&f, 64 * MIB);
    fixture_start(&f);
    uint32_t before = f.writer->bucket_count;
    for (int i = 0; i < 300000; i++) {
        set_number(&f, i);
        uint32_t buckets = f.writer->bucket_count;
        CHECK(buckets == before || f.writer->entries * 1000 >= (buckets - 1) * 8700ull);
    }
    CHECK(f.writer->entries == 300000);
    CHECK(f.writer->bucket_count > 4 * before);
    writer_check(f.writer);
}

TEST(linear_hashing_splits_a_bucket_into_itself_and_the_new_one)
{
    for (uint32_t count = 2; count < 5000; count += 7)
        for (int i = 0; i < 50; i++) {
            uint32_t half = (uint32_t)test_random(rng, UINT32_MAX);
            uint32_t now = bucket_index(half, count), next = bucket_index(half, count + 1);
            CHECK(now < count);
            CHECK(next == now || next == count);
        }
}

/* Every lane, alone and among others that differ in one bit. */
TEST(a_fingerprint_is_matched_in_its_lanes_only)
{
    for (uint32_t mask = 0x0fff; mask <= 0xffff; mask = mask * 2 + 1)
        for (unsigned lane = 0; lane < BUCKET_LANES; lane++) {
            struct bucket b = {{0}};
            for (unsigned other = 0; other < BUCKET_LANES; other++) {
                uint64_t bits = other == lane ? 0x0abc | (~mask & 0xffff) : 0x0abd;
                b.word[(other + 2) / 4] |= bits << (other + 2) % 4 * 16;
            }
            b.word[0] |= 0x0abc0abc; /* the sequence is no lane */
            uint32_t match = bucket_match(b.word[0], b.word[1], b.word[2], 0x0abc, mask);
            CHECK(match != 0);
            CHECK((match & (match - 1)) == 0);
            CHECK(lane_of_bit((unsigned)__builtin_ctz(match)) == lane);
        }
}

TEST(a_lane_is_free_where_it_names_nothing)
{
    for (uint32_t lanes = 0; lanes < 1u << BUCKET_LANES; lanes++) {
        struct bucket b = {{~0ull, ~0ull, ~0ull}};
        for (unsigned lane = 0; lane < BUCKET_LANES; lane++)
            if ((lanes >> lane & 1) == 0)
                b.word[3 + lane / 2] |= (1 + test_random(rng, UINT32_MAX)) << lane % 2 * 32;
        CHECK(bucket_free(b.word) == lanes);
    }
}

/* The same for both buckets at once, which is what a reader asks. */
TEST(a_pair_of_buckets_is_matched_as_each_of_them)
{
    for (uint32_t mask = 0x0fff; mask <= 0xffff; mask = mask * 2 + 1)
        for (unsigned place = 0; place < 2 * BUCKET_LANES; place++) {
            struct bucket pair[2] = {{{0}}, {{0}}};
            uint32_t sequence[2];
            for (unsigned other = 0; other < 2 * BUCKET_LANES; other++) {
                struct bucket *b = &pair[other / BUCKET_LANES];
                unsigned lane = other % BUCKET_LANES;
                uint64_t bits = other == place ? 0x0abc | (~mask & 0xffff) : 0x0abd;
                b->word[(lane + 2) / 4] |= bits << (lane + 2) % 4 * 16;
                b->word[3 + lane / 2] |= (uint64_t)(other + 1) << lane % 2 * 32;
            }
            pair[0].word[0] |= 0x0abc0abc; /* the sequence is no lane */
            pair[1].word[0] |= 0x0abc0abd;
            uint32_t bits = pair_match(&pair[0], &pair[1], 0x0abc, mask, sequence);
            CHECK(sequence[0] == 0x0abc0abc && sequence[1] == 0x0abc0abd);
            CHECK(bits != 0 && (bits & (bits - 1)) == 0);
            unsigned bit = (unsigned)__builtin_ctz(bits);
            CHECK(pair_second(bit) == (place >= BUCKET_LANES));
            CHECK(pair_lane(bit) == place % BUCKET_LANES);
            CHECK(bucket_low(&pair[place / BUCKET_LANES], pair_lane(bit)) == place + 1);
        }
}

/* The documented hash, of every length where the code takes another way. */
TEST(the_hash_of_a_key_is_xxh3_with_the_secret)
{
    uint8_t key[300], secret[SECRET_BYTES];

    for (size_t i = 0; i < sizeof secret; i++)
        secret[i] = (uint8_t)test_random(rng, 256);
    for (size_t bytes = 1; bytes <= sizeof key; bytes++) {
        key[bytes - 1] = (uint8_t)test_random(rng, 256);
        CHECK(key_hash(secret, bytes_of(key, bytes)) ==
              XXH3_64bits_withSecret(key, bytes, secret, sizeof secret));
    }
}

TEST(making_room_moves_entries_and_loses_none)
{
    struct fixture f;
    char key[16];

    fixture_plain(&f);
    for (int i = 0; i < 8900; i++) /* of 10,240 lanes: half of the inserts find both full */
        set_number(&f, i);
    for (int i = 0; i < 8900; i++) {
        snprintf(key, sizeof key, "%d", i);
        CHECK(fixture_get(&f, key).state == ACCORD_HIT);
    }
    CHECK(f.writer->bucket_count <= 1024);
    writer_check(f.writer);
}

/* The index stops at a quarter of the blocks; then the coldest of the twenty goes. */
TEST(tiny_items_do_not_grow_the_index_without_bound)
{
    struct fixture f;
    struct writer_counts c;
    char key[16];

    fixture_plain(&f);
    for (int i = 0; i < 1000000; i++) {
        snprintf(key, sizeof key, "%d", i);
        CHECK(fixture_set(&f, key, "") == ACCORD_OK);
        CHECK(fixture_get(&f, key).state == ACCORD_HIT);
    }
    writer_count(f.writer, &c);
    CHECK(c.index_bytes <= f.sizes.block_count * f.sizes.block_bytes / 4);
    CHECK(c.items > 100000);
    writer_check(f.writer);
}

/* Two whose locations differ above 4 GiB alone have the same half in a bucket. */
TEST(a_location_is_found_by_its_top_bits_too)
{
    struct fixture f;
    struct place at;
    uint32_t buckets[2];

    fixture_settings(&f, 20 * GIB);
    fixture_start(&f);
    struct writer *w = f.writer;
    uint64_t hash = test_random(rng, UINT64_MAX), low = 4 * MIB + 64;
    index_buckets(w, hash, buckets);
    for (uint32_t i = 0; i < 3; i++)
        index_link(w, (struct place){buckets[1], 2 + i}, hash, low + i * 4 * GIB,
                   /* hits= */ i);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK(index_find_location(w, hash, low + i * 4 * GIB, &at));
        CHECK(at.bucket == buckets[1] && at.lane == 2 + i);
        CHECK(index_hits(w, at) == i);
    }
    CHECK(!index_find_location(w, hash, low + 12 * GIB, &at));
    CHECK(!index_find_location(w, hash, low + 64, &at));
    at = (struct place){buckets[1], 3};
    index_replace(w, at, hash, low + 12 * GIB, /* hits= */ 3);
    CHECK(index_location(w, at) == low + 12 * GIB);
    CHECK(index_hits(w, at) == 3);
    index_replace(w, at, hash, low + 12 * GIB + 64, /* hits= */ 1);
    CHECK(index_location(w, at) == low + 12 * GIB + 64);
    CHECK(index_hits(w, at) == 1);
    fixture_done(&f);
}

/* The next items go into a block `gib` GiB above the one in use. */
static void go_up(struct writer *w, uint64_t gib)
{
    uint64_t block = w->chains[EVICT_SMALL].newest + (gib * GIB >> w->view.block_shift);
    uint32_t at = 0;

    arena_close_all(w);
    while (w->free_blocks[at] != block)
        at++;
    w->free_blocks[at] = w->free_blocks[w->free_count - 1];
    w->free_blocks[w->free_count - 1] = (uint32_t)block;
}

TEST(a_value_is_replaced_by_one_4_gib_above_it)
{
    struct fixture f;
    char value[24];

    fixture_settings(&f, 20 * GIB);
    fixture_start(&f);
    fixture_lease(&f, 3600 * NS_PER_S);
    CHECK(fixture_set(&f, "kept", "k") == ACCORD_OK);
    for (int i = 0; i < 4; i++) {
        snprintf(value, sizeof value, "value %d", i);
        CHECK(fixture_set(&f, "key", value) == ACCORD_OK);
        CHECK(fixture_has(&f, "key", value));
        go_up(f.writer, 4);
    }
    CHECK(f.writer->entries == 2);
    CHECK(fixture_has(&f, "kept", "k"));
    /* Its lane keeps the fingerprint and the top bits, and names nothing. */
    writer_remove_key(f.writer, bytes_of_text("key"), /* soft= */ false, f.now_ns);
    CHECK(fixture_get(&f, "key").state == ACCORD_MISS);
    CHECK(fixture_has(&f, "kept", "k"));
    writer_check(f.writer);
    fixture_done(&f);
}

/* 21 keys of the same two buckets, as chance gives them to nobody: the index may grow, but not
 * without a block more, which would not help. One of them goes, and the search for room ends.
 */
TEST(keys_that_compete_for_two_buckets_push_out_one_another_alone)
{
    enum { BOTH = 2 * BUCKET_LANES };
    struct fixture f;
    char key[16];
    int keys[BOTH + 1], count = 0, there = 0;
    uint32_t buckets[2];

    fixture_plain(&f);
    for (int i = 0; count <= BOTH; i++) {
        struct bytes b = bytes_of(key, (size_t)snprintf(key, sizeof key, "%d", i));
        index_buckets(f.writer, hash_of_key(f.writer, b), buckets);
        if (buckets[0] / 2 == 7 && buckets[1] / 2 == 7)
            keys[count++] = i;
    }
    CHECK(fixture_set(&f, "other", "o") == ACCORD_OK);
    for (int i = 0; i < count; i++) {
        CHECK(f.writer->counts.evicted_by_index == 0);
        set_number(&f, keys[i]);
    }
    CHECK(f.writer->counts.evicted_by_index == 1);
    for (int i = 0; i < count; i++) {
        snprintf(key, sizeof key, "%d", keys[i]);
        there += fixture_get(&f, key).state == ACCORD_HIT;
    }
    CHECK(there == BOTH);
    CHECK(fixture_get(&f, key).state == ACCORD_HIT); /* the newest */
    CHECK(fixture_has(&f, "other", "o"));
    writer_check(f.writer);
    fixture_done(&f);
}
