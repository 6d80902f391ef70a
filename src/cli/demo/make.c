/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* make.c - the world before anybody is in it: origin, keys, names, shared memory. */
#include "cli/demo/world.h"

#include "bus/chp/place.h"
#include "bus/nats/old.h"
#include "node/files.h"

#include <netdb.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SPARE_S = 120, /* the run may last longer than asked for */
    SEED = 20260101,
};

static int complain(const struct demo_world *w, int status, const char *why)
{
    fprintf(stderr, "accord: %s: %s\n", w->verb, why);
    return status;
}

static void *map_shared(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

/* Each turn of the writer changes a row, every eighth two; each second a section and probes. */
static uint32_t changes_max(const struct demo_options *o)
{
    uint64_t per_s = o->rate + o->rate / 8 + DEMO_TAG_ROWS_MAX + 64;

    return (uint32_t)u64_min((o->seconds + SPARE_S) * per_s, DEMO_CHANGES_MAX);
}

static int make_memory(struct demo_world *w)
{
    uint32_t changes = changes_max(&w->options);

    w->shared_bytes = sizeof *w->shared;
    w->history_bytes = demo_history_bytes(w->table.count, changes);
    w->shared = map_shared(w->shared_bytes);
    w->history = map_shared(w->history_bytes);
    if (!w->shared || !w->history)
        return complain(w, ACCORD_E_NOMEM, "no memory to share with the readers");
    demo_history_init(w->history, w->table.count, changes,
                      w->options.max_stale_ns + w->options.max_stale_ns / 100);
    return ACCORD_OK;
}

/* Whether somebody listens there: then the bus is theirs. */
static bool is_served(const struct bus_url_server *s)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    char port[8];
    bool is = false;

    snprintf(port, sizeof port, "%u", s->port);
    if (getaddrinfo(s->host, port, &hints, &list) != 0)
        return false;
    for (const struct addrinfo *a = list; a && !is; a = a->ai_next) {
        int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        is = fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) == 0;
        if (fd >= 0)
            close(fd);
    }
    freeaddrinfo(list);
    return is;
}

/* A bus that nodes serve has none of the demo's own to serve it: the killed one would take it
 * along. So the demo starts one more, unless that address is served already. */
static void find_hub(struct demo_world *w)
{
    struct bus_url u;
    char why[BUS_WHY_BYTES_MAX];

    if (strncmp(w->bus, "chp:", 4) != 0 ||
        bus_url_parse(&u, w->bus, CHP_PORT_DEFAULT, "", why) != ACCORD_OK)
        return; /* the nodes say what is wrong */
    /* Two are there already: they serve more than a demo, and one of them is not enough. */
    if (u.server_count == 1 && !is_served(&u.servers[0]))
        snprintf(w->hub, sizeof w->hub,
                 strchr(u.servers[0].host, ':') ? "chp://[%.100s]:%u" : "chp://%.100s:%u",
                 u.servers[0].host, u.servers[0].port);
    bus_url_done(&u);
}

/* All that can ever be, so that more nodes may join later. */
static void name_nodes(struct demo_world *w)
{
    char why[BUS_WHY_BYTES_MAX];

    for (unsigned i = 0; i < DEMO_NODES_MAX; i++) {
        snprintf(w->name[i], sizeof w->name[i], "web%u", i + 1);
        snprintf(w->socket[i], sizeof w->socket[i], "%.*s/%s.sock", DEMO_FOLDER_BYTES_MAX,
                 w->folder, w->name[i]);
    }
    snprintf(w->name[DEMO_HUB], sizeof w->name[0], "hub");
    snprintf(w->socket[DEMO_HUB], sizeof w->socket[0], "%.*s/hub.sock", DEMO_FOLDER_BYTES_MAX,
             w->folder);
    if (w->options.bus)
        snprintf(w->bus, sizeof w->bus, "%s", w->options.bus);
    else
        snprintf(w->bus, sizeof w->bus, "sqlite:%s/bus.db", w->folder);
    if (w->options.allow_old_server) /* that it can be was checked */
        ASSERT(nats_allow_old_server(w->bus, sizeof w->bus, why) == ACCORD_OK);
    files_public_url(w->bus, w->bus_shown, sizeof w->bus_shown);
    find_hub(w);
}

int demo_world_make(struct demo_world *w)
{
    char why[DEMO_ORIGIN_WHY_BYTES_MAX];
    int status;

    snprintf(w->origin_path, sizeof w->origin_path, "%s/origin.db", w->folder);
    status = demo_origin_create(w->origin_path, w->options.input, &w->table, why);
    if (status != ACCORD_OK)
        return complain(w, status, why);
    if (w->options.trace)
        status = demo_keys_trace(&w->keys, w->options.trace, w->table.count, why);
    else
        status = demo_keys_zipf(&w->keys, DEMO_KEYS_ZIPF, w->table.count, 0.99, SEED);
    if (status != ACCORD_OK)
        return complain(w, status, w->options.trace ? why : status_text(status));
    name_nodes(w);
    return make_memory(w);
}

void demo_world_free(struct demo_world *w)
{
    if (w->shared)
        munmap(w->shared, w->shared_bytes);
    if (w->history)
        munmap(w->history, w->history_bytes);
    demo_keys_free(&w->keys);
    demo_table_free(&w->table);
}
