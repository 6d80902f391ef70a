/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/xmpp/missed.h"

static struct xmpp_voices_of *find(const struct xmpp_voices *v, struct id128 incarnation)
{
    for (size_t i = 0; i < MEMBERS_MAX; i++)
        if (id128_equal(v->list[i].incarnation, incarnation))
            return (struct xmpp_voices_of *)&v->list[i];
    return NULL;
}

uint64_t xmpp_voices_last(const struct xmpp_voices *v, struct id128 incarnation)
{
    const struct xmpp_voices_of *of = id128_is_none(incarnation) ? NULL : find(v, incarnation);

    return of ? of->last : 0;
}

void xmpp_voices_heard(struct xmpp_voices *v, struct id128 incarnation, uint64_t last)
{
    if (id128_is_none(incarnation) || last == 0)
        return;
    struct xmpp_voices_of *of = find(v, incarnation);
    if (!of) {
        of = &v->list[v->next];
        v->next = (v->next + 1) % MEMBERS_MAX;
        *of = (struct xmpp_voices_of){.incarnation = incarnation};
    }
    of->last = u64_max(of->last, last);
}

uint64_t xmpp_missed_room(const struct xmpp_voice *voice, uint64_t last)
{
    uint64_t before = u64_max(voice->kept, last);

    if (voice->first <= before)
        return 0;
    uint64_t count = voice->first - before - 1;
    return count <= XMPP_MISSED_MAX ? count : 0;
}

uint64_t xmpp_missed_count(const struct xmpp_voice *voice, uint64_t last)
{
    return last == 0 || voice->kept > last ? 0 : xmpp_missed_room(voice, last);
}

struct change xmpp_missed_beat(const struct change *next, uint64_t sequence)
{
    struct id128 name = {cursor_hash(1, sequence, next->incarnation),
                         cursor_hash(2, sequence, next->incarnation) | 1};

    return (struct change){.op = CHANGE_BEAT,
                           .message = name,
                           .wall_ms = next->wall_ms,
                           .origin = next->origin,
                           .incarnation = next->incarnation,
                           .sequence = sequence};
}
