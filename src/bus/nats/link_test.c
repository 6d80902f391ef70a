/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/nats/link.h"

#include "bus/nats/nats.h"

#include <stdio.h>

#include "test.h"

static char why[BUS_WHY_BYTES_MAX];

/* What opening it ends with; nobody listens at its port. */
static int opened(const char *url)
{
    struct bus_settings s = {.url = url,
                             .max_stale_ms = 3000,
                             .retain_ms = 3600000,
                             .retain_changes = 1000,
                             .timeout_ms = 1000};
    struct bus *bus = NULL;

    why[0] = 0;
    int status = bus_nats.open(&bus, &s, why);
    CHECK(status != ACCORD_OK && !bus && why[0]);
    return status;
}

TEST(nats_url_is_refused_before_anybody_is_asked)
{
    static const struct {
        const char *url, *says;
    } cases[] = {{"nats://h/shop?nkey=UABC", "nkey needs nkey_seed"},
                 {"tls://h/shop?nkey_seed=/x", "nkey_seed needs nkey"},
                 {"nats://h/shop?tls=bogus", "tls=bogus: expected tls://"},
                 {"tls://h/shop?tls=bogus", "tls=bogus: expected tls://"},
                 {"nats://h/shop?tls=insecure-skip-verify", "write tls://"},
                 {"nats://h/shop?ca=/x", "write tls://"},
                 {"nats://h/shop?cert=/x&key=/x", "write tls://"},
                 {"tls://h/shop?ca=/x&tls=insecure-skip-verify", "contradict"},
                 {"tls://h/shop?key=/x", "key needs cert"},
                 {"nats://me:x@h/shop?creds=/x", "more than one login"},
                 {"nats://h/shop?creds=/x&nkey=UABC&nkey_seed=/x", "more than one login"},
                 {"nats://h/shop?replicas=1&replicas=3", "twice"},
                 {"nats://h/UPPER", "cluster"},
                 {"nats://h/shop?replicas=6", "replicas"},
                 {"nats://h/shop?crds=/x", "not known"}};
    struct nats_link l;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CHECK(nats_link_names(&l, cases[i].url, why) == ACCORD_E_INVALID);
        CHECK(strstr(why, cases[i].says));
        CHECK(opened(cases[i].url) == ACCORD_E_INVALID && strstr(why, cases[i].says));
    }
    CHECK(nats_link_names(&l, "nats://h/shop?nkey=UABC&nkey_seed=/x", why) == ACCORD_OK);
    CHECK(nats_link_names(&l, "tls://h/shop?tls=insecure-skip-verify", why) == ACCORD_OK);
}

TEST(nats_files_of_the_url_that_cannot_be_read_end_the_start)
{
    static const char *const options[] = {"creds", "nkey=UABC&nkey_seed"};
    char url[512], says[300];

    for (size_t i = 0; i < COUNT_OF(options); i++) {
        snprintf(url, sizeof url, "nats://127.0.0.1:1/shop?%s=%.200s/absent", options[i],
                 test_folder());
        snprintf(says, sizeof says, "%s %.200s/absent: No such file", i ? "nkey_seed" : "creds",
                 test_folder());
        CHECK(opened(url) == ACCORD_E_DENIED && strstr(why, says));
        snprintf(url, sizeof url, "nats://127.0.0.1:1/shop?%s=%.200s/other", options[i],
                 test_folder());
        FILE *f = fopen(strrchr(url, '=') + 1, "w");
        CHECK(f && fputs("nothing of that kind\n", f) >= 0 && fclose(f) == 0);
        CHECK(opened(url) == ACCORD_E_INVALID && strstr(why, "does not hold"));
    }
    CHECK(opened("tls://127.0.0.1:1/shop?ca=/no/such") == ACCORD_E_DENIED);
    CHECK(strstr(why, "ca /no/such: No such file"));
    CHECK(opened("tls://127.0.0.1:1/shop?cert=/dev/null&key=/no/such") == ACCORD_E_INVALID);
    CHECK(strstr(why, "cert /dev/null does not hold anything"));
}

/* 1.7.4 of the reliability review. */
TEST(nats_advises_a_server_that_keeps_what_it_acknowledged)
{
    struct nats_link l = {.version = "2.12.2"};
    char advice[BUS_ADVICE_BYTES_MAX] = "what was there";

    nats_link_advise(&l, advice);
    CHECK(strstr(advice, "nats-server 2.12.2: upgrade to 2.12.3 or later"));
    snprintf(l.version, sizeof l.version, "2.12.3");
    nats_link_advise(&l, advice);
    CHECK(!advice[0]);
    snprintf(l.version, sizeof l.version, "2.11.4");
    nats_link_advise(&l, advice);
    CHECK(advice[0]);
    l.version[0] = '\0'; /* an old server that was allowed: said elsewhere */
    nats_link_advise(&l, advice);
    CHECK(!advice[0]);
}

TEST(nats_promises_less_where_an_old_server_is_allowed)
{
    const char *said = bus_nats.tools.caveat("nats://me:x@h/shop?allow_old_server=1");

    CHECK(said && strstr(said, "before 2.10.23") && strstr(said, "P1 to P4 are not promised"));
    CHECK(!bus_nats.tools.caveat("nats://h/shop?allow_old_server=0"));
    CHECK(!bus_nats.tools.caveat("nats://h/shop"));
    CHECK(!bus_nats.tools.caveat("nats://h/shop?allow_old_server=x")); /* open() refuses it */
}

TEST(nats_servers_that_nobody_reaches_are_named)
{
    CHECK(opened("nats://127.0.0.1:1/shop") == ACCORD_E_DOWN);
    CHECK(strcmp(why, "nats: connecting to 127.0.0.1 port 1 for ACCORD_shop: No server "
                      "available for connection") == 0);
    CHECK(opened("nats://127.0.0.1:1,127.0.0.1:2/shop") == ACCORD_E_DOWN);
    CHECK(strstr(why, "port 1 and the others for ACCORD_shop"));
}
