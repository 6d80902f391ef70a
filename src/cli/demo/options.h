/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* options.h - what the demo is asked to do. */
#ifndef ACCORD_CLI_DEMO_OPTIONS_H
#define ACCORD_CLI_DEMO_OPTIONS_H

#include "cli/options.h"

enum {
    DEMO_NODES_MAX = 50,
    DEMO_HUB = DEMO_NODES_MAX, /* who serves the bus to them, where that is one of us */
    DEMO_SLOTS,
    DEMO_READERS_MAX = 128,
    DEMO_BUS_BYTES_MAX = 512, /* of a URL, with its end */
    DEMO_HITS_MIN = 1000,     /* a reader that runs has them in milliseconds */
};

struct demo_options {
    const char *input;
    const char *trace;  /* NULL: zipf */
    const char *bus;    /* NULL: sqlite, in the demo's folder */
    const char *memory; /* of each node, as `accord serve` takes it */
    uint64_t seconds;
    uint64_t nodes;
    uint64_t readers;
    uint64_t rate; /* changes a second */
    uint64_t max_stale_ns;
    uint64_t hits_min;     /* judged; with fewer there is no verdict */
    bool allow_old_server; /* of the URL's bus, NATS */
    bool json;
    bool keep; /* leave the folder for a look */
    /* "removal": forget the removals of every eighth row: the checker must see it; NULL: no */
    const char *broken;
};

/* Reads the flags after argv[0]. ACCORD_E_INVALID: `why` says which, and what is expected; *out
 * is untouched. The texts stay argv's. */
MUST_CHECK int demo_options_parse(struct demo_options *out, int argc, char **argv,
                                  char why[OPTIONS_WHY_BYTES_MAX]);
/* What no table can say of the fields. As above. */
MUST_CHECK int demo_options_check(const struct demo_options *o,
                                  char why[OPTIONS_WHY_BYTES_MAX]);

#endif
