/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/memory.h"

#include "test.h"

static const struct bus_settings settings = {.url = "memory:unit",
                                             .max_stale_ms = 3000,
                                             .retain_ms = 1000000,
                                             .retain_changes = 100,
                                             .timeout_ms = 1000};
static char why[BUS_WHY_BYTES_MAX];

static struct bus *opened(void)
{
    struct bus *b = NULL;

    CHECK(bus_memory.open(&b, &settings, why) == ACCORD_OK);
    return b;
}

static uint64_t published(struct bus *b, uint64_t message)
{
    struct change c = {.op = CHANGE_REMOVE, .key = bytes_of_text("k"), .message = {1, message}};
    struct position last = {0};

    CHECK(bus_memory.publish(b, &c, 1, &last, why) == ACCORD_OK);
    return last.value;
}

TEST(bus_find_names_the_known_schemes)
{
    CHECK(bus_find("memory:a", why) == &bus_memory);
    CHECK(!bus_find("memoryx:a", why));
    CHECK(strstr(why, "memory:"));
    CHECK(!bus_find("memory", why));
    CHECK(!bus_find("", why));
    CHECK(!bus_find("carrier-pigeon://coop", why));
    CHECK(strstr(why, "carrier-pigeon"));
}

TEST(bus_fail_fills_why_and_cuts_what_is_too_long)
{
    char text[2 * BUS_WHY_BYTES_MAX];

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    CHECK(bus_fail(why, ACCORD_E_DOWN, "%s", text) == ACCORD_E_DOWN);
    CHECK(strlen(why) == BUS_WHY_BYTES_MAX - 1);
}

TEST(memory_refuses_a_url_without_a_name)
{
    struct bus_settings s = settings;
    struct bus *b = NULL;

    s.url = "memory:";
    CHECK(bus_memory.open(&b, &s, why) == ACCORD_E_INVALID);
    s.url = "memory:unit?size=1";
    CHECK(bus_memory.open(&b, &s, why) == ACCORD_E_INVALID && strstr(why, "without options"));
    CHECK(!b);
}

TEST(memory_down_answers_at_once_and_comes_back)
{
    struct bus *b = opened();
    struct bus_attached a;
    struct change c = {.op = CHANGE_CLEAR, .message = {1, 1}};
    struct position last = {.value = 7};

    memory_log_down("unit", true);
    CHECK(bus_memory.attach(b, NULL, 0, &a, why) == ACCORD_E_DOWN);
    CHECK(bus_memory.publish(b, &c, 1, &last, why) == ACCORD_E_DOWN);
    CHECK(last.value == 7);
    memory_log_down("unit", false);
    CHECK(bus_memory.attach(b, NULL, 0, &a, why) == ACCORD_OK);
    CHECK(a.head == 0);
    bus_memory.close(b);
}

TEST(memory_that_loses_an_answer_has_the_change_and_a_repeat_finds_it)
{
    struct bus *b = opened();
    struct change c = {.op = CHANGE_CLEAR, .message = {1, 1}};
    struct position last = {0};

    memory_log_lose_answers("unit", 1);
    CHECK(bus_memory.publish(b, &c, 1, &last, why) == ACCORD_E_TIMEOUT);
    CHECK(bus_memory.publish(b, &c, 1, &last, why) == ACCORD_OK);
    CHECK(last.value == 1);
    CHECK(published(b, 2) == 2);
    bus_memory.close(b);
}
