/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "wire/chat.h"

#include "test.h"

static struct change changes[CHAT_CHANGES_MAX];
static uint8_t text_buffer[4 * CHAT_BODY_BYTES_MAX];

static size_t parsed(const char *text)
{
    memcpy(text_buffer, text, strlen(text));
    return chat_parse(text_buffer, strlen(text), changes);
}

static bool is(size_t i, enum change_op op, const char *key)
{
    return changes[i].op == op && bytes_equal(changes[i].key, bytes_of_text(key));
}

TEST(chat_a_plain_line_removes_the_key_and_what_is_tagged_with_it)
{
    CHECK(parsed("greeble:43") == 2);
    CHECK(is(0, CHANGE_REMOVE, "greeble:43") && is(1, CHANGE_TAG, "greeble:43"));
    CHECK(parsed("  a b\t\r\n\n//etc/hosts\n") == 4);
    CHECK(is(0, CHANGE_REMOVE, "a b") && is(2, CHANGE_REMOVE, "/etc/hosts"));
    CHECK(is(3, CHANGE_TAG, "/etc/hosts"));
    CHECK(changes[0].origin.size_bytes == 0 && changes[0].sequence == 0);
}

TEST(chat_a_slash_begins_other_operations)
{
    CHECK(parsed("/remove k\n/tag red\n/prefix user:\n/namespace shop\n/clear") == 5);
    CHECK(is(0, CHANGE_REMOVE, "k") && is(1, CHANGE_TAG, "red"));
    CHECK(is(2, CHANGE_PREFIX, "user:") && is(3, CHANGE_NAMESPACE, "shop"));
    CHECK(is(4, CHANGE_CLEAR, ""));
    CHECK(parsed("/remove \"a\\nb\\x00\\\"\\\\\"") == 1);
    CHECK(bytes_equal(changes[0].key, bytes_of("a\nb\0\"\\", 6)));
}

TEST(chat_what_is_not_understood_means_nothing)
{
    static const char *const harmless[] = {"",
                                           "   ",
                                           "/",
                                           "/help",
                                           "/me waves",
                                           "/flush k",
                                           "/clear all",
                                           "/remove",
                                           "/remove  ",
                                           "/tag",
                                           "/beat k",
                                           "/join",
                                           "/leave",
                                           "/remove \"a",
                                           "/remove \"",
                                           "/REMOVE k",
                                           "/remove \"\"",
                                           "/tag \"\\q\"",
                                           "/tag \"\\x0\"",
                                           "/tag \"a\"b\""};

    for (size_t i = 0; i < COUNT_OF(harmless); i++)
        CHECK(parsed(harmless[i]) == 0);
}

TEST(chat_a_key_has_a_greatest_length_and_a_text_a_greatest_number)
{
    memset(text_buffer, 'x', KEY_BYTES_MAX + 1);
    CHECK(chat_parse(text_buffer, KEY_BYTES_MAX, changes) == 2);
    CHECK(chat_parse(text_buffer, KEY_BYTES_MAX + 1, changes) == 0);
    for (size_t i = 0; i < 600; i += 2)
        memcpy(text_buffer + i, "k\n", 2);
    CHECK(chat_parse(text_buffer, 600, changes) == CHAT_CHANGES_MAX);
}

static bool comes_back(const struct change *c)
{
    static char body[CHAT_BODY_BYTES_MAX];
    size_t length = chat_print(c, 1, body);
    size_t count = chat_parse((uint8_t *)body, length, changes);

    return count > 0 && changes[0].op == c->op && bytes_equal(changes[0].key, c->key);
}

TEST(chat_what_is_printed_means_the_same)
{
    static const char odd[] = "a/\"\\ \n\xc3\xa9";
    uint8_t key[64];

    for (unsigned n = 0; n < 20000; n++) {
        size_t size = 1 + test_random(rng, sizeof key);
        struct change c = {.op = (enum change_op)(1 + test_random(rng, CHANGE_NAMESPACE)),
                           .key = bytes_of(key, size)};
        for (size_t i = 0; i < size; i++) {
            uint64_t any = test_random(rng, 1024);
            key[i] = (uint8_t)(any < 256 ? any : (uint8_t)odd[any % (sizeof odd - 1)]);
        }
        if (change_problem(&c))
            continue; /* a namespace is no such name */
        CHECK(comes_back(&c));
    }
    CHECK(comes_back(&(struct change){.op = CHANGE_CLEAR}));
}

TEST(chat_only_removals_are_said_and_those_that_do_not_fit_are_counted)
{
    static char body[CHAT_BODY_BYTES_MAX];
    static struct change many[1000];
    struct change beat = {.op = CHANGE_BEAT};

    CHECK(chat_print(&beat, 1, body) == 0 && body[0] == '\0');
    for (size_t i = 0; i < COUNT_OF(many); i++)
        many[i] =
            (struct change){.op = CHANGE_TAG, .key = bytes_of_text("of some length here")};
    many[0].op = CHANGE_REMOVE;
    many[1].op = CHANGE_BEAT;
    size_t length = chat_print(many, COUNT_OF(many), body);
    CHECK(length < CHAT_BODY_BYTES_MAX && body[length] == '\0');
    CHECK(strncmp(body, "of some length here\n/tag of some", 32) == 0);
    CHECK(strstr(body, "\n/and ") && strcmp(body + length - 5, " more") == 0);
}

TEST(chat_knows_what_xml_can_hold)
{
    static const char *const good[] = {"a", "\xc3\xa9", "\xf0\x9f\x90\x99", "\xef\xbb\xbf"};
    static const char *const bad[] = {
        "\x01",         "\n",           "\x7f",         "\xc0\x80",
        "\xed\xa0\x80", "\xef\xbf\xbe", "\xef\xbf\xbf", "\xf4\x90\x80\x80",
        "\xe2\x82",     "\x80",         "\xff"};

    for (size_t i = 0; i < COUNT_OF(good); i++)
        CHECK(chat_is_text(bytes_of_text(good[i])));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        CHECK(!chat_is_text(bytes_of_text(bad[i])));
}
