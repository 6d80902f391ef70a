/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/nats/presence.h"

#include "test.h"

static const char *const names[] = {"web1", "web2", "web3", "web"};
static char why[BUS_WHY_BYTES_MAX];

static int take(const char *answer, bool *there)
{
    return nats_presence_take("shop", bytes_of_text(answer), names, COUNT_OF(names), there,
                              why);
}

TEST(nats_presence_adds_up_over_the_servers_and_is_of_this_cluster)
{
    bool there[COUNT_OF(names)] = {false};

    CHECK(take("{\"server\":{},\"data\":{\"total\":3,\"connections\":["
               "{\"cid\":1,\"name\":\"accord.shop node web1\"},{\"cid\":2},"
               "{\"cid\":3,\"name\":\"accord.other node web2\"}]}}",
               there) == ACCORD_OK);
    CHECK(there[0] && !there[1] && !there[2] && !there[3]);
    CHECK(take("{\"data\":{\"total\":1,\"connections\":["
               "{\"name\":\"accord.shop node web3\"}]}}",
               there) == ACCORD_OK);
    CHECK(there[0] && !there[1] && there[2] && !there[3]);
    CHECK(take("{\"data\":{\"total\":0,\"connections\":[]}}", there) == ACCORD_OK);
    CHECK(there[0] && !there[1] && there[2] && !there[3]);
}

TEST(nats_presence_tells_nothing_where_a_server_does_not_tell_all)
{
    bool there[COUNT_OF(names)] = {false};

    CHECK(take("{\"data\":{\"total\":1025,\"connections\":["
               "{\"name\":\"accord.shop node web1\"}]}}",
               there) == ACCORD_E_UNSUPPORTED);
    CHECK(strstr(why, "1024"));
    CHECK(!there[0]);
}

TEST(nats_presence_is_not_surprised_by_another_answer)
{
    static const char *const answers[] = {"",
                                          "x",
                                          "[]",
                                          "{}",
                                          "{\"data\":7}",
                                          "{\"data\":{\"connections\":{}}}",
                                          "{\"error\":{\"code\":403}}"};
    bool there[COUNT_OF(names)] = {false};

    for (size_t i = 0; i < COUNT_OF(answers); i++)
        CHECK(take(answers[i], there) == ACCORD_E_FORMAT);
    CHECK(take("{\"data\":{\"connections\":[7, null, {\"name\":7}]}}", there) == ACCORD_OK);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        CHECK(!there[i]);
}
