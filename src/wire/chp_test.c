/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "base/limits.h"
#include "test.h"
#include "wire/chp.h"

static const struct bytes none = {NULL, 0};

/* The five frames of a message that is right, for each test to spoil. */
static void right(struct bytes frames[CHP_FRAMES + 1])
{
    frames[0] = bytes_of_text("/client/7");
    frames[1] = bytes_of("\0\0\0\0\0\0\1\2", 8);
    frames[2] = bytes_of_text("0123456789abcdef");
    frames[3] = bytes_of_text("ttl=30\ncolour=green=blue\n");
    frames[4] = bytes_of_text("value");
    frames[5] = none;
}

static int parse(const struct bytes *frames, size_t count)
{
    struct chp_message m = {.sequence = 99};
    const char *why = NULL;
    int status = chp_parse(frames, count, &m, &why);

    CHECK((status == ACCORD_OK) == (why == NULL));
    CHECK(status == ACCORD_OK || m.sequence == 99);
    return status;
}

static int parse_with(size_t frame, struct bytes text)
{
    struct bytes frames[CHP_FRAMES + 1];

    right(frames);
    frames[frame] = text;
    return parse(frames, CHP_FRAMES);
}

TEST(chp_message_is_five_frames)
{
    struct bytes frames[CHP_FRAMES + 1];
    struct chp_message m;
    const char *why;

    right(frames);
    CHECK(chp_parse(frames, CHP_FRAMES, &m, &why) == ACCORD_OK);
    CHECK(bytes_equal(m.key, frames[0]));
    CHECK(m.sequence == 258);
    CHECK(bytes_equal(m.uuid, frames[2]));
    CHECK(bytes_equal(m.properties, frames[3]));
    CHECK(bytes_equal(m.value, frames[4]));
    for (size_t count = 0; count <= CHP_FRAMES + 1; count++)
        CHECK((parse(frames, count) == ACCORD_OK) == (count == CHP_FRAMES));
}

TEST(chp_frames_may_be_empty_but_for_the_key)
{
    for (size_t i = 0; i < CHP_FRAMES; i++)
        CHECK(parse_with(i, none) == (i == 0 ? ACCORD_E_FORMAT : ACCORD_OK));
}

TEST(chp_frames_have_their_lengths)
{
    static uint8_t long_key[KEY_BYTES_MAX + 1], long_lines[CHP_PROPERTIES_BYTES_MAX + 1];

    memset(long_key, 'k', sizeof long_key);
    CHECK(parse_with(0, bytes_of(long_key, KEY_BYTES_MAX)) == ACCORD_OK);
    CHECK(parse_with(0, bytes_of(long_key, KEY_BYTES_MAX + 1)) == ACCORD_E_SIZE);
    CHECK(parse_with(1, bytes_of_text("1234567")) == ACCORD_E_FORMAT);
    CHECK(parse_with(1, bytes_of_text("123456789")) == ACCORD_E_FORMAT);
    CHECK(parse_with(2, bytes_of_text("0123456789abcde")) == ACCORD_E_FORMAT);
    CHECK(parse_with(2, bytes_of_text("0123456789abcdefg")) == ACCORD_E_FORMAT);
    memset(long_lines, 'a', sizeof long_lines);
    long_lines[1] = '=';
    long_lines[CHP_PROPERTIES_BYTES_MAX - 1] = long_lines[CHP_PROPERTIES_BYTES_MAX] = '\n';
    CHECK(parse_with(3, bytes_of(long_lines, CHP_PROPERTIES_BYTES_MAX)) == ACCORD_OK);
    CHECK(parse_with(3, bytes_of(long_lines, CHP_PROPERTIES_BYTES_MAX + 1)) == ACCORD_E_SIZE);
}

TEST(chp_properties_are_lines_of_name_and_value)
{
    static const char *const wrong[] = {"ttl", "ttl=1", "=1\n", "\n", "a=1\n\n", "a=1\nb\n"};
    struct bytes value;

    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        CHECK(parse_with(3, bytes_of_text(wrong[i])) == ACCORD_E_FORMAT);
    struct bytes lines = bytes_of_text("ttl=30\ncolour=green=blue\nempty=\nttl=9\n");
    CHECK(parse_with(3, lines) == ACCORD_OK);
    CHECK(chp_property(lines, "colour", &value));
    CHECK(bytes_equal(value, bytes_of_text("green=blue")));
    CHECK(chp_property(lines, "empty", &value) && value.size_bytes == 0);
    CHECK(chp_property(lines, "ttl", &value) && bytes_equal(value, bytes_of_text("30")));
    CHECK(!chp_property(lines, "tt", &value) && !chp_property(none, "ttl", &value));
    uint8_t out[64];
    size_t bytes = chp_without_ttl(lines, out);
    CHECK(bytes_equal(bytes_of(out, bytes), bytes_of_text("colour=green=blue\nempty=\n")));
    CHECK(chp_without_ttl(none, out) == 0);
}

static uint64_t ttl(const char *lines)
{
    uint64_t ms = 12345;

    if (chp_ttl_ms(bytes_of_text(lines), &ms) == ACCORD_OK)
        return ms;
    CHECK(ms == 12345);
    return 0; /* which no ttl is */
}

TEST(chp_ttl_is_in_seconds_and_none_or_0_is_for_ever)
{
    CHECK(ttl("ttl=30\n") == 30000);
    CHECK(ttl("a=b\nttl=1\n") == 1000);
    CHECK(ttl("ttl=0.5\n") == 500 && ttl("ttl=.25\n") == 250 && ttl("ttl=2.\n") == 2000);
    CHECK(ttl("ttl=1.0004\n") == 1001 && ttl("ttl=0.0000001\n") == 1);
    CHECK(ttl("") == UINT64_MAX && ttl("ttl=0\n") == UINT64_MAX);
    CHECK(ttl("ttl=0.000\n") == UINT64_MAX);
    CHECK(ttl("ttl=99999999999999999999999999\n") == UINT64_MAX);
    CHECK(ttl("ttl=2147483646\n") == 2147483646000ull);
}

TEST(chp_ttl_that_is_no_number_is_refused)
{
    static const char *const wrong[] = {"ttl=\n",   "ttl=.\n",   "ttl=-1\n",   "ttl=1s\n",
                                        "ttl= 1\n", "ttl=1e3\n", "ttl=1.2.3\n"};

    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        CHECK(ttl(wrong[i]) == 0);
}

TEST(chp_ttl_is_printed_rounded_up_and_read_again)
{
    char text[CHP_TTL_BYTES_MAX];

    CHECK(chp_ttl_print(UINT64_MAX, text) == 0);
    CHECK(bytes_equal(bytes_of(text, chp_ttl_print(30000, text)), bytes_of_text("ttl=30\n")));
    CHECK(bytes_equal(bytes_of(text, chp_ttl_print(29001, text)), bytes_of_text("ttl=30\n")));
    CHECK(bytes_equal(bytes_of(text, chp_ttl_print(0, text)), bytes_of_text("ttl=1\n")));
    CHECK(bytes_equal(bytes_of(text, chp_ttl_print(UINT64_MAX - 1, text)),
                      bytes_of_text("ttl=2147483647\n")));
}

static int ask(const char *word, const char *subtree, size_t count)
{
    struct bytes frames[3] = {bytes_of_text(word), bytes_of_text(subtree), none};
    struct bytes out = {NULL, 77};
    const char *why = NULL;
    int status = chp_parse_question(frames, count, &out, &why);

    CHECK((status == ACCORD_OK) == (why == NULL));
    CHECK(status == ACCORD_OK ? bytes_equal(out, frames[1]) : out.size_bytes == 77);
    return status;
}

TEST(chp_question_names_a_subtree_that_ends_with_a_slash)
{
    CHECK(ask("ICANHAZ?", "", 2) == ACCORD_OK);
    CHECK(ask("ICANHAZ?", "/", 2) == ACCORD_OK);
    CHECK(ask("ICANHAZ?", "/client/", 2) == ACCORD_OK);
    CHECK(ask("ICANHAZ?", "/client", 2) == ACCORD_E_FORMAT);
    CHECK(ask("ICANHAZ?", "client/", 2) == ACCORD_E_FORMAT);
    CHECK(ask("ICANHAZ?", "/a/", 1) == ACCORD_E_FORMAT);
    CHECK(ask("ICANHAZ?", "/a/", 3) == ACCORD_E_FORMAT);
    CHECK(ask("ICANHAZ?", "/a/", 0) == ACCORD_E_FORMAT);
    CHECK(ask("ICANHAZ", "/a/", 2) == ACCORD_E_FORMAT);
    CHECK(ask("ICANHAZ?x", "/a/", 2) == ACCORD_E_FORMAT);
}

TEST(chp_subtree_takes_what_begins_with_it)
{
    struct bytes tree = bytes_of_text("/client/");

    CHECK(chp_is_below(tree, bytes_of_text("/client/7")));
    CHECK(chp_is_below(tree, tree));
    CHECK(!chp_is_below(tree, bytes_of_text("/clientele/7")));
    CHECK(!chp_is_below(tree, bytes_of_text("/client")));
    CHECK(chp_is_below(none, bytes_of_text("anything")));
}

TEST(chp_words_of_its_own_are_no_keys)
{
    CHECK(chp_is_reserved(bytes_of_text("HUGZ")) && chp_is_reserved(bytes_of_text("KTHXBAI")));
    CHECK(!chp_is_reserved(bytes_of_text("HUGZ1")) && !chp_is_reserved(bytes_of_text("hugz")));
    CHECK(!chp_is_reserved(none));
}

TEST_SEEDS(chp_frames_written_are_read_again, 1000)
{
    static const char *const lines[] = {"", "ttl=3\n", "a=b\nc=d\n"};
    uint8_t key[32], uuid[CHP_UUID_BYTES], value[64], sequence[CHP_SEQUENCE_BYTES];
    struct bytes frames[CHP_FRAMES];
    struct chp_message again;
    const char *why;

    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)test_random(rng, 256);
    memset(uuid, (int)test_random(rng, 256), sizeof uuid);
    memset(value, (int)test_random(rng, 256), sizeof value);
    struct chp_message m = {.key = bytes_of(key, 1 + test_random(rng, sizeof key)),
                            .sequence = test_random(rng, UINT64_MAX),
                            .uuid = bytes_of(uuid, test_random(rng, 2) ? sizeof uuid : 0),
                            .properties = bytes_of_text(lines[test_random(rng, 3)]),
                            .value = bytes_of(value, test_random(rng, sizeof value))};
    chp_frames(&m, sequence, frames);
    CHECK(chp_parse(frames, CHP_FRAMES, &again, &why) == ACCORD_OK);
    CHECK(again.sequence == m.sequence);
    CHECK(bytes_equal(again.key, m.key) && bytes_equal(again.uuid, m.uuid));
    CHECK(bytes_equal(again.properties, m.properties) && bytes_equal(again.value, m.value));
}
