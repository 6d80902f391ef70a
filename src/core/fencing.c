/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/inside.h"

/* A tag, a prefix and a key of the same bytes are three things. */
#define TAG_DOMAIN    0x9e3779b97f4a7c15ull
#define PREFIX_DOMAIN 0xd6e8feb86659fd93ull

static uint64_t hash_of(const struct core *c, struct bytes name, uint64_t domain)
{
    return writer_hash(c->writer, name) ^ domain;
}

/* ---- removals ------------------------------------------------------------------------------
 */

static size_t prefix_bytes_of(const struct namespace_settings *n, size_t space)
{
    return space == 0 ? 0 : strlen(n->name) + 1;
}

static bool is_delimited(const struct namespace_settings *n, size_t space, struct bytes prefix)
{
    return n->delimiter != '\0' && prefix.size_bytes > prefix_bytes_of(n, space) &&
           prefix.data[prefix.size_bytes - 1] == (uint8_t)n->delimiter;
}

static void removed_prefix(struct core *c, const struct change *change, const uint64_t *version)
{
    size_t space = writer_namespace_of(c->writer, change->key);

    if (!version && is_delimited(policy_of(&c->policy, space), space, change->key))
        fences_prefix(&c->fences, space, hash_of(c, change->key, PREFIX_DOMAIN), c->now_ns);
    else
        fences_space(&c->fences, space, version, c->now_ns);
}

/* Of a namespace that is not declared here the keys live in the default one, whose order of
 * versions may be another. */
static void removed_namespace(struct core *c, struct bytes name, const uint64_t *version)
{
    size_t space;

    if (policy_find(&c->policy, name, &space) != ACCORD_OK)
        fences_space(&c->fences, 0, NULL, c->now_ns);
    else if (version && *version == 0)
        fences_reset(&c->fences, space);
    else
        fences_space(&c->fences, space, version, c->now_ns);
}

void fencing_removed(struct core *c, const struct change *change)
{
    const uint64_t *version = change->has_version ? &change->version : NULL;

    if (change_problem(change)) {
        fences_unknown(&c->fences, c->now_ns);
        return;
    }
    switch (change->op) {
    case CHANGE_REMOVE:
        fences_key(&c->fences, writer_namespace_of(c->writer, change->key),
                   hash_of(c, change->key, 0), version, c->now_ns);
        break;
    case CHANGE_TAG: /* of many namespaces, so its version is of no order in particular */
        fences_tag(&c->fences, hash_of(c, change->key, TAG_DOMAIN), c->now_ns);
        break;
    case CHANGE_PREFIX:
        removed_prefix(c, change, version);
        break;
    case CHANGE_NAMESPACE:
        removed_namespace(c, change->key, version);
        break;
    case CHANGE_CLEAR:
        fences_all(&c->fences, c->now_ns);
        break;
    case CHANGE_JOIN:
    case CHANGE_LEAVE:
    case CHANGE_BEAT:
        break;
    }
}

/* ---- fills ---------------------------------------------------------------------------------
 */

static size_t add_marks(const struct core *c, const struct item *item, size_t space,
                        struct fence_fill *fill, uint64_t marks[ITEM_TAGS_MAX])
{
    const struct namespace_settings *n = policy_of(&c->policy, space);
    size_t count = 0;

    for (; fill->tag_count < item->tag_count && count < ITEM_TAGS_MAX; fill->tag_count++)
        marks[count++] = hash_of(c, item->tags[fill->tag_count], TAG_DOMAIN);
    for (size_t i = prefix_bytes_of(n, space);
         n->delimiter && i < item->key.size_bytes && count < ITEM_TAGS_MAX; i++) {
        if (item->key.data[i] != (uint8_t)n->delimiter)
            continue;
        marks[count++] = hash_of(c, bytes_of(item->key.data, i + 1), PREFIX_DOMAIN);
        fill->prefix_count++;
    }
    return count;
}

int fencing_check(struct core *c, const struct item *item, size_t space, bool is_set)
{
    uint64_t marks[ITEM_TAGS_MAX];
    struct fence_fill fill = {
        .space = space, .version = item->version, .is_set = is_set, .marks = marks};
    const struct fence_space *s = &c->fences.spaces[space];

    if (s->version == VERSION_NONE && s->hold_off_ns == 0)
        return ACCORD_OK;
    fill.hash = hash_of(c, item->key, 0);
    if (c->fences.has_marks)
        add_marks(c, item, space, &fill, marks);
    return fences_check(&c->fences, &fill, c->now_ns);
}

/* ---- what is known -------------------------------------------------------------------------
 */

/* What was saved counts if this log is read on from there: then every removal since was, or
 * will be, seen. */
void fencing_attached(struct core *c, const struct event *e)
{
    const struct core_settings *s = &c->settings;
    size_t space;

    if (c->attached_once || s->fence_count == 0 ||
        !id128_equal(s->fences_at.log, e->attached.log) ||
        s->fences_at.epoch != e->attached.epoch || e->attached.after > s->fences_at.position)
        return;
    for (size_t i = 0; i < s->fence_count; i++)
        if (policy_find(&c->policy, bytes_of_text(s->fences[i].name), &space) == ACCORD_OK)
            fences_restore(&c->fences, space, s->fences[i].newest, s->fences[i].held);
}

void fencing_save(struct core *c)
{
    size_t count = 0;

    for (size_t i = 0; i < c->policy.count; i++) {
        const struct fence_space *s = &c->fences.spaces[i];
        if (s->version != VERSION_LSN)
            continue;
        struct fence_saved *saved = &c->fences_saved[count++];
        memcpy(saved->name, policy_of(&c->policy, i)->name, sizeof saved->name);
        saved->newest = s->newest;
        saved->held = fences_shut_until_ns(&c->fences, i, c->now_ns) > 0 ||
                      fences_held(&c->fences, i, c->now_ns);
    }
    if (count == 0)
        return;
    struct effect *e = core_say(c, EFFECT_SAVE_FENCES);
    e->save_fences.at = c->trail.cursor;
    e->save_fences.list = c->fences_saved;
    e->save_fences.count = count;
}

static void refuse(struct core *c, const struct request *r, int status, const char *why)
{
    core_reply(c, r->client, r->id, status)->why_text = why;
}

void fencing_floor(struct core *c, const struct request *r)
{
    size_t space;

    if (r->key_count != 1 || policy_find(&c->policy, r->keys[0], &space) != ACCORD_OK)
        refuse(c, r, ACCORD_E_ABSENT, "no such namespace is declared");
    else if (policy_of(&c->policy, space)->version != VERSION_LSN)
        refuse(c, r, ACCORD_E_INVALID, "a floor needs a namespace with version = lsn");
    else {
        fences_floor(&c->fences, space, r->version);
        refuse(c, r, ACCORD_OK, NULL);
    }
}

/* What is wrong with the version of a CLEAR, or NULL. */
const char *fencing_clear_problem(const struct core *c, const struct request *r)
{
    size_t space;
    bool whole = policy_find(&c->policy, r->keys[0], &space) == ACCORD_OK;

    if (!r->has_version)
        return NULL;
    if (r->version == 0)
        return whole ? NULL : "fences are reset by namespace; no such namespace is declared";
    if (bytes_equal(r->keys[0], bytes_of_text("*")))
        return "versions are of one namespace's order: clear one at a time";
    if (!whole)
        space = writer_namespace_of(c->writer, r->keys[0]);
    return policy_of(&c->policy, space)->version == VERSION_LSN
               ? NULL
               : "a version of more than one key needs a namespace with version = lsn";
}

bool core_fence(const struct core *c, size_t index, uint64_t now_ns, struct core_fence *out)
{
    if (index >= c->policy.count)
        return false;
    const struct fence_space *s = &c->fences.spaces[index];
    uint64_t until_ns = fences_shut_until_ns(&c->fences, index, now_ns);
    bool unknown = until_ns > 0 && s->unknown_ns >= s->shut_ns;

    *out = (struct core_fence){.settings = policy_of(&c->policy, index),
                               .used = s->version != VERSION_NONE || s->hold_off_ns > 0,
                               .state = until_ns == 0 ? "open"
                                        : unknown     ? "unknown"
                                                      : "held",
                               .left_ns = u64_sub_sat(until_ns, now_ns),
                               .floor = s->floor,
                               .newest = s->newest,
                               .refused_version = s->refused_version,
                               .refused_held = s->refused_held};
    return true;
}
