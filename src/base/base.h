/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* base.h - the few things every module may use. */
#ifndef ACCORD_BASE_BASE_H
#define ACCORD_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MUST_CHECK                       __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_index, first) __attribute__((format(printf, format_index, first)))
#define COUNT_OF(array)                  (sizeof(array) / sizeof((array)[0]))

/* The public header defines the same enum for its users; inside the tree this one serves. */
#ifndef ACCORD_H
enum accord_status {
#define STATUS(name, value, text) name = value,
#include "defs/status.def"
#undef STATUS
};
#endif

/* ASSERT states what only a bug in this program can falsify. It stays on in release.
 * Input from outside must never reach it: parse, and return a status. */
#define ASSERT(e) ((e) ? (void)0 : assert_failed(#e, __FILE__, __LINE__, __func__))
_Noreturn void assert_failed(const char *expr, const char *file, int line, const char *func);

/* The text of defs/status.def for `status`; "unknown status" for any other number. Static. */
const char *status_text(int status);

/* Bytes that somebody else owns. `data` may be NULL only where size_bytes is 0. */
struct bytes {
    const uint8_t *data;
    size_t size_bytes;
};

static inline struct bytes bytes_of(const void *data, size_t size_bytes)
{
    return (struct bytes){data, size_bytes};
}

static inline struct bytes bytes_of_text(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.size_bytes == b.size_bytes &&
           (a.size_bytes == 0 || memcmp(a.data, b.data, a.size_bytes) == 0);
}

/* 128 random bits: an incarnation, a message, a log. All zero means "none". */
struct id128 {
    uint64_t high;
    uint64_t low;
};

static inline bool id128_equal(struct id128 a, struct id128 b)
{
    return a.high == b.high && a.low == b.low;
}

static inline bool id128_is_none(struct id128 a)
{
    return a.high == 0 && a.low == 0;
}

static inline uint64_t u64_add_sat(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static inline uint64_t u64_sub_sat(uint64_t a, uint64_t b)
{
    return a < b ? 0 : a - b;
}

static inline uint64_t u64_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t u64_max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

#define NS_PER_MS 1000000ull
#define NS_PER_S  1000000000ull

#endif
