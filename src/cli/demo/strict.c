/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* strict.c - removes rows strictly (P3), beside the writer: once such a removal is answered OK,
 * whatever had been superseded before it was called may not be served anywhere. */
#include "cli/demo/world.h"

#include <stdio.h>
#include <unistd.h>

enum { EVERY_US = 50000, SPARE_MS = 2000 };

/* Every node has confirmed within 1.5 × L, or its lease has run out. False: this is not offered
 * here. */
static bool remove_strictly(const struct demo_world *w, struct accord *node, uint32_t row)
{
    struct demo_strict_stats *stats = &w->shared->strict;
    const struct accord_remove_options options = {
        .flags = ACCORD_WAIT,
        .wait_ms = w->options.max_stale_ns / NS_PER_MS * 3 / 2 + SPARE_MS,
    };
    const struct demo_row *key = &w->table.rows[row];
    uint32_t version = demo_history_newest_acked(w->history, row);
    uint64_t called_ns = demo_now_ns();

    int status = accord_remove(node, key->key, key->key_bytes, &options, NULL);
    if (status == ACCORD_E_UNSUPPORTED)
        return false;
    if (status != ACCORD_OK) {
        demo_count(&stats->unknown, 1);
        return true;
    }
    uint64_t now_ns = demo_now_ns();
    demo_history_floor(w->history, row, version, now_ns);
    demo_histogram_add(&stats->wait_ns, now_ns - called_ns);
    return true;
}

int demo_strict_run(const struct demo_world *w)
{
    struct accord *nodes[DEMO_NODES_MAX] = {NULL};
    uint64_t random = 1848;
    enum demo_mode mode;
    bool offered = true;

    int code = demo_open_all(w, nodes);
    for (uint64_t turn = 0; code == 0 && (mode = demo_mode(w)) != DEMO_STOP; turn++) {
        uint32_t row = w->keys.rows[demo_random(&random) % w->keys.count];
        if (offered && mode == DEMO_ON && !demo_is_forgotten(w, row))
            offered = remove_strictly(w, nodes[turn % w->options.nodes], row);
        usleep(EVERY_US);
    }
    for (size_t i = 0; i < DEMO_NODES_MAX; i++)
        accord_close(nodes[i]);
    return code;
}
