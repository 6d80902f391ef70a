/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* nats_fuzz.c - any bytes as a message of the stream: entries with ids, at growing places, the
 * same each time; and any text as a stream's description. */
#include "bus/nats/record.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const verbs[] = {NULL, "remove", "tag", "clear", "nosuch", ""};
    struct nats_meta meta;
    struct entry e;
    size_t offset = 0;

    if (size == 0)
        return 0;
    struct nats_message m = {.sequence = 1 + data[0],
                             .verb = verbs[data[0] % COUNT_OF(verbs)],
                             .payload = bytes_of(data + 1, size - 1),
                             .log = {1, 2}};
    uint64_t places = 0;
    for (; nats_message_next(&m, &offset, places, &e); places++) {
        ASSERT(e.position == nats_position(m.sequence, places));
        ASSERT(change_op_word(e.change.op) && !id128_is_none(e.change.message));
        ASSERT(!change_problem(&e.change));
        ASSERT(id128_equal(nats_message_id(&m, places), e.change.message));
    }
    struct id128 last;
    ASSERT(places >= 1 && nats_message_last(&m, &last) == places - 1);

    struct nats_part part;
    if (nats_part_parse(m.payload, &part) && part.others)
        for (uint32_t i = 0; i + 1 < part.count; i++)
            ASSERT(nats_part_other(&part, i) <= UINT64_MAX); /* reads what it was given */

    char *text = malloc(size);
    ASSERT(text);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    if (nats_meta_parse(text, &meta))
        ASSERT(!id128_is_none(meta.log) && meta.max_stale_ms >= MAX_STALE_MS_MIN);
    free(text);
    return 0;
}
