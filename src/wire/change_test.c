/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "wire/change.h"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>

static uint8_t many[KEY_BYTES_MAX + 1];

static bool changes_equal(const struct change *a, const struct change *b)
{
    return a->op == b->op && a->soft == b->soft && a->has_version == b->has_version &&
           a->has_fingerprint == b->has_fingerprint && bytes_equal(a->key, b->key) &&
           a->version == b->version && a->fingerprint == b->fingerprint &&
           id128_equal(a->message, b->message) && a->wall_ms == b->wall_ms &&
           bytes_equal(a->origin, b->origin) && id128_equal(a->incarnation, b->incarnation) &&
           a->sequence == b->sequence && a->nonce == b->nonce && a->applied == b->applied &&
           a->applied_hash == b->applied_hash && a->lease_epoch == b->lease_epoch &&
           bytes_equal(a->about, b->about);
}

static struct bytes some(uint64_t *rng, size_t least, size_t most)
{
    size_t size = least + test_random(rng, most - least + 1);

    for (size_t i = 0; i < size; i++)
        many[i] = (uint8_t)test_random(rng, 256);
    return bytes_of(size > 0 ? many : NULL, size);
}

static struct change change_random(uint64_t *rng)
{
    struct change c = {.op = (enum change_op)(1 + test_random(rng, CHANGE_BEAT))};

    c.soft = test_random(rng, 2);
    c.message = (struct id128){test_random(rng, UINT64_MAX), test_random(rng, UINT64_MAX)};
    c.wall_ms = test_random(rng, UINT64_MAX);
    c.has_version = test_random(rng, 2);
    c.version = c.has_version ? test_random(rng, UINT64_MAX) : 0;
    c.has_fingerprint = test_random(rng, 2);
    c.fingerprint = c.has_fingerprint ? test_random(rng, UINT64_MAX) : 0;
    c.key = some(rng, 0, test_random(rng, 8) ? 20 : KEY_BYTES_MAX);
    if (test_random(rng, 2)) {
        c.origin = bytes_of(many, 1 + test_random(rng, NODE_NAME_BYTES_MAX));
        c.incarnation = (struct id128){test_random(rng, UINT64_MAX), 1};
        c.sequence = test_random(rng, UINT64_MAX);
    }
    if (c.op < CHANGE_JOIN && test_random(rng, 2)) {
        c.nonce = 1 + test_random(rng, UINT64_MAX - 1); /* of a strict removal */
    } else if (c.op >= CHANGE_JOIN) {
        c.nonce = 1 + test_random(rng, UINT64_MAX - 1);
        c.applied = test_random(rng, UINT64_MAX);
        c.applied_hash = test_random(rng, UINT64_MAX);
        c.lease_epoch = test_random(rng, UINT64_MAX);
        c.about = bytes_of(many, test_random(rng, CHANGE_ABOUT_BYTES_MAX + 1));
    }
    return c;
}

TEST(change_ops_have_words_that_read_back)
{
    for (unsigned op = 0; op <= 9; op++) {
        const char *word = change_op_word((enum change_op)op);
        enum change_op back = 0;

        CHECK(!word == (op == 0 || op == 9));
        CHECK(!word ||
              (change_op_parse(bytes_of_text(word), &back) == ACCORD_OK && back == op));
    }
    enum change_op op = CHANGE_BEAT;
    CHECK(change_op_parse(bytes_of_text("removes"), &op) == ACCORD_E_FORMAT);
    CHECK(change_op_parse(bytes_of_text("remov"), &op) == ACCORD_E_FORMAT);
    CHECK(change_op_parse(bytes_of_text(""), &op) == ACCORD_E_FORMAT);
    CHECK(op == CHANGE_BEAT);
}

/* What is known of a record without decoding it. */
static bool names_itself(const uint8_t *record, size_t there, size_t written,
                         struct id128 message)
{
    struct id128 id = {0, 0};

    return change_record_size(bytes_of(record, there)) == written &&
           change_record_message(bytes_of(record, written), &id) && id128_equal(id, message);
}

TEST_SEEDS(change_survives_encoding_and_every_cut_of_it_is_refused, 300)
{
    static uint8_t record[CHANGE_RECORD_BYTES_MAX + 1];
    struct change in = change_random(rng), out, before;
    struct bytes namespace;
    struct id128 id;
    size_t written = 0;

    CHECK(change_encode(&in, record, sizeof record, &written) == ACCORD_OK);
    CHECK(written <= CHANGE_RECORD_BYTES_MAX);
    CHECK(change_decode(bytes_of(record, written), &out, &namespace) == ACCORD_OK);
    CHECK(changes_equal(&in, &out));
    CHECK(names_itself(record, written, written, in.message));
    CHECK(names_itself(record, sizeof record, written, in.message));

    memset(&out, 0x5a, sizeof out);
    before = out;
    for (size_t cut = 0; cut < written; cut++) {
        /* A copy of just those bytes, so that ASan sees a read beyond them. */
        uint8_t *part = malloc(cut + 1);
        CHECK(part);
        memcpy(part, record, cut);
        part = realloc(part, cut > 0 ? cut : 1);
        CHECK(part);
        CHECK(change_decode(bytes_of(part, cut), &out, &namespace) == ACCORD_E_FORMAT);
        CHECK(change_record_size(bytes_of(part, cut)) == 0);
        CHECK(change_record_message(bytes_of(part, cut), &id) ==
              (cut >= 16 + in.key.size_bytes + 16));
        free(part);
    }
    CHECK(change_decode(bytes_of(record, written + 1), &out, &namespace) == ACCORD_E_FORMAT);
    CHECK(memcmp(&before, &out, sizeof out) == 0);
}

TEST_SEEDS(change_decodes_damaged_records_without_harm, 2000)
{
    uint8_t record[CHANGE_RECORD_BYTES_MAX], again[CHANGE_RECORD_BYTES_MAX];
    struct change in = change_random(rng), out, twice;
    struct bytes namespace;
    size_t written = 0, written_again = 0;

    if (in.key.size_bytes > 64)
        in.key.size_bytes = 64;
    CHECK(change_encode(&in, record, sizeof record, &written) == ACCORD_OK);
    for (unsigned i = 0; i < 3; i++)
        record[test_random(rng, written)] = (uint8_t)test_random(rng, 256);
    CHECK(change_record_size(bytes_of(record, written)) <= written);
    if (change_decode(bytes_of(record, written), &out, &namespace) != ACCORD_OK)
        return;
    CHECK(change_encode(&out, again, sizeof again, &written_again) == ACCORD_OK);
    CHECK(change_decode(bytes_of(again, written_again), &twice, &namespace) == ACCORD_OK);
    CHECK(changes_equal(&out, &twice));
}

TEST(change_encode_stops_at_each_limit)
{
    static uint8_t record[2 * CHANGE_RECORD_BYTES_MAX];
    struct change c = {.op = CHANGE_REMOVE, .key = bytes_of(many, KEY_BYTES_MAX)};
    size_t written = 7, need;

    CHECK(change_encode(&c, record, sizeof record, &need) == ACCORD_OK);
    CHECK(change_encode(&c, record, need, &written) == ACCORD_OK);
    CHECK(written == need);
    CHECK(change_encode(&c, record, need - 1, &written) == ACCORD_E_SIZE);
    c.key.size_bytes++;
    CHECK(change_encode(&c, record, sizeof record, &written) == ACCORD_E_SIZE);
    c.key.size_bytes = 1;
    c.origin = bytes_of(many, NODE_NAME_BYTES_MAX);
    CHECK(change_encode(&c, record, sizeof record, &written) == ACCORD_OK);
    c.origin.size_bytes++;
    CHECK(change_encode(&c, record, sizeof record, &written) == ACCORD_E_SIZE);
    c.origin.size_bytes--;
    c.about = bytes_of(many, CHANGE_ABOUT_BYTES_MAX);
    CHECK(change_encode(&c, record, sizeof record, &written) == ACCORD_OK);
    c.about.size_bytes++;
    CHECK(change_encode(&c, record, sizeof record, &written) == ACCORD_E_SIZE);
}

/* A record of a version to come: as ours, but for one byte and what follows it. */
static int decode_with(const char *key, size_t at, uint8_t value, struct change *out,
                       struct bytes *namespace)
{
    static uint8_t record[CHANGE_RECORD_BYTES_MAX];
    struct change c = {.op = CHANGE_REMOVE,
                       .key = bytes_of_text(key),
                       .soft = true,
                       .has_version = true,
                       .version = 5,
                       .message = {3, 4},
                       .wall_ms = 6,
                       .origin = bytes_of_text("web9"),
                       .incarnation = {7, 8},
                       .sequence = 9,
                       .nonce = 10,
                       .about = bytes_of_text("more")};
    size_t written;

    CHECK(change_encode(&c, record, sizeof record, &written) == ACCORD_OK);
    record[at] = value;
    record[written] = 'x'; /* a field that comes after all that we know */
    record[12]++;
    *namespace = bytes_of_text("untouched");
    return change_decode(bytes_of(record, written + 1), out, namespace);
}

/* All that the writer's next change, and the other nodes, need of it. */
static bool keeps_its_envelope(const struct change *c, bool with_origin)
{
    return id128_equal(c->message, (struct id128){3, 4}) && c->wall_ms == 6 &&
           bytes_equal(c->origin, with_origin ? bytes_of_text("web9") : bytes_of(NULL, 0)) &&
           c->sequence == (with_origin ? 9 : 0) &&
           id128_is_none(c->incarnation) == !with_origin && !c->soft && !c->has_version &&
           c->nonce == 0 && c->about.size_bytes == 0 && !change_problem(c);
}

TEST(change_of_a_later_format_op_or_flag_stands_for_the_wider_removal)
{
    static const struct {
        size_t at;
        uint8_t value;
        bool of_this_format;
    } later[] = {{4, 2, false}, {5, 9, true}, {5, 255, true}, {6, 32 + 27, true}};
    struct bytes namespace;
    struct change c;

    for (size_t i = 0; i < COUNT_OF(later); i++) {
        CHECK(decode_with("user:7", later[i].at, later[i].value, &c, &namespace) ==
              ACCORD_E_UNSUPPORTED);
        CHECK(bytes_equal(namespace, bytes_of_text("user")));
        CHECK(c.op == CHANGE_NAMESPACE && bytes_equal(c.key, bytes_of_text("user")));
        CHECK(keeps_its_envelope(&c, later[i].of_this_format));
        CHECK(decode_with("plain", later[i].at, later[i].value, &c, &namespace) ==
              ACCORD_E_UNSUPPORTED);
        CHECK(namespace.size_bytes == 0);
        CHECK(c.op == CHANGE_CLEAR);
        CHECK(keeps_its_envelope(&c, later[i].of_this_format));
    }
}

TEST(change_that_says_so_may_be_ignored_by_who_does_not_know_it)
{
    static uint8_t record[CHANGE_RECORD_BYTES_MAX];
    struct change c = {.op = CHANGE_REMOVE,
                       .key = bytes_of_text("user:7"),
                       .message = {3, 4},
                       .wall_ms = 6,
                       .origin = bytes_of_text("web9"),
                       .incarnation = {7, 8},
                       .sequence = 9};
    struct bytes namespace = bytes_of_text("untouched"), whole;
    size_t written;

    CHECK(change_encode(&c, record, sizeof record, &written) == ACCORD_OK);
    whole = bytes_of(record, written);
    record[7] = 0x80;                                         /* IGNORABLE */
    CHECK(change_decode(whole, &c, &namespace) == ACCORD_OK); /* known: nothing to ignore */
    CHECK(c.op == CHANGE_REMOVE && bytes_equal(namespace, bytes_of_text("untouched")));
    record[5] = 200;
    CHECK(change_decode(whole, &c, &namespace) == ACCORD_E_UNSUPPORTED);
    CHECK(c.op == CHANGE_BEAT && c.key.size_bytes == 0);
    CHECK(keeps_its_envelope(&c, true));
    record[4] = 2;
    CHECK(change_decode(whole, &c, &namespace) == ACCORD_E_UNSUPPORTED);
    CHECK(c.op == CHANGE_BEAT);
    CHECK(keeps_its_envelope(&c, false));
}

TEST(change_of_a_later_version_that_is_torn_is_no_record)
{
    struct bytes namespace;
    struct change c;

    CHECK(decode_with("user:7", 4, 0, &c, &namespace) == ACCORD_E_FORMAT);
    CHECK(decode_with("user:7", 8, 7, &c, &namespace) == ACCORD_E_FORMAT); /* scope > key */
    CHECK(decode_with("user:7", 0, 'a', &c, &namespace) == ACCORD_E_FORMAT);
    CHECK(decode_with("user:7", 12, 1, &c, &namespace) == ACCORD_E_FORMAT); /* length */
    CHECK(bytes_equal(namespace, bytes_of_text("untouched")));
}

TEST(change_of_a_later_word_stands_for_the_wider_removal)
{
    static const struct {
        const char *word, *key, *dropped; /* NULL: everything */
    } words[] = {{"must-swap", "user:7", "user"},
                 {"must-swap", "user", NULL},
                 {"must-swap", ":7", NULL},
                 {"must-swap", "", NULL},
                 {"must-", "user:7", NULL},
                 {"swap", "user:7", NULL},
                 {"", "user:7", NULL},
                 {"MUST-swap", "user:7", NULL}};
    struct change c;

    for (size_t i = 0; i < COUNT_OF(words); i++) {
        const char *dropped = words[i].dropped;
        c = (struct change){.key = bytes_of_text(words[i].key), .soft = true, .sequence = 9};
        change_stand_in_word(&c, bytes_of_text(words[i].word));
        CHECK(c.op == (dropped ? CHANGE_NAMESPACE : CHANGE_CLEAR));
        CHECK(bytes_equal(c.key, bytes_of_text(dropped ? dropped : "")));
        CHECK(!c.soft && c.sequence == 9 && !change_problem(&c));
    }
    c = (struct change){.key = bytes_of_text("user:7"), .has_version = true, .sequence = 9};
    change_stand_in_word(&c, bytes_of_text("may-note"));
    CHECK(c.op == CHANGE_BEAT && c.key.size_bytes == 0 && !c.has_version && c.sequence == 9);
    c = (struct change){.key = bytes_of(many, KEY_BYTES_MAX + 1)};
    change_stand_in_word(&c, bytes_of_text("must-swap"));
    CHECK(c.op == CHANGE_CLEAR && c.key.size_bytes == 0);
}

/* Bytes that format 1 wrote when it was new: they must mean the same for ever. */
TEST(change_reads_what_the_first_version_wrote)
{
    static const uint8_t golden[] = {
        'A', 'C', 'H', 'G', 1,   1,   31,  0,   4,  0, 6, 0, 127, 0,
        0,   0,   'u', 's', 'e', 'r', ':', '7', /* key */
        3,   0,   0,   0,   0,   0,   0,   0,   4,  0, 0, 0, 0,   0,
        0,   0,   6,   0,   0,   0,   0,   0,   0,  0, /* wall clock */
        5,   0,   0,   0,   0,   0,   0,   0,          /* version */
        11,  0,   0,   0,   0,   0,   0,   0,          /* fingerprint */
        4,   'w', 'e', 'b', '9',                       /* origin */
        7,   0,   0,   0,   0,   0,   0,   0,   8,  0, 0, 0, 0,   0,
        0,   0,   9,   0,   0,   0,   0,   0,   0,  0, /* sequence */
        10,  0,   0,   0,   0,   0,   0,   0,          /* nonce */
        12,  0,   0,   0,   0,   0,   0,   0,   13, 0, 0, 0, 0,   0,
        0,   0,   14,  0,   0,   0,   0,   0,   0,  0, 2, 0, 'h', 'i'};
    uint8_t again[sizeof golden + 1];
    struct bytes namespace;
    struct change c;
    size_t written = 0;

    _Static_assert(sizeof golden == 127, "as its length says");
    CHECK(change_decode(bytes_of(golden, sizeof golden), &c, &namespace) == ACCORD_OK);
    CHECK(c.op == CHANGE_REMOVE && c.soft && c.version == 5 && c.fingerprint == 11);
    CHECK(bytes_equal(c.key, bytes_of_text("user:7")));
    CHECK(bytes_equal(c.origin, bytes_of_text("web9")) && c.sequence == 9);
    CHECK(id128_equal(c.incarnation, (struct id128){7, 8}));
    CHECK(id128_equal(c.message, (struct id128){3, 4}) && c.wall_ms == 6);
    CHECK(c.nonce == 10 && c.applied == 12 && c.applied_hash == 13 && c.lease_epoch == 14);
    CHECK(bytes_equal(c.about, bytes_of_text("hi")));
    CHECK(change_encode(&c, again, sizeof again, &written) == ACCORD_OK);
    CHECK(written == sizeof golden && memcmp(again, golden, written) == 0);
}

TEST(change_problem_tells_people_what_they_wrote_wrongly)
{
    struct change c = {.op = CHANGE_REMOVE};

    CHECK(change_problem(&c));
    c.key = bytes_of(many, 1);
    CHECK(!change_problem(&c));
    c.key.size_bytes = KEY_BYTES_MAX;
    CHECK(!change_problem(&c));
    c.key.size_bytes++;
    CHECK(change_problem(&c));
    c = (struct change){.op = CHANGE_CLEAR};
    CHECK(!change_problem(&c));
    c.key = bytes_of(many, 1);
    CHECK(change_problem(&c));
    c = (struct change){.op = CHANGE_NAMESPACE, .key = bytes_of(many, NAMESPACE_BYTES_MAX)};
    CHECK(!change_problem(&c));
    c.key.size_bytes++;
    CHECK(change_problem(&c));
    c = (struct change){.op = (enum change_op)99};
    CHECK(change_problem(&c));
}

/* Else the number after it would be none, and arithmetic of the core a wrong answer. */
TEST(a_sequence_that_no_sender_reaches_makes_a_change_nobodys)
{
    struct change c = {.op = CHANGE_REMOVE,
                       .key = bytes_of_text("user:7"),
                       .message = {3, 4},
                       .origin = bytes_of_text("web1"),
                       .incarnation = {5, 6},
                       .sequence = CHANGE_SEQUENCE_MAX};

    CHECK(!change_problem(&c));
    c.sequence++;
    CHECK(strstr(change_problem(&c), "9223372036854775807"));
    change_stand_in(&c, 0, false);
    CHECK(!change_problem(&c) && c.op == CHANGE_CLEAR && c.message.low == 4);
    CHECK(c.sequence == 0 && c.origin.size_bytes == 0 && id128_is_none(c.incarnation));
}

TEST_SEEDS(position_reads_back_as_it_was_printed, 200)
{
    char text[POSITION_TEXT_BYTES_MAX];
    struct position in = {test_random(rng, UINT64_MAX) >> test_random(rng, 64),
                          test_random(rng, UINT64_MAX) >> test_random(rng, 64)};
    struct position out = {0, 0};

    position_print(in, text);
    CHECK(position_parse(bytes_of_text(text), &out) == ACCORD_OK);
    CHECK(in.epoch == out.epoch);
    CHECK(in.value == out.value);
}

TEST(position_accepts_only_its_own_form)
{
    static const char *const wrong[] = {"",
                                        "@",
                                        "7",
                                        "7@",
                                        "@7",
                                        "7@G",
                                        "7@A",
                                        " 7@1",
                                        "7@1 ",
                                        "-7@1",
                                        "07@1",
                                        "7@01",
                                        "18446744073709551616@1",
                                        "1@10000000000000000"};
    struct position p = {5, 6};

    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        CHECK(position_parse(bytes_of_text(wrong[i]), &p) == ACCORD_E_FORMAT);
    CHECK(p.epoch == 5 && p.value == 6);
    CHECK(position_parse(bytes_of_text("18446744073709551615@ffffffffffffffff"), &p) ==
          ACCORD_OK);
    CHECK(p.value == UINT64_MAX && p.epoch == UINT64_MAX);
    CHECK(position_parse(bytes_of_text("0@0"), &p) == ACCORD_OK);
    CHECK(p.value == 0 && p.epoch == 0);
}

TEST(cursor_hash_tells_order_position_and_message_apart)
{
    struct id128 a = {1, 2}, b = {2, 1};
    uint64_t ab = cursor_hash(cursor_hash(0, 1, a), 2, b);

    CHECK(ab == cursor_hash(cursor_hash(0, 1, a), 2, b));
    CHECK(ab != cursor_hash(cursor_hash(0, 1, b), 2, a));
    CHECK(ab != cursor_hash(cursor_hash(0, 2, a), 1, b));
    CHECK(cursor_hash(0, 1, a) != cursor_hash(0, 1, b));
    CHECK(cursor_hash(0, 1, a) != cursor_hash(0, 2, a));
    CHECK(cursor_hash(0, 0, (struct id128){0, 0}) != 0);
}

TEST(entry_hash_is_of_one_entry_and_its_place_and_never_none)
{
    uint64_t seed = 1;

    for (unsigned i = 0; i < 1000; i++) {
        struct id128 m = {test_random(&seed, UINT64_MAX), test_random(&seed, UINT64_MAX)};
        uint64_t hash = entry_hash(i, m);
        CHECK(hash != 0);
        CHECK(hash == (cursor_hash(0, i, m) | 1)); /* beats of earlier versions say this */
        CHECK(hash != entry_hash(i + 1, m));
        m.low += 2;
        CHECK(hash != entry_hash(i, m));
    }
}

TEST(change_text_about_a_node_ends_before_the_signature)
{
    static const char mac[] =
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    struct change c = {.op = CHANGE_BEAT};
    char text[256];

    CHECK(change_about_text(&c).size_bytes == 0);
    snprintf(text, sizeof text, "\tuser.ttl=1h\tsign1 01234567 0123456789abcdef %s", mac);
    c.about = bytes_of_text(text);
    CHECK(bytes_equal(change_about_text(&c), bytes_of_text("\tuser.ttl=1h")));
    CHECK(change_is_signed(&c) && !change_accepts_unsigned(&c));
    c.about = bytes_of(text + 12, CHANGE_SIGNATURE_BYTES);
    CHECK(change_about_text(&c).size_bytes == 0);
    CHECK(change_is_signed(&c));
    c.about = bytes_of(text, CHANGE_SIGNATURE_BYTES); /* it does not end there */
    CHECK(change_about_text(&c).size_bytes == CHANGE_SIGNATURE_BYTES);
    CHECK(!change_is_signed(&c));
    snprintf(text, sizeof text, "\tuser.ttl=1h" CHANGE_ACCEPTS "\tsign1 01234567 %016d %s", 1,
             mac);
    c.about = bytes_of_text(text);
    CHECK(change_accepts_unsigned(&c));
    CHECK(bytes_equal(change_about_text(&c), bytes_of_text("\tuser.ttl=1h")));
    c.about = bytes_of_text("\tuser.ttl=1h" CHANGE_ACCEPTS); /* nobody signed it */
    CHECK(!change_accepts_unsigned(&c));
    CHECK(bytes_equal(change_about_text(&c), c.about));
}
