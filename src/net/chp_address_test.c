/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "net/chp_sockets.h"
#include "test.h"

#include <string.h>

static int parse(const char *text, struct chp_address *a)
{
    char why[NET_WHY_BYTES_MAX] = "";
    int status = chp_address_parse(text, a, why);

    CHECK((status == ACCORD_OK) == (why[0] == 0));
    return status;
}

TEST(chp_address_is_host_and_port)
{
    struct chp_address a;

    CHECK(parse("chp://127.0.0.1:5556", &a) == ACCORD_OK);
    CHECK(strcmp(a.host, "127.0.0.1") == 0 && a.port == 5556 && !a.push);
    CHECK(parse("chp://[::1]:65533", &a) == ACCORD_OK);
    CHECK(strcmp(a.host, "[::1]") == 0 && a.port == 65533);
    CHECK(parse("chp://127.0.0.1:1?collector=push", &a) == ACCORD_OK && a.push);
    CHECK(strcmp(a.text, "chp://127.0.0.1:1?collector=push") == 0);
    CHECK(parse("chp://127.0.0.1:1?collector=pub", &a) == ACCORD_OK && !a.push);
}

TEST(chp_address_that_is_none_is_refused_and_nothing_changed)
{
    static const char *const wrong[] = {"chp://",
                                        "chp:127.0.0.1:5556",
                                        "tcp://127.0.0.1:5556",
                                        "chp://127.0.0.1",
                                        "chp://127.0.0.1:",
                                        "chp://127.0.0.1:0",
                                        "chp://127.0.0.1:65534",
                                        "chp://127.0.0.1:5x",
                                        "chp://127.0.0.1:5556?",
                                        "chp://127.0.0.1:5556?collector=both"};
    struct chp_address a = {.port = 7};
    char text[300];

    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        CHECK(parse(wrong[i], &a) == ACCORD_E_INVALID);
    memset(text, 'h', sizeof text);
    memcpy(text, "chp://", 6);
    text[sizeof text - 1] = 0;
    CHECK(parse(text, &a) == ACCORD_E_INVALID);
    CHECK(a.port == 7);
}

TEST(chp_address_open_to_other_hosts_is_refused)
{
    struct chp_address a;

    CHECK(parse("chp://0.0.0.0:5556", &a) == ACCORD_E_INVALID);
    CHECK(parse("chp://[::]:5556", &a) == ACCORD_E_INVALID);
    CHECK(parse("chp://192.0.2.1:5556", &a) == ACCORD_E_INVALID);
}
