/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/policies.h"

#include "node/settings.h"
#include "test.h"

#include <stdio.h>

/* "user.ttl=1h" sets, "user" declares. */
static void set(struct settings *s, const char *word)
{
    char space[64], name[64], value[64], why[SETTINGS_WHY_BYTES_MAX];

    CHECK(sscanf(word, "%63[^.].%63[^=]=%63s", space, name, value) == 3);
    CHECK(settings_set_namespace(s, "test", space, name, value, why) == ACCORD_OK);
}

/* Of such words, with spaces between them. */
static const char *line_of(char out[POLICIES_BYTES_MAX + 1], const char *words)
{
    struct settings *s;
    char word[64];
    int used;

    CHECK(settings_new(&s) == ACCORD_OK);
    for (; sscanf(words, " %63s%n", word, &used) == 1; words += used)
        set(s, word);
    policies_print(s->namespaces, s->namespace_count, out);
    settings_free(s);
    return out;
}

TEST(policies_are_said_where_they_are_not_the_standard)
{
    char line[POLICIES_BYTES_MAX + 1];

    CHECK(strcmp(line_of(line, ""), "default") == 0);
    line_of(line, "user.ttl=1h shop.refresh_at=0.8 shop.delimiter=/ user.nx=local "
                  "default.set=fill user.grace=0s");
    CHECK(strcmp(line,
                 "default default.set=fill shop shop.refresh_at=0.8 shop.delimiter=/ user "
                 "user.ttl=1h user.nx=local") == 0);
}

TEST(policies_that_are_the_same_do_not_differ_whatever_their_order)
{
    char here[POLICIES_BYTES_MAX + 1], there[POLICIES_BYTES_MAX + 1], out[256];

    line_of(here, "user.ttl=1h shop.ttl=2h");
    line_of(there, "shop.ttl=2h user.ttl=1h");
    CHECK(!policies_differ(here, there, out, sizeof out) && !out[0]);
}

TEST(policies_that_differ_are_named_with_both_values)
{
    char here[POLICIES_BYTES_MAX + 1], there[POLICIES_BYTES_MAX + 1], out[256];

    line_of(here, "user.ttl=1h user.delimiter=/ shop.ttl=2h");
    line_of(there, "user.ttl=2h user.jitter=0.1 cart.ttl=1s");
    CHECK(policies_differ(here, there, out, sizeof out));
    CHECK(strcmp(out,
                 "shop is declared only here; user.ttl is 2h there, 1h here; user.delimiter "
                 "is / here, the standard there; cart is declared only there; user.jitter is "
                 "0.1 there, the standard here") == 0);
}

static void many(char line[POLICIES_BYTES_MAX + 1], unsigned count, const char *last)
{
    struct settings *s;
    char word[64];

    CHECK(settings_new(&s) == ACCORD_OK);
    for (unsigned i = 0; i < count; i++) {
        snprintf(word, sizeof word, "space%03u.ttl=%us", i, i + 1);
        set(s, word);
    }
    set(s, last);
    policies_print(s->namespaces, s->namespace_count, line);
    settings_free(s);
}

TEST(policies_that_do_not_fit_are_told_apart_by_their_hash)
{
    char here[POLICIES_BYTES_MAX + 1], there[POLICIES_BYTES_MAX + 1], out[256];

    many(here, 100, "zoo.ttl=1h");
    many(there, 100, "zoo.ttl=1h");
    CHECK(strlen(here) <= POLICIES_BYTES_MAX && strrchr(here, '#'));
    CHECK(!policies_differ(here, there, out, sizeof out));
    many(there, 100, "zoo.ttl=2h");
    CHECK(policies_differ(here, there, out, sizeof out));
    CHECK(strcmp(out, "something differs that does not fit into a beat") == 0);
    many(there, 100, "space000.ttl=9s");
    CHECK(policies_differ(here, there, out, sizeof out));
    CHECK(strcmp(out, "space000.ttl is 9s there, 1s here") == 0);
}

/* What a node of another make says is any text; and what is told of it ends where it must. */
TEST_SEEDS(policies_of_any_text_are_compared, 300)
{
    static const char bytes[] = "ab.=# \t~1/";
    char line[2][POLICIES_BYTES_MAX + 1], out[64];

    for (int i = 0; i < 2; i++) {
        size_t size = test_random(rng, sizeof line[i]);
        for (size_t k = 0; k < size; k++)
            line[i][k] = bytes[test_random(rng, sizeof bytes - 1)];
        line[i][size] = '\0';
    }
    for (size_t room = 1; room <= sizeof out; room++) {
        bool differ = policies_differ(line[0], line[1], out, room);
        CHECK(strlen(out) < room);
        CHECK(differ == (out[0] != '\0') || room == 1);
        CHECK(!policies_differ(line[0], line[0], out, room));
    }
}
