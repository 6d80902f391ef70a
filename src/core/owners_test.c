/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/owners.h"
#include "test.h"

enum { ENTRIES = 256, BUCKETS = 16, CLIENTS = 40 };

static struct owned list[ENTRIES];
static uint32_t buckets[BUCKETS];

/* Against a plain array. */
TEST_SEEDS(owners_find_an_entry_of_exactly_the_clients_that_have_one, 20)
{
    uint64_t client_of[ENTRIES] = {0}; /* 0: free */
    size_t has[CLIENTS + 1] = {0}, count = 0;
    struct owners o;

    memset(buckets, 0, sizeof buckets);
    owners_init(&o, list, buckets, BUCKETS);
    for (int step = 0; step < 5000; step++) {
        uint32_t index = (uint32_t)test_random(rng, ENTRIES);
        uint64_t client = 1 + test_random(rng, CLIENTS);

        if (client_of[index] > 0) {
            owners_remove(&o, index);
            has[client_of[index]]--;
            client_of[index] = 0;
            count--;
        } else {
            owners_add(&o, index, client);
            client_of[index] = client;
            has[client]++;
            count++;
        }
        client = 1 + test_random(rng, CLIENTS);
        uint32_t found = owners_find(&o, client);
        CHECK((found > 0) == (has[client] > 0));
        CHECK(found == 0 || client_of[found - 1] == client);
    }
    CHECK(owners_count(&o) == count);
}
