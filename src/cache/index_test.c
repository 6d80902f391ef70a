/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
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
