/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/signing.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/hex.h"

#define MARK    CHANGE_SIGNATURE_MARK
#define PURPOSE "accord change 1" /* what a MAC of this key is for; its NUL included */

enum {
    MARK_BYTES = sizeof MARK - 1,
    ID_AT = MARK_BYTES,
    READ_AT = ID_AT + SIGNING_ID_DIGITS + 1,
    MAC_AT = READ_AT + 16 + 1,
    MAC_BYTES = 32,
    HEAD_BYTES = sizeof PURPOSE + 16 + 8,
};
_Static_assert(MAC_AT + 2 * MAC_BYTES == SIGNATURE_BYTES, "the layout of a signature");

static void put(uint8_t *at, uint64_t value)
{
    for (size_t i = 0; i < 8; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static void mac(struct bytes key, struct bytes message, uint8_t out[MAC_BYTES])
{
    unsigned size = 0;

    /* Fails only without memory, or where a policy of this host forbids SHA-256: then nothing
     * can be said of any entry, and to go on would be to lie. */
    ASSERT(HMAC(EVP_sha256(), key.data, (int)key.size_bytes, message.data, message.size_bytes,
                out, &size));
    ASSERT(size == MAC_BYTES);
}

int signing_add(struct signing *s, struct bytes file)
{
    uint8_t id[MAC_BYTES];
    char digits[16];

    if (file.size_bytes < SIGNING_KEY_BYTES_MIN || file.size_bytes > SIGNING_KEY_BYTES_MAX)
        return ACCORD_E_SIZE;
    if (s->key_count == SIGNING_KEYS_MAX)
        return ACCORD_E_FULL;
    struct signing_key *k = &s->keys[s->key_count++];
    mac(file, bytes_of_text("accord signing key 1: changes"), k->secret);
    mac(file, bytes_of_text("accord signing key 1: its name"), id);
    hex_print(digits, (uint64_t)id[0] << 56 | (uint64_t)id[1] << 48 | (uint64_t)id[2] << 40 |
                          (uint64_t)id[3] << 32);
    memcpy(k->id, digits, SIGNING_ID_DIGITS);
    k->id[SIGNING_ID_DIGITS] = '\0';
    return ACCORD_OK;
}

void signing_wipe(struct signing *s)
{
    OPENSSL_cleanse(s, sizeof *s);
}

/* Each field has its length in the record, so no two changes are one text. */
static bool mac_of(const struct signing_key *k, struct id128 log, uint64_t read_to,
                   const struct change *c, uint8_t out[MAC_BYTES])
{
    uint8_t text[HEAD_BYTES + CHANGE_RECORD_BYTES_MAX];
    size_t written;

    if (change_problem(c) ||
        change_encode(c, text + HEAD_BYTES, sizeof text - HEAD_BYTES, &written) != ACCORD_OK)
        return false;
    memcpy(text, PURPOSE, sizeof PURPOSE);
    put(text + sizeof PURPOSE, log.high);
    put(text + sizeof PURPOSE + 8, log.low);
    put(text + sizeof PURPOSE + 16, read_to);
    mac(bytes_of(k->secret, sizeof k->secret), bytes_of(text, HEAD_BYTES + written), out);
    return true;
}

static void print_mac(char *at, const uint8_t m[MAC_BYTES])
{
    for (size_t i = 0; i < MAC_BYTES; i++) {
        *at++ = "0123456789abcdef"[m[i] >> 4];
        *at++ = "0123456789abcdef"[m[i] & 15];
    }
}

void signing_sign(const struct signing *s, struct id128 log, uint64_t read_to, struct change *c,
                  uint8_t *about)
{
    size_t text = c->about.size_bytes < SIGNED_ABOUT_BYTES_MAX ? c->about.size_bytes
                                                               : SIGNED_ABOUT_BYTES_MAX;
    bool lives = c->op == CHANGE_JOIN || c->op == CHANGE_BEAT;
    uint8_t m[MAC_BYTES];

    ASSERT(s->key_count > 0);
    if (text > 0)
        memmove(about, c->about.data, text);
    if (s->accept_unsigned && lives && text + CHANGE_ACCEPTS_BYTES <= SIGNED_ABOUT_BYTES_MAX) {
        memcpy(about + text, CHANGE_ACCEPTS, CHANGE_ACCEPTS_BYTES);
        text += CHANGE_ACCEPTS_BYTES;
    }
    char *at = (char *)about + text;
    c->about = bytes_of(about, text);
    bool made = mac_of(&s->keys[0], log, read_to, c, m);
    ASSERT(made); /* what is published was checked */
    memcpy(at, MARK, MARK_BYTES);
    memcpy(at + ID_AT, s->keys[0].id, SIGNING_ID_DIGITS);
    at[READ_AT - 1] = at[MAC_AT - 1] = ' ';
    hex_print(at + READ_AT, read_to);
    print_mac(at + MAC_AT, m);
    c->about = bytes_of(about, text + SIGNATURE_BYTES);
}

/* NULL: there is none. What it covers, and then what is left. */
static const char *cut_signature(struct change *c, struct bytes *left)
{
    *left = change_about_text(c);
    if (!change_is_signed(c))
        return NULL;
    size_t covered = c->about.size_bytes - CHANGE_SIGNATURE_BYTES;
    const uint8_t *about = c->about.data;
    c->about = bytes_of(covered > 0 ? about : NULL, covered);
    return (const char *)about + covered;
}

static const struct signing_key *key_of(const struct signing *s, const char *id)
{
    for (size_t i = 0; i < s->key_count; i++)
        if (memcmp(s->keys[i].id, id, SIGNING_ID_DIGITS) == 0)
            return &s->keys[i];
    return NULL;
}

/* *read_to is set where it is TRUST_FULL. */
static enum trust verify(const struct signing *s, struct id128 log, const struct change *c,
                         const char *signature, uint64_t *read_to)
{
    uint8_t m[MAC_BYTES];
    char expected[2 * MAC_BYTES];
    struct id128 numbers;

    const struct signing_key *k = key_of(s, signature + ID_AT);
    if (!k)
        return TRUST_KEYS;
    /* Two numbers of 16 digits: the second, the head of the MAC, is compared below. */
    char digits[32];
    memcpy(digits, signature + READ_AT, 16);
    memcpy(digits + 16, signature + MAC_AT, 16);
    if (signature[READ_AT - 1] != ' ' || signature[MAC_AT - 1] != ' ' ||
        !hex_parse(bytes_of(digits, sizeof digits), &numbers.high, &numbers.low) ||
        !mac_of(k, log, numbers.high, c, m))
        return TRUST_ALTERED;
    print_mac(expected, m);
    if (CRYPTO_memcmp(expected, signature + MAC_AT, sizeof expected) != 0)
        return TRUST_ALTERED;
    *read_to = numbers.high;
    return TRUST_FULL;
}

enum trust signing_verify(const struct signing *s, struct id128 log, struct change *c,
                          uint64_t *read_to)
{
    struct bytes left;
    const char *signature = cut_signature(c, &left);

    *read_to = UINT64_MAX;
    if (!signature && s->accept_unsigned)
        return TRUST_FULL;
    if (!signature)
        return c->origin.size_bytes > 0 || !id128_is_none(c->incarnation) ? TRUST_NAKED
                                                                          : TRUST_UNSIGNED;
    enum trust trust = verify(s, log, c, signature, read_to);
    c->about = left;
    return trust;
}
