/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* signing.h - signatures of changes: HMAC-SHA256 with a key that the cluster shares.
 *
 * A signature covers all that the sender says (the record of docs/format/change.txt), the log
 * for which it was said, and how far the sender had read that log. It travels as the end of
 * `about`, a field that every bus carries for every op and that older readers leave alone:
 *
 *     TAB "sign1 " key id, 8 hex digits " " read up to, 16 " " HMAC, 64
 *
 * Before it, and covered by it, a sign of life of who takes what is not signed says so
 * (CHANGE_ACCEPTS), where there is room: who has no key need not be silent then.
 *
 * The keys proper are derived from the file's bytes, so that the same file may serve other
 * purposes later. Key ids are no secret. Pure but for libcrypto; any thread.
 */
#ifndef ACCORD_BUS_SIGNING_H
#define ACCORD_BUS_SIGNING_H

#include "wire/change.h"

enum {
    SIGNING_KEYS_MAX = 2,
    SIGNING_KEY_BYTES_MIN = 32, /* of the file */
    SIGNING_KEY_BYTES_MAX = 4096,
    SIGNING_ID_DIGITS = 8,
    SIGNATURE_BYTES = CHANGE_SIGNATURE_BYTES,
    SIGNED_ABOUT_BYTES_MAX =
        CHANGE_ABOUT_BYTES_MAX - SIGNATURE_BYTES, /* what is left for text */
};

struct signing_key {
    uint8_t secret[32];
    char id[SIGNING_ID_DIGITS + 1];
};

/* Zeroed: changes are neither signed nor checked. */
struct signing {
    size_t key_count; /* the first signs; each verifies */
    struct signing_key keys[SIGNING_KEYS_MAX];
    bool accept_unsigned; /* while not every node has its key yet */
};

/* Adds one. ACCORD_E_SIZE: too short or too long; ACCORD_E_FULL. Nothing changed. */
MUST_CHECK int signing_add(struct signing *s, struct bytes file);
void signing_wipe(struct signing *s);

/* Signs with the first key. `about` has room for CHANGE_ABOUT_BYTES_MAX and becomes c->about;
 * text longer than SIGNED_ABOUT_BYTES_MAX is cut (it is for people). */
void signing_sign(const struct signing *s, struct id128 log, uint64_t read_to, struct change *c,
                  uint8_t *about);

/* Whether it was, and takes the signature off its `about`. *read_to: as the sender said;
 * UINT64_MAX where no signature has proven it. */
enum trust signing_verify(const struct signing *s, struct id128 log, struct change *c,
                          uint64_t *read_to);

#endif
