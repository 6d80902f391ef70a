/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* contract.h - what the clauses are written with: each a test on every bus, and a bus with its
 * reading side (peer). The clauses are in bus_contract.c, and in bus_loss.c those that tell of
 * entries that are not there any more. */
#ifndef ACCORD_TEST_CONTRACT_H
#define ACCORD_TEST_CONTRACT_H

#include <stdio.h>

#include "bus_kit.h"
#include "test.h"

#define ON(bus, name)                                                                          \
    TEST(name##_on_##bus)                                                                      \
    {                                                                                          \
        name(&bus_kit_##bus, rng);                                                             \
    }
/* Each bus adds its line here. */
#define CLAUSE(name)                                                                           \
    static void name(const struct bus_kit *kit, uint64_t *rng);                                \
    ON(memory, name)                                                                           \
    ON(sqlite, name)                                                                           \
    ON(nats, name)                                                                             \
    ON(postgres, name)                                                                         \
    ON(redis, name)                                                                            \
    ON(chp, name)                                                                              \
    ON(chp_pair, name)                                                                         \
    ON(xmpp, name)                                                                             \
    ON(xmpp_ejabberd, name)                                                                    \
    ON(http, name)                                                                             \
    static void name(const struct bus_kit *kit, __attribute__((unused)) uint64_t *rng)

/* Generous: nothing that goes well waits for it, also not under ThreadSanitizer. */
enum { TIMEOUT_MS = 30000, VIEW_ALL_MS = 3600 * 1000, ENTRIES_MAX = 8192 };

extern _Thread_local char why[BUS_WHY_BYTES_MAX];

/* Whether all readers have one log. HTTP peers have one each: places mean nothing elsewhere, it
 * ends with its node, and nobody comes to it behind the bus's back
 * (docs/decision/http-peers.md). A clause of what cannot be there is skipped with the second
 * one. */
bool has_one_log(const struct bus_kit *kit);
void needs_one_log(const struct bus_kit *kit);

/* CHECK() that says why. */
#define OK(e)                                                                                  \
    do {                                                                                       \
        int status_of_e = (e);                                                                 \
        if (status_of_e != ACCORD_OK)                                                          \
            fprintf(stderr, "%s: %s\n", status_text(status_of_e), why);                        \
        CHECK(status_of_e == ACCORD_OK);                                                       \
    } while (0)

/* A bus with its reading side where it stands. */
struct peer {
    const struct bus_ops *ops;
    struct bus *bus;
    char url[KIT_URL_BYTES_MAX];
    struct bus_attached attached;
    struct cursor at;
};

struct bus_settings settings_of(const char *url);
/* Opened and not attached; attached with the cursor, or with a view of all. */
void open_with(struct peer *p, const struct bus_kit *kit, const char *cluster,
               struct bus_settings settings);
void attach(struct peer *p, const struct cursor *resume);
struct peer opened(const struct bus_kit *kit, const char *cluster);
void closed(struct peer *p);

struct id128 random_id(uint64_t *rng);
struct change removal(uint64_t *rng, const char *key);
/* What succeeds: the position of the last change. */
uint64_t published(struct peer *p, const struct change *changes, size_t count);
uint64_t published_one(struct peer *p, uint64_t *rng, const char *key);

/* Reads once; the cursor follows. */
size_t read_some(struct peer *p, uint64_t timeout_ms, const struct entry **entries);
/* One entry, which must come. Its bytes live until the next read. */
struct entry read_one(struct peer *p);
/* So many, in however many reads; the bytes of all but the last read's are gone. */
void read_entries(struct peer *p, struct entry *out, size_t count);
uint64_t head_of(struct peer *p);
uint64_t now_ms(void); /* monotonic */

#endif
