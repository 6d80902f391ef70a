/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/xmpp/beside.h"

#include <stdio.h>

#include "test.h"

/* The value of an attribute in the element's beginning. */
static const char *value_of(const char *head, const char *name, char out[256])
{
    char opening[32];

    snprintf(opening, sizeof opening, " %s='", name);
    const char *at = strstr(head, opening);
    if (!at)
        return NULL;
    at += strlen(opening);
    snprintf(out, 256, "%.*s", (int)strcspn(at, "'"), at);
    return out;
}

static bool read_back(const struct xmpp_beside *b, struct xmpp_beside *out)
{
    char head[XMPP_BESIDE_BYTES_MAX], text[5][256];

    CHECK(xmpp_beside_print(b, head) < sizeof head);
    bool good = xmpp_beside_parse(value_of(head, "log", text[0]), value_of(head, "at", text[1]),
                                  value_of(head, "state", text[2]),
                                  value_of(head, "batch", text[3]), out);
    out->voice = xmpp_voice_parse(value_of(head, "voice", text[4]));
    return good;
}

TEST(xmpp_beside_comes_out_as_it_went_in)
{
    struct xmpp_beside b = {.log = {1, UINT64_MAX},
                            .at = "an/archive=id",
                            .epoch = UINT64_MAX,
                            .number = UINT32_MAX,
                            .place = XMPP_PLACE_MAX,
                            .floor = 7,
                            .max_stale_ms = 15000,
                            .max_stale_before_ms = 20000,
                            .sets_max_stale = true,
                            .last = {3, 4},
                            .batch = UINT64_MAX,
                            .count = PUBLISH_BATCH_MAX,
                            .part = 1,
                            .parts = 2,
                            .voice = {{5, 6}, UINT64_MAX, UINT64_MAX - 1}};
    struct xmpp_beside back = {0};

    CHECK(read_back(&b, &back));
    CHECK(id128_equal(back.log, b.log) && strcmp(back.at, b.at) == 0);
    CHECK(back.epoch == b.epoch && back.number == b.number && back.place == b.place);
    CHECK(back.floor == 7 && back.max_stale_ms == 15000 && back.max_stale_before_ms == 20000);
    CHECK(back.sets_max_stale && id128_equal(back.last, b.last) && !back.begin);
    CHECK(id128_equal(back.voice.incarnation, b.voice.incarnation));
    CHECK(back.voice.first == UINT64_MAX && back.voice.kept == UINT64_MAX - 1);
    CHECK(back.batch == b.batch && back.count == b.count && back.part == 1 && back.parts == 2);
    b = (struct xmpp_beside){.begin = true, .log = {1, 2}};
    CHECK(read_back(&b, &back) && back.begin && back.at[0] == '\0');
    CHECK(back.voice.first == 0);
}

TEST(xmpp_voice_that_cannot_be_is_none)
{
    static const char *const bad[] = {
        "",
        "1 2 1",
        "00000000000000010000000000000002",
        "00000000000000010000000000000002 5",
        "00000000000000010000000000000002 5 5",
        "00000000000000010000000000000002 0 0",
        "00000000000000010000000000000002 5 4 3",
        "0000000000000001000000000000000g 5 4",
        "00000000000000000000000000000000 5 4",
    };

    CHECK(xmpp_voice_parse(NULL).first == 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(xmpp_voice_parse(bad[i]).first == 0);
    CHECK(xmpp_voice_parse("00000000000000010000000000000002 5 4").kept == 4);
}

TEST(xmpp_beside_refuses_what_cannot_be)
{
    static const char log[] = "00000000000000010000000000000002";
    static const char good[] = "1 5 0 2 3000 3000 0 0 0";
    struct xmpp_beside b;

    CHECK(xmpp_beside_parse(log, "a", good, "1 1 0 1", &b));
    CHECK(!xmpp_beside_parse("1", "a", good, "1 1 0 1", &b));
    CHECK(!xmpp_beside_parse(log, "a'b", good, "1 1 0 1", &b));
    CHECK(!xmpp_beside_parse(log, NULL, good, "1 1 0 1", &b));
    CHECK(!xmpp_beside_parse(log, "a", "1 5 0 6 3000 3000 0 0 0", "1 1 0 1", &b));
    CHECK(!xmpp_beside_parse(log, "a", "1 5 99999 2 3000 3000 0 0 0", "1 1 0 1", &b));
    CHECK(!xmpp_beside_parse(log, "a", "1 5 0 2 3000", "1 1 0 1", &b));
    CHECK(!xmpp_beside_parse(log, "a", "1 5 0 2 3000 3000 0 0 0 9", "1 1 0 1", &b));
    CHECK(!xmpp_beside_parse(log, "a", good, "1 0 0 1", &b));
    CHECK(!xmpp_beside_parse(log, "a", good, "1 1025 0 1", &b));
    CHECK(!xmpp_beside_parse(log, "a", good, "1 1 1 1", &b));
    CHECK(!xmpp_beside_parse(log, "a", good, "1 1 0", &b));
}

TEST(xmpp_positions_grow_with_number_and_place_and_prove_the_entry)
{
    const struct id128 none = {0, 0};
    uint64_t before = 0;

    for (unsigned i = 0; i < 10000; i++) {
        uint64_t number = 1 + test_random(rng, UINT32_MAX - 1);
        uint64_t place = test_random(rng, XMPP_PLACE_MAX);
        struct id128 last = {test_random(rng, UINT64_MAX), 1}, beat = {2, i + 1};
        before = xmpp_position(number, place, last, place > 0 ? beat : none);
        CHECK(xmpp_number_of(before) == number && xmpp_place_of_position(before) == place);
        CHECK(xmpp_position(number, place + 1, last, beat) > before);
        CHECK(number == UINT32_MAX || xmpp_position(number + 1, 0, beat, none) > before);
    }
}
