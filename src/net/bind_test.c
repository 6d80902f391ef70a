/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "net/bind.h"

#include "test.h"

#include <unistd.h>

TEST(an_address_gets_its_port_and_a_second_one_there_is_refused)
{
    struct net_bound a = {.fd = -1}, b = {.fd = -1};
    char why[NET_WHY_BYTES_MAX];

    CHECK(net_bind(&a, "http://", "http://127.0.0.1:0", false, why) == ACCORD_OK);
    CHECK(strncmp(a.address, "http://127.0.0.1:", 17) == 0);
    CHECK(strcmp(a.address, "http://127.0.0.1:0") != 0);
    CHECK(net_bind(&b, "http://", a.address, false, why) == ACCORD_E_CONFLICT);
    CHECK(strstr(why, "the port is in use"));
    CHECK(b.fd == -1);
    close(a.fd);
}

TEST(what_is_open_to_other_hosts_needs_a_password)
{
    struct net_bound a = {.fd = -1};
    char why[NET_WHY_BYTES_MAX];

    CHECK(net_bind(&a, "http://", "http://0.0.0.0:0", false, why) == ACCORD_E_INVALID);
    CHECK(strstr(why, "set a password (password-file), or listen on http://127.0.0.1"));
    CHECK(net_bind(&a, "http://", "http://0.0.0.0:0", true, why) == ACCORD_OK);
    close(a.fd);
}

TEST(what_is_no_address_is_said_to_be_none)
{
    static const char *const wrong[] = {
        "http://",        "http://host",    "http://:80", "http://h:", "http://h:x",
        "http://h:65537", "http://[::1:80", "tcp://h:80", "",          "http://h:800000"};
    struct net_bound a = {.fd = -1};
    char why[NET_WHY_BYTES_MAX];

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        CHECK(net_bind(&a, "http://", wrong[i], true, why) == ACCORD_E_INVALID);
        CHECK(strstr(why, "expected http://host:port"));
        CHECK(a.fd == -1);
    }
}
