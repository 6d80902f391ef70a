/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/redis/place.h"

#include <stdio.h>

#include "test.h"

static char why[BUS_WHY_BYTES_MAX];

TEST(redis_place_is_user_servers_database_and_cluster)
{
    static struct redis_place p;

    CHECK(redis_place_init(&p, "redis://u:s%40crt@a:1,b,[::1]:3/7?cluster=shop&replicas=2",
                           why) == ACCORD_OK);
    CHECK(p.url.server_count == 3 && p.url.servers[0].port == 1);
    CHECK(p.url.servers[1].port == REDIS_PORT && strcmp(p.url.servers[2].host, "::1") == 0);
    CHECK(strcmp(p.url.user, "u") == 0 && strcmp(p.url.password, "s@crt") == 0);
    CHECK(p.database == 7 && p.replicas == 2 && !p.tls && !p.allow_evicting);
    CHECK(strcmp(p.changes, "accord:{shop}:changes") == 0);
    CHECK(strcmp(p.log, "accord:{shop}:log") == 0);
    CHECK(strcmp(p.messages, "accord:{shop}:messages") == 0);
    redis_place_done(&p);
}

TEST(redis_place_takes_the_cluster_from_the_path_too)
{
    static const struct {
        const char *path, *changes;
        uint32_t database;
    } cases[] = {{"", "accord:{default}:changes", 0},
                 {"/", "accord:{default}:changes", 0},
                 {"/3", "accord:{default}:changes", 3},
                 {"/shop", "accord:{shop}:changes", 0},
                 {"/3/shop", "accord:{shop}:changes", 3},
                 {"/shop?cluster=shop", "accord:{shop}:changes", 0},
                 {"/3x", "accord:{3x}:changes", 0}};
    static struct redis_place p;
    char url[128];

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        snprintf(url, sizeof url, "rediss://h%s", cases[i].path);
        CHECK(redis_place_init(&p, url, why) == ACCORD_OK);
        CHECK(strcmp(p.changes, cases[i].changes) == 0);
        CHECK(p.database == cases[i].database && p.tls && !p.insecure);
        redis_place_done(&p);
    }
}

TEST(redis_place_refuses_what_it_does_not_know)
{
    static const struct {
        const char *url, *says;
    } cases[] = {{"redis://h/70000", "database"},
                 {"redis://h/a/b", "cluster"},
                 {"redis://h/UPPER", "cluster"},
                 {"redis://h/a?cluster=b", "two clusters"},
                 {"redis://h?clster=b", "not known"},
                 {"redis://h?ca=/x", "rediss://"},
                 {"redis://h?verify=insecure", "rediss://"},
                 {"rediss://h?verify=maybe", "insecure"},
                 {"rediss://h?verify=insecure&ca=/x", "contradict"},
                 {"rediss://h?cert=/x", "together"},
                 {"redis://h?replicas=17", "replicas"},
                 {"redis://h?allow_evicting=perhaps", "allow_evicting"},
                 {"redis://user@h", "password"},
                 {"redis:h", "redis://"}};
    static struct redis_place p;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CHECK(redis_place_init(&p, cases[i].url, why) == ACCORD_E_INVALID);
        CHECK(strstr(why, cases[i].says));
    }
    CHECK(redis_place_init(&p, "redis://u:tops3cret@h?x=1", why) == ACCORD_E_INVALID);
    CHECK(!strstr(why, "tops3cret") && !p.url.password);
}

TEST(redis_place_names_the_connections_of_a_node)
{
    static struct redis_place p;

    CHECK(redis_place_init(&p, "redis://a/3/shop", why) == ACCORD_OK);
    CHECK(strcmp(p.client, "accord") == 0);
    redis_place_of_node(&p, NULL);
    CHECK(strcmp(p.client, "accord") == 0);
    redis_place_of_node(&p, "web1.example");
    CHECK(strcmp(p.client, "accord:{shop}:node:web1.example") == 0);
    redis_place_done(&p);
}
