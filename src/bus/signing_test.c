/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/signing.h"
#include "test.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

static const struct id128 logs[2] = {{1, 2}, {1, 3}};
static uint8_t room[CHANGE_ABOUT_BYTES_MAX];

static struct signing with_key(uint8_t byte)
{
    struct signing s = {0};
    uint8_t key[SIGNING_KEY_BYTES_MIN];

    memset(key, byte, sizeof key);
    CHECK(signing_add(&s, bytes_of(key, sizeof key)) == ACCORD_OK);
    return s;
}

static struct change removal(void)
{
    return (struct change){.op = CHANGE_REMOVE,
                           .key = bytes_of_text("greeble:43"),
                           .version = 7,
                           .has_version = true,
                           .message = {3, 4},
                           .wall_ms = 1700000000000,
                           .origin = bytes_of_text("web1"),
                           .incarnation = {5, 6},
                           .sequence = 9};
}

static enum trust verify(const struct signing *s, struct id128 log, struct change c)
{
    uint64_t read_to;

    return signing_verify(s, log, &c, &read_to);
}

static struct change signed_removal(const struct signing *s)
{
    struct change c = removal();

    signing_sign(s, logs[0], 41, &c, room);
    return c;
}

/* RFC 4231, cases 1 and 2: that the library beneath is what it says. */
TEST(signing_stands_on_an_hmac_that_knows_its_vectors)
{
    static const uint8_t one[4] = {0xb0, 0x34, 0x4c, 0x61}, two[4] = {0x5b, 0xdc, 0xc1, 0x46};
    uint8_t key[20], out[32];
    unsigned size;

    memset(key, 0x0b, sizeof key);
    CHECK(HMAC(EVP_sha256(), key, sizeof key, (const uint8_t *)"Hi There", 8, out, &size));
    CHECK(size == 32);
    CHECK(memcmp(out, one, sizeof one) == 0);
    CHECK(HMAC(EVP_sha256(), "Jefe", 4, (const uint8_t *)"what do ya want for nothing?", 28,
               out, &size));
    CHECK(memcmp(out, two, sizeof two) == 0);
}

TEST(signing_verifies_what_it_signed_and_takes_the_signature_off)
{
    struct signing s = with_key('k');
    struct change c = signed_removal(&s);
    uint64_t read_to = 0;

    CHECK(c.about.size_bytes == SIGNATURE_BYTES);
    CHECK(signing_verify(&s, logs[0], &c, &read_to) == TRUST_FULL);
    CHECK(read_to == 41);
    CHECK(c.about.size_bytes == 0);
    c.about = bytes_of_text("app x 1\tuser.ttl=1h");
    signing_sign(&s, logs[0], 41, &c, room);
    CHECK(verify(&s, logs[0], c) == TRUST_FULL);
    CHECK(bytes_equal(change_about_text(&c), bytes_of_text("app x 1\tuser.ttl=1h")));
}

TEST(signing_says_in_signs_of_life_that_it_takes_what_is_not_signed)
{
    struct signing s = with_key('k'), strict = with_key('k');
    struct change c = signed_removal(&s);
    char longest[SIGNED_ABOUT_BYTES_MAX];

    s.accept_unsigned = true;
    c.about = bytes_of_text("");
    signing_sign(&s, logs[0], 41, &c, room);
    CHECK(!change_accepts_unsigned(&c)); /* a removal is no sign of life */
    c.op = CHANGE_BEAT;
    c.key = bytes_of_text("");
    c.about = bytes_of_text("\tuser.ttl=1h");
    signing_sign(&s, logs[0], 41, &c, room);
    CHECK(change_accepts_unsigned(&c));
    CHECK(bytes_equal(change_about_text(&c), bytes_of_text("\tuser.ttl=1h")));
    CHECK(verify(&strict, logs[0], c) == TRUST_FULL);
    room[20]++; /* of the words: they are covered too */
    CHECK(verify(&strict, logs[0], c) == TRUST_ALTERED);
    memset(longest, 'a', sizeof longest);
    c.about = bytes_of(longest, sizeof longest); /* no room: left as it is */
    signing_sign(&s, logs[0], 41, &c, room);
    CHECK(!change_accepts_unsigned(&c));
    CHECK(change_about_text(&c).size_bytes == sizeof longest);
    CHECK(verify(&strict, logs[0], c) == TRUST_FULL);
}

/* What a signature covers: each field that the sender said, the log, and its own parts. */
TEST(signing_refuses_whatever_was_altered)
{
    struct signing s = with_key('k');
    struct change altered[16];
    size_t n = COUNT_OF(altered);

    for (size_t i = 0; i < n; i++)
        altered[i] = signed_removal(&s);
    altered[0].op = CHANGE_PREFIX;
    altered[1].key = bytes_of_text("greeble:44");
    altered[2].version = 8;
    altered[3].has_version = false;
    altered[4].has_fingerprint = true;
    altered[5].soft = true;
    altered[6].message.low++;
    altered[7].wall_ms++;
    altered[8].origin = bytes_of_text("web2");
    altered[9].incarnation.high++;
    altered[10].sequence++;
    altered[11].nonce = 1;
    altered[12].applied = 1;
    altered[13].applied_hash = 1;
    altered[14].lease_epoch = 1;
    altered[15].origin = bytes_of(NULL, 0);
    for (size_t i = 0; i < n; i++)
        CHECK(verify(&s, logs[0], altered[i]) == TRUST_ALTERED);
    struct change same = signed_removal(&s);
    CHECK(verify(&s, logs[1], same) == TRUST_ALTERED); /* of another log */
    for (size_t i = 0; i < SIGNATURE_BYTES; i++) {
        same = signed_removal(&s);
        room[i] ^= 1;
        CHECK(verify(&s, logs[0], same) != TRUST_FULL);
    }
}

TEST(signing_tells_another_key_from_none_and_from_a_person)
{
    struct signing s = with_key('k'), other = with_key('o');
    struct change c = signed_removal(&other);

    CHECK(strcmp(s.keys[0].id, other.keys[0].id) != 0);
    CHECK(verify(&s, logs[0], c) == TRUST_KEYS);
    CHECK(verify(&s, logs[0], removal()) == TRUST_NAKED);
    c = (struct change){.op = CHANGE_REMOVE, .key = bytes_of_text("k"), .message = {1, 1}};
    CHECK(verify(&s, logs[0], c) == TRUST_UNSIGNED);
    s.accept_unsigned = true;
    CHECK(verify(&s, logs[0], c) == TRUST_FULL);
    CHECK(verify(&s, logs[0], removal()) == TRUST_FULL);
    CHECK(verify(&s, logs[0], signed_removal(&other)) == TRUST_KEYS);
}

TEST(signing_accepts_the_old_key_and_signs_with_the_new_one)
{
    struct signing old = with_key('o'), both = with_key('n'), new = with_key('n');
    uint8_t key[SIGNING_KEY_BYTES_MIN];

    memset(key, 'o', sizeof key);
    CHECK(signing_add(&both, bytes_of(key, sizeof key)) == ACCORD_OK);
    CHECK(signing_add(&both, bytes_of(key, sizeof key)) == ACCORD_E_FULL);
    CHECK(verify(&both, logs[0], signed_removal(&old)) == TRUST_FULL);
    CHECK(verify(&new, logs[0], signed_removal(&both)) == TRUST_FULL);
    CHECK(verify(&old, logs[0], signed_removal(&both)) == TRUST_KEYS);
}

TEST(signing_takes_no_key_that_is_too_short)
{
    struct signing s = {0};
    uint8_t key[SIGNING_KEY_BYTES_MAX + 1] = {1};

    CHECK(signing_add(&s, bytes_of(key, SIGNING_KEY_BYTES_MIN - 1)) == ACCORD_E_SIZE);
    CHECK(signing_add(&s, bytes_of(key, SIGNING_KEY_BYTES_MAX + 1)) == ACCORD_E_SIZE);
    CHECK(s.key_count == 0);
    CHECK(signing_add(&s, bytes_of(key, SIGNING_KEY_BYTES_MAX)) == ACCORD_OK);
}

TEST(signing_cuts_text_that_leaves_no_room)
{
    struct signing s = with_key('k');
    struct change c = {.op = CHANGE_JOIN, .message = {1, 1}, .origin = bytes_of_text("web1")};
    static uint8_t text[CHANGE_ABOUT_BYTES_MAX];

    memset(text, 'a', sizeof text);
    c.about = bytes_of(text, sizeof text);
    signing_sign(&s, logs[0], 0, &c, room);
    CHECK(c.about.size_bytes == CHANGE_ABOUT_BYTES_MAX);
    CHECK(verify(&s, logs[0], c) == TRUST_FULL);
    CHECK(change_about_text(&c).size_bytes == SIGNED_ABOUT_BYTES_MAX);
}

TEST_SEEDS(signing_reads_any_bytes_as_a_signature, 200)
{
    struct signing s = with_key('k');
    struct change c = removal();

    for (size_t i = 0; i < sizeof room; i++)
        room[i] = (uint8_t)test_random(rng, 256);
    c.about = bytes_of(room, (size_t)test_random(rng, sizeof room + 1));
    if (c.about.size_bytes >= SIGNATURE_BYTES && test_random(rng, 2))
        memcpy(room + c.about.size_bytes - SIGNATURE_BYTES, CHANGE_SIGNATURE_MARK,
               sizeof CHANGE_SIGNATURE_MARK - 1);
    CHECK(verify(&s, logs[0], c) != TRUST_FULL);
}
