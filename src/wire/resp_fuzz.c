/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* resp_fuzz.c - any bytes, whole and in pieces: the same commands, and no range leaves the
 * buffer. The first byte says how long the pieces are. */
#include "wire/resp.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct heard {
    uint64_t hash; /* of all arguments, in order */
    uint64_t commands;
    bool broken;
};

static void mix(struct heard *h, uint64_t n)
{
    h->hash = (h->hash ^ n) * 0x100000001b3;
}

static void hear(struct heard *h, const struct resp_parser *p, const uint8_t *data,
                 size_t bytes)
{
    h->commands++;
    for (uint32_t i = 0; i < p->count; i++) {
        const struct resp_argument *a = &p->arguments[i];
        mix(h, a->bytes);
        mix(h, a->dropped);
        if (a->dropped)
            continue;
        ASSERT((size_t)a->offset + a->bytes <= bytes);
        for (uint32_t j = 0; j < a->bytes; j++)
            mix(h, data[a->offset + j]);
    }
}

/* Parses what is there; returns false where the stream is broken. */
static bool parse(struct resp_parser *p, uint8_t *data, size_t *bytes, struct heard *h)
{
    for (;;) {
        switch (resp_parse(p, data, bytes)) {
        case RESP_MORE:
            ASSERT(resp_wanted(p, *bytes) <= (size_t)p->argument_bytes_max + 2);
            return true;
        case RESP_BROKEN:
            ASSERT(strlen(resp_problem(p)) < 100);
            h->broken = true;
            return false;
        case RESP_GROW:
            p->arguments = realloc(p->arguments, 2 * p->capacity * sizeof *p->arguments);
            ASSERT(p->arguments);
            p->capacity *= 2;
            break;
        case RESP_COMMAND:
            hear(h, p, data, *bytes);
            /* fallthrough */
        case RESP_NOTHING:
            memmove(data, data + p->position, *bytes - p->position);
            *bytes -= p->position;
            resp_parser_next(p);
        }
    }
}

static struct heard listen(const uint8_t *stream, size_t size, size_t piece)
{
    struct heard h = {0};
    struct resp_parser p;
    uint8_t *data = malloc(size + 1);
    size_t bytes = 0;

    ASSERT(data);
    resp_parser_init(&p, malloc(sizeof *p.arguments), 1, /* argument_bytes_max= */ 64);
    for (size_t at = 0; at < size; at += piece) {
        size_t n = u64_min(piece, size - at);
        memcpy(data + bytes, stream + at, n);
        bytes += n;
        if (!parse(&p, data, &bytes, &h))
            break;
    }
    free(p.arguments);
    free(data);
    return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct heard whole = listen(data + 1, size - 1, size - 1);
    struct heard pieces = listen(data + 1, size - 1, 1 + data[0] % 32);
    ASSERT(whole.commands == pieces.commands);
    ASSERT(whole.hash == pieces.hash);
    ASSERT(whole.broken == pieces.broken);
    return 0;
}
