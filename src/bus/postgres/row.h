/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* row.h - a row of the table of changes as a change.
 *
 * Pure. Rows are hostile: whatever a person wrote comes out as a change, at worst as CLEAR
 * (B14).
 */
#ifndef ACCORD_BUS_POSTGRES_ROW_H
#define ACCORD_BUS_POSTGRES_ROW_H

#include "wire/change.h"

struct pg_row {
    uint64_t position;
    struct id128 message;
    struct bytes op, key; /* where no record is; data NULL: NULL */
    struct bytes record;  /* data NULL: an application or a person wrote the row */
};

/* What *out points to lies within the row's bytes. */
void pg_row_read(const struct pg_row *row, struct entry *out);

#endif
