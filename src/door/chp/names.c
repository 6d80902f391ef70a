/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "door/chp/names.h"

#include "wire/chp.h"

static bool is_declared(const struct namespace_settings *namespaces, size_t count,
                        struct bytes name)
{
    for (size_t i = 1; i < count; i++) { /* [0] is "default", which is no part of a key */
        if (bytes_equal(name, bytes_of_text(namespaces[i].name)))
            return true;
    }
    return false;
}

/* How long the declared namespace at text[from] is, up to `end`. 0: there is none. */
static size_t declared(const struct namespace_settings *namespaces, size_t count,
                       struct bytes text, size_t from, char end)
{
    if (text.size_bytes <= from)
        return 0;
    const uint8_t *stop = memchr(text.data + from, end, text.size_bytes - from);
    size_t bytes = stop ? (size_t)(stop - text.data) - from : 0;
    return bytes > 0 && is_declared(namespaces, count, bytes_of(text.data + from, bytes))
               ? bytes
               : 0;
}

static bool is_taken(struct bytes name)
{
    return chp_is_reserved(name) || chp_is_below(bytes_of_text(CHP_BUS_TREE), name);
}

static size_t namespace_in_name(const struct namespace_settings *namespaces, size_t count,
                                struct bytes name)
{
    return name.size_bytes > 0 && name.data[0] == '/'
               ? declared(namespaces, count, name, 1, '/')
               : 0;
}

bool chp_name_of(const struct namespace_settings *namespaces, size_t count, struct bytes key,
                 uint8_t room[CHP_NAME_BYTES_MAX], struct bytes *name)
{
    size_t bytes = declared(namespaces, count, key, 0, ':');

    if (bytes == 0) {
        if (is_taken(key) || namespace_in_name(namespaces, count, key) > 0)
            return false;
        *name = key;
        return true;
    }
    ASSERT(key.size_bytes <= KEY_BYTES_MAX);
    room[0] = '/';
    memcpy(room + 1, key.data, key.size_bytes);
    room[1 + bytes] = '/';
    *name = bytes_of(room, key.size_bytes + 1);
    return !is_taken(*name);
}

bool chp_key_of(const struct namespace_settings *namespaces, size_t count, struct bytes name,
                uint8_t room[KEY_BYTES_MAX], struct bytes *key, const char **why)
{
    size_t bytes = namespace_in_name(namespaces, count, name);

    if (chp_is_reserved(name)) {
        *why = "HUGZ and KTHXBAI are words of the protocol, and no keys";
        return false;
    }
    if (is_taken(name)) {
        *why = "what is below /accord/ is the bus's, and no key";
        return false;
    }
    if (bytes > 0) {
        ASSERT(name.size_bytes - 1 <= KEY_BYTES_MAX);
        memcpy(room, name.data + 1, name.size_bytes - 1);
        room[bytes] = ':';
        *key = bytes_of(room, name.size_bytes - 1);
        return true;
    }
    if (declared(namespaces, count, name, 0, ':') > 0) {
        *why = "a key of a namespace is called /namespace/key here";
        return false;
    }
    *key = name;
    return true;
}
