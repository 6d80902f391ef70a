/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/nats/old.h"

#include <stdio.h>

#include "bus/nats/nats.h"
#include "test.h"

static char why[BUS_WHY_BYTES_MAX], url[64];

static int allowed(const char *text)
{
    snprintf(url, sizeof url, "%s", text);
    return nats_allow_old_server(url, sizeof url, why);
}

TEST(an_old_server_is_allowed_as_the_url_would_say_it)
{
    CHECK(allowed("nats://h/shop") == ACCORD_OK);
    CHECK(strcmp(url, "nats://h/shop?allow_old_server=1") == 0);
    CHECK(bus_nats.tools.caveat(url));
    CHECK(allowed("tls://h/shop?ca=/x") == ACCORD_OK);
    CHECK(strcmp(url, "tls://h/shop?ca=/x&allow_old_server=1") == 0);
}

TEST(an_old_server_that_the_url_allows_is_not_allowed_twice)
{
    CHECK(allowed("nats://h/shop?allow-old-server=yes") == ACCORD_OK);
    CHECK(strcmp(url, "nats://h/shop?allow-old-server=yes") == 0);
    CHECK(allowed("nats://h/shop?allow_old_server=0") == ACCORD_E_INVALID);
    CHECK(strstr(why, "leave one of both out"));
    CHECK(allowed("nats://h/shop?allow_old_server=x") == ACCORD_OK); /* open() refuses it */
}

TEST(an_old_server_is_of_nats_alone_and_of_urls_with_room)
{
    CHECK(allowed("sqlite:/tmp/x") == ACCORD_E_INVALID && strstr(why, "nats:// and tls://"));
    CHECK(allowed("none:/tmp/x") == ACCORD_OK); /* refused as a bus */
    CHECK(allowed("nats://h/shop?creds=/a/long/path/to/a/file/of/creds") == ACCORD_E_INVALID);
    CHECK(strstr(why, "no room"));
    CHECK(strcmp(url, "nats://h/shop?creds=/a/long/path/to/a/file/of/creds") == 0);
}
