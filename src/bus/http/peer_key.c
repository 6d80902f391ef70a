/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/http/peer_key.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#define PURPOSE "accord http peers 1" /* what is derived from the file for */

static void mac(struct bytes key, struct bytes message, uint8_t out[PEER_SEAL_BYTES])
{
    unsigned size = 0;

    /* Fails only without memory, or where a policy of this host forbids SHA-256. */
    ASSERT(HMAC(EVP_sha256(), key.data, (int)key.size_bytes, message.data, message.size_bytes,
                out, &size));
    ASSERT(size == PEER_SEAL_BYTES);
}

int peer_key_init(struct peer_key *out, struct bytes file)
{
    static const uint8_t known[PEER_KEY_BYTES_MIN];
    bool is_secret = file.size_bytes > 0;

    if (is_secret &&
        (file.size_bytes < PEER_KEY_BYTES_MIN || file.size_bytes > PEER_KEY_BYTES_MAX))
        return ACCORD_E_SIZE;
    mac(is_secret ? file : bytes_of(known, sizeof known), bytes_of_text(PURPOSE), out->secret);
    out->is_secret = is_secret;
    return ACCORD_OK;
}

void peer_key_wipe(struct peer_key *k)
{
    OPENSSL_cleanse(k, sizeof *k);
}

/* The label has a key of its own: so nothing need be copied to stand before the bytes. */
void peer_key_seal(const struct peer_key *k, const char *label, struct bytes bytes,
                   uint8_t seal[PEER_SEAL_BYTES])
{
    uint8_t of_label[PEER_SEAL_BYTES];

    mac(bytes_of(k->secret, sizeof k->secret), bytes_of_text(label), of_label);
    mac(bytes_of(of_label, sizeof of_label), bytes, seal);
    OPENSSL_cleanse(of_label, sizeof of_label);
}

bool peer_key_verify(const struct peer_key *k, const char *label, struct bytes bytes,
                     const uint8_t seal[PEER_SEAL_BYTES])
{
    uint8_t expected[PEER_SEAL_BYTES];

    peer_key_seal(k, label, bytes, expected);
    return CRYPTO_memcmp(expected, seal, sizeof expected) == 0;
}
