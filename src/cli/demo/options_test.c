/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/demo/options.h"

#include "test.h"

#include <stdio.h>

static char why[OPTIONS_WHY_BYTES_MAX];
static struct demo_options o;

static int parse(const char *a, const char *b)
{
    static char words[2][DEMO_BUS_BYTES_MAX + 1];
    static char name[] = "demo";
    char *argv[] = {name, NULL, NULL, NULL};
    const char *given[] = {a, b};
    int argc = 1;

    for (size_t i = 0; i < COUNT_OF(given) && given[i]; i++) {
        snprintf(words[i], sizeof words[i], "%s", given[i]);
        argv[argc++] = words[i];
    }
    return demo_options_parse(&o, argc, argv, why);
}

TEST(with_no_flags_the_demo_is_the_one_of_the_manual)
{
    CHECK(parse(NULL, NULL) == ACCORD_OK);
    CHECK(o.seconds == 20);
    CHECK(o.nodes == 3);
    CHECK(o.readers == 4);
    CHECK(o.max_stale_ns == 3 * NS_PER_S);
    CHECK(strcmp(o.input, "/var/lib/dpkg/status") == 0);
    CHECK(!o.json);
    CHECK(!o.trace);
    CHECK(!o.bus);
}

TEST(a_value_follows_its_flag_or_an_equals_sign)
{
    CHECK(parse("--seconds", "6") == ACCORD_OK);
    CHECK(o.seconds == 6);
    CHECK(parse("--max-stale=1500ms", "--json") == ACCORD_OK);
    CHECK(o.max_stale_ns == 1500 * NS_PER_MS);
    CHECK(o.json);
    CHECK(parse("--break=removal", NULL) == ACCORD_OK);
    CHECK(strcmp(o.broken, "removal") == 0);
}

TEST(a_bus_that_is_none_is_refused_before_anything_starts)
{
    CHECK(parse("--bus", "foo:x") == ACCORD_E_INVALID);
    CHECK(strstr(why, "--bus: ") && strstr(why, "foo"));
    CHECK(parse("--bus", "memory:x") == ACCORD_E_INVALID);
    CHECK(parse("--bus", "sqlite:/tmp/x.db") == ACCORD_OK);
}

TEST(a_bus_of_more_bytes_than_the_nodes_are_told_is_refused)
{
    char url[DEMO_BUS_BYTES_MAX + 1];

    memset(url, 'x', sizeof url);
    memcpy(url, "sqlite:/", 8);
    url[DEMO_BUS_BYTES_MAX] = 0;
    CHECK(parse("--bus", url) == ACCORD_E_INVALID);
    CHECK(strcmp(why, "--bus: the URL is longer than 511 bytes") == 0);
    url[DEMO_BUS_BYTES_MAX - 1] = 0;
    CHECK(parse("--bus", url) == ACCORD_OK);
}

TEST(an_old_server_is_allowed_of_nats_only)
{
    CHECK(parse("--bus=nats://h/shop", "--allow-old-server") == ACCORD_OK);
    CHECK(o.allow_old_server && strcmp(o.bus, "nats://h/shop") == 0);
    CHECK(parse("--bus=redis://h/shop", "--allow-old-server") == ACCORD_E_INVALID);
    CHECK(strstr(why, "--allow-old-server: ") && strstr(why, "nats://"));
    CHECK(parse("--allow-old-server", NULL) == ACCORD_E_INVALID && strstr(why, "--bus"));
    CHECK(parse("--allow-old-server=1", NULL) == ACCORD_E_INVALID);
}

TEST(limits_hold_at_their_ends)
{
    CHECK(parse("--seconds", "3") == ACCORD_E_INVALID);
    CHECK(strcmp(why, "--seconds: expected a number from 4 to 86400, not \"3\"") == 0);
    CHECK(parse("--seconds", "4") == ACCORD_OK);
    CHECK(parse("--seconds", "86400") == ACCORD_OK);
    CHECK(parse("--seconds", "86401") == ACCORD_E_INVALID);
    CHECK(parse("--readers", "3") == ACCORD_E_INVALID);
    CHECK(parse("--readers", "64") == ACCORD_OK);
    CHECK(parse("--readers", "65") == ACCORD_E_INVALID);
    CHECK(parse("--nodes", "0") == ACCORD_E_INVALID);
    CHECK(parse("--nodes", "1") == ACCORD_OK);
    CHECK(parse("--max-stale", "499ms") == ACCORD_E_INVALID);
    CHECK(parse("--max-stale", "500ms") == ACCORD_OK);
    CHECK(parse("--memory", "8M") == ACCORD_OK);
    CHECK(parse("--memory", "7M") == ACCORD_E_INVALID);
}

TEST(a_wrong_flag_is_named_with_what_is_expected)
{
    CHECK(parse("--second", "6") == ACCORD_E_INVALID);
    CHECK(strcmp(why, "there is no flag \"--second\"") == 0);
    CHECK(parse("six", NULL) == ACCORD_E_INVALID);
    CHECK(parse("--seconds", NULL) == ACCORD_E_INVALID);
    CHECK(strstr(why, "after it"));
    CHECK(parse("--seconds", "-1") == ACCORD_E_INVALID);
    CHECK(parse("--seconds", "99999999999999999999999") == ACCORD_E_INVALID);
    CHECK(parse("--seconds", "6s") == ACCORD_E_INVALID);
    CHECK(parse("--json=yes", NULL) == ACCORD_E_INVALID);
    CHECK(parse("--input", "") == ACCORD_E_INVALID);
    CHECK(parse("--break", "glass") == ACCORD_E_INVALID);
    CHECK(strcmp(why, "--break: expected \"removal\", not \"glass\"") == 0);
    CHECK(parse("--bus", "memory:x") == ACCORD_E_INVALID);
    CHECK(strstr(why, "several processes"));
}
