/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* segment.h - the format of the shared segment, as docs/format/segment.txt states it, and the
 * arithmetic on it that the reader and the writer share. Inside src/cache only.
 *
 * Every shared word is 8 bytes, aligned, and moves by one atomic acquire load or release store.
 * There are no fences, so that ThreadSanitizer can judge every access.
 */
#ifndef ACCORD_CACHE_SEGMENT_H
#define ACCORD_CACHE_SEGMENT_H

#include "base/base.h"
#include "base/limits.h"
#include "cache/reader.h"
#include "cache/writer.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Readers pay for every instruction: a hit leaves room for the next one in the pipeline only if
 * it is short. The compiler alone would call instead; and it would keep what only a rare path
 * needs in the registers of the usual one. */
#ifndef ALWAYS_INLINE /* tools/coverage.sh wants each branch once */
#define ALWAYS_INLINE static inline __attribute__((always_inline))
#endif
#define NOINLINE    __attribute__((noinline))
#define LIKELY(e)   __builtin_expect(!!(e), 1)
#define UNLIKELY(e) __builtin_expect(!!(e), 0)

#define SEGMENT_MAGIC     0x47455344524f4341ull /* "ACORDSEG" */
#define DEADLINE_FALLBACK (1ull << 63)          /* the deadline is of the second clock */

enum {
    SEGMENT_FORMAT = 2,
    PAGE_BYTES = 4096,
    LINE_BYTES = 64,
    LOCATION_BITS = 32,
    BUCKET_LANES = 10,
    BUCKET_WORDS = 8,
    BLOCK_FIRST_ITEM = 8, /* so that the low 32 bits of a location are never 0 */
    BLOCK_SHIFT_MIN = 16,
    BLOCK_SHIFT_MAX = 20,
    SLOTS = 65536,
    SECRET_BYTES = SEGMENT_SECRET_BYTES,
    NAME_SLOTS = 512, /* open addressing over at most NAMESPACES_MAX names */
    LIFETIMES = 256,
    GUARD_BYTES = 256, /* after the last block: see item_parse() */
    HINT_MAX = 3,
    HINT_LINES = 1024,
    INDEX_SHARE = 4, /* the index has at most 1/4 of the blocks */
};

struct segment_header {
    uint64_t magic; /* 0; written last */
    uint64_t format;
    uint64_t segment_bytes;
    uint64_t incarnation_high;
    uint64_t incarnation_low;
    uint64_t block_shift; /* 40 */
    uint64_t block_count;
    uint64_t blocks_offset;
    uint64_t table_offset; /* 64: struct block_entry per block */
    uint64_t directory_offset;
    uint64_t directory_count; /* index blocks at most */
    uint64_t slots_offset;
    uint64_t tags_offset; /* 96 */
    uint64_t names_offset;
    uint64_t namespaces_offset;
    uint64_t namespace_count;
    uint64_t location_high_bits; /* 128 */
    uint64_t hints_bytes;
    uint64_t clock; /* 144: enum segment_clock */
    uint64_t tsc_base;
    uint64_t tsc_mult;
    uint64_t ns_base;
    uint64_t memory_bytes; /* 176 */
    uint64_t lifetimes_offset;
    uint64_t spare[8];

    /* 256: the line that every read loads, and that changes seldom. Position and asked move
     * with every applied change, so they live in the next line and cost readers nothing. */
    uint64_t deadline_ns; /* with DEADLINE_FALLBACK */
    uint64_t epoch;
    uint64_t generation_hard;
    uint64_t generation_soft;
    uint64_t bulk;
    uint64_t bucket_count;
    uint64_t fallback_base; /* BOOTTIME + this is the second clock */
    uint64_t spare_hot;

    uint64_t position; /* 320 */
    uint64_t asked_ns;
    uint64_t log_high; /* 336: the log that `position` is of; 0: none yet */
    uint64_t log_low;
    uint64_t log_epoch;
    uint64_t spare_cold[19];

    uint8_t secret[SECRET_BYTES]; /* 512 */
    uint8_t rest[PAGE_BYTES - 512 - SECRET_BYTES];
};
#define AT(field, offset)                                                                      \
    _Static_assert(offsetof(struct segment_header, field) == (offset), "format")
AT(magic, 0);
AT(format, 8);
AT(segment_bytes, 16);
AT(incarnation_high, 24);
AT(incarnation_low, 32);
AT(block_shift, 40);
AT(block_count, 48);
AT(blocks_offset, 56);
AT(table_offset, 64);
AT(directory_offset, 72);
AT(directory_count, 80);
AT(slots_offset, 88);
AT(tags_offset, 96);
AT(names_offset, 104);
AT(namespaces_offset, 112);
AT(namespace_count, 120);
AT(location_high_bits, 128);
AT(hints_bytes, 136);
AT(clock, 144);
AT(tsc_base, 152);
AT(tsc_mult, 160);
AT(ns_base, 168);
AT(memory_bytes, 176);
AT(lifetimes_offset, 184);
AT(deadline_ns, 256);
AT(epoch, 264);
AT(generation_hard, 272);
AT(generation_soft, 280);
AT(bulk, 288);
AT(bucket_count, 296);
AT(fallback_base, 304);
AT(position, 320);
AT(asked_ns, 328);
AT(log_high, 336);
AT(log_low, 344);
AT(log_epoch, 352);
AT(secret, 512);
#undef AT
_Static_assert(sizeof(struct segment_header) == PAGE_BYTES, "format");

/* What the packed items of one block are relative to, and how far it is filled. It lives in a
 * table, not in the block: the table stays in the cache, a header per block would be one more
 * miss of the TLB for each hit. */
struct block_entry {
    uint64_t base_bulk;
    uint64_t base_ms;
    uint64_t used_kind; /* used bytes << 8 | enum block_kind */
    uint64_t order;     /* when it was opened: the order of a chain */
};
_Static_assert(sizeof(struct block_entry) == 32, "format");
_Static_assert(offsetof(struct block_entry, base_ms) == 8, "format");
_Static_assert(offsetof(struct block_entry, used_kind) == 16, "format");
_Static_assert(offsetof(struct block_entry, order) == 24, "format");

enum block_kind { BLOCK_FREE, BLOCK_INDEX, BLOCK_CHAIN /* + chain */ };

struct tag_entry {
    uint64_t hard; /* number of the last removal, of `bulk` */
    uint64_t soft;
};
_Static_assert(sizeof(struct tag_entry) == 16, "format");
_Static_assert(offsetof(struct tag_entry, soft) == 8, "format");

/* A ttl and grace that many items share; written once, then immutable. ttl_ms 0: a free row. */
struct lifetime_entry {
    uint64_t ttl_ms;
    uint64_t grace_ms;
};
_Static_assert(sizeof(struct lifetime_entry) == 16, "format");

struct namespace_entry {
    uint8_t name[64];
    uint64_t hard; /* 64 */
    uint64_t soft;
    uint64_t settings;     /* name_bytes:8 when_unsure:8 delimiter:8 :8 refresh:16 jitter:16 */
    uint64_t max_stale_ns; /* 0: as the lease */
    uint64_t spare[4];
};
_Static_assert(offsetof(struct namespace_entry, hard) == 64, "format");
_Static_assert(offsetof(struct namespace_entry, soft) == 72, "format");
_Static_assert(offsetof(struct namespace_entry, settings) == 80, "format");
_Static_assert(offsetof(struct namespace_entry, max_stale_ns) == 88, "format");
_Static_assert(sizeof(struct namespace_entry) == 128, "format");

struct bucket {
    uint64_t word[BUCKET_WORDS];
};
_Static_assert(sizeof(struct bucket) == LINE_BYTES, "format");

/* reader_borrow() without a clock, a borrow or a hint: what writer_peek() needs. */
void reader_peek(const struct reader *r, struct bytes key, uint64_t now_ns,
                 struct read_result *out);

/* The simulator (sim/) stops a reader or the writer between any two of these. */
#ifdef SEGMENT_STEP
void segment_step(void);
#else
static inline void segment_step(void)
{
}
#endif

static inline uint64_t load(const uint64_t *word)
{
    segment_step();
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void store(uint64_t *word, uint64_t value)
{
    segment_step();
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* What may be torn is read in one of two ways, the same to the proof in reader.c. By the letter
 * of C11, and for ThreadSanitizer: aligned atomic words, put together by shifts. On x86, where
 * plain loads are ordered anyway, and any torn value is thrown away by the check of the
 * sequence: loads of any size, and memcpy(), a third of the instructions. What decides a bound
 * is read through volatile, so that the compiler cannot read it twice. */
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__) && !defined(ITEM_LOADS_ATOMIC)
#define ITEM_LOADS_PLAIN 1
#else
#define ITEM_LOADS_PLAIN 0
#endif

/* ---- hashes ---- */

/* XXH3_64bits_withSecret(). For a short key its first branch is taken here, because a call of
 * the whole of it costs as much again as the hash. */
ALWAYS_INLINE uint64_t key_hash(const uint8_t secret[SECRET_BYTES], struct bytes key)
{
    if (LIKELY(key.size_bytes <= 16))
        return XXH3_len_0to16_64b(key.data, key.size_bytes, secret, /* seed= */ 0);
    return XXH3_64bits_withSecret(key.data, key.size_bytes, secret, SECRET_BYTES);
}

/* Bits that neither bucket index uses: the buckets take the two halves as they are. */
static inline uint64_t hash_mix(uint64_t hash)
{
    return (hash ^ (hash >> 32)) * 0x9e3779b97f4a7c15ull;
}

static inline uint32_t hash_fingerprint(uint64_t hash)
{
    return (uint32_t)(hash_mix(hash) >> 48);
}

static inline uint32_t hash_slot(uint64_t hash)
{
    return (uint32_t)(hash_mix(hash) >> 32) & (SLOTS - 1);
}

/* Tags and prefixes have hash domains of their own: `user:` the tag is not `user:` the prefix.
 */
enum hash_domain { DOMAIN_TAG = 1, DOMAIN_PREFIX = 2 };

static inline uint16_t tag_slot(const uint8_t secret[SECRET_BYTES], struct bytes tag,
                                enum hash_domain domain)
{
    uint64_t h = key_hash(secret, tag) ^ ((uint64_t)domain * 0xd6e8feb86659fd93ull);

    return (uint16_t)((h * 0x9e3779b97f4a7c15ull) >> 48);
}

/* ---- the index ---- */

/* Linear hashing: the bucket of `half` (32 bits of the hash) among `count` >= 2 buckets. */
static inline uint32_t bucket_index(uint32_t half, uint32_t count)
{
    uint32_t mask = UINT32_MAX >> __builtin_clz(count - 1);
    uint32_t index = half & mask;

    return index < count ? index : half & (mask >> 1);
}

/* Which of the ten lanes of a bucket may be `fingerprint`, as bits 0..9 of lanes 2..9, 0, 1:
 * the order in which the words hold them. lane_of_bit() tells the lane. */
#if defined(__SSE2__)
#include <emmintrin.h>

static inline uint32_t bucket_match(uint64_t w0, uint64_t w1, uint64_t w2, uint32_t fingerprint,
                                    uint32_t fingerprint_mask)
{
    __m128i pattern = _mm_set1_epi16((short)fingerprint);
    __m128i mask = _mm_set1_epi16((short)fingerprint_mask);
    __m128i high = _mm_set_epi64x((long long)w2, (long long)w1);
    __m128i low = _mm_set_epi64x(0, (long long)w0);

    high = _mm_cmpeq_epi16(_mm_and_si128(high, mask), pattern);
    low = _mm_cmpeq_epi16(_mm_and_si128(low, mask), pattern);
    uint32_t bits = (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(high, low));
    return (bits & 0xff) | (bits >> 2 & 0x300);
}

/* Which of the ten lanes of a bucket name nothing, as bits 0..9. The writer's: nobody stores
 * meanwhile. */
static inline uint32_t bucket_free(const uint64_t words[BUCKET_WORDS])
{
    __m128i zero = _mm_setzero_si128();
    __m128i first = _mm_loadu_si128((const __m128i *)(const void *)(words + 3));
    __m128i second = _mm_loadu_si128((const __m128i *)(const void *)(words + 5));
    __m128i third = _mm_set_epi64x(-1, (long long)words[7]);

    first = _mm_packs_epi32(_mm_cmpeq_epi32(first, zero), _mm_cmpeq_epi32(second, zero));
    third = _mm_packs_epi32(_mm_cmpeq_epi32(third, zero), zero);
    return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(first, third));
}
#else
/* Bit 15 of each 16-bit lane of x that is 0. A lane of 1 just above such a lane may be named
 * too (the borrow of the subtraction): the key decides anyway. */
static inline uint64_t lanes_zero(uint64_t x)
{
    return (x - 0x0001000100010001ull) & ~x & 0x8000800080008000ull;
}

static inline uint32_t lanes_gather(uint64_t bits)
{
    return (uint32_t)(((bits >> 15) * 0x0001000200040008ull) >> 48) & 15;
}

static inline uint32_t bucket_match(uint64_t w0, uint64_t w1, uint64_t w2, uint32_t fingerprint,
                                    uint32_t fingerprint_mask)
{
    uint64_t ones = 0x0001000100010001ull;
    uint64_t pattern = fingerprint * ones, mask = fingerprint_mask * ones;

    return lanes_gather(lanes_zero((w1 ^ pattern) & mask)) |
           lanes_gather(lanes_zero((w2 ^ pattern) & mask)) << 4 |
           lanes_gather(lanes_zero(((w0 ^ pattern) & mask) | 0xffffffff)) >> 2 << 8;
}

static inline uint32_t bucket_free(const uint64_t words[BUCKET_WORDS])
{
    uint32_t lanes = 0;

    for (unsigned lane = 0; lane < BUCKET_LANES; lane++)
        lanes |= (uint32_t)((uint32_t)(words[3 + lane / 2] >> (lane & 1) * 32) == 0) << lane;
    return lanes;
}
#endif

static inline unsigned lane_of_bit(unsigned bit)
{
    return bit < 8 ? bit + 2 : bit - 8;
}

static inline uint32_t lane_fingerprint(const uint64_t words[3], unsigned lane)
{
    return (uint32_t)(words[(lane + 2) / 4] >> ((lane + 2) % 4 * 16)) & 0xffff;
}

static inline uint32_t bucket_sequence(uint64_t w0)
{
    return (uint32_t)w0;
}

/* The byte offset in the arena: the low 32 bits of the location lane, the bits above them from
 * the top of the fingerprint lane. */
static inline uint64_t lane_location(uint32_t low, uint32_t fingerprint, uint32_t high_bits)
{
    return (uint64_t)(fingerprint >> (16 - high_bits)) << LOCATION_BITS | low;
}

static inline uint32_t location_low(uint64_t word, unsigned lane)
{
    return (uint32_t)(word >> (lane & 1) * 32);
}

/* ---- namespaces ---- */

/* What is before the first colon; 0 bytes where there is nothing to look up. */
static inline struct bytes namespace_part(struct bytes key)
{
    size_t most =
        key.size_bytes < NAMESPACE_BYTES_MAX + 1u ? key.size_bytes : NAMESPACE_BYTES_MAX + 1u;
    const uint8_t *colon = memchr(key.data, ':', most);

    return bytes_of(key.data, colon ? (size_t)(colon - key.data) : 0);
}

static inline bool namespace_is(const struct namespace_entry *e, struct bytes name)
{
    return (load(&e->settings) & 0xff) == name.size_bytes &&
           memcmp(e->name, name.data, name.size_bytes) == 0;
}

/* namespace_of() where there is more than the default one. */
static inline uint32_t namespace_named(const struct reader *r, struct bytes key)
{
    struct bytes name = namespace_part(key);

    if (name.size_bytes == 0)
        return 0;
    uint64_t hash = key_hash(r->secret, name);
    for (uint32_t i = 0; i < NAME_SLOTS; i++) {
        uint64_t slot = load(r->names + ((hash + i) & (NAME_SLOTS - 1)));
        if (slot == 0)
            return 0;
        if (slot >> 32 == hash >> 32 && (uint32_t)slot < r->namespace_count &&
            namespace_is(r->namespaces + (uint32_t)slot, name))
            return (uint32_t)slot;
    }
    return 0;
}

/* The namespace of a key. Names and their slots are immutable; a hostile segment can at worst
 * name another namespace below namespace_count. */
ALWAYS_INLINE uint32_t namespace_of(const struct reader *r, struct bytes key)
{
    return r->namespace_count <= 1 ? 0 : namespace_named(r, key);
}

static inline enum when_unsure settings_when_unsure(uint64_t settings)
{
    return (enum when_unsure)((settings >> 8) & 0xff);
}

static inline uint8_t settings_delimiter(uint64_t settings)
{
    return (uint8_t)(settings >> 16);
}

static inline uint32_t settings_refresh_permille(uint64_t settings)
{
    return (uint32_t)(settings >> 32) & 0xffff;
}

static inline uint32_t settings_jitter_permille(uint64_t settings)
{
    return (uint32_t)(settings >> 48);
}

#endif
