/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* segment_layout.h - where everything lies, computed from the settings. Inside src/cache only.
 */
#ifndef ACCORD_CACHE_SEGMENT_LAYOUT_H
#define ACCORD_CACHE_SEGMENT_LAYOUT_H

#include "cache/segment.h"

struct segment_layout {
    uint32_t block_shift;
    uint32_t high_bits; /* of locations */
    uint64_t block_count;
    uint64_t directory_count;
    /* Of the segment. */
    uint64_t namespaces_offset, names_offset, lifetimes_offset, directory_offset, table_offset,
        slots_offset, tags_offset, blocks_offset, segment_bytes;
    uint64_t hints_bytes;
    /* Of the writer's private memory. */
    uint64_t state_offset, free_offset, evict_offset, writer_bytes;
};

/* ACCORD_E_INVALID: out of bounds; *out is untouched. */
MUST_CHECK int segment_lay(const struct segment_settings *s, struct segment_layout *out);

#endif
