/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* encode.h - writes the packed form of an item (item.h) into a block. */
#ifndef ACCORD_CACHE_ENCODE_H
#define ACCORD_CACHE_ENCODE_H

#include "cache/writer_state.h"

/* What an item is made of, in absolute terms. */
struct item_fields {
    struct bytes key, value;
    uint32_t flags; /* public ones */
    uint32_t tag_count;
    uint32_t mark; /* the eviction policy's */
    uint64_t birth_ms;
    uint64_t ttl_ms; /* > 0; UINT64_MAX: never */
    uint64_t grace_ms;
    uint64_t version;
    uint16_t tags[ITEM_TAGS_MAX];
};

/* How the fields are to be written. */
struct encode_form {
    uint32_t flags; /* all of the header's */
    uint32_t extra;
    uint32_t row;
    size_t bytes;        /* it will take */
    struct bytes packed; /* how all after the row looks already; none: it is to be packed */
};
/* May take a row of the table of lifetimes for it. */
struct encode_form encode_form_of(struct writer *w, const struct item_fields *f);
/* The same, where all but the header can be taken as it lies in another segment; `item` was
 * parsed there, out of `blocks`, and `f` are its fields. False: it must be packed anew. */
MUST_CHECK bool encode_form_packed(struct writer *w, const struct item_fields *f,
                                   const struct item_view *item, const uint8_t *blocks,
                                   struct encode_form *form);
size_t encode_bytes(struct writer *w, const struct item_fields *f);

/* Writes it at `location`, where the bytes before it are those of the item before. `bulk` and
 * birth_ms are relative to the base of the block. */
void encode_item(struct writer *w, uint64_t location, const struct item_fields *f,
                 const struct encode_form *form, uint64_t bulk, uint64_t birth_ms);

#endif
