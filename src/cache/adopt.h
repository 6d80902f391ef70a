/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* adopt.h - what inherit.c asks of the writer. Inside src/cache only. */
#ifndef ACCORD_CACHE_ADOPT_H
#define ACCORD_CACHE_ADOPT_H

#include "cache/encode.h"
#include "cache/index.h"
#include "cache/writer_state.h"

enum adopted {
    ADOPTED,
    ADOPTED_NOT, /* touched since this segment began; or here; or not as it would be filled now
                  */
    ADOPTED_FULL /* something would have to go for it */
};

/* Stores an item of another segment with the same secret as a fill would, if nothing that
 * touches it was removed here, ever, and if there is room without evicting. `hash` is of its
 * key; `form` is how it is to be packed. */
MUST_CHECK enum adopted writer_adopt(struct writer *w, uint64_t hash,
                                     const struct item_fields *f,
                                     const struct encode_form *form, enum evict_chain chain,
                                     const struct place *at, uint64_t now_ns);

/* Grows the index towards `buckets`, by at most `count`, as far as there are free blocks. True:
 * there is more to do. For an index that is as good as empty: splitting then costs nothing. */
MUST_CHECK bool writer_spread_index(struct writer *w, uint32_t buckets, uint32_t count);

#endif
