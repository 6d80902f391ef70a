/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/xmpp/beside.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/hex.h"

size_t xmpp_beside_print(const struct xmpp_beside *b, char out[XMPP_BESIDE_BYTES_MAX])
{
    int used = snprintf(out, XMPP_BESIDE_BYTES_MAX,
                        "<accord xmlns='" XMPP_BESIDE_NS "' log='%016" PRIx64 "%016" PRIx64
                        "' at='%s' state='%" PRIx64 " %" PRIu64 " %" PRIu64 " %" PRIu64
                        " %" PRIu64 " %" PRIu64 " %d %016" PRIx64 " %016" PRIx64 "'",
                        b->log.high, b->log.low, b->at, b->epoch, b->number, b->place, b->floor,
                        b->max_stale_ms, b->max_stale_before_ms, b->sets_max_stale,
                        b->last.high, b->last.low);

    if (!b->begin)
        used +=
            snprintf(out + used, XMPP_BESIDE_BYTES_MAX - (size_t)used,
                     " batch='%" PRIx64 " %u %u %u'", b->batch, b->count, b->part, b->parts);
    if (b->voice.first > 0)
        used += snprintf(out + used, XMPP_BESIDE_BYTES_MAX - (size_t)used,
                         " voice='%016" PRIx64 "%016" PRIx64 " %" PRIu64 " %" PRIu64 "'",
                         b->voice.incarnation.high, b->voice.incarnation.low, b->voice.first,
                         b->voice.kept);
    return (size_t)used;
}

bool xmpp_aid_is_valid(const char *aid)
{
    size_t length = strlen(aid);

    for (size_t i = 0; i < length; i++)
        if ((unsigned char)aid[i] < ' ' || strchr("'\"<>&", aid[i]))
            return false;
    return length > 0 && length < XMPP_AID_BYTES_MAX;
}

static bool parse_batch(const char *batch, struct xmpp_beside *b)
{
    int end = -1;

    if (!batch)
        return b->begin = true;
    if (sscanf(batch, "%" SCNx64 " %u %u %u%n", &b->batch, &b->count, &b->part, &b->parts,
               &end) != 4 ||
        batch[end])
        return false;
    return b->count > 0 && b->count <= PUBLISH_BATCH_MAX && b->parts > 0 &&
           b->parts <= XMPP_PARTS_MAX && b->part < b->parts;
}

bool xmpp_beside_parse(const char *log, const char *at, const char *state, const char *batch,
                       struct xmpp_beside *out)
{
    struct xmpp_beside b = {0};
    int end = -1;

    if (!log || !at || !state || !hex_parse(bytes_of_text(log), &b.log.high, &b.log.low))
        return false;
    if (at[0] && !xmpp_aid_is_valid(at))
        return false;
    snprintf(b.at, sizeof b.at, "%s", at);
    int sets = 0;
    if (sscanf(state,
               "%" SCNx64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
               " %d %" SCNx64 " %" SCNx64 "%n",
               &b.epoch, &b.number, &b.place, &b.floor, &b.max_stale_ms, &b.max_stale_before_ms,
               &sets, &b.last.high, &b.last.low, &end) != 9 ||
        state[end] || b.number > UINT32_MAX || b.place > XMPP_PLACE_MAX || b.floor > b.number)
        return false;
    b.sets_max_stale = sets != 0;
    if (!parse_batch(batch, &b))
        return false;
    *out = b;
    return true;
}

struct xmpp_voice xmpp_voice_parse(const char *text)
{
    struct xmpp_voice v = {.first = 0};
    int end = -1;

    if (!text || strlen(text) < 33 ||
        !hex_parse(bytes_of(text, 32), &v.incarnation.high, &v.incarnation.low) ||
        sscanf(text + 32, " %" SCNu64 " %" SCNu64 "%n", &v.first, &v.kept, &end) != 2 ||
        text[32 + end] || v.kept >= v.first || id128_is_none(v.incarnation))
        return (struct xmpp_voice){.first = 0};
    return v;
}

static uint64_t print_of(struct id128 message)
{
    return id128_is_none(message) ? 0
                                  : cursor_hash(0, 0, message) & ((1u << XMPP_PRINT_BITS) - 1);
}

uint64_t xmpp_position(uint64_t number, uint64_t place, struct id128 last, struct id128 message)
{
    return number << (XMPP_PLACE_BITS + XMPP_PRINT_BITS) | place << XMPP_PRINT_BITS |
           (print_of(last) ^ print_of(message));
}
