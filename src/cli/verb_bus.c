/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* verb_bus.c - prepares a server for the fleet, or cleans it up again, whatever its bus. */
#include "bus/bus.h"
#include "cli/verb.h"
#include "node/files.h"

#include <stdio.h>
#include <stdlib.h>

enum { CALL_TIMEOUT_MS = 10 * 1000, PUBLIC_URL_BYTES = 512 };

static int print_schema(const struct bus_ops *ops, const struct bus_settings *s)
{
    char why[BUS_WHY_BYTES_MAX] = "", *text = NULL;

    if (!ops->tools.schema)
        return fail(EXIT_FAILED, "%s: nothing needs to be prepared", ops->scheme);
    int status = ops->tools.schema(s, &text, why);
    if (status != ACCORD_OK)
        return fail(exit_code_of(status), "%s", why);
    fputs(text, stdout);
    free(text);
    return EXIT_OK;
}

static int drop(const struct bus_ops *ops, const struct bus_settings *s)
{
    char why[BUS_WHY_BYTES_MAX] = "", shown[PUBLIC_URL_BYTES];

    if (!ops->tools.drop)
        return fail(EXIT_FAILED, "%s: there is no server to clean up; delete its files",
                    ops->scheme);
    int status = ops->tools.drop(s, why);
    if (status != ACCORD_OK && status != ACCORD_E_GONE)
        return fail(exit_code_of(status), "%s", why);
    files_public_url(s->url, shown, sizeof shown);
    printf("%s: %s\n", status == ACCORD_OK ? "removed" : "nothing was there", shown);
    return EXIT_OK;
}

int verb_bus(int argc, char **argv)
{
    char why[BUS_WHY_BYTES_MAX] = "";

    if (argc != 3)
        return usage_error("bus", "expected schema or drop, and a URL");
    bool is_schema = strcmp(argv[1], "schema") == 0;
    if (!is_schema && strcmp(argv[1], "drop") != 0)
        return usage_error("bus", "\"%.64s\" is not known; expected schema or drop", argv[1]);
    const struct bus_ops *ops = bus_find(argv[2], why);
    if (!ops)
        return usage_error("bus", "%s", why);
    struct bus_settings s = {
        .url = argv[2], .max_stale_ms = MAX_STALE_MS_MIN, .timeout_ms = CALL_TIMEOUT_MS};
    return is_schema ? print_schema(ops, &s) : drop(ops, &s);
}
