/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* peer_key.h - the key that HTTP peers share: what they say to each other ends with an
 * HMAC-SHA256 of it. Without a file it is a key that everybody knows: then it only tells who
 * has one from who has none, and all addresses must be of this host.
 *
 * Pure but for libcrypto; any thread.
 */
#ifndef ACCORD_BUS_HTTP_PEER_KEY_H
#define ACCORD_BUS_HTTP_PEER_KEY_H

#include "base/base.h"

enum {
    PEER_SEAL_BYTES = 32,
    PEER_KEY_BYTES_MIN = 32, /* of the file */
    PEER_KEY_BYTES_MAX = 4096,
};

struct peer_key {
    uint8_t secret[32];
    bool is_secret;
};

/* Of a file's bytes; none: of whoever has no file. ACCORD_E_SIZE: too short or too long; *out
 * is untouched. */
MUST_CHECK int peer_key_init(struct peer_key *out, struct bytes file);
void peer_key_wipe(struct peer_key *k);

/* `label` says what the bytes are, so that a seal of one kind is none of another. */
void peer_key_seal(const struct peer_key *k, const char *label, struct bytes bytes,
                   uint8_t seal[PEER_SEAL_BYTES]);
/* Takes as long wherever they differ. */
bool peer_key_verify(const struct peer_key *k, const char *label, struct bytes bytes,
                     const uint8_t seal[PEER_SEAL_BYTES]);

#endif
