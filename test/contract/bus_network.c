/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* bus_network.c - the contract where the network between node and server fails as networks do:
 * nothing is closed, nothing is reset, packets are gone (T14). Each bus that has a server. */
#include "contract.h"

#include <stdlib.h>
#include <unistd.h>

#include "fault_proxy.h"
#include "network.h"

/* A call is bounded by its time limit, and by what a busy machine adds; a hang takes more. */
enum { CALL_MS = 1000, CALL_MS_MAX = 20000, PATIENCE_MS = 60000, MISSED = 40, RETAIN = 10 };

/* On buses whose servers may be started in a namespace. */
#define NETWORK_CLAUSE(name)                                                                   \
    static void name(const struct bus_kit *kit, uint64_t *rng);                                \
    ON(nats, name)                                                                             \
    ON(postgres, name)                                                                         \
    ON(redis, name)                                                                            \
    static void name(const struct bus_kit *kit, uint64_t *rng)

/* A node here, another beside the server, and what forwards from the cable to the server. */
struct fleet {
    struct peer near, far;
    struct fault_proxy *forwarder;
};

/* The port of "scheme://user@127.0.0.1:PORT/…", and the same URL by the cable. */
static void by_cable(const char *url, struct fault_proxy **forwarder, uint64_t seed,
                     char out[KIT_URL_BYTES_MAX])
{
    static const char loopback[] = "127.0.0.1:";
    const char *at = strstr(url, loopback);
    char *rest = NULL;

    CHECK(at);
    unsigned long port = strtoul(at + sizeof loopback - 1, &rest, 10);
    *forwarder = fault_proxy_start_everywhere((uint16_t)port, seed);
    CHECK(*forwarder);
    snprintf(out, KIT_URL_BYTES_MAX, "%.*s" NETWORK_THERE ":%u%s%s", (int)(at - url), url,
             fault_proxy_port(*forwarder), rest,
             strncmp(url, "postgres", 8) == 0 ? "&sslmode=disable" : "");
}

/* A server that all tests of this run share would be elsewhere. */
static void take_a_server_of_our_own(void)
{
    char run[32];

    snprintf(run, sizeof run, "%d", (int)getpid());
    setenv("ACCORD_TEST_RUN", run, 1);
}

/* As a node does: again and again, until the network is back. */
static int attach_until(struct peer *p, int wanted)
{
    uint64_t began_ms = now_ms();
    int status;

    do {
        status = p->ops->attach(p->bus, &p->at, 0, &p->attached, why);
    } while (status != wanted && status != ACCORD_OK && status != ACCORD_E_GONE &&
             now_ms() - began_ms < PATIENCE_MS);
    if (status != wanted)
        fprintf(stderr, "%s: %s\n", status_text(status), why);
    return status;
}

static void publish_until_taken(struct peer *p, const struct change *c)
{
    struct position last;
    uint64_t began_ms = now_ms();
    int status;

    do {
        status = p->ops->publish(p->bus, c, 1, &last, why);
    } while (status != ACCORD_OK && now_ms() - began_ms < PATIENCE_MS);
    OK(status);
}

/* The next entry; a machine that is busy for longer than a call may take is no hole. */
static struct entry next_of(struct peer *p)
{
    uint64_t began_ms = now_ms();

    for (;;) {
        const struct entry *entries = NULL;
        size_t count = 0;
        int status = p->ops->read(p->bus, p->at.position, CALL_MS, &entries, &count, why);
        if (status == ACCORD_OK && count > 0) {
            CHECK(entries[0].position > p->at.position); /* B1 */
            p->at.position = entries[0].position;
            p->at.message = entries[0].change.message;
            return entries[0];
        }
        CHECK(now_ms() - began_ms < PATIENCE_MS);
        if (status != ACCORD_OK)
            CHECK(attach_until(p, ACCORD_OK) == ACCORD_OK);
    }
}

static void open_until(struct peer *p, const struct bus_settings *s)
{
    uint64_t began_ms = now_ms();
    int status;

    do {
        status = p->ops->open(&p->bus, s, why);
    } while (status != ACCORD_OK && now_ms() - began_ms < PATIENCE_MS);
    OK(status);
    do {
        status = p->ops->attach(p->bus, NULL, VIEW_ALL_MS, &p->attached, why);
    } while (status != ACCORD_OK && now_ms() - began_ms < PATIENCE_MS);
    OK(status);
    p->at = (struct cursor){
        .log = p->attached.log, .epoch = p->attached.epoch, .position = p->attached.after};
}

/* Its connections are made there, too. */
static void publish_there(struct fleet *f, uint64_t *rng, const char *key, size_t count)
{
    network_go_there();
    for (size_t i = 0; i < count; i++)
        published_one(&f->far, rng, key);
    network_come_back();
}

/* The node here first: threads that a client library has for all its connections are made with
 * the first of them, and are where that is. */
static void begin(struct fleet *f, const struct bus_kit *kit, uint64_t retain, uint64_t *rng)
{
    struct bus_settings s = settings_of(NULL);
    char url[KIT_URL_BYTES_MAX];

    network_begin();
    take_a_server_of_our_own();
    memset(&f->near, 0, sizeof f->near);
    network_go_there();
    kit->url(url, "network");
    by_cable(url, &f->forwarder, *rng, f->near.url);
    network_come_back();
    s = settings_of(f->near.url);
    s.timeout_ms = CALL_MS;
    f->near.ops = bus_find(f->near.url, why);
    CHECK(f->near.ops);
    open_until(&f->near, &s);

    s = settings_of(NULL);
    s.retain_changes = retain;
    network_go_there();
    open_with(&f->far, kit, "network", s);
    attach(&f->far, NULL);
    network_come_back();
    publish_there(f, rng, "before", 1);
    CHECK(bytes_equal(next_of(&f->near).change.key, bytes_of_text("before")));
}

static void end(struct fleet *f)
{
    closed(&f->near);
    network_go_there();
    closed(&f->far);
    fault_proxy_stop(f->forwarder);
    network_come_back();
}

/* While nothing arrives: every call comes back in time, and none says that all is well (B10).
 */
static void check_cut_off(struct peer *p, const struct change *c, struct position *last)
{
    const struct entry *entries;
    size_t count = 0;
    uint64_t head, began_ms = now_ms();

    int status = p->ops->publish(p->bus, c, 1, last, why);
    if (status != ACCORD_E_TIMEOUT && status != ACCORD_E_DOWN)
        fprintf(stderr, "%s: %s\n", status_text(status), why);
    CHECK(status == ACCORD_E_TIMEOUT || status == ACCORD_E_DOWN);
    CHECK(now_ms() - began_ms < CALL_MS_MAX);
    began_ms = now_ms();
    CHECK(p->ops->head(p->bus, &p->at, &head, why) != ACCORD_OK);
    CHECK(now_ms() - began_ms < CALL_MS_MAX);
    began_ms = now_ms();
    status = p->ops->read(p->bus, p->at.position, 100, &entries, &count, why);
    CHECK(count == 0 || status != ACCORD_OK);
    CHECK(now_ms() - began_ms < CALL_MS_MAX);
}

/* All that was missed, in order, and the own one, of which nobody knew whether it was taken,
 * once (B12). */
static void check_caught_up(struct fleet *f, size_t missed, const struct change *own)
{
    size_t others = 0, ours = 0;

    for (size_t i = 0; i < missed + 1; i++) {
        struct entry e = next_of(&f->near);
        bool is_own = id128_equal(e.change.message, own->message);
        CHECK(is_own || bytes_equal(e.change.key, bytes_of_text("meanwhile")));
        ours += is_own;
        others += !is_own;
    }
    CHECK(ours == 1 && others == missed);
    network_go_there();
    CHECK(head_of(&f->far) == f->near.at.position); /* and nothing behind them */
    network_come_back();
}

NETWORK_CLAUSE(bus_network_that_is_lost_and_found_again)
{
    struct fleet f;
    struct position last = {0, 0};

    begin(&f, kit, 1000000, rng);
    for (enum network_fault fault = LOST_ON_THE_WAY_BACK; fault < NETWORK_FAULTS; fault++) {
        struct change own = removal(rng, "own");
        network_break(fault);
        check_cut_off(&f.near, &own, &last);
        publish_there(&f, rng, "meanwhile", MISSED);
        network_heal();
        CHECK(attach_until(&f.near, ACCORD_OK) == ACCORD_OK);
        publish_until_taken(&f.near, &own);
        check_caught_up(&f, MISSED, &own);
    }
    end(&f);
}

/* B7: what was forgotten meanwhile is not skipped in silence. */
NETWORK_CLAUSE(bus_network_that_is_lost_for_longer_than_the_log_remembers)
{
    struct fleet f;
    struct change own = removal(rng, "own");
    struct position last = {0, 0};

    begin(&f, kit, RETAIN, rng);
    network_break(LOST_BOTH_WAYS);
    check_cut_off(&f.near, &own, &last);
    publish_there(&f, rng, "meanwhile", 300);
    network_heal();
    CHECK(attach_until(&f.near, ACCORD_E_GONE) == ACCORD_E_GONE);
    publish_until_taken(&f.near, &own); /* to the log that is there, or none would be taken */
    end(&f);
}
