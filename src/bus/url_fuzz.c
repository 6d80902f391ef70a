/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* url_fuzz.c - any text as the URL of a bus: known or refused with what is expected; the path
 * of a database comes out from the root, with its files beside it. */
#include "bus/sqlite/place.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_place(const struct sqlite_place *p)
{
    size_t length = strlen(p->path);

    ASSERT(p->path[0] == '/');
    ASSERT(length < sizeof p->path);
    ASSERT(strlen(p->suffix) <= SQL_CLUSTER_BYTES_MAX + 1);
    ASSERT(strncmp(p->wal_path, p->path, length) == 0);
    ASSERT(strncmp(p->lock_path, p->path, length) == 0);
    ASSERT(strncmp(p->wake_path, p->path, length) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sqlite_place place;
    char why[BUS_WHY_BYTES_MAX] = "";
    char *url = malloc(size + 1);

    ASSERT(url);
    memcpy(url, data, size);
    url[size] = 0;
    const struct bus_ops *ops = bus_find(url, why);
    ASSERT((ops == NULL) == (why[0] != 0));
    if (ops && strcmp(ops->scheme, "sqlite") == 0) {
        int status = sqlite_place_init(&place, url, why);
        ASSERT(status == ACCORD_OK || status == ACCORD_E_INVALID || status == ACCORD_E_DENIED);
        ASSERT((status != ACCORD_OK) == (why[0] != 0));
        if (status == ACCORD_OK)
            check_place(&place);
    }
    free(url);
    return 0;
}
