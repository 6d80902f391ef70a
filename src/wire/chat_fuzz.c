/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* chat_fuzz.c - any text is changes that can be, or nothing; and what they read as means them
 * again. */
#include "wire/chat.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool means(const struct change *list, size_t count, const struct change *c)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].op == c->op && bytes_equal(list[i].key, c->key))
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct change first[CHAT_CHANGES_MAX], again[CHAT_CHANGES_MAX];
    static char body[CHAT_BODY_BYTES_MAX];
    uint8_t *text = malloc(size + 1); /* so that reading past it is found */

    if (!text)
        return 0;
    memcpy(text, data, size);
    size_t count = chat_parse(text, size, first);
    ASSERT(count <= CHAT_CHANGES_MAX);
    for (size_t i = 0; i < count; i++) {
        ASSERT(!change_problem(&first[i]));
        size_t length = chat_print(&first[i], 1, body);
        ASSERT(length < CHAT_BODY_BYTES_MAX && body[length] == '\0');
        ASSERT(chat_is_text(bytes_of(body, length)));
        size_t back = chat_parse((uint8_t *)body, length, again);
        ASSERT(means(again, back, &first[i]) || strncmp(body, "/and 1 more", 11) == 0);
    }
    free(text);
    return 0;
}
