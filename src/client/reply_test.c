/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "client/reply.h"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>

static struct reply_node nodes[64];
static size_t count, used;

static int parse(const char *text)
{
    return reply_parse(bytes_of_text(text), nodes, COUNT_OF(nodes), &count, &used);
}

static bool text_is(const struct reply_node *node, const char *text)
{
    return node && node->type == REPLY_TEXT && bytes_equal(node->text, bytes_of_text(text));
}

TEST(each_simple_type_is_read)
{
    CHECK(parse("+OK\r\n") == ACCORD_OK && text_is(&nodes[0], "OK") && used == 5);
    CHECK(parse("-TIMEOUT unknown\r\n") == ACCORD_OK && nodes[0].type == REPLY_ERROR);
    CHECK(reply_says(&nodes[0], "TIMEOUT") && !reply_says(&nodes[0], "TIME"));
    CHECK(parse(":-42\r\n") == ACCORD_OK && nodes[0].integer == -42);
    CHECK(parse("#t\r\n") == ACCORD_OK && nodes[0].integer == 1);
    CHECK(parse("#f\r\n") == ACCORD_OK && nodes[0].integer == 0);
    CHECK(parse("_\r\n") == ACCORD_OK && nodes[0].type == REPLY_NULL);
    CHECK(parse(",1.5\r\n") == ACCORD_OK && text_is(&nodes[0], "1.5"));
    CHECK(parse("$5\r\nhe\r\no\r\n") == ACCORD_OK && text_is(&nodes[0], "he\r\no"));
    CHECK(parse("$0\r\n\r\n") == ACCORD_OK && text_is(&nodes[0], ""));
    CHECK(parse("$-1\r\n") == ACCORD_OK && nodes[0].type == REPLY_NULL);
    CHECK(parse("*-1\r\n") == ACCORD_OK && nodes[0].type == REPLY_NULL);
    CHECK(parse("=9\r\ntxt:hello\r\n") == ACCORD_OK && text_is(&nodes[0], "hello"));
    CHECK(parse("!5\r\nERR x\r\n") == ACCORD_OK && nodes[0].type == REPLY_ERROR);
}

TEST(numbers_keep_their_limits)
{
    CHECK(parse(":9223372036854775807\r\n") == ACCORD_OK && nodes[0].integer == INT64_MAX);
    CHECK(parse(":9223372036854775808\r\n") == ACCORD_E_FORMAT);
    CHECK(parse(":-9223372036854775808\r\n") == ACCORD_OK && nodes[0].integer == INT64_MIN);
    CHECK(parse(":-9223372036854775809\r\n") == ACCORD_E_FORMAT);
    CHECK(parse(":\r\n") == ACCORD_E_FORMAT);
    CHECK(parse(":-\r\n") == ACCORD_E_FORMAT);
    CHECK(parse(":+1\r\n") == ACCORD_E_FORMAT);
    CHECK(parse(":1x\r\n") == ACCORD_E_FORMAT);

    uint64_t n = 7;
    CHECK(parse("$20\r\n18446744073709551615\r\n") == ACCORD_OK);
    CHECK(reply_u64(&nodes[0], &n) == ACCORD_OK && n == UINT64_MAX);
    CHECK(parse("$20\r\n18446744073709551616\r\n") == ACCORD_OK);
    CHECK(reply_u64(&nodes[0], &n) == ACCORD_E_FORMAT && n == UINT64_MAX);
    CHECK(parse(":-1\r\n") == ACCORD_OK && reply_u64(&nodes[0], &n) == ACCORD_E_FORMAT);
    CHECK(reply_u64(NULL, &n) == ACCORD_E_FORMAT);
}

TEST(fields_are_found_in_maps_and_in_lists_of_pairs)
{
    static const char *const forms[] = {
        "*6\r\n$5\r\nstate\r\n$3\r\nhit\r\n$4\r\nlist\r\n*2\r\n$1\r\na\r\n*0\r\n"
        "$6\r\nage_ms\r\n:12\r\n",
        "%3\r\n+state\r\n+hit\r\n+list\r\n*2\r\n$1\r\na\r\n%0\r\n+age_ms\r\n:12\r\n",
    };

    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        uint64_t age = 0;
        CHECK(parse(forms[i]) == ACCORD_OK);
        CHECK(text_is(reply_field(nodes, "state"), "hit"));
        CHECK(reply_field(nodes, "list")->count == 2);
        CHECK(reply_u64(reply_field(nodes, "age_ms"), &age) == ACCORD_OK && age == 12);
        CHECK(reply_field(nodes, "none") == NULL);
        CHECK(reply_field(nodes, "a") == NULL);
        CHECK(nodes[0].next == count && used == strlen(forms[i]));
    }
    CHECK(parse("*1\r\n+state\r\n") == ACCORD_OK && reply_field(nodes, "state") == NULL);
    CHECK(parse("+state\r\n") == ACCORD_OK && reply_field(nodes, "state") == NULL);
}

TEST(a_part_of_a_reply_is_absent_and_says_how_much_it_waits_for)
{
    const char *whole = "*3\r\n$5\r\nhello\r\n%1\r\n+a\r\n:1\r\n_\r\n";
    size_t size = strlen(whole);

    for (size_t have = 0; have < size; have++) {
        struct bytes part = bytes_of(whole, have);
        CHECK(reply_parse(part, nodes, COUNT_OF(nodes), &count, &used) == ACCORD_E_ABSENT);
        CHECK(used > have && used <= size);
    }
    CHECK(parse(whole) == ACCORD_OK && used == size && count == 6);
    CHECK(parse("$1000\r\nabc") == ACCORD_E_ABSENT && used == 7 + 1002);
}

TEST(what_is_not_a_reply_is_refused)
{
    static const char *const bad[] = {
        "x",       "\r\n",   "$5\r\nhelloXX", "$-2\r\n",       "*-2\r\n",       "%-1\r\n",
        "~-1\r\n", "$\r\n",  "$1a\r\n",       "+OK\rX",        "#x\r\n",        "_x\r\n",
        "*?\r\n",  "$?\r\n", "|1\r\n",        "=3\r\ntxt\r\n", "=4\r\nabcd\r\n"};

    for (size_t i = 0; i < COUNT_OF(bad); i++)
        CHECK(parse(bad[i]) == ACCORD_E_FORMAT);
    CHECK(parse("$67108865\r\n") == ACCORD_E_SIZE);
    CHECK(parse("$67108864\r\n") == ACCORD_E_SIZE); /* with its header it is over the whole */
    CHECK(parse("$67000000\r\n") == ACCORD_E_ABSENT);
    CHECK(parse("*99999999\r\n") == ACCORD_E_SIZE);
}

TEST(depth_lines_and_nodes_are_bounded)
{
    char text[REPLY_LINE_BYTES_MAX + 16];

    for (int depth = REPLY_DEPTH_MAX - 1; depth <= REPLY_DEPTH_MAX + 1; depth++) {
        text[0] = 0;
        for (int i = 0; i < depth; i++)
            snprintf(text + i * 4, sizeof text - (size_t)i * 4, "*1\r\n");
        snprintf(text + depth * 4, 8, ":1\r\n");
        CHECK(parse(text) == (depth <= REPLY_DEPTH_MAX ? ACCORD_OK : ACCORD_E_SIZE));
    }
    for (size_t size = REPLY_LINE_BYTES_MAX - 1; size <= REPLY_LINE_BYTES_MAX + 1; size++) {
        memset(text, 'a', sizeof text);
        text[0] = '+';
        snprintf(text + 1 + size, 3, "\r\n");
        CHECK(parse(text) == (size <= REPLY_LINE_BYTES_MAX ? ACCORD_OK : ACCORD_E_SIZE));
    }
    struct bytes three = bytes_of_text("*2\r\n:1\r\n:2\r\n");
    CHECK(reply_parse(three, nodes, 2, &count, &used) == ACCORD_E_FULL);
    CHECK(reply_parse(three, nodes, 3, &count, &used) == ACCORD_OK);
}

/* Any bytes: the parser says something, and what it says lies inside the input. */
TEST_SEEDS(any_bytes_are_survived, 2000)
{
    static const char alphabet[] = "+-:$*%~>#_=!,(0123456789\r\n\r\n\r\na|?";
    size_t size = test_random(rng, 80);
    char *in = malloc(size + 1);

    CHECK(in != NULL);
    for (size_t i = 0; i < size; i++)
        in[i] = alphabet[test_random(rng, sizeof alphabet - 1)];
    if (reply_parse(bytes_of(in, size), nodes, COUNT_OF(nodes), &count, &used) == ACCORD_OK) {
        CHECK(used <= size && nodes[0].next == count);
        for (size_t i = 0; i < count; i++) {
            CHECK(nodes[i].next > i && nodes[i].next <= count);
            CHECK(nodes[i].text.data == NULL ||
                  ((const char *)nodes[i].text.data >= in &&
                   (const char *)nodes[i].text.data + nodes[i].text.size_bytes <= in + size));
        }
        (void)reply_field(nodes, "a");
    }
    free(in);
}
