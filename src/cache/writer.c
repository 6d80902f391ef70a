/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cache/writer.h"

#include "cache/adopt.h"
#include "cache/arena.h"
#include "cache/index.h"
#include "cache/removal.h"

static void tick(struct writer *w, uint64_t now_ns)
{
    w->now_ns = u64_max(w->now_ns, now_ns);
}

static uint64_t ms_of(uint64_t ns)
{
    return ns == UINT64_MAX ? UINT64_MAX : ns / NS_PER_MS;
}

uint64_t writer_hash(const struct writer *w, struct bytes name)
{
    return hash_of_key(w, name);
}

void writer_prefetch(const struct writer *w, struct bytes key)
{
    uint64_t hash = hash_of_key(w, key);

    index_prefetch(w, hash);
    __builtin_prefetch(w->slots + hash_slot(hash));
}

size_t writer_namespace_of(const struct writer *w, struct bytes key)
{
    return namespace_of(&w->view, key);
}

/* ---- tags ---- */

static uint8_t delimiter_of(const struct writer *w, uint32_t space)
{
    return settings_delimiter(w->namespaces[space].settings);
}

static size_t namespace_prefix_bytes(const struct writer *w, uint32_t space)
{
    return space == 0 ? 0 : (size_t)(w->namespaces[space].settings & 0xff) + 1;
}

static bool add_tag(struct item_fields *f, uint16_t slot)
{
    if (f->tag_count == ITEM_TAGS_MAX)
        return false;
    f->tags[f->tag_count++] = slot;
    return true;
}

/* The tag slots of an item: those it names, and a prefix of its key up to each delimiter. */
static bool collect_tags(const struct writer *w, const struct item *item, uint32_t space,
                         struct item_fields *f)
{
    uint8_t delimiter = delimiter_of(w, space);

    f->tag_count = 0;
    for (size_t i = 0; i < item->tag_count; i++)
        if (item->tags[i].size_bytes > KEY_BYTES_MAX ||
            !add_tag(f, tag_slot(w->view.secret, item->tags[i], DOMAIN_TAG)))
            return false;
    if (delimiter == 0)
        return true;
    for (size_t i = namespace_prefix_bytes(w, space); i < item->key.size_bytes; i++)
        if (item->key.data[i] == delimiter &&
            !add_tag(f,
                     tag_slot(w->view.secret, bytes_of(item->key.data, i + 1), DOMAIN_PREFIX)))
            return false;
    return true;
}

/* ---- tokens ---- */

static bool newer(uint64_t hard, uint64_t soft, uint64_t bulk)
{
    return hard > bulk || soft > bulk;
}

/* Anything that touches the item moved since the token was read. `f` may have too few tags when
 * the item is too large anyway. */
static bool token_is_outdated(const struct writer *w, const struct token *t, uint64_t hash,
                              uint32_t space, const struct item_fields *f)
{
    const struct segment_header *h = w->header;

    if (!id128_equal(t->incarnation, w->view.incarnation) || t->epoch != h->epoch)
        return true;
    if (t->slot != w->slots[hash_slot(hash)] || t->bulk > h->bulk)
        return true;
    if (newer(h->generation_hard, h->generation_soft, t->bulk) ||
        newer(w->namespaces[space].hard, w->namespaces[space].soft, t->bulk))
        return true;
    for (uint32_t i = 0; i < f->tag_count; i++)
        if (newer(w->tags[f->tags[i]].hard, w->tags[f->tags[i]].soft, t->bulk))
            return true;
    return false;
}

/* ---- storing ---- */

static void unlink_item(struct writer *w, struct place at, uint64_t location,
                        const struct item_view *item)
{
    index_unlink(w, at);
    w->entries--;
    arena_died(w, location, item);
}

static void forget(struct writer *w, uint64_t hash, struct place at, uint64_t location,
                   const struct item_view *item)
{
    struct evict_item gone = {hash, arena_chain_of(w, location), index_hits(w, at), item->mark};

    evict_forget(w->evict, &gone);
}

static void unlink_key(struct writer *w, uint64_t hash, struct bytes key)
{
    struct place at;
    uint64_t location;
    struct item_view item;

    if (index_find(w, hash, key, &at, &location, &item))
        unlink_item(w, at, location, &item);
}

static void grow_index(struct writer *w)
{
    while (index_wants_bucket(w)) {
        if (index_wants_block(w))
            index_add_block(w, arena_take_block(w));
        index_split(w);
    }
}

/* A free lane for a new key. Where the index is at its limit the coldest of those that compete
 * for the two buckets goes. */
static struct place lane_for(struct writer *w, uint64_t hash)
{
    struct place at;

    while (!index_make_room(w, hash, &at)) {
        if (!index_wants_block(w)) {
            index_split(w);
            continue;
        }
        at = index_coldest(w, hash);
        uint64_t location = index_location(w, at);
        struct item_view item;
        ASSERT(view_item(w, location, &item));
        forget(w, hash_of_key(w, item_key(w, &item)), at, location, &item);
        unlink_item(w, at, location, &item);
        w->counts.evicted_by_index++;
        return at;
    }
    return at;
}

/* Stores the item, of so many encoded bytes. What is known keeps its chain and mark, even if it
 * was removed by tag meanwhile. */
static void store_item(struct writer *w, uint64_t hash, struct item_fields *f, size_t bytes)
{
    enum evict_chain chain;
    struct place at;
    uint64_t location, old_location;
    struct item_view old;

    grow_index(w);
    bool found = index_find(w, hash, f->key, &at, &old_location, &old);
    if (found) {
        f->mark = old.mark;
        chain = arena_chain_of(w, old_location);
    } else {
        chain = evict_admit(w->evict, hash, &f->mark, &w->counts.ghost_hits);
    }
    if (arena_reserve(w, chain, bytes))
        found = index_find(w, hash, f->key, &at, &old_location, &old);
    if (found) {
        location = arena_append(w, chain, f);
        index_replace(w, at, hash, location, index_hits(w, at));
        arena_died(w, old_location, &old);
        return;
    }
    at = lane_for(w, hash);
    location = arena_append(w, chain, f);
    index_link(w, at, hash, location, 0);
    w->entries++;
}

static int refuse_size(struct writer *w, const struct item *item)
{
    if (item->key.size_bytes > 0 && item->key.size_bytes <= KEY_BYTES_MAX)
        unlink_key(w, hash_of_key(w, item->key), item->key);
    w->counts.fills_refused_size++;
    return ACCORD_E_SIZE;
}

static bool has_newer_version(const struct writer *w, uint64_t hash, const struct item *item)
{
    struct place at;
    uint64_t location;
    struct item_view old;

    return item->version != 0 && index_find(w, hash, item->key, &at, &location, &old) &&
           old.version > item->version && !removal_hard(w, &old) && !removal_expired(w, &old);
}

static void set_times(const struct writer *w, struct item_fields *f, uint64_t ttl_ns,
                      uint64_t grace_ns)
{
    f->ttl_ms = u64_max(1, ms_of(ttl_ns));
    f->grace_ms = f->ttl_ms == UINT64_MAX ? 0 : ms_of(grace_ns);
    f->birth_ms = w->now_ns / NS_PER_MS;
}

int writer_fill(struct writer *w, const struct item *item, const struct token *token,
                uint64_t now_ns)
{
    struct item_fields f = {.key = item->key,
                            .value =
                                item->flags & ITEM_NEGATIVE ? bytes_of(NULL, 0) : item->value,
                            .flags = item->flags & ITEM_PUBLIC_FLAGS,
                            .version = item->version};

    tick(w, now_ns);
    if (item->ttl_ns == 0)
        return ACCORD_E_INVALID;
    if (item->key.size_bytes == 0 || item->key.size_bytes > KEY_BYTES_MAX)
        return refuse_size(w, item);
    uint64_t hash = hash_of_key(w, item->key);
    index_prefetch(w, hash);
    uint32_t space = namespace_of(&w->view, item->key);
    set_times(w, &f, item->ttl_ns, item->grace_ns);
    bool fits = collect_tags(w, item, space, &f);
    if (token && token_is_outdated(w, token, hash, space, &f)) {
        w->counts.fills_refused_token++;
        return ACCORD_E_TOKEN;
    }
    if (has_newer_version(w, hash, item)) {
        w->counts.fills_refused_version++;
        return ACCORD_E_VERSION;
    }
    size_t bytes = fits ? encode_bytes(w, &f) : SIZE_MAX;
    if (f.value.size_bytes >> ITEM_VALUE_BITS || bytes > arena_item_bytes_max(w))
        return refuse_size(w, item);
    store_item(w, hash, &f, bytes);
    w->counts.fills++;
    return ACCORD_OK;
}

/* ---- inheriting ---- */

static bool slot_moved(const struct writer *w, uint64_t hash)
{
    uint32_t slot = hash_slot(hash);

    return w->slots_moved[slot / 512] >> slot / 8 % 64 & 1 && w->slots[slot] != 0;
}

/* Anything was removed here that touches the item. Nothing was, when this segment began. */
static bool is_touched(const struct writer *w, uint64_t hash, uint32_t space,
                       const struct item_fields *f)
{
    const struct segment_header *h = w->header;

    if (slot_moved(w, hash) || newer(h->generation_hard, h->generation_soft, 0) ||
        newer(w->namespaces[space].hard, w->namespaces[space].soft, 0))
        return true;
    for (uint32_t i = 0; i < f->tag_count; i++)
        if (newer(w->tags[f->tags[i]].hard, w->tags[f->tags[i]].soft, 0))
            return true;
    return false;
}

static bool has_tag(const struct item_fields *f, uint16_t slot)
{
    for (uint32_t i = 0; i < f->tag_count; i++)
        if (f->tags[i] == slot)
            return true;
    return false;
}

/* Whether it has the tags that a fill today would give it by itself: its namespace, or the
 * delimiter, may have been another. */
static bool has_prefixes(const struct writer *w, uint32_t space, const struct item_fields *f)
{
    uint8_t delimiter = delimiter_of(w, space);

    if (delimiter == 0)
        return true;
    for (size_t i = namespace_prefix_bytes(w, space); i < f->key.size_bytes; i++)
        if (f->key.data[i] == delimiter &&
            !has_tag(f, tag_slot(w->view.secret, bytes_of(f->key.data, i + 1), DOMAIN_PREFIX)))
            return false;
    return true;
}

/* One more bucket; false: that would take a block which is not free. */
static bool split_free(struct writer *w)
{
    if (index_wants_block(w)) {
        if (!index_may_have_block(w) || !arena_has_spare(w))
            return false;
        index_add_block(w, arena_take_block(w));
    }
    index_split(w);
    return true;
}

static bool lane_free(struct writer *w, uint64_t hash, struct place *at)
{
    while (index_wants_bucket(w) && split_free(w))
        ;
    while (!index_make_room(w, hash, at))
        if (!split_free(w))
            return false;
    return true;
}

bool writer_spread_index(struct writer *w, uint32_t buckets, uint32_t count)
{
    while (count-- > 0 && w->bucket_count < buckets)
        if (!split_free(w))
            return false;
    return w->bucket_count < buckets;
}

enum adopted writer_adopt(struct writer *w, uint64_t hash, const struct item_fields *f,
                          const struct encode_form *form, enum evict_chain chain,
                          const struct place *wanted, uint64_t now_ns)
{
    uint32_t space = namespace_of(&w->view, f->key);
    struct item_view there;
    uint64_t location;
    struct place at;

    ASSERT(!wanted || wanted->bucket < w->bucket_count);

    tick(w, now_ns);
    if (form->bytes > arena_item_bytes_max(w) || f->value.size_bytes >> ITEM_VALUE_BITS ||
        (f->ttl_ms != UINT64_MAX && f->birth_ms < arena_birth_ms_min(w)) ||
        is_touched(w, hash, space, f) || !has_prefixes(w, space, f) ||
        index_find(w, hash, f->key, &at, &location, &there))
        return ADOPTED_NOT;
    bool fits = wanted && index_location(w, *wanted) == 0;
    if (fits)
        at = *wanted;
    if ((!fits && !lane_free(w, hash, &at)) || !arena_has_spare_room(w, chain, form->bytes))
        return ADOPTED_FULL;
    location = arena_append_as(w, chain, f, form);
    index_link_first(w, at, hash, location);
    w->entries++;
    return ADOPTED;
}

/* ---- removals ---- */

static void bump_slot(struct writer *w, uint64_t hash)
{
    uint32_t slot = hash_slot(hash);

    store(&w->slots[slot], w->slots[slot] + 1);
    w->slots_moved[slot / 512] |= 1ull << slot / 8 % 64;
}

/* The flag lies in one byte of the header word, so one aligned store changes it. */
static void set_soft(struct writer *w, uint64_t location)
{
    uint64_t offset = location + ITEM_FLAGS_SHIFT / 8;
    uint64_t *word = (uint64_t *)(void *)(w->blocks + (offset & ~7ull));
    uint64_t bit = (uint64_t)ITEM_SOFT << (ITEM_FLAGS_SHIFT % 8 + (offset & 7) * 8);

    store(word, *word | bit);
}

static bool remove_found(struct writer *w, uint64_t hash, struct bytes key, bool soft)
{
    struct place at;
    uint64_t location;
    struct item_view item;

    if (!index_find(w, hash, key, &at, &location, &item))
        return false;
    bool live = !removal_hard(w, &item) && !removal_expired(w, &item);
    if (soft && live) {
        set_soft(w, location);
    } else {
        forget(w, hash, at, location, &item);
        unlink_item(w, at, location, &item);
    }
    w->counts.removed += live;
    return live;
}

bool writer_remove_key(struct writer *w, struct bytes key, bool soft, uint64_t now_ns)
{
    tick(w, now_ns);
    if (key.size_bytes == 0 || key.size_bytes > KEY_BYTES_MAX)
        return false;
    uint64_t hash = hash_of_key(w, key);
    bump_slot(w, hash);
    return remove_found(w, hash, key, soft);
}

bool writer_remove_older(struct writer *w, struct bytes key, uint64_t version, bool soft,
                         uint64_t now_ns)
{
    struct place at;
    uint64_t location;
    struct item_view item;

    tick(w, now_ns);
    if (key.size_bytes == 0 || key.size_bytes > KEY_BYTES_MAX)
        return false;
    uint64_t hash = hash_of_key(w, key);
    bump_slot(w, hash);
    if (index_find(w, hash, key, &at, &location, &item) && item.version >= version)
        return false;
    return remove_found(w, hash, key, soft);
}

void writer_peek(const struct writer *w, struct bytes key, uint64_t now_ns,
                 struct read_result *out)
{
    reader_peek(&w->view, key, now_ns, out);
}

bool writer_remove_unless(struct writer *w, struct bytes key, uint64_t fingerprint,
                          uint64_t now_ns)
{
    struct place at;
    uint64_t location;
    struct item_view item;

    tick(w, now_ns);
    if (key.size_bytes == 0 || key.size_bytes > KEY_BYTES_MAX)
        return false;
    uint64_t hash = hash_of_key(w, key);
    bump_slot(w, hash);
    if (index_find(w, hash, key, &at, &location, &item) &&
        !(item.flags & (ITEM_NEGATIVE | ITEM_UNSURE)) && !removal_hard(w, &item) &&
        !removal_soft(w, &item) && !removal_expired(w, &item) &&
        value_fingerprint(item_value(w, &item)) == fingerprint)
        return true;
    remove_found(w, hash, key, false);
    return false;
}

uint64_t value_fingerprint(struct bytes value)
{
    return XXH3_64bits(value.data, value.size_bytes);
}

/* The number of a new bulk removal; no token given so far reaches it. */
static uint64_t next_bulk(struct writer *w)
{
    store(&w->header->bulk, w->header->bulk + 1);
    return w->header->bulk;
}

static void remove_slot(struct writer *w, uint16_t slot, bool soft)
{
    uint64_t bulk = next_bulk(w);

    store(soft ? &w->tags[slot].soft : &w->tags[slot].hard, bulk);
}

void writer_remove_tag(struct writer *w, struct bytes tag, bool soft)
{
    remove_slot(w, tag_slot(w->view.secret, tag, DOMAIN_TAG), soft);
}

static void remove_space(struct writer *w, uint32_t space, bool soft)
{
    uint64_t bulk = next_bulk(w);

    store(soft ? &w->namespaces[space].soft : &w->namespaces[space].hard, bulk);
}

int writer_remove_prefix(struct writer *w, struct bytes prefix, bool soft)
{
    if (prefix.size_bytes == 0 || prefix.size_bytes > KEY_BYTES_MAX)
        return ACCORD_E_INVALID;
    uint32_t space = namespace_of(&w->view, prefix);
    if (prefix.size_bytes == namespace_prefix_bytes(w, space)) {
        remove_space(w, space, soft); /* "users:" is all of users */
        return ACCORD_OK;
    }
    uint8_t delimiter = delimiter_of(w, space);
    if (delimiter == 0 || prefix.data[prefix.size_bytes - 1] != delimiter)
        return ACCORD_E_INVALID;
    remove_slot(w, tag_slot(w->view.secret, prefix, DOMAIN_PREFIX), soft);
    return ACCORD_OK;
}

static bool is_default(struct bytes name)
{
    return name.size_bytes == 0 || bytes_equal(name, bytes_of("default", 7));
}

int writer_remove_namespace(struct writer *w, struct bytes name, bool soft)
{
    for (uint32_t i = 1; i < w->view.namespace_count; i++)
        if (namespace_is(w->namespaces + i, name)) {
            remove_space(w, i, soft);
            return ACCORD_OK;
        }
    if (!is_default(name))
        return ACCORD_E_ABSENT;
    remove_space(w, 0, soft);
    return ACCORD_OK;
}

void writer_clear(struct writer *w, bool soft)
{
    uint64_t bulk = next_bulk(w);

    if (soft) {
        store(&w->header->generation_soft, bulk);
        return;
    }
    store(&w->header->generation_hard, bulk);
    arena_close_all(w);
    w->clear_order = w->order;
    w->counts.items = 0;
    w->counts.item_bytes = 0;
}

/* ---- expiry ---- */

int writer_expire(struct writer *w, struct bytes key, uint64_t ttl_ns, uint64_t grace_ns,
                  uint64_t now_ns)
{
    struct place at;
    uint64_t location;
    struct item_view item;

    tick(w, now_ns);
    if (ttl_ns == 0)
        return ACCORD_E_INVALID;
    if (key.size_bytes == 0 || key.size_bytes > KEY_BYTES_MAX)
        return ACCORD_E_ABSENT;
    uint64_t hash = hash_of_key(w, key), now_ms = w->now_ns / NS_PER_MS;
    if (!index_find(w, hash, key, &at, &location, &item) || removal_hard(w, &item) ||
        removal_expired(w, &item))
        return ACCORD_E_ABSENT;
    /* With another ttl it may need 16 bytes more, so it is a new item. Making room for that may
     * move the old one, or drop it. */
    enum evict_chain chain = arena_chain_of(w, location);
    uint64_t bytes = u64_min(item.end_offset - location + 24, arena_item_bytes_max(w));
    arena_reserve(w, chain, bytes);
    if (!index_find(w, hash, key, &at, &location, &item))
        return ACCORD_E_ABSENT;
    struct item_fields f = arena_fields(w, &item);
    f.birth_ms = u64_max(f.birth_ms, u64_sub_sat(now_ms, BACKDATED_MS_MAX));
    f.ttl_ms = ttl_ns == UINT64_MAX
                   ? UINT64_MAX
                   : u64_add_sat(now_ms - f.birth_ms, u64_max(1, ms_of(ttl_ns)));
    f.grace_ms = f.ttl_ms == UINT64_MAX ? 0 : ms_of(grace_ns);
    if (encode_bytes(w, &f) > bytes) {
        unlink_item(w, at, location, &item); /* it fills its block: no room for a ttl */
        return ACCORD_E_ABSENT;
    }
    uint64_t copy = arena_append(w, chain, &f);
    index_replace(w, at, hash, copy, index_hits(w, at));
    arena_died(w, location, &item);
    return ACCORD_OK;
}

/* ---- the lease, the position, the clock ---- */

void writer_set_lease(struct writer *w, uint64_t deadline_ns, uint64_t asked_ns)
{
    uint64_t clock = w->header->deadline_ns & DEADLINE_FALLBACK;

    ASSERT((deadline_ns & DEADLINE_FALLBACK) == 0);
    store(&w->header->asked_ns, asked_ns);
    store(&w->header->deadline_ns, deadline_ns | clock);
}

void writer_new_epoch(struct writer *w)
{
    store(&w->header->epoch, w->header->epoch + 1);
}

void writer_set_position(struct writer *w, uint64_t position)
{
    store(&w->header->position, position);
}

void writer_set_log(struct writer *w, struct id128 log, uint64_t epoch)
{
    store(&w->header->log_epoch, epoch);
    store(&w->header->log_high, log.high);
    store(&w->header->log_low, log.low);
}

/* The deadline says which clock it is of, so one load gives a reader both: it can never compare
 * a deadline of one clock with the time of the other. */
void writer_set_clock(struct writer *w, const struct segment_clock_settings *clock)
{
    ASSERT(clock->clock == CLOCK_CLASS_BOOTTIME);
    ASSERT((w->header->deadline_ns & DEADLINE_FALLBACK) == 0);
    writer_set_lease(w, 0, 0);
    store(&w->header->fallback_base, clock->ns_base);
    store(&w->header->deadline_ns, DEADLINE_FALLBACK);
}

void writer_count(const struct writer *w, struct writer_counts *out)
{
    *out = w->counts;
    out->index_bytes = (uint64_t)w->index_blocks << w->view.block_shift;
    out->used_bytes = (uint64_t)(w->view.block_count - w->free_count) << w->view.block_shift;
}

size_t writer_block_bytes(const struct writer *w)
{
    return block_bytes(w);
}
