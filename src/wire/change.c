/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "wire/change.h"

enum {
    FORMAT = 1,
    KEY_SIZE_AT = 10,
    SIZE_AT = 12,
    HEAD_BYTES = 16,

    FLAG_SOFT = 1,
    FLAG_VERSION = 2,
    FLAG_FINGERPRINT = 4,
    FLAG_ORIGIN = 8,
    FLAG_MEMBER = 16,
    FLAG_IGNORABLE = 32768,
    FLAGS_BELOW = 31, /* whose bytes come before those of any later one */
    FLAGS_KNOWN = FLAGS_BELOW | FLAG_IGNORABLE,
};

static const uint8_t magic[4] = {'A', 'C', 'H', 'G'};

/* Fixed parts, and every variable part at its longest, fit one record. */
_Static_assert(HEAD_BYTES + KEY_BYTES_MAX + 16 + 8 + 8 + 8 + 1 + NODE_NAME_BYTES_MAX + 16 + 8 +
                       4 * 8 + 2 + CHANGE_ABOUT_BYTES_MAX <=
                   CHANGE_RECORD_BYTES_MAX,
               "the longest change fits");
_Static_assert(KEY_BYTES_MAX <= UINT16_MAX, "the length of a key is two bytes");
_Static_assert(NODE_NAME_BYTES_MAX <= UINT8_MAX, "the length of a name is one byte");

const char *change_op_word(enum change_op op)
{
    switch (op) {
#define CHANGE(name, value, word)                                                              \
    case CHANGE_##name:                                                                        \
        return word;
        CHANGE_OPS(CHANGE)
#undef CHANGE
    }
    return NULL;
}

int change_op_parse(struct bytes text, enum change_op *out)
{
    static const struct {
        enum change_op op;
        struct bytes word;
    } ops[] = {
#define CHANGE(name, value, word) {CHANGE_##name, {(const uint8_t *)word, sizeof word - 1}},
        CHANGE_OPS(CHANGE)
#undef CHANGE
    };

    for (size_t i = 0; i < COUNT_OF(ops); i++) {
        if (bytes_equal(text, ops[i].word)) {
            *out = ops[i].op;
            return ACCORD_OK;
        }
    }
    return ACCORD_E_FORMAT;
}

const char *change_problem(const struct change *c)
{
    bool keyed = c->op >= CHANGE_REMOVE && c->op <= CHANGE_NAMESPACE;

    if (!change_op_word(c->op))
        return "unknown op; it is one of remove, tag, prefix, namespace, clear";
    if (keyed && c->key.size_bytes == 0)
        return "this op needs a key; to remove everything write op 'clear'";
    if (!keyed && c->key.size_bytes > 0)
        return "this op takes no key; to remove one key write op 'remove'";
    if (c->key.size_bytes > KEY_BYTES_MAX)
        return "the key is longer than 8192 bytes";
    if (c->op == CHANGE_NAMESPACE && c->key.size_bytes > NAMESPACE_BYTES_MAX)
        return "the name of a namespace is longer than 64 bytes";
    if (c->origin.size_bytes > NODE_NAME_BYTES_MAX)
        return "the origin is longer than 64 bytes";
    if (c->about.size_bytes > CHANGE_ABOUT_BYTES_MAX)
        return "about is longer than 512 bytes";
    if (c->sequence > CHANGE_SEQUENCE_MAX)
        return "the sequence is above 9223372036854775807";
    return NULL;
}

bool change_is_signed(const struct change *c)
{
    static const char mark[] = CHANGE_SIGNATURE_MARK;
    size_t bytes = c->about.size_bytes;

    return bytes >= CHANGE_SIGNATURE_BYTES &&
           memcmp(c->about.data + bytes - CHANGE_SIGNATURE_BYTES, mark, sizeof mark - 1) == 0;
}

bool change_accepts_unsigned(const struct change *c)
{
    size_t both = CHANGE_ACCEPTS_BYTES + CHANGE_SIGNATURE_BYTES;

    return change_is_signed(c) && c->about.size_bytes >= both &&
           memcmp(c->about.data + c->about.size_bytes - both, CHANGE_ACCEPTS,
                  CHANGE_ACCEPTS_BYTES) == 0;
}

struct bytes change_about_text(const struct change *c)
{
    size_t text = c->about.size_bytes;

    if (!change_is_signed(c))
        return c->about;
    text -= CHANGE_SIGNATURE_BYTES;
    text -= change_accepts_unsigned(c) ? CHANGE_ACCEPTS_BYTES : 0;
    return bytes_of(text > 0 ? c->about.data : NULL, text);
}

/* splitmix64's finaliser: every bit of the input moves half of the output's. */
static uint64_t mix(uint64_t z)
{
    z += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

uint64_t cursor_hash(uint64_t hash, uint64_t position, struct id128 message)
{
    return mix(mix(mix(mix(hash) ^ position) ^ message.high) ^ message.low);
}

uint64_t entry_hash(uint64_t position, struct id128 message)
{
    return cursor_hash(0, position, message) | 1;
}

/* Positions. */

static bool digit_of(uint8_t c, unsigned base, unsigned *digit)
{
    unsigned value = c >= '0' && c <= '9'   ? (unsigned)c - '0'
                     : c >= 'a' && c <= 'f' ? (unsigned)c - 'a' + 10
                                            : base;
    *digit = value;
    return value < base;
}

/* Only what number_print() wrote: no sign, no space, no leading zero. */
static bool number_parse(struct bytes text, unsigned base, uint64_t *out)
{
    uint64_t value = 0;
    unsigned digit;

    if (text.size_bytes == 0 || (text.size_bytes > 1 && text.data[0] == '0'))
        return false;
    for (size_t i = 0; i < text.size_bytes; i++) {
        if (!digit_of(text.data[i], base, &digit) || value > (UINT64_MAX - digit) / base)
            return false;
        value = value * base + digit;
    }
    *out = value;
    return true;
}

static char *number_print(uint64_t value, unsigned base, char *at)
{
    char reversed[20];
    size_t n = 0;

    do
        reversed[n++] = "0123456789abcdef"[value % base];
    while ((value /= base) > 0);
    while (n > 0)
        *at++ = reversed[--n];
    return at;
}

_Static_assert(20 + 1 + 16 + 1 <= POSITION_TEXT_BYTES_MAX, "the longest position fits");

void position_print(struct position p, char text[POSITION_TEXT_BYTES_MAX])
{
    char *at = number_print(p.value, 10, text);

    *at++ = '@';
    at = number_print(p.epoch, 16, at);
    *at = '\0';
}

int position_parse(struct bytes text, struct position *out)
{
    struct position p;
    size_t at = 0;

    while (at < text.size_bytes && text.data[at] != '@')
        at++;
    if (at == text.size_bytes)
        return ACCORD_E_FORMAT;
    if (!number_parse(bytes_of(text.data, at), 10, &p.value) ||
        !number_parse(bytes_of(text.data + at + 1, text.size_bytes - at - 1), 16, &p.epoch))
        return ACCORD_E_FORMAT;
    *out = p;
    return ACCORD_OK;
}

/* Records. */

static uint8_t *put(uint8_t *at, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
    return at + bytes;
}

static uint8_t *put_bytes(uint8_t *at, struct bytes b)
{
    if (b.size_bytes > 0)
        memcpy(at, b.data, b.size_bytes);
    return at + b.size_bytes;
}

static uint8_t *put_id(uint8_t *at, struct id128 id)
{
    return put(put(at, id.high, 8), id.low, 8);
}

/* `left` never goes below zero: a read beyond it sets `torn`, and reads zeros from there on. */
struct cut {
    const uint8_t *at;
    size_t left;
    bool torn;
};

static struct bytes cut_bytes(struct cut *c, size_t size_bytes)
{
    if (size_bytes > c->left) {
        c->torn = true;
        c->left = 0;
        return bytes_of(NULL, 0);
    }
    struct bytes b = bytes_of(size_bytes > 0 ? c->at : NULL, size_bytes);
    c->at += size_bytes;
    c->left -= size_bytes;
    return b;
}

static uint64_t cut_number(struct cut *c, size_t bytes)
{
    struct bytes b = cut_bytes(c, bytes);
    uint64_t value = 0;

    for (size_t i = 0; i < b.size_bytes; i++)
        value |= (uint64_t)b.data[i] << (8 * i);
    return value;
}

static struct id128 cut_id(struct cut *c)
{
    uint64_t high = cut_number(c, 8);
    return (struct id128){high, cut_number(c, 8)};
}

static unsigned flags_of(const struct change *c)
{
    bool origin = c->origin.size_bytes > 0 || c->sequence > 0 || !id128_is_none(c->incarnation);
    bool member = c->nonce > 0 || c->applied > 0 || c->applied_hash > 0 || c->lease_epoch > 0 ||
                  c->about.size_bytes > 0;

    return (c->soft ? FLAG_SOFT : 0u) | (c->has_version ? FLAG_VERSION : 0u) |
           (c->has_fingerprint ? FLAG_FINGERPRINT : 0u) | (origin ? FLAG_ORIGIN : 0u) |
           (member ? FLAG_MEMBER : 0u);
}

static size_t record_bytes(const struct change *c, unsigned flags)
{
    return HEAD_BYTES + c->key.size_bytes + 16 + 8 + (flags & FLAG_VERSION ? 8u : 0u) +
           (flags & FLAG_FINGERPRINT ? 8u : 0u) +
           (flags & FLAG_ORIGIN ? 1 + c->origin.size_bytes + 16 + 8 : 0) +
           (flags & FLAG_MEMBER ? 4 * 8 + 2 + c->about.size_bytes : 0);
}

/* The part of the key that names its namespace, for readers that know no more than that. */
static size_t scope_of(const struct change *c)
{
    if (c->op == CHANGE_NAMESPACE)
        return c->key.size_bytes <= NAMESPACE_BYTES_MAX ? c->key.size_bytes : 0;
    if (c->op != CHANGE_REMOVE && c->op != CHANGE_PREFIX)
        return 0;
    for (size_t i = 0; i < c->key.size_bytes && i <= NAMESPACE_BYTES_MAX; i++) {
        if (c->key.data[i] == ':')
            return i;
    }
    return 0;
}

int change_encode(const struct change *c, uint8_t *out, size_t out_bytes, size_t *written)
{
    unsigned flags = flags_of(c);

    ASSERT(change_op_word(c->op));
    if (c->key.size_bytes > KEY_BYTES_MAX || c->origin.size_bytes > NODE_NAME_BYTES_MAX ||
        c->about.size_bytes > CHANGE_ABOUT_BYTES_MAX)
        return ACCORD_E_SIZE;
    size_t bytes = record_bytes(c, flags);
    if (bytes > out_bytes)
        return ACCORD_E_SIZE;

    uint8_t *at = put_bytes(out, bytes_of(magic, sizeof magic));
    at = put(at, FORMAT, 1);
    at = put(at, c->op, 1);
    at = put(at, flags, 2);
    at = put(at, scope_of(c), 2);
    at = put(at, c->key.size_bytes, 2);
    at = put(at, bytes, 4);
    at = put_bytes(at, c->key);
    at = put_id(at, c->message);
    at = put(at, c->wall_ms, 8);
    if (flags & FLAG_VERSION)
        at = put(at, c->version, 8);
    if (flags & FLAG_FINGERPRINT)
        at = put(at, c->fingerprint, 8);
    if (flags & FLAG_ORIGIN) {
        at = put_bytes(put(at, c->origin.size_bytes, 1), c->origin);
        at = put(put_id(at, c->incarnation), c->sequence, 8);
    }
    if (flags & FLAG_MEMBER) {
        at = put(put(at, c->nonce, 8), c->applied, 8);
        at = put(put(at, c->applied_hash, 8), c->lease_epoch, 8);
        at = put_bytes(put(at, c->about.size_bytes, 2), c->about);
    }
    ASSERT((size_t)(at - out) == bytes);
    *written = bytes;
    return ACCORD_OK;
}

static void cut_origin(struct cut *from, struct change *c)
{
    c->origin = cut_bytes(from, (size_t)cut_number(from, 1));
    c->incarnation = cut_id(from);
    c->sequence = cut_number(from, 8);
}

static void cut_member(struct cut *from, struct change *c)
{
    c->nonce = cut_number(from, 8);
    c->applied = cut_number(from, 8);
    c->applied_hash = cut_number(from, 8);
    c->lease_epoch = cut_number(from, 8);
    c->about = cut_bytes(from, (size_t)cut_number(from, 2));
}

static void cut_rest(struct cut *from, unsigned flags, struct change *c)
{
    c->soft = flags & FLAG_SOFT;
    c->has_version = flags & FLAG_VERSION;
    c->version = c->has_version ? cut_number(from, 8) : 0;
    c->has_fingerprint = flags & FLAG_FINGERPRINT;
    c->fingerprint = c->has_fingerprint ? cut_number(from, 8) : 0;
    if (flags & FLAG_ORIGIN)
        cut_origin(from, c);
    if (flags & FLAG_MEMBER)
        cut_member(from, c);
}

static bool too_long(const struct change *c)
{
    return c->key.size_bytes > KEY_BYTES_MAX || c->origin.size_bytes > NODE_NAME_BYTES_MAX ||
           c->about.size_bytes > CHANGE_ABOUT_BYTES_MAX;
}

void change_stand_in(struct change *c, size_t scope_bytes, bool ignorable)
{
    bool named = scope_bytes > 0 && scope_bytes <= NAMESPACE_BYTES_MAX;
    struct change wider = {.op = CHANGE_CLEAR,
                           .message = c->message,
                           .wall_ms = c->wall_ms,
                           .origin = c->origin,
                           .incarnation = c->incarnation,
                           .sequence = c->sequence};

    ASSERT(scope_bytes <= c->key.size_bytes);
    if (c->sequence > CHANGE_SEQUENCE_MAX) {
        wider.origin = bytes_of(NULL, 0);
        wider.incarnation = (struct id128){0, 0};
        wider.sequence = 0;
    }
    if (ignorable) {
        wider.op = CHANGE_BEAT;
    } else if (named) {
        wider.op = CHANGE_NAMESPACE;
        wider.key = bytes_of(c->key.data, scope_bytes);
    }
    *c = wider;
}

static bool begins_with(struct bytes text, const char *start)
{
    size_t bytes = strlen(start);

    return text.size_bytes > bytes && memcmp(text.data, start, bytes) == 0;
}

void change_stand_in_word(struct change *c, struct bytes word)
{
    size_t scope = 0;

    if (c->key.size_bytes > KEY_BYTES_MAX)
        c->key = bytes_of(NULL, 0);
    if (begins_with(word, CHANGE_WORD_REQUIRED))
        while (scope < c->key.size_bytes && c->key.data[scope] != ':')
            scope++;
    if (scope == c->key.size_bytes) /* no namespace is named */
        scope = 0;
    change_stand_in(c, scope, begins_with(word, CHANGE_WORD_IGNORABLE));
}

size_t change_record_size(struct bytes bytes)
{
    struct cut from = {bytes.data, bytes.size_bytes, false};

    (void)cut_bytes(&from, SIZE_AT);
    uint64_t total = cut_number(&from, 4);
    return !from.torn && total >= HEAD_BYTES && total <= bytes.size_bytes ? (size_t)total : 0;
}

bool change_record_message(struct bytes record, struct id128 *out)
{
    struct cut from = {record.data, record.size_bytes, false};

    (void)cut_bytes(&from, KEY_SIZE_AT);
    size_t key_bytes = (size_t)cut_number(&from, 2);
    (void)cut_bytes(&from, HEAD_BYTES - KEY_SIZE_AT - 2 + key_bytes);
    struct id128 message = cut_id(&from);
    if (!from.torn)
        *out = message;
    return !from.torn;
}

int change_decode(struct bytes record, struct change *out, struct bytes *namespace_out)
{
    struct cut from = {record.data, record.size_bytes, false};
    struct change c = {0};

    if (!bytes_equal(cut_bytes(&from, sizeof magic), bytes_of(magic, sizeof magic)))
        return ACCORD_E_FORMAT;
    unsigned format = (unsigned)cut_number(&from, 1);
    c.op = (enum change_op)cut_number(&from, 1);
    unsigned flags = (unsigned)cut_number(&from, 2);
    size_t scope = (size_t)cut_number(&from, 2);
    size_t key_bytes = (size_t)cut_number(&from, 2);
    uint64_t total = cut_number(&from, 4);
    c.key = cut_bytes(&from, key_bytes);
    if (from.torn || total != record.size_bytes || scope > key_bytes || format < FORMAT)
        return ACCORD_E_FORMAT;
    bool later_format = format > FORMAT;
    bool known = !later_format && change_op_word(c.op) && (flags & ~(unsigned)FLAGS_KNOWN) == 0;
    c.message = cut_id(&from);
    c.wall_ms = cut_number(&from, 8);
    if (!later_format)
        cut_rest(&from, flags, &c);
    if (from.torn || too_long(&c) || (known && from.left > 0))
        return ACCORD_E_FORMAT;
    if (!known) {
        *namespace_out = bytes_of(scope > 0 ? c.key.data : NULL, scope);
        change_stand_in(&c, scope, flags & FLAG_IGNORABLE);
        *out = c;
        return ACCORD_E_UNSUPPORTED;
    }
    *out = c;
    return ACCORD_OK;
}
