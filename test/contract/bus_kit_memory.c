/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus_kit.h"

#include <stdio.h>

#include "bus/memory.h"

static void url(char out[KIT_URL_BYTES_MAX], const char *cluster)
{
    snprintf(out, KIT_URL_BYTES_MAX, "memory:%s", cluster);
}

static const char *name_of(const char *url_text)
{
    return strchr(url_text, ':') + 1;
}

static void write_row(const char *url_text, const char *op, struct bytes key)
{
    memory_log_write(name_of(url_text), op, key);
}

static void cut(const char *url_text, unsigned count)
{
    memory_log_cut(name_of(url_text), count);
}

static void replace(const char *url_text)
{
    memory_log_replace(name_of(url_text));
}

const struct bus_kit bus_kit_memory = {"memory", url, write_row, cut, replace, 0};
