/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* take.c - what clients set: each message becomes a SET or a removal, or is refused. There is
 * no way to answer; what is refused is counted, and noted in the log. */
#include "door/chp/inside.h"

static void refuse(struct chp_door *d, const char *why, struct bytes about)
{
    d->counts.refused++;
    chp_complain(d, "chp-refused", why, about);
}

static void hand_over(struct chp_door *d, const struct chp_message *m, struct bytes key,
                      uint64_t ttl_ms)
{
    uint8_t lines[CHP_PROPERTIES_BYTES_MAX];
    struct request r = {.op = m->value.size_bytes > 0 ? REQUEST_SET : REQUEST_REMOVE,
                        .client = d->client,
                        .id = ++d->request_id,
                        .keys = &key,
                        .key_count = 1,
                        .item = {.key = key, .value = m->value, .grace_ns = UINT64_MAX}};

    /* None: as long as the namespace says. */
    r.item.ttl_ns = ttl_ms == UINT64_MAX ? 0 : ttl_ms * NS_PER_MS;
    d->setting = (struct chp_setting){
        .key = key,
        .uuid = m->uuid,
        .properties = bytes_of(lines, chp_without_ttl(m->properties, lines))};
    d->counts.sets++;
    d->sets_open++;
    d->host->submit(d->host->node, &r, 1);
    d->setting = (struct chp_setting){.key = bytes_of(NULL, 0)};
}

void chp_take(struct chp_door *d, const struct bytes *frames, size_t count)
{
    uint8_t room[KEY_BYTES_MAX];
    struct chp_message m;
    struct bytes key;
    uint64_t ttl_ms;
    const char *why;

    if (chp_parse(frames, count, &m, &why) != ACCORD_OK) {
        refuse(d, why, count > 0 ? frames[0] : bytes_of(NULL, 0));
        return;
    }
    if (!chp_key_of(d->host->namespaces, d->host->namespace_count, m.key, room, &key, &why)) {
        refuse(d, why, m.key);
        return;
    }
    if (chp_ttl_ms(m.properties, &ttl_ms) != ACCORD_OK) {
        refuse(d, "the ttl is not a number of seconds", m.key);
        return;
    }
    hand_over(d, &m, key, ttl_ms);
}

/* A setting under way ends with its request; that another is answered meanwhile changes nothing
 * of it. */
bool chp_door_reply(struct chp_door *d, const struct reply *reply)
{
    if (reply->client != d->client)
        return false;
    ASSERT(d->sets_open > 0);
    d->sets_open--;
    if (d->sets_open == CHP_SETS_MAX - 1)
        chp_busy(d); /* there is room again */
    if (reply->status == ACCORD_OK)
        return true;
    d->counts.sets_failed++;
    chp_complain(d, "chp-set", status_text(reply->status),
                 bytes_of_text(reply->why_text ? reply->why_text : ""));
    return true;
}
