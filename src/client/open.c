/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* open.c - which daemon: a socket's path, the default one, or a node inside this process. */
#include "client/handle.h"
#include "client/last_error.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SYSTEM_SOCKET "/run/accord/accord.sock"

/* ---- a node inside this process: what src/node/embed.h says ---- */

struct accord_embed;
typedef int embed_start(const char *query, struct accord_embed **out, char *why,
                        size_t why_bytes);
typedef const char *embed_socket(const struct accord_embed *e);
typedef void embed_stop(struct accord_embed *e);

struct embed {
    struct accord_embed *node;
    embed_stop *stop;
};

/* dlsym() answers a pointer to data; POSIX promises that this way round is fine. */
static bool find(void *library, const char *name, void *function)
{
    void *symbol = dlsym(library, name);

    memcpy(function, &symbol, sizeof symbol);
    return symbol != NULL;
}

static int embed_open(struct accord *a, const char *query)
{
    struct embed *e = calloc(1, sizeof *e);
    char why[LAST_ERROR_BYTES_MAX] = "";
    embed_start *start;
    embed_socket *socket_of;

    if (!e)
        return ACCORD_E_NOMEM;
    /* Never closed: its threads and handlers may outlive any count we keep. */
    void *library = dlopen("libaccord-embed.so", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library || !find(library, "accord_embed_start", &start) ||
        !find(library, "accord_embed_socket", &socket_of) ||
        !find(library, "accord_embed_stop", &e->stop)) {
        const char *reason = dlerror();
        free(e);
        return last_error_text(ACCORD_E_UNSUPPORTED,
                               bytes_of_text(reason ? reason : "libaccord-embed.so is broken"));
    }
    int status = start(query, &e->node, why, sizeof why);
    if (status != ACCORD_OK) {
        free(e);
        return last_error_text(status, bytes_of_text(why));
    }
    a->embed = e;
    snprintf(a->path, sizeof a->path, "%s", socket_of(e->node));
    return ACCORD_OK;
}

static void embed_close(struct embed *e)
{
    if (!e)
        return;
    e->stop(e->node);
    free(e);
}

/* ---- a daemon ---- */

static int set_path(struct accord *a, const char *folder, const char *path)
{
    static const char scheme[] = "unix:";

    if (strncmp(path, scheme, sizeof scheme - 1) == 0)
        path += sizeof scheme - 1;
    if (strstr(path, "://"))
        return last_error_say(ACCORD_E_INVALID,
                              "\"%.100s\" is no daemon of this host: give the path of its unix "
                              "socket, or embed:?bus=URL for a node in this process",
                              path);
    int size = snprintf(a->path, sizeof a->path, "%s%s", folder, path);
    if (size > 0 && (size_t)size < sizeof a->path)
        return ACCORD_OK;
    return last_error_text(ACCORD_E_INVALID,
                           bytes_of_text("the path of a socket has 1 to 107 bytes"));
}

static int set_default_path(struct accord *a)
{
    const char *path = getenv("ACCORD_SOCKET"), *runtime = getenv("XDG_RUNTIME_DIR");

    if (path && path[0])
        return set_path(a, "", path);
    if (!runtime || !runtime[0] || access(SYSTEM_SOCKET, F_OK) == 0)
        return set_path(a, "", SYSTEM_SOCKET);
    return set_path(a, runtime, "/accord.sock");
}

static int set_address(struct accord *a, const char *address)
{
    static const char scheme[] = "embed:";

    if (!address)
        return set_default_path(a);
    if (strncmp(address, scheme, sizeof scheme - 1) == 0)
        return embed_open(a, address + sizeof scheme - 1);
    return set_path(a, "", address);
}

/* The first connection, so that a mistyped path is known at once. */
static int attach_first(struct accord *a)
{
    struct seat *s;
    int status = seat_take(a, monotonic_ns() + a->connect_ns, &s, NULL);

    if (status != ACCORD_OK)
        return hang_say(a, status);
    seat_give(a, s);
    return ACCORD_OK;
}

int accord_open(struct accord **out, const char *address, const struct accord_options *options)
{
    unsigned flags = options ? options->flags : 0;
    struct accord *a;

    if (!out)
        return last_error_invalid(true);
    if (flags & ~(unsigned)ACCORD_OPEN_WITHOUT_DAEMON)
        return last_error_say(ACCORD_E_INVALID,
                              "flags of accord_open() that are none: %#x "
                              "(was the struct zeroed?)",
                              flags);
    int status = handle_new(&a, options);
    if (status != ACCORD_OK)
        return last_error(status, "");
    status = set_address(a, address);
    if (status == ACCORD_OK) {
        status = attach_first(a);
        if (status != ACCORD_E_NOMEM && (flags & ACCORD_OPEN_WITHOUT_DAEMON))
            status = ACCORD_OK;
    }
    if (status != ACCORD_OK) {
        accord_close(a);
        return status;
    }
    *out = a;
    return ACCORD_OK;
}

void accord_close(struct accord *a)
{
    if (!a)
        return;
    struct embed *embed = a->embed;
    if (atomic_load(&a->current))
        collect_counts(a);
    handle_free(a);
    embed_close(embed);
}
