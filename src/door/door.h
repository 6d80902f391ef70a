/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* door.h - what a door may ask of the house it stands in.
 *
 * Doors translate between the outside and requests; they never decide. They read the segment
 * with the given reader, as any process does; everything else is a request to the core. All of
 * it runs on the loop thread.
 */
#ifndef ACCORD_DOOR_DOOR_H
#define ACCORD_DOOR_DOOR_H

#include "cache/reader.h"
#include "core/core.h"

#include <uv.h>

/* A view: rows of named values, the same over RESP, HTTP, CLI and console. The views and their
 * fields are declared in defs/view.def. The builder calls these in order; text is copied. */
struct view_sink {
    void *context;
    void (*row)(void *context); /* a new row begins (views of one row: called once) */
    void (*text)(void *context, const char *field, const char *value);
    void (*number)(void *context, const char *field, uint64_t value);
    void (*real)(void *context, const char *field, double value);
    void (*flag)(void *context, const char *field, bool value);
};

struct door_host {
    void *node; /* first argument of the functions below */
    uv_loop_t *loop;
    const struct reader *reader;
    struct core *core; /* for its views; doors never step it */

    /* Gives requests, in their order, to the core: at most REQUESTS_MAX, all of one client.
     * More than one are none of a batch (REQUEST_BATCH_BEGIN). What they point to is borrowed
     * for the call. What they do to the segment is done when submit() returns, so that the next
     * command of the pipeline sees it (but not where submit() is called from within the door's
     * reply function: then it may be done later); the replies may come later. They come through
     * the door's reply function, perhaps before submit() returns, exactly once each, unless
     * gone() was called for the client first. */
    void (*submit)(void *node, const struct request *requests, size_t count);
    void (*gone)(void *node, uint64_t client);
    uint64_t (*new_client)(void *node); /* a number never given before; never 0 */

    /* Fills `sink` with the view's rows. ACCORD_E_ABSENT: no such view. */
    int (*view)(void *node, const char *name, const struct view_sink *sink);
    /* The view "ping" is from now on of that letter, of a reply that is being given to the
     * door; 0: of none, and empty. */
    void (*pinged)(void *node, uint64_t letter);

    /* The mapping, for attach: descriptors that the door may send, and never closes. */
    int segment_fd, hints_fd;
    size_t segment_bytes, hints_bytes;

    const struct namespace_settings *namespaces; /* [0] is "default" */
    size_t namespace_count;
    const char *password; /* for AUTH on tcp; NULL: none */
    const char *version;
    void (*stop)(void *node); /* SHUTDOWN */

    /* The rest may be NULL or 0. */
    uint64_t (*item_count)(void *node); /* DBSIZE: items here; NULL: the index is walked */
    uint32_t reader_lines;              /* lines in the hints that attach may give away: */
    uint32_t reader_line_first;         /* first .. first + lines - 1 */
    /* A connection that held this line is gone: fold its counters in and zero it, now; the
     * line is given to another at once after. */
    void (*line_freed)(void *node, uint32_t line);
    /* The incarnation of an earlier segment that clients may offer; NULL or none: none. Takes
     * its descriptor, which stays the door's; on failure *why (static) is for the client. */
    const struct id128 *wanted;
    int (*offered)(void *node, int fd, const char **why);
    /* One decision worth one log line: a short word such as "client-closed", and why. */
    void (*note)(void *node, const char *what, const char *why);
};

#endif
