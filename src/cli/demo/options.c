/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/demo/options.h"

#include "bus/bus.h"
#include "bus/nats/old.h"
#include "node/settings.h"

#include <stdio.h>

#define AT(field) offsetof(struct demo_options, field)

static const struct option_field fields[] = {
    {"--seconds", OPTION_COUNT, AT(seconds), 4, 86400, NULL},
    {"--nodes", OPTION_COUNT, AT(nodes), 1, 9, NULL},
    {"--readers", OPTION_COUNT, AT(readers), 4, 64, NULL},
    {"--rate", OPTION_COUNT, AT(rate), 1, 5000, NULL},
    {"--max-stale", OPTION_DURATION, AT(max_stale_ns), 500 * NS_PER_MS, 3600 * NS_PER_S, NULL},
    {"--hits-min", OPTION_COUNT, AT(hits_min), 1, INT64_MAX, NULL},
    {"--input", OPTION_TEXT, AT(input), 0, 0, "the path of a Debian control file"},
    {"--trace", OPTION_TEXT, AT(trace), 0, 0, "the path of a file with one key a line"},
    {"--bus", OPTION_TEXT, AT(bus), 0, 0, "the URL of a bus, as accord serve takes it"},
    {"--allow-old-server", OPTION_SWITCH, AT(allow_old_server), 0, 0, NULL},
    {"--memory", OPTION_TEXT, AT(memory), 0, 0, "a size such as 64M"},
    {"--break", OPTION_TEXT, AT(broken), 0, 0, "\"removal\""},
    {"--json", OPTION_SWITCH, AT(json), 0, 0, NULL},
    {"--keep", OPTION_SWITCH, AT(keep), 0, 0, NULL},
};

static int check_old_server(const struct demo_options *o, char why[BUS_WHY_BYTES_MAX])
{
    char url[DEMO_BUS_BYTES_MAX];

    if (!o->bus)
        return bus_fail(why, ACCORD_E_INVALID, "give the server's --bus URL, too");
    snprintf(url, sizeof url, "%s", o->bus);
    return nats_allow_old_server(url, sizeof url, why);
}

int demo_options_check(const struct demo_options *o, char why[OPTIONS_WHY_BYTES_MAX])
{
    char line[BUS_WHY_BYTES_MAX];
    uint64_t bytes;

    if (o->bus && !bus_find(o->bus, line)) {
        snprintf(why, OPTIONS_WHY_BYTES_MAX, "--bus: %.480s", line);
        return ACCORD_E_INVALID;
    }
    if (o->bus && strlen(o->bus) >= DEMO_BUS_BYTES_MAX) {
        snprintf(why, OPTIONS_WHY_BYTES_MAX, "--bus: the URL is longer than %d bytes",
                 DEMO_BUS_BYTES_MAX - 1);
        return ACCORD_E_INVALID;
    }
    if (o->bus && strncmp(o->bus, "memory:", 7) == 0)
        return options_expect(why, "--bus", o->bus,
                              "a bus that several processes share (memory: is one process's "
                              "own)");
    if (o->allow_old_server && check_old_server(o, line) != ACCORD_OK) {
        snprintf(why, OPTIONS_WHY_BYTES_MAX, "--allow-old-server: %.440s", line);
        return ACCORD_E_INVALID;
    }
    if (settings_parse_size(o->memory, &bytes) != ACCORD_OK || bytes < SEGMENT_BYTES_MIN)
        return options_expect(why, "--memory", o->memory, "a size of at least 8M, such as 64M");
    if (o->broken && strcmp(o->broken, "removal") != 0)
        return options_expect(why, "--break", o->broken, "\"removal\"");
    return ACCORD_OK;
}

int demo_options_parse(struct demo_options *out, int argc, char **argv,
                       char why[OPTIONS_WHY_BYTES_MAX])
{
    struct demo_options o = {
        .input = "/var/lib/dpkg/status",
        .memory = "64M",
        .seconds = 20,
        .nodes = 3,
        .readers = 4,
        .rate = 200,
        .max_stale_ns = 3 * NS_PER_S,
        .hits_min = DEMO_HITS_MIN,
    };

    int status = options_parse(&o, fields, COUNT_OF(fields), argc, argv, why);
    if (status == ACCORD_OK)
        status = demo_options_check(&o, why);
    if (status == ACCORD_OK)
        *out = o;
    return status;
}
