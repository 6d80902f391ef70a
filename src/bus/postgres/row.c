/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/postgres/row.h"

/* What a node wrote, or what stands for it where its version is a later one. What cannot be
 * read, or is another row's, may have meant everything. */
static bool read_record(const struct pg_row *row, struct change *out)
{
    struct bytes space;
    struct change c;

    int status = change_decode(row->record, &c, &space);
    if (status == ACCORD_E_FORMAT || !id128_equal(c.message, row->message) ||
        change_problem(&c))
        return false;
    *out = c;
    return true;
}

static bool read_written(const struct pg_row *row, struct change *out)
{
    struct change c = {.key = row->key, .message = row->message};

    if (!row->op.data || change_op_parse(row->op, &c.op) != ACCORD_OK || change_problem(&c))
        return false;
    *out = c;
    return true;
}

void pg_row_read(const struct pg_row *row, struct entry *out)
{
    struct change c;

    if (!(row->record.data ? read_record(row, &c) : read_written(row, &c)))
        c = (struct change){.op = CHANGE_CLEAR, .message = row->message};
    *out = (struct entry){.position = row->position, .change = c};
}
