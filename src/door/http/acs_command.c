/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* acs_command.c - the commands of OpenACS that flush caches, as removals.
 *
 * util_memoize is the cache whose keys are scripts: its key is the key here. Of every other
 * cache the key is "CACHE:KEY", so that a namespace of its name, where one is declared, is that
 * cache. What cannot be said so finely (patterns, regular expressions, a whole cache) is a
 * removal of the whole namespace: more than was meant, never less.
 */
#include "door/http/acs.h"
#include "wire/tcl.h"

struct words {
    struct bytes list[ACS_WORDS_MAX];
    size_t count, at;
    uint8_t *room; /* for names that have to be put together */
    struct acs_removal *out;
    size_t out_count;
};

static bool is(struct bytes word, const char *text)
{
    return bytes_equal(word, bytes_of_text(text));
}

static bool begins(struct bytes word, const char *text)
{
    size_t n = strlen(text);

    return word.size_bytes >= n && memcmp(word.data, text, n) == 0;
}

/* "::acs::x" is "x", and so is "acs::x". */
static struct bytes tail(struct bytes name)
{
    for (size_t i = name.size_bytes; i >= 2; i--)
        if (name.data[i - 1] == ':' && name.data[i - 2] == ':')
            return bytes_of(name.data + i, name.size_bytes - i);
    return name;
}

static void add(struct words *w, struct acs_removal removal)
{
    if (removal.name.size_bytes > 0 && w->out_count < ACS_WORDS_MAX)
        w->out[w->out_count++] = removal;
}

static void add_cache(struct words *w, struct bytes cache)
{
    bool memoize = is(cache, "util_memoize");

    add(w, (struct acs_removal){REQUEST_CLEAR, memoize ? bytes_of_text("default") : cache,
                                !memoize});
}

static void add_key(struct words *w, struct bytes cache, struct bytes key)
{
    if (is(cache, "util_memoize")) {
        add(w, (struct acs_removal){REQUEST_REMOVE, key, false});
        return;
    }
    uint8_t *name = w->room;
    memcpy(name, cache.data, cache.size_bytes);
    name[cache.size_bytes] = ':';
    if (key.size_bytes > 0)
        memcpy(name + cache.size_bytes + 1, key.data, key.size_bytes);
    size_t bytes = cache.size_bytes + 1 + key.size_bytes;
    w->room += bytes;
    add(w, (struct acs_removal){REQUEST_REMOVE, bytes_of(name, bytes), false});
}

/* ns_cache_flush ?-glob? ?--? CACHE ?KEY…?, and ns_cache flush with the same words. */
static enum acs_sense flush(struct words *w)
{
    bool glob = false;

    while (w->at < w->count && begins(w->list[w->at], "-")) {
        struct bytes option = w->list[w->at++];
        if (is(option, "--"))
            break;
        if (!is(option, "-glob"))
            return ACS_NO_FLUSH;
        glob = true;
    }
    if (w->at == w->count || w->list[w->at].size_bytes == 0)
        return ACS_NO_FLUSH;
    struct bytes cache = w->list[w->at++];
    if (glob || w->at == w->count) {
        add_cache(w, cache);
        return ACS_FLUSH;
    }
    while (w->at < w->count)
        add_key(w, cache, w->list[w->at++]);
    return ACS_FLUSH;
}

/* A cache object, ::NAME flush ?-partition_key P? KEY; other words that begin so flush it all.
 */
static enum acs_sense flush_object(struct words *w)
{
    struct bytes cache = tail(w->list[0]);

    if (w->count < 2 || cache.size_bytes == 0 || !begins(w->list[0], "::") ||
        !begins(w->list[1], "flush"))
        return ACS_NO_FLUSH;
    w->at = 2;
    if (w->at + 1 < w->count && is(w->list[w->at], "-partition_key"))
        w->at += 2;
    if (is(w->list[1], "flush") && w->at + 1 == w->count)
        add_key(w, cache, w->list[w->at]);
    else
        add_cache(w, cache);
    return ACS_FLUSH;
}

static enum acs_sense flush_pattern(struct words *w)
{
    if (w->count != 3)
        return ACS_NO_FLUSH;
    add_cache(w, w->list[1]);
    return ACS_FLUSH;
}

static enum acs_sense understand(struct words *w)
{
    struct bytes name = w->list[0];

    if (begins(name, "::"))
        name = bytes_of(name.data + 2, name.size_bytes - 2);
    w->at = 1;
    if (is(name, "ns_cache_flush"))
        return flush(w);
    if (is(name, "ns_cache")) {
        w->at = 2;
        return w->count >= 2 && is(w->list[1], "flush") ? flush(w) : ACS_NO_FLUSH;
    }
    if (is(name, "util_memoize_flush_regexp_local")) {
        add_cache(w, bytes_of_text("util_memoize"));
        return ACS_FLUSH;
    }
    if (is(name, "acs::cache_flush_pattern") ||
        (is(name, "acs::cache_flush_all") && w->count > 1))
        return flush_pattern(w);
    if (is(name, "acs::cache_flush_all")) {
        add(w, (struct acs_removal){REQUEST_CLEAR, bytes_of_text("*"), false});
        return ACS_FLUSH;
    }
    return flush_object(w);
}

enum acs_sense acs_understand(struct bytes command, uint8_t *room,
                              struct acs_removal removals[ACS_WORDS_MAX], size_t *count_out)
{
    struct words w = {.room = room + command.size_bytes, .out = removals};
    int status = tcl_split(command, w.list, ACS_WORDS_MAX, room, &w.count);

    *count_out = 0;
    if (status != ACCORD_OK)
        return status == ACCORD_E_FULL ? ACS_TOO_MANY : ACS_NO_LIST;
    enum acs_sense sense = w.count > 0 ? understand(&w) : ACS_NO_FLUSH;
    *count_out = sense == ACS_FLUSH ? w.out_count : 0;
    return sense;
}
