/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* reply_fuzz.c - any bytes as a daemon's answer: what is accepted lies inside the input. */
#include "client/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct reply_node nodes[4096];
    size_t count = 0, used = 0;
    uint64_t number;
    int status = reply_parse(bytes_of(data, size), nodes, COUNT_OF(nodes), &count, &used);

    if (status == ACCORD_E_ABSENT)
        ASSERT(used > size);
    if (status != ACCORD_OK)
        return 0;
    ASSERT(used <= size);
    ASSERT(nodes[0].next == count);
    for (size_t i = 0; i < count; i++) {
        ASSERT(nodes[i].next > i);
        ASSERT(nodes[i].next <= count);
        struct bytes text = nodes[i].text;
        if (text.data)
            ASSERT(text.data >= data && text.data + text.size_bytes <= data + size);
        (void)reply_u64(&nodes[i], &number);
        (void)reply_says(&nodes[i], "OK");
    }
    const struct reply_node *field = reply_field(nodes, "state");
    if (field)
        ASSERT(field > nodes && field < nodes + count);
    /* The same bytes, one short, must be incomplete or the same reply. */
    if (used > 0 && used == size)
        ASSERT(reply_parse(bytes_of(data, size - 1), nodes, COUNT_OF(nodes), &count, &used) ==
               ACCORD_E_ABSENT);
    return 0;
}
