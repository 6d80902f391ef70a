/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/policy.h"
#include "test.h"

#include <stdio.h>

static struct namespace_settings settings(void)
{
    return (struct namespace_settings){.name = "default",
                                       .ttl_ns = 3600 * NS_PER_S,
                                       .grace_ns = 60 * NS_PER_S,
                                       .negative_ttl_ns = 5 * NS_PER_S,
                                       .unsure_ttl_ns = NS_PER_S,
                                       .max_stale_ns = UINT64_MAX};
}

TEST(policy_gives_the_namespace_its_say_where_the_caller_has_none)
{
    struct namespace_settings n = settings();
    struct item item = {.ttl_ns = 0, .grace_ns = UINT64_MAX};
    struct item out = policy_item(&n, &item, /* unsure= */ false);

    CHECK(out.ttl_ns == n.ttl_ns);
    CHECK(out.grace_ns == n.grace_ns);
    CHECK(out.flags == 0);
    item = (struct item){.ttl_ns = 7, .grace_ns = 8};
    out = policy_item(&n, &item, false);
    CHECK(out.ttl_ns == 7);
    CHECK(out.grace_ns == 8);
}

TEST(policy_keeps_negatives_for_their_own_time)
{
    struct namespace_settings n = settings();
    struct item item = {.ttl_ns = 0, .grace_ns = UINT64_MAX, .flags = ITEM_NEGATIVE};
    struct item out = policy_item(&n, &item, false);

    CHECK(out.ttl_ns == n.negative_ttl_ns);
    CHECK(out.grace_ns == 0);
    CHECK(out.flags == ITEM_NEGATIVE);
}

TEST(policy_keeps_what_was_filled_without_a_lease_only_shortly)
{
    struct namespace_settings n = settings();
    struct item item = {.ttl_ns = 0, .grace_ns = 9, .flags = ITEM_SOFT};
    struct item out = policy_item(&n, &item, /* unsure= */ true);

    CHECK(out.ttl_ns == n.unsure_ttl_ns);
    CHECK(out.grace_ns == 0);
    CHECK(out.flags == ITEM_UNSURE); /* what a caller says of SOFT does not count */
    item.ttl_ns = 5;
    CHECK(policy_item(&n, &item, true).ttl_ns == 5);
    n.when_unsure = WHEN_UNSURE_ERROR;
    CHECK(!policy_keeps_unsure(&n));
}

TEST(policy_refuses_settings_that_make_no_sense)
{
    static struct policy p;
    static struct namespace_settings many[NAMESPACES_MAX + 1];
    struct namespace_settings n = settings();

    for (size_t i = 0; i <= NAMESPACES_MAX; i++)
        many[i] = n;
    CHECK(policy_init(&p, many, 0) == ACCORD_E_INVALID);
    CHECK(policy_init(&p, many, NAMESPACES_MAX + 1) == ACCORD_E_INVALID);
    CHECK(p.count == 0);
    CHECK(policy_init(&p, many, NAMESPACES_MAX) == ACCORD_OK);
    CHECK(policy_of(&p, NAMESPACES_MAX - 1)->ttl_ns == n.ttl_ns);
    struct namespace_settings bad[10];
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        bad[i] = n;
    bad[0].ttl_ns = 0;
    bad[1].negative_ttl_ns = 0;
    bad[2].unsure_ttl_ns = 0;
    bad[3].max_stale_ns = 0;
    bad[4].refresh_permille = 1001;
    bad[5].jitter_permille = 1001;
    bad[6].when_unsure = WHEN_UNSURE_ERROR + 1;
    bad[7].version = VERSION_ROW + 1;
    bad[8].set = SET_FILL + 1;
    memset(bad[9].name, 'x', sizeof bad[9].name); /* it does not end */
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct namespace_settings two[] = {n, bad[i]};
        CHECK(policy_init(&p, two, 2) == ACCORD_E_INVALID);
    }
    CHECK(p.count == NAMESPACES_MAX);
}

TEST(policy_finds_the_default_under_both_of_its_names)
{
    static struct policy p;
    struct namespace_settings list[] = {settings(), settings()};
    size_t index = 7;

    snprintf(list[1].name, sizeof list[1].name, "users");
    CHECK(policy_init(&p, list, 2) == ACCORD_OK);
    CHECK(policy_find(&p, bytes_of_text("nobody"), &index) == ACCORD_E_ABSENT);
    CHECK(index == 7);
    CHECK(policy_find(&p, bytes_of_text("users"), &index) == ACCORD_OK);
    CHECK(index == 1);
    CHECK(policy_find(&p, bytes_of_text("default"), &index) == ACCORD_OK);
    CHECK(index == 0);
    index = 7;
    CHECK(policy_find(&p, bytes_of_text(""), &index) == ACCORD_OK);
    CHECK(index == 0);
}
