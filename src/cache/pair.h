/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* pair.h - both buckets of a key at once, for the reader: which lanes may be the key's?
 *
 * Many keys are in their second bucket (a quarter of 20,000, counted once), so a branch on it
 * is often foretold wrong, and each time throws away the loads of the next get that the
 * processor has begun meanwhile. So both buckets are compared together, and what was found is
 * chosen by arithmetic. Inside src/cache only. */
#ifndef ACCORD_CACHE_PAIR_H
#define ACCORD_CACHE_PAIR_H

#include "cache/segment.h"

#if defined(__SSE2__) && ITEM_LOADS_PLAIN

/* Lanes that may be `fingerprint`, as bits: 0..7 are the eighths of words 0 and 1 of the first
 * bucket (of which two are its sequence), 8..15 those of the second, 16..19 the quarters of
 * word 2 of the first, 20..23 of the second. pair_second() and pair_lane() read them.
 * sequence[] comes with the very load that gives word 0. */
ALWAYS_INLINE uint32_t pair_match(const struct bucket *first, const struct bucket *second,
                                  uint32_t fingerprint, uint32_t fingerprint_mask,
                                  uint32_t sequence[2])
{
    __m128i mask = _mm_set1_epi16((short)fingerprint_mask);
    __m128i pattern = _mm_and_si128(_mm_set1_epi16((short)fingerprint), mask);
    __m128i a = *(const volatile __m128i_u *)(const void *)first->word;
    __m128i b = *(const volatile __m128i_u *)(const void *)second->word;
    __m128i ends =
        _mm_set_epi64x((long long)load(second->word + 2), (long long)load(first->word + 2));

    sequence[0] = (uint32_t)_mm_cvtsi128_si32(a);
    sequence[1] = (uint32_t)_mm_cvtsi128_si32(b);
    a = _mm_cmpeq_epi16(_mm_and_si128(a, mask), pattern);
    b = _mm_cmpeq_epi16(_mm_and_si128(b, mask), pattern);
    ends = _mm_cmpeq_epi16(_mm_and_si128(ends, mask), pattern);
    uint32_t low = (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(a, b));
    return (low | (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(ends, ends)) << 16) & 0xfffcfc;
}

ALWAYS_INLINE bool pair_second(unsigned bit)
{
    return 0xf0ff00u >> bit & 1;
}

ALWAYS_INLINE unsigned pair_lane(unsigned bit)
{
    static const uint8_t lane[24] = {0, 0, 0, 1, 2, 3, 4, 5, 0, 0, 0, 1,
                                     2, 3, 4, 5, 6, 7, 8, 9, 6, 7, 8, 9};
    return lane[bit];
}

/* The low 32 bits of the location in a lane. */
ALWAYS_INLINE uint32_t bucket_low(const struct bucket *b, unsigned lane)
{
    typedef uint32_t __attribute__((may_alias)) half;

    return ((const volatile half *)(b->word + 3))[lane];
}

#else

/* The same with words only: bits 0..9 by bucket_match() of the first bucket, 10..19 of the
 * second. */
ALWAYS_INLINE uint32_t pair_match(const struct bucket *first, const struct bucket *second,
                                  uint32_t fingerprint, uint32_t fingerprint_mask,
                                  uint32_t sequence[2])
{
    const uint64_t *a = first->word, *b = second->word;
    uint32_t mask = fingerprint_mask, pattern = fingerprint & mask;
    uint64_t a0 = load(a), a1 = load(a + 1), a2 = load(a + 2);
    uint64_t b0 = load(b), b1 = load(b + 1), b2 = load(b + 2);

    sequence[0] = bucket_sequence(a0);
    sequence[1] = bucket_sequence(b0);
    return bucket_match(a0, a1, a2, pattern, mask) | bucket_match(b0, b1, b2, pattern, mask)
                                                         << BUCKET_LANES;
}

ALWAYS_INLINE bool pair_second(unsigned bit)
{
    return bit >= BUCKET_LANES;
}

ALWAYS_INLINE unsigned pair_lane(unsigned bit)
{
    return lane_of_bit(bit < BUCKET_LANES ? bit : bit - BUCKET_LANES);
}

ALWAYS_INLINE uint32_t bucket_low(const struct bucket *b, unsigned lane)
{
    return location_low(load(b->word + 3 + lane / 2), lane);
}

#endif
#endif
