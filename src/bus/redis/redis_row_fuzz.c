/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* redis_row_fuzz.c - any words as an entry of the stream: read or refused, and whatever is read
 * is a change that may be applied. The input is the id and the words, each ended by 0xff. */
#include "bus/redis/row.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WORDS_MAX = 64 };

static void check(const redisReply *reply)
{
    struct entry e;
    struct id128 message;
    uint64_t position;

    bool named = redis_row_name(reply, &position, &message);
    ASSERT(redis_row_read(reply, &e) == named);
    (void)redis_row_follows(reply, 1, 1);
    if (!named)
        return;
    ASSERT(e.position == position && position <= INT64_MAX);
    ASSERT(id128_equal(e.change.message, message));
    ASSERT(!id128_is_none(message));
    ASSERT(!change_problem(&e.change));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    redisReply words[WORDS_MAX] = {{.type = REDIS_REPLY_STRING}};
    redisReply *pointers[WORDS_MAX], *pair[2];
    redisReply pairs = {.type = REDIS_REPLY_ARRAY};
    redisReply entry = {.type = REDIS_REPLY_ARRAY, .elements = 2, .element = pair};
    size_t count = 0;

    for (size_t at = 0; at < size && count < WORDS_MAX; count++) {
        const uint8_t *end = memchr(data + at, 0xff, size - at);
        size_t length = end ? (size_t)(end - data) - at : size - at;
        words[count] = (redisReply){
            .type = REDIS_REPLY_STRING, .str = (char *)(uintptr_t)(data + at), .len = length};
        pointers[count] = &words[count];
        at += length + 1;
    }
    if (count == 0)
        return 0;
    pairs.element = pointers + 1;
    pairs.elements = count - 1;
    pair[0] = pointers[0];
    pair[1] = &pairs;
    check(&entry);
    check(&pairs);
    check(&words[0]);
    return 0;
}
