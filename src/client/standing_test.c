/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "client/standing.h"

#include "test.h"

#include <stdio.h>

static char heard[512];

static void hear(void *context, const char *node, int standing)
{
    size_t at = strlen(heard);

    CHECK(context == heard);
    snprintf(heard + at, sizeof heard - at, "%d %s|", standing, node);
}

static const char *told(const char *reply)
{
    static struct reply_node nodes[64];
    size_t count, used;

    heard[0] = 0;
    CHECK(reply_parse(bytes_of_text(reply), nodes, COUNT_OF(nodes), &count, &used) ==
          ACCORD_OK);
    standing_tell(nodes, hear, heard);
    return heard;
}

static bool tells(const char *reply, const char *expected)
{
    bool same = strcmp(told(reply), expected) == 0;

    if (!same)
        fprintf(stderr, "%s\nexpected %s\n", heard, expected);
    return same;
}

TEST(the_nodes_of_a_removal_that_is_done_are_told_in_both_protocols)
{
    CHECK(tells("*6\r\n$8\r\nposition\r\n+7@1\r\n$9\r\nconfirmed\r\n*2\r\n$4\r\nweb2\r\n$4\r\n"
                "web3\r\n$6\r\nlapsed\r\n*1\r\n$13\r\nweb4#00c0ffee\r\n",
                "1 web2|1 web3|2 web4#00c0ffee|"));
    CHECK(
        tells("%3\r\n$8\r\nposition\r\n+7@1\r\n$9\r\nconfirmed\r\n*0\r\n$6\r\nlapsed\r\n*1\r\n"
              "$4\r\nweb2\r\n",
              "2 web2|"));
}

TEST(the_nodes_of_a_removal_that_is_unknown_are_told_from_the_words_of_the_error)
{
    CHECK(tells("-TIMEOUT unknown: not confirmed by a, b#1; confirmed by c; lapsed: d, e\r\n",
                "3 a|3 b#1|1 c|2 d|2 e|"));
    CHECK(tells("-TIMEOUT unknown: not confirmed by a\r\n", "3 a|"));
    CHECK(tells("-TIMEOUT unknown: the log has changed since; remove it again\r\n", ""));
}

TEST(what_is_no_answer_to_a_strict_removal_tells_of_no_node)
{
    CHECK(tells("+7@1\r\n", ""));
    CHECK(tells("-ERR not confirmed by a\r\n", ""));
    CHECK(tells("-TIMEOUT unknown: \r\n", ""));
    CHECK(tells("*2\r\n$9\r\nconfirmed\r\n$4\r\nweb2\r\n", ""));
    CHECK(tells("*2\r\n$9\r\nconfirmed\r\n*2\r\n*1\r\n$4\r\nweb2\r\n:7\r\n", "1 web2|"));
    CHECK(tells("*2\r\n$6\r\nlapsed\r\n*1\r\n$3\r\na\x1b"
                "b\r\n",
                "2 a?b|"));
}

/* As many as a daemon may know, each with the longest name: nothing is cut. */
static void count(void *context, const char *node, int standing)
{
    CHECK(strlen(node) == 73 && standing == ACCORD_UNKNOWN);
    ++*(unsigned *)context;
}

TEST(the_longest_error_fits_and_tells_of_every_node)
{
    static char reply[128 * 1024];
    static struct reply_node nodes[4];
    size_t at = (size_t)snprintf(reply, sizeof reply, "-TIMEOUT unknown: not confirmed by ");
    size_t node_count, used;
    unsigned counted = 0;

    for (unsigned i = 0; i < 1024; i++)
        at += (size_t)snprintf(reply + at, sizeof reply - at, "%s%064u#%08x", i > 0 ? ", " : "",
                               i, i);
    snprintf(reply + at, sizeof reply - at, "\r\n");
    CHECK(reply_parse(bytes_of_text(reply), nodes, COUNT_OF(nodes), &node_count, &used) ==
          ACCORD_OK);
    standing_tell(nodes, count, &counted);
    CHECK(counted == 1024);
}
