/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* pair_bus_test.c - the bus on two real servers: killed under load, stopped, started again.
 * What they say to each other is in pair_test.c; the contract they keep in test/contract. */
#include "bus/chp/chp.h"
#include "chp_server.h"
#include "net/time.h"
#include "test.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TIMEOUT_MS = 1000, PATIENCE_MS = 60000, VIEW_ALL_MS = 3600 * 1000, TAKEN_MAX = 4096 };

static _Thread_local char why[BUS_WHY_BYTES_MAX];

struct peer {
    struct bus *bus;
    struct bus_attached attached;
};

static const char *url_of(const struct chp_server pair[2])
{
    static char url[64];

    snprintf(url, sizeof url, "chp://127.0.0.1:%u,127.0.0.1:%u/shop", pair[0].port,
             pair[1].port);
    return url;
}

static void begin(struct chp_server pair[2])
{
    chp_pair_choose(pair);
    chp_server_start(&pair[0]);
    chp_server_start(&pair[1]);
}

static uint64_t now_ms(void)
{
    return time_monotonic_ns() / NS_PER_MS;
}

static void attach(struct peer *p)
{
    uint64_t began_ms = now_ms();

    while (bus_chp.attach(p->bus, NULL, VIEW_ALL_MS, &p->attached, why) != ACCORD_OK) {
        if (now_ms() - began_ms > PATIENCE_MS)
            fprintf(stderr, "%s\n", why);
        CHECK(now_ms() - began_ms <= PATIENCE_MS);
        usleep(5000);
    }
}

static struct peer opened(const char *url)
{
    struct bus_settings s = {.url = url,
                             .max_stale_ms = 3000,
                             .retain_ms = VIEW_ALL_MS,
                             .retain_changes = 100000,
                             .timeout_ms = TIMEOUT_MS};
    struct peer p = {.bus = NULL};

    CHECK(bus_chp.open(&p.bus, &s, why) == ACCORD_OK);
    attach(&p);
    return p;
}

/* Until it is taken, whatever befalls the servers. */
static void publish(struct peer *p, struct id128 message, const atomic_bool *stop)
{
    struct change c = {.op = CHANGE_REMOVE, .key = bytes_of_text("k"), .message = message};
    uint64_t began_ms = now_ms();
    struct position last;
    int status;

    while ((status = bus_chp.publish(p->bus, &c, 1, &last, why)) != ACCORD_OK &&
           !(stop && *stop)) {
        CHECK(status == ACCORD_E_DOWN || status == ACCORD_E_TIMEOUT);
        CHECK(now_ms() - began_ms <= PATIENCE_MS);
        usleep(5000);
        if (status == ACCORD_E_DOWN)
            (void)bus_chp.attach(p->bus, NULL, 0, &p->attached, why);
    }
}

/* All that the log has: their names. */
static size_t read_all(const char *url, struct id128 *seen, size_t max)
{
    struct peer p = opened(url);
    uint64_t at = p.attached.after;
    const struct entry *entries;
    size_t count, total = 0;

    while (at < p.attached.head) {
        CHECK(bus_chp.read(p.bus, at, TIMEOUT_MS, &entries, &count, why) == ACCORD_OK);
        for (size_t i = 0; i < count; i++) {
            CHECK(total < max);
            seen[total++] = entries[i].change.message;
            at = entries[i].position;
        }
    }
    bus_chp.close(p.bus);
    return total;
}

static size_t times_seen(const struct id128 *seen, size_t count, struct id128 message)
{
    size_t times = 0;

    for (size_t i = 0; i < count; i++)
        times += id128_equal(seen[i], message);
    return times;
}

/* ---- killed under load ---------------------------------------------------------------- */

struct load {
    const char *url;
    _Atomic size_t taken; /* messages {1, 1} to {taken, 1} */
    atomic_bool stop;
};

static void *publish_through(void *context)
{
    struct load *l = context;
    struct peer p = opened(l->url);

    while (!l->stop && l->taken < TAKEN_MAX) {
        publish(&p, (struct id128){l->taken + 1, 1}, &l->stop);
        l->taken += !l->stop;
        usleep(5000); /* there is to be load until the end */
    }
    bus_chp.close(p.bus);
    return NULL;
}

/* Until so many more were taken: a kill before the first attach would be none under load. */
static void await_taken(const struct load *l, size_t more)
{
    size_t enough = l->taken + more;
    uint64_t began_ms = now_ms();

    while (l->taken < enough && l->taken < TAKEN_MAX) {
        CHECK(now_ms() - began_ms < PATIENCE_MS);
        usleep(5000);
    }
}

/* Which one answers, once the other one has all that it acknowledged, and is waited for. */
static unsigned await_copy(const struct chp_server pair[2])
{
    uint64_t began_ms = now_ms();
    unsigned i = 0;

    while (!chp_server_is_whole(&pair[i])) {
        CHECK(now_ms() - began_ms < PATIENCE_MS);
        usleep(20000);
        i = 1 - i;
    }
    return i;
}

TEST(chp_pair_killed_under_load_loses_nothing_that_was_acknowledged)
{
    static struct id128 seen[4 * TAKEN_MAX];
    static struct load load;
    struct chp_server pair[2];
    pthread_t thread;
    unsigned active = 0;

    begin(pair);
    load.url = url_of(pair);
    CHECK(pthread_create(&thread, NULL, publish_through, &load) == 0);
    for (unsigned i = 0; i < 4; i++) { /* both directions, as the other one takes over */
        await_taken(&load, 20);
        active = await_copy(pair);
        await_taken(&load, 20);
        chp_server_kill(&pair[active]);
        await_taken(&load, 20); /* the other took over */
        chp_server_start(&pair[active]);
    }
    CHECK(load.taken < TAKEN_MAX);
    load.stop = true;
    CHECK(pthread_join(thread, NULL) == 0);
    size_t count = read_all(load.url, seen, COUNT_OF(seen));
    for (uint64_t i = 1; i <= load.taken; i++)
        CHECK(times_seen(seen, count, (struct id128){i, 1}) == 1);
    for (unsigned i = 0; i < 2; i++)
        chp_server_kill(&pair[i]);
}

/* ---- who was there before ------------------------------------------------------------- */

TEST(chp_pair_whoever_was_attached_notices_a_takeover)
{
    struct chp_server pair[2];
    const struct entry *entries;
    uint64_t head, began_ms = now_ms();
    size_t count;
    int status;

    begin(pair);
    struct peer p = opened(url_of(pair));
    unsigned active = await_copy(pair);
    attach(&p);
    publish(&p, (struct id128){1, 1}, NULL);
    struct bus_attached before = p.attached;
    CHECK(bus_chp.read(p.bus, before.after, TIMEOUT_MS, &entries, &count, why) == ACCORD_OK);
    CHECK(count == 1);
    struct cursor at = {.log = before.log,
                        .epoch = before.epoch,
                        .position = entries[0].position,
                        .message = entries[0].change.message};
    chp_server_kill(&pair[active]);
    while ((status = bus_chp.head(p.bus, &at, &head, why)) == ACCORD_E_DOWN)
        CHECK(now_ms() - began_ms < PATIENCE_MS);
    CHECK(status == ACCORD_E_GONE);
    struct bus_attached a;
    CHECK(bus_chp.attach(p.bus, &at, 0, &a, why) == ACCORD_E_GONE);
    attach(&p);
    CHECK(id128_equal(p.attached.log, before.log) && p.attached.epoch != before.epoch);
    CHECK(p.attached.head == at.position);
    bus_chp.close(p.bus);
    chp_server_kill(&pair[1 - active]);
}

TEST(chp_pair_one_that_stood_still_answers_nobody_afterwards)
{
    struct chp_server pair[2];
    struct position last;
    uint64_t head, began_ms = now_ms();
    int status;

    begin(pair);
    struct peer p = opened(url_of(pair)), q = opened(url_of(pair));
    unsigned active = await_copy(pair);
    attach(&p);
    attach(&q);
    publish(&p, (struct id128){1, 1}, NULL);
    struct cursor at = {
        .log = p.attached.log, .epoch = p.attached.epoch, .position = q.attached.after};
    CHECK(kill(pair[active].pid, SIGSTOP) == 0);
    publish(&p, (struct id128){2, 1}, NULL); /* until the other took over */
    CHECK(p.attached.epoch != at.epoch);
    CHECK(kill(pair[active].pid, SIGCONT) == 0);
    for (unsigned i = 0; i < 50; i++) { /* it would confirm a head that lacks the second */
        status = bus_chp.head(q.bus, &at, &head, why);
        CHECK(status == ACCORD_E_DOWN || status == ACCORD_E_GONE);
    }
    attach(&q);
    CHECK(q.attached.epoch == p.attached.epoch);
    struct change c = {.op = CHANGE_REMOVE, .key = bytes_of_text("k"), .message = {3, 1}};
    while ((status = bus_chp.publish(q.bus, &c, 1, &last, why)) != ACCORD_OK)
        CHECK(now_ms() - began_ms < PATIENCE_MS);
    bus_chp.close(p.bus);
    bus_chp.close(q.bus);
    for (unsigned i = 0; i < 2; i++)
        chp_server_kill(&pair[i]);
}

TEST(chp_pair_a_server_that_is_none_of_a_pair_is_not_taken_for_one)
{
    struct chp_server alone = {.port = 0}, pair[2];
    struct bus_settings s = {.max_stale_ms = 3000, .timeout_ms = 2 * TIMEOUT_MS};
    struct bus_attached a;
    struct bus *b = NULL;
    char url[64];

    chp_pair_choose(pair);
    chp_server_start(&alone);
    snprintf(url, sizeof url, "chp://127.0.0.1:%u,127.0.0.1:%u/shop", alone.port, alone.port);
    s.url = url;
    CHECK(bus_chp.open(&b, &s, why) == ACCORD_E_INVALID && strstr(why, "overlap"));
    snprintf(url, sizeof url, "chp://127.0.0.1:%u,127.0.0.1:%u/shop", alone.port, pair[0].port);
    CHECK(bus_chp.open(&b, &s, why) == ACCORD_OK);
    CHECK(bus_chp.attach(b, NULL, 0, &a, why) == ACCORD_E_DOWN);
    bus_chp.close(b);
    chp_server_kill(&alone);
}
