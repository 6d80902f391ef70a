/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* removal_bus_bench.c - three nodes share a sqlite bus; a removal is sent to one. How much
 * later is the key gone on all of them than the bare bus takes to bring a row from one process
 * to one other?
 *
 * Ours: from sending DEL to node a until a prober finds no hit in any of three shared memories.
 * Bare: from calling the bus's publish() until read() returned in a subscriber's process, on
 * a file of its own in the same folder. The two take turns.
 */
#include "bench.h"
#include "three.h"

#include "bus/bus.h"
#include "bus/sqlite/sqlite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { GOAL_OVER_BUS_US = 10, TIMEOUT_MS = 5000 };

/* ---- the bare bus ---- */

static struct bus *open_bus(const char *url, struct bus_attached *attached)
{
    struct bus_settings s = {.url = url,
                             .max_stale_ms = 3000,
                             .retain_ms = 3600000,
                             .retain_changes = 1000000,
                             .timeout_ms = TIMEOUT_MS};
    char why[BUS_WHY_BYTES_MAX];
    struct bus *b;

    if (bus_sqlite.open(&b, &s, why) != ACCORD_OK ||
        bus_sqlite.attach(b, NULL, 0, attached, why) != ACCORD_OK) {
        fprintf(stderr, "bench: %s\n", why);
        exit(1);
    }
    return b;
}

_Noreturn static void receive(struct receiver *s, const char *url)
{
    struct bus_attached attached;
    char why[BUS_WHY_BYTES_MAX];
    const struct entry *entries;
    size_t count;

    struct bus *b = open_bus(url, &attached);
    receiver_saw(s, 1, 0);
    for (uint64_t after = attached.head;;) {
        if (bus_sqlite.read(b, after, 60000, &entries, &count, why) != ACCORD_OK) {
            fprintf(stderr, "bench: %s\n", why);
            _exit(1);
        }
        uint64_t seen_ns = bench_now_ns();
        if (count > 0)
            after = entries[count - 1].position;
        receiver_saw(s, (uint32_t)count, seen_ns);
    }
}

static double publish_bare(struct bus *b, struct receiver *s, const char *key,
                           uint64_t sequence)
{
    struct change c = {.op = CHANGE_REMOVE,
                       .key = bytes_of(key, FILL_KEY_BYTES),
                       .message = {0xbe7c, sequence},
                       .origin = bytes_of_text("bench"),
                       .incarnation = {0xbe7c, 1},
                       .sequence = sequence};
    char why[BUS_WHY_BYTES_MAX];
    struct position last;
    uint32_t before = receiver_rest(s);

    uint64_t sent_ns = bench_now_ns();
    if (bus_sqlite.publish(b, &c, 1, &last, why) != ACCORD_OK) {
        fprintf(stderr, "bench: %s\n", why);
        exit(1);
    }
    return receiver_us(s, before, sent_ns);
}

static void report(double ours, double bare)
{
    bench_report(&(struct bench_result){
        .name = "removal-sqlite-3",
        .ours = ours,
        .against = bare,
        .unit = "µs",
        .peer = "the bare sqlite bus, one publisher, one subscriber",
        .goal = bare / (bare + GOAL_OVER_BUS_US),
        .bus = "sqlite",
        .durability = "fsync at each commit, both",
        .clock = "CLOCK_BOOTTIME",
        .pinning = "writer, publisher on 0; prober on 1 in the idle class; nodes, subscriber "
                   "anywhere"});
}

int main(void)
{
    static struct three three;
    static double bare[THREE_ROUNDS];
    char url[320];
    struct bus_attached attached;

    snprintf(url, sizeof url, "sqlite:%s", bench_path("bus.db"));
    three_start(&three, url);
    snprintf(url, sizeof url, "sqlite:%s", bench_path("bare.db"));
    struct receiver *subscriber = receiver_start(receive, url);
    struct bus *publisher = open_bus(url, &attached);
    bench_pin(0);
    for (int i = 0; i < THREE_ROUNDS; i++) {
        three_remove(&three, i);
        bare[i] = publish_bare(publisher, subscriber, three.key, (uint64_t)i + 1);
    }
    receiver_stop(subscriber);
    bus_sqlite.close(publisher);
    double ours = three_report(&three);
    report(ours, three_p50("bare bus", bare));
    return 0;
}
