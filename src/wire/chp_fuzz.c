/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* chp_fuzz.c - any bytes as frames: of each, a byte says its length and the rest follows. What
 * is a message, is the same one written again; what is no subtree is none. */
#include "wire/chp.h"

#include "base/limits.h"

enum { FRAMES_MAX = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_message(const struct bytes *frames, const struct chp_message *m)
{
    uint8_t sequence[CHP_SEQUENCE_BYTES], others[CHP_PROPERTIES_BYTES_MAX];
    struct bytes again[CHP_FRAMES], value;
    char text[CHP_TTL_BYTES_MAX];
    uint64_t ttl_ms = 0, printed_ms;

    chp_frames(m, sequence, again);
    for (size_t i = 0; i < CHP_FRAMES; i++)
        ASSERT(bytes_equal(frames[i], again[i]) || (i == 1 && frames[i].size_bytes == 0));
    size_t left = chp_without_ttl(m->properties, others);
    ASSERT(left <= m->properties.size_bytes);
    ASSERT(!chp_property(bytes_of(others, left), "ttl", &value));
    if (chp_ttl_ms(m->properties, &ttl_ms) != ACCORD_OK)
        return;
    ASSERT(ttl_ms > 0);
    size_t bytes = chp_ttl_print(ttl_ms, text);
    ASSERT(chp_ttl_ms(bytes_of(text, bytes), &printed_ms) == ACCORD_OK);
    ASSERT(printed_ms >= ttl_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes frames[FRAMES_MAX], subtree;
    struct chp_message m;
    const char *why;
    size_t count = 0;

    while (size > 0 && count < FRAMES_MAX) {
        size_t bytes = u64_min(data[0], size - 1);
        frames[count++] = bytes_of(data + 1, bytes);
        data += 1 + bytes;
        size -= 1 + bytes;
    }
    if (chp_parse(frames, count, &m, &why) == ACCORD_OK) {
        check_message(frames, &m);
        (void)chp_is_reserved(m.key);
    }
    if (chp_parse_question(frames, count, &subtree, &why) == ACCORD_OK)
        ASSERT(chp_is_subtree(subtree) && chp_is_below(subtree, subtree));
    return 0;
}
