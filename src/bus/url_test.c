/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/url.h"

#include <stdio.h>
#include <unistd.h>

#include "test.h"

#define EXPECTED "kind://host:port/cluster"

static struct bus_url u;
static char why[BUS_WHY_BYTES_MAX];

static int parsed(const char *url)
{
    why[0] = '\0';
    return bus_url_parse(&u, url, 7, EXPECTED, why);
}

static void check_refused(const char *url, const char *says)
{
    CHECK(parsed(url) == ACCORD_E_INVALID);
    if (!strstr(why, says))
        fprintf(stderr, "%s: %s\n", url, why);
    CHECK(strstr(why, says));
    CHECK(!strstr(why, "secret"));
    CHECK(!memmem(&u, sizeof u, "secret", 6));
}

TEST(bus_url_takes_every_part)
{
    CHECK(parsed("kind://al%40ice:se%3acret@one:12,[::1]:13,two/db/x?a=1&b=%26") == ACCORD_OK);
    CHECK(strcmp(u.scheme, "kind") == 0 && strcmp(u.user, "al@ice") == 0);
    CHECK(strcmp(u.password, "se:cret") == 0 && strcmp(u.path, "db/x") == 0);
    CHECK(u.server_count == 3 && u.option_count == 2);
    CHECK(strcmp(u.servers[0].host, "one") == 0 && u.servers[0].port == 12);
    CHECK(strcmp(u.servers[1].host, "::1") == 0 && u.servers[1].port == 13);
    CHECK(strcmp(u.servers[2].host, "two") == 0 && u.servers[2].port == 7);
    CHECK(strcmp(bus_url_option(&u, "b", ""), "&") == 0);
    CHECK(!bus_url_option(&u, "c", NULL));
    bus_url_done(&u);
    CHECK(!memmem(&u, sizeof u, "se:cret", 7));
}

TEST(bus_url_needs_no_more_than_a_host)
{
    CHECK(parsed("kind://one") == ACCORD_OK);
    CHECK(!u.user && !u.password && u.path[0] == '\0' && u.server_count == 1);
    CHECK(parsed("kind://:p@one?x=") == ACCORD_OK);
    CHECK(!u.user && strcmp(u.password, "p") == 0);
    CHECK(strcmp(bus_url_option(&u, "x", "y"), "") == 0);
    CHECK(parsed("kind://a:b@c@one/") == ACCORD_OK); /* the last @ ends what is secret */
    CHECK(strcmp(u.password, "b@c") == 0);
}

TEST(bus_url_says_what_is_wrong)
{
    char text[BUS_URL_BYTES_MAX + 8] = "kind://a:secret@";

    check_refused("kind:one", EXPECTED);
    check_refused("kind", EXPECTED);
    check_refused("kind://", EXPECTED);
    check_refused("kind://a:secret@", EXPECTED);
    check_refused("kind://a:secret@one:0", EXPECTED);
    check_refused("kind://a:secret@one:65536", EXPECTED);
    check_refused("kind://a:secret@one:1x", EXPECTED);
    check_refused("kind://a:secret@one,,two", EXPECTED);
    check_refused("kind://a:secret@[::1", EXPECTED);
    check_refused("kind://a:secret@[::1]x", EXPECTED);
    check_refused("kind://a:secret%zz@one", "%25");
    check_refused("kind://a:secret%00@one", "%25");
    check_refused("kind://a:secret%4", EXPECTED);
    check_refused("kind://a:secret@one?x", "option=value");
    check_refused("kind://a:secret@one?=x", "option=value");
    check_refused("kind://a:secret@1,2,3,4,5,6,7,8,9", "more than 8 servers");
    check_refused("kind://a:secret@one?password_file=/x", "leave one of them out");
    memset(text + strlen(text), 'x', sizeof text - strlen(text) - 1);
    check_refused(text, "longer than 1023 bytes");
}

TEST(bus_url_reads_a_password_from_a_file)
{
    char path[256], url[512];

    snprintf(path, sizeof path, "%s/password", test_folder());
    snprintf(url, sizeof url, "kind://me@one?password_file=%s", path);
    CHECK(parsed(url) == ACCORD_E_DENIED && strstr(why, "No such file"));
    FILE *f = fopen(path, "w");
    CHECK(f && fputs("hidden\nmore\n", f) >= 0 && fclose(f) == 0);
    CHECK(parsed(url) == ACCORD_OK && strcmp(u.password, "hidden") == 0);
    CHECK(bus_url_know(&u, (const char *const[]){NULL}, why) == ACCORD_OK);
    f = fopen(path, "w");
    CHECK(f && fputs("\nhidden\n", f) >= 0 && fclose(f) == 0);
    CHECK(parsed(url) == ACCORD_E_INVALID && strstr(why, "empty"));
    f = fopen(path, "w");
    for (unsigned i = 0; i < BUS_URL_PASSWORD_BYTES_MAX; i++)
        CHECK(f && fputc('x', f) == 'x');
    CHECK(fclose(f) == 0);
    CHECK(parsed(url) == ACCORD_E_INVALID && strstr(why, "longer than 254 bytes"));
}

TEST(bus_url_options_are_known_and_in_bounds)
{
    static const char *const known[] = {"n", "on", NULL};
    uint64_t n = 0;
    bool on = false;

    CHECK(parsed("kind://one?n=12&on=yes") == ACCORD_OK);
    CHECK(bus_url_know(&u, known, why) == ACCORD_OK);
    CHECK(bus_url_number(&u, "n", 1, 12, 3, &n, why) == ACCORD_OK && n == 12);
    CHECK(bus_url_number(&u, "m", 1, 12, 3, &n, why) == ACCORD_OK && n == 3);
    CHECK(bus_url_flag(&u, "on", false, &on, why) == ACCORD_OK && on);
    CHECK(bus_url_number(&u, "n", 1, 11, 3, &n, why) == ACCORD_E_INVALID);
    CHECK(strstr(why, "from 1 to 11"));
    CHECK(bus_url_number(&u, "on", 1, 11, 3, &n, why) == ACCORD_E_INVALID);
    CHECK(bus_url_flag(&u, "n", false, &on, why) == ACCORD_E_INVALID);
    CHECK(parsed("kind://one?z=1") == ACCORD_OK);
    CHECK(bus_url_know(&u, known, why) == ACCORD_E_INVALID);
    CHECK(strstr(why, "n, on, password_file"));
    CHECK(parsed("kind://one?n=1&on=1&n=1") == ACCORD_E_INVALID);
    CHECK(strstr(why, "\"n=\" twice"));
}

TEST(bus_url_takes_a_dash_of_an_option_for_an_underscore)
{
    static const char *const known[] = {"allow_evicting", NULL};
    bool on = false;

    CHECK(parsed("kind://one?allow-evicting=1") == ACCORD_OK);
    CHECK(bus_url_know(&u, known, why) == ACCORD_OK);
    CHECK(bus_url_flag(&u, "allow_evicting", false, &on, why) == ACCORD_OK && on);
    CHECK(parsed("kind://one?password-file=/a-b") == ACCORD_E_DENIED); /* of values none */
    CHECK(strstr(why, "/a-b"));
    CHECK(parsed("kind://one?allow-evicting=1&allow_evicting=0") == ACCORD_E_INVALID);
    CHECK(strstr(why, "twice"));
}

TEST(bus_cluster_names)
{
    CHECK(bus_cluster_is_valid("a") && bus_cluster_is_valid("web_1"));
    CHECK(!bus_cluster_is_valid("") && !bus_cluster_is_valid("A") &&
          !bus_cluster_is_valid("a.b"));
    CHECK(bus_cluster_is_valid("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
    CHECK(!bus_cluster_is_valid("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}
