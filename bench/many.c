/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "many.h"

#include "bench.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TIMEOUT_MS = 30000, CHANGES = 200 * PUBLISH_BATCH_MAX };

uint16_t many_free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t length = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &length) != 0)
        bench_die("a free port");
    close(fd);
    return ntohs(at.sin_port);
}

size_t many_changes(void)
{
    static const size_t step = (size_t)MANY_TURNS * PUBLISH_BATCH_MAX;
    const char *asked = getenv("ACCORD_BENCH_CHANGES");
    size_t count = asked ? strtoull(asked, NULL, 10) : CHANGES;

    return count > 0 ? (count + step - 1) / step * step : step;
}

struct change many_change(uint64_t number, char key[FILL_KEY_BYTES + 1])
{
    fill_key(number, key);
    return (struct change){.op = CHANGE_REMOVE,
                           .key = bytes_of(key, FILL_KEY_BYTES),
                           .message = {0xbe7c, 1 + number},
                           .wall_ms = 1700000000000,
                           .origin = bytes_of_text("bench"),
                           .incarnation = {0xbe7c, 1},
                           .sequence = 1 + number};
}

struct bus *many_open(const struct bus_ops *ops, const char *url, struct bus_attached *attached)
{
    char why[BUS_WHY_BYTES_MAX];
    struct bus_settings s = {.url = url,
                             .max_stale_ms = 3000,
                             .retain_ms = 3600000,
                             .retain_changes = 100000000,
                             .timeout_ms = TIMEOUT_MS};
    struct bus *b;

    if (ops->open(&b, &s, why) != ACCORD_OK ||
        ops->attach(b, NULL, 3600000, attached, why) != ACCORD_OK) {
        fprintf(stderr, "bench: %s\n", why);
        exit(1);
    }
    return b;
}

double many_publish(const struct bus_ops *ops, struct bus *b, size_t first, size_t count)
{
    static struct change batch[PUBLISH_BATCH_MAX];
    static char keys[PUBLISH_BATCH_MAX][FILL_KEY_BYTES + 1];
    char why[BUS_WHY_BYTES_MAX];
    struct position last;

    uint64_t began_ns = bench_now_ns();
    for (size_t at = 0; at < count; at += PUBLISH_BATCH_MAX) {
        for (size_t i = 0; i < PUBLISH_BATCH_MAX; i++)
            batch[i] = many_change(first + at + i, keys[i]);
        if (ops->publish(b, batch, PUBLISH_BATCH_MAX, &last, why) != ACCORD_OK) {
            fprintf(stderr, "bench: %s\n", why);
            exit(1);
        }
    }
    return (double)(bench_now_ns() - began_ns) / 1e9;
}

double many_read(const struct bus_ops *ops, struct bus *b, uint64_t after, size_t count)
{
    const struct entry *entries;
    char why[BUS_WHY_BYTES_MAX];
    size_t some;

    uint64_t began_ns = bench_now_ns();
    for (size_t got = 0; got < count; got += some) {
        if (ops->read(b, after, 1000, &entries, &some, why) != ACCORD_OK || some == 0)
            bench_die("read");
        after = entries[some - 1].position;
    }
    return (double)(bench_now_ns() - began_ns) / 1e9;
}

void many_report(const char *name, const char *bus, double ours_s, double raw_s,
                 const char *peer, double goal, const char *durability)
{
    bench_report(&(struct bench_result){.name = name,
                                        .ours = (double)many_changes() / ours_s,
                                        .against = (double)many_changes() / raw_s,
                                        .unit = "op/s",
                                        .more_is_better = true,
                                        .peer = peer,
                                        .goal = goal,
                                        .bus = bus,
                                        .durability = durability,
                                        .clock = "CLOCK_BOOTTIME",
                                        .pinning = "client on 0; server anywhere"});
}
