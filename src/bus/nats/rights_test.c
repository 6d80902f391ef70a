/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/nats/rights.h"

#include "test.h"

TEST(nats_rights_that_nodes_can_do_without_are_not_told)
{
    CHECK(nats_rights_is_needed(
        "Permissions Violation for Publish to \"$JS.API.STREAM.INFO.ACCORD_shop\""));
    CHECK(nats_rights_is_needed("Permissions Violation for Subscription to \"_INBOX.x.*\""));
    CHECK(!nats_rights_is_needed(
        "Permissions Violation for Publish to \"$SYS.REQ.ACCOUNT.PING.CONNZ\""));
    CHECK(!nats_rights_is_needed("Stale Connection"));
}

TEST(nats_rights_are_told_while_they_are_news)
{
    char why[BUS_WHY_BYTES_MAX] = "";
    struct nats_rights r = {.refused_ms = 5000, .refused = "Permissions Violation for …"};

    CHECK(nats_rights_missing(&r, 5000, why));
    CHECK(strstr(why, "Permissions Violation for …") && strstr(why, "accord bus schema"));
    CHECK(!nats_rights_missing(&r, 5001, why));
    r.refused_ms = 0;
    CHECK(!nats_rights_missing(&r, 0, why));
}

TEST(nats_rights_of_several_connections_are_let_go_in_any_order)
{
    struct nats_rights r[3] = {{0}};
    natsOptions *o = NULL;

    CHECK(natsOptions_Create(&o) == NATS_OK);
    for (size_t i = 0; i < COUNT_OF(r); i++)
        CHECK(nats_rights_watch(&r[i], o) == NATS_OK && r[i].number > 0);
    nats_rights_done(&r[1]);
    nats_rights_done(&r[1]); /* nothing more to do */
    nats_rights_done(&r[2]);
    nats_rights_done(&r[0]);
    CHECK(r[0].number == 0 && r[1].number == 0 && r[2].number == 0);
    natsOptions_Destroy(o);
}
