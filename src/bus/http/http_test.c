/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* Nodes with real sockets and threads, in one process. What they promise each other is tested
 * in peer_node_test.c; here, that the bus says so, in time. */
#include "bus/http/http.h"

#include "bus/http/peer_url.h"
#include "net/time.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test.h"

enum { CALL_MS = 20000, PATIENCE_MS = 60000, VIEW_ALL_MS = 3600 * 1000 };

static char why[BUS_WHY_BYTES_MAX];

#define OK(e)                                                                                  \
    do {                                                                                       \
        int status_of_e = (e);                                                                 \
        if (status_of_e != ACCORD_OK)                                                          \
            fprintf(stderr, "%s: %s\n", status_text(status_of_e), why);                        \
        CHECK(status_of_e == ACCORD_OK);                                                       \
    } while (0)

struct node {
    char url[BUS_URL_BYTES_MAX];
    struct bus *bus;
    struct bus_attached attached;
    struct cursor at;
};

static uint64_t now_ms(void)
{
    return time_monotonic_ns() / NS_PER_MS;
}

/* A port that was free a moment ago; it listens there as long as the descriptor is open. */
static unsigned free_port(int *listens)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t size = sizeof a;

    *listens = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(*listens, (struct sockaddr *)&a, sizeof a) == 0);
    CHECK(listen(*listens, 64) == 0);
    CHECK(getsockname(*listens, (struct sockaddr *)&a, &size) == 0);
    return ntohs(a.sin_port);
}

/* URLs of nodes that list each other. */
static void make_urls(struct node *nodes, size_t count, const char *more)
{
    unsigned ports[8];
    char list[256] = "";
    int listens[8];

    for (size_t i = 0; i < count; i++) {
        ports[i] = free_port(&listens[i]);
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s127.0.0.1:%u",
                 i > 0 ? "," : "", ports[i]);
    }
    for (size_t i = 0; i < count; i++) {
        close(listens[i]);
        snprintf(nodes[i].url, sizeof nodes[i].url, "http://%s?listen=127.0.0.1:%u%s", list,
                 ports[i], more);
    }
}

static void open_for(struct node *n, uint64_t timeout_ms)
{
    struct bus_settings s = {.url = n->url,
                             .max_stale_ms = 3000,
                             .retain_ms = 3600 * 1000,
                             .retain_changes = 100000,
                             .timeout_ms = timeout_ms};

    OK(bus_http.open(&n->bus, &s, why));
}

static void open_node(struct node *n)
{
    open_for(n, CALL_MS);
}

static void attach(struct node *n, const struct cursor *resume)
{
    OK(bus_http.attach(n->bus, resume, resume ? 0 : VIEW_ALL_MS, &n->attached, why));
    if (!resume)
        n->at = (struct cursor){
            .log = n->attached.log, .epoch = n->attached.epoch, .position = n->attached.after};
}

/* A node joins with those that run: all have to be open before one can be attached. */
static void open_all(struct node *nodes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        open_node(&nodes[i]);
    for (size_t i = 0; i < count; i++)
        attach(&nodes[i], NULL);
}

static void close_all(struct node *nodes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        bus_http.close(nodes[i].bus);
}

static struct change removal(uint64_t *rng, const char *key)
{
    return (struct change){.op = CHANGE_REMOVE,
                           .key = bytes_of_text(key),
                           .message = {1 + test_random(rng, UINT64_MAX - 1), 1},
                           .origin = bytes_of_text("web1"),
                           .incarnation = {7, 7},
                           .sequence = 1};
}

static struct position published(struct node *n, uint64_t *rng, const char *key)
{
    struct change c = removal(rng, key);
    struct position last;

    OK(bus_http.publish(n->bus, &c, 1, &last, why));
    return last;
}

/* Reads on until that key was removed. */
static void until_removed(struct node *n, const char *key)
{
    uint64_t end_ms = now_ms() + PATIENCE_MS;
    const struct entry *entries;
    size_t count;

    while (now_ms() < end_ms) {
        OK(bus_http.read(n->bus, n->at.position, 1000, &entries, &count, why));
        for (size_t i = 0; i < count; i++) {
            n->at.position = entries[i].position;
            n->at.message = entries[i].change.message;
            if (bytes_equal(entries[i].change.key, bytes_of_text(key)))
                return;
        }
    }
    test_fail("it came", __FILE__, __LINE__);
}

static int head(struct node *n, uint64_t *out)
{
    return bus_http.head(n->bus, &n->at, out, why);
}

TEST(http_nodes_hear_what_each_publishes_and_know_the_head)
{
    struct node n[3] = {0};
    uint64_t at;

    make_urls(n, 3, "");
    open_all(n, 3);
    CHECK(!id128_equal(n[0].attached.log, n[1].attached.log)); /* each has its own */
    CHECK(n[0].attached.max_stale_ms == 3000);
    for (unsigned i = 0; i < 20; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%u", i);
        struct position last = published(&n[i % 3], rng, key);
        CHECK(last.epoch == n[i % 3].attached.epoch);
        for (unsigned j = 0; j < 3; j++) {
            OK(head(&n[j], &at));
            until_removed(&n[j], key);
            CHECK(at >= n[j].at.position); /* B13 */
        }
    }
    attach(&n[0], &n[0].at); /* its own cursor is proven while it runs */
    CHECK(n[0].attached.resumed && n[0].attached.after == n[0].at.position);
    struct cursor other = n[1].at;
    CHECK(bus_http.head(n[0].bus, &other, &at, why) == ACCORD_E_GONE);
    close_all(n, 3);
}

/* T20. The third never answers: it listens, and that is all. */
TEST(http_peer_that_never_answers_delays_no_other_and_is_named)
{
    struct node n[3] = {0};
    struct bus_attached a;
    int listens;

    make_urls(n, 2, "");
    unsigned port = free_port(&listens);
    for (size_t i = 0; i < 2; i++) {
        char rest[BUS_URL_BYTES_MAX];
        snprintf(rest, sizeof rest, "%s", n[i].url + strlen("http://"));
        snprintf(n[i].url, sizeof n[i].url, "http://127.0.0.1:%u,%.900s", port, rest);
        open_for(&n[i], /* timeout_ms= */ 1000);
    }
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%u", port);
    int status;
    uint64_t end_ms = now_ms() + PATIENCE_MS;
    do {
        status = bus_http.attach(n[0].bus, NULL, 0, &a, why);
        CHECK(status == ACCORD_E_DOWN && now_ms() < end_ms);
    } while (!strstr(why, address) || !strstr(why, "does not answer"));
    close(listens);
    close_all(n, 2);
}

TEST(http_node_that_ends_cleanly_costs_nobody_its_cache_and_comes_back)
{
    struct node n[3] = {0};
    uint64_t at;

    make_urls(n, 3, "");
    open_all(n, 3);
    published(&n[2], rng, "last words");
    bus_http.close(n[2].bus);
    until_removed(&n[0], "last words");
    until_removed(&n[1], "last words");
    OK(head(&n[0], &at));
    open_node(&n[2]);
    attach(&n[2], NULL);
    published(&n[2], rng, "back");
    until_removed(&n[0], "back"); /* in the same epoch: read() would say GONE */
    until_removed(&n[1], "back");
    OK(head(&n[1], &at));
    close_all(n, 3);
}

TEST(http_node_may_join_through_one_that_is_listed_and_all_then_ask_it)
{
    struct node n[3] = {0};
    char first[64];
    uint64_t at;

    make_urls(n, 2, "");
    open_all(n, 2);
    snprintf(first, sizeof first, "%.*s", (int)strcspn(n[0].url + 7, ","), n[0].url + 7);
    snprintf(n[2].url, sizeof n[2].url, "http://%s?listen=127.0.0.1:0", first);
    open_node(&n[2]);
    attach(&n[2], NULL);
    published(&n[2], rng, "new");
    OK(head(&n[1], &at)); /* who was not listed is asked, and heard */
    until_removed(&n[1], "new");
    CHECK(at >= n[1].at.position);
    published(&n[1], rng, "old");
    until_removed(&n[2], "old");
    close_all(n, 3);
}

TEST(http_bus_delivers_the_largest_batch_at_once)
{
    enum { COUNT = 400 };
    static uint8_t keys[COUNT][KEY_BYTES_MAX];
    static struct change batch[COUNT];
    struct node n[2] = {0};
    const struct entry *entries;
    struct position last;
    size_t seen = 0, count;

    for (size_t i = 0; i < COUNT; i++) {
        memset(keys[i], 'a' + (int)(i % 26), KEY_BYTES_MAX);
        batch[i] = removal(rng, "k");
        batch[i].key = bytes_of(keys[i], KEY_BYTES_MAX);
    }
    make_urls(n, 2, "");
    open_all(n, 2);
    OK(bus_http.publish(n[0].bus, batch, COUNT, &last, why));
    OK(bus_http.publish(n[0].bus, batch, COUNT, &last, why)); /* B12 */
    CHECK(last.value == n[0].attached.head + COUNT);
    uint64_t end_ms = now_ms() + PATIENCE_MS;
    while (seen < COUNT && now_ms() < end_ms) {
        OK(bus_http.read(n[1].bus, n[1].at.position, 1000, &entries, &count, why));
        for (size_t i = 0; i < count; i++, seen++) {
            CHECK(id128_equal(entries[i].change.message, batch[seen].message));
            CHECK(bytes_equal(entries[i].change.key, batch[seen].key));
            n[1].at.position = entries[i].position;
        }
    }
    CHECK(seen == COUNT);
    close_all(n, 2);
}

TEST(http_read_waits_and_is_woken_and_does_nothing_for_who_is_not_attached)
{
    struct node n = {0};
    const struct entry *entries;
    struct position last;
    size_t count = 7;

    make_urls(&n, 1, "");
    open_node(&n);
    struct change c = removal(rng, "k");
    CHECK(bus_http.publish(n.bus, &c, 1, &last, why) == ACCORD_E_DOWN);
    CHECK(bus_http.read(n.bus, 0, 0, &entries, &count, why) == ACCORD_E_GONE && count == 7);
    attach(&n, NULL);
    uint64_t began = now_ms();
    OK(bus_http.read(n.bus, 0, 50, &entries, &count, why));
    CHECK(count == 0 && now_ms() - began >= 50);
    bus_http.wake(n.bus);
    OK(bus_http.read(n.bus, 0, PATIENCE_MS, &entries, &count, why));
    CHECK(count == 0 && now_ms() - began < PATIENCE_MS);
    CHECK(bus_http.read(n.bus, 5, 0, &entries, &count, why) == ACCORD_E_GONE);
    close_all(&n, 1);
}

static void write_key(const char *path, size_t bytes)
{
    FILE *f = fopen(path, "w");

    CHECK(f);
    for (size_t i = 0; i < bytes; i++)
        fputc((int)('a' + i % 26), f);
    CHECK(fclose(f) == 0);
}

TEST(http_url_says_what_to_write_instead)
{
    char key[256], none[300], good[400];
    struct peer_url u;

    snprintf(key, sizeof key, "%s/key", test_folder());
    write_key(key, 64);
    const struct {
        const char *url, *says;
    } bad[] = {
        {"http://a:1", "listen=host:port"},
        {"http://127.0.0.1:1?listen=nowhere", "listen=host:port"},
        {"http://127.0.0.1:1?listen=127.0.0.1:2&address=x", "as the peers reach this node"},
        {"http://web1:1?listen=127.0.0.1:2", "web1:1 is not of this host, so the peers need"},
        {"http://127.0.0.1:1?listen=0.0.0.0:2", "0.0.0.0:2 is not of this host"},
        {"http://127.0.0.1:1?listen=127.0.0.1:2&address=web3:2", "openssl rand -out"},
        {"http://u:p@127.0.0.1:1?listen=127.0.0.1:2", "no users, passwords or paths"},
        {"http://127.0.0.1:1/x?listen=127.0.0.1:2", "no users, passwords or paths"},
        {"http://127.0.0.1:1?listen=127.0.0.1:2&lisen=x", "lisen"},
        {"http://127.0.0.1:1?listen=127.0.0.1:2&key_file=/nowhere/key",
         "/nowhere/key: No such"},
        {"http://127.0.0.1:1?listen=127.0.0.1:2&key_file=/dev/null",
         "expected 32 to 4096 bytes"},
    };

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        int status = peer_url_parse(&u, bad[i].url, why);
        if (status == ACCORD_OK || !strstr(why, bad[i].says))
            fprintf(stderr, "%s: %s\n", bad[i].url, why);
        CHECK(status == ACCORD_E_INVALID || status == ACCORD_E_DENIED);
        CHECK(strstr(why, bad[i].says));
    }
    snprintf(good, sizeof good,
             "http://web1:1,[::1]:2?listen=0.0.0.0:3&address=web3:3&key-file=%s", key);
    OK(peer_url_parse(&u, good, why));
    CHECK(u.key.is_secret && u.listed_count == 2);
    CHECK(strcmp(u.listed[1], "[::1]:2") == 0 && strcmp(u.address, "web3:3") == 0);
    write_key(key, 31);
    CHECK(peer_url_parse(&u, good, why) == ACCORD_E_INVALID);
    snprintf(none, sizeof none, "http://localhost?listen=127.0.0.1:3");
    OK(peer_url_parse(&u, none, why));
    CHECK(!u.key.is_secret && strcmp(u.listed[0], "localhost:7311") == 0);
}

TEST(http_nodes_of_different_keys_do_not_join_and_say_why)
{
    char key[256], more[320];
    struct node n[2] = {0}, with_key[2] = {0};
    struct bus_attached a;

    snprintf(key, sizeof key, "%s/key", test_folder());
    write_key(key, 64);
    make_urls(n, 2, "");
    snprintf(more, sizeof more, "&key_file=%s", key);
    snprintf(with_key[1].url, sizeof with_key[1].url, "%.600s%s", n[1].url, more);
    open_for(&n[0], /* timeout_ms= */ 200);
    open_node(&with_key[1]);
    uint64_t end_ms = now_ms() + PATIENCE_MS;
    do {
        CHECK(bus_http.attach(n[0].bus, NULL, 0, &a, why) == ACCORD_E_DOWN);
        CHECK(now_ms() < end_ms);
    } while (!strstr(why, "it refuses our key: give both the same key_file"));
    bus_http.close(n[0].bus);
    bus_http.close(with_key[1].bus);
}
