/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* Bytes as whoever has the key may send them: sealed, and anything. What is taken for a request
 * holds what it says; a set and an answer come out as they went in. */
#include "bus/http/peer_talk.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take_set(struct bytes bytes)
{
    uint8_t again[PEER_SET_BYTES_MAX];
    struct peer_set s;

    if (peer_set_decode(bytes, &s) != ACCORD_OK)
        return;
    ASSERT(peer_set_encode(&s, again) == bytes.size_bytes);
    ASSERT(memcmp(again, bytes.data, bytes.size_bytes) == 0);
}

static void take_ask(struct bytes sealed, const struct peer_key *k)
{
    struct peer_ask a;
    struct peer_told t;

    if (peer_ask_decode(sealed, k, &a) != ACCORD_OK)
        return;
    for (size_t i = 0; i < a.count; i++)
        ASSERT(peer_told_next(&a.told, &t));
    ASSERT(a.told.size_bytes == 0);
    take_set(a.set);
}

static void take_answer(struct bytes sealed, const struct peer_key *k)
{
    uint8_t again[PEER_ANSWER_BYTES_MAX];
    struct peer_answer a;

    if (peer_answer_decode(sealed, k, &a) != ACCORD_OK)
        return;
    ASSERT(peer_answer_encode(&a, k, again) == sealed.size_bytes);
    take_set(a.set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *sealed = malloc(size + PEER_SEAL_BYTES);
    struct peer_key k;

    if (!sealed)
        return 0;
    ASSERT(peer_key_init(&k, bytes_of(NULL, 0)) == ACCORD_OK);
    take_set(bytes_of(data, size));
    if (size > 0)
        memcpy(sealed, data, size);
    peer_key_seal(&k, "ACP1", bytes_of(data, size), sealed + size);
    take_ask(bytes_of(sealed, size + PEER_SEAL_BYTES), &k);
    peer_key_seal(&k, "ACA1", bytes_of(data, size), sealed + size);
    take_answer(bytes_of(sealed, size + PEER_SEAL_BYTES), &k);
    free(sealed);
    return 0;
}
