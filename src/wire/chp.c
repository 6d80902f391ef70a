/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "wire/chp.h"

#include "base/limits.h"

/* A ttl beyond this is for ever: the clocks of some clients end there. */
enum { TTL_SECONDS_MAX = INT32_MAX, MS_PER_S = 1000 };

static int refuse(const char **why, int status, const char *text)
{
    *why = text;
    return status;
}

/* ---- properties ----------------------------------------------------------------------- */

/* Takes the first line off *left. False: none is left, or it is no property; *left is then not
 * empty where it was none. */
static bool next_property(struct bytes *left, struct bytes *name, struct bytes *value)
{
    if (left->size_bytes == 0)
        return false;
    const uint8_t *end = memchr(left->data, '\n', left->size_bytes);
    if (!end)
        return false;
    size_t line = (size_t)(end - left->data);
    const uint8_t *equals = memchr(left->data, '=', line);
    if (!equals || equals == left->data)
        return false;
    size_t named = (size_t)(equals - left->data);
    *name = bytes_of(left->data, named);
    *value = bytes_of(equals + 1, line - named - 1);
    *left = bytes_of(end + 1, left->size_bytes - line - 1);
    return true;
}

static bool are_properties(struct bytes text)
{
    struct bytes name, value;

    while (next_property(&text, &name, &value))
        ;
    return text.size_bytes == 0;
}

bool chp_property(struct bytes properties, const char *name, struct bytes *value)
{
    struct bytes wanted = bytes_of_text(name), found, text;

    while (next_property(&properties, &found, &text)) {
        if (bytes_equal(found, wanted)) {
            *value = text;
            return true;
        }
    }
    return false;
}

size_t chp_without_ttl(struct bytes properties, uint8_t *out)
{
    struct bytes name, value, ttl = bytes_of_text("ttl");
    size_t written = 0;

    for (const uint8_t *line = properties.data; next_property(&properties, &name, &value);
         line = properties.data) {
        size_t bytes = name.size_bytes + value.size_bytes + 2;
        if (bytes_equal(name, ttl))
            continue;
        memcpy(out + written, line, bytes);
        written += bytes;
    }
    return written;
}

/* ---- ttl ------------------------------------------------------------------------------ */

/* Takes the digits off *text. More than fit count as TTL_SECONDS_MAX. */
static uint64_t take_digits(struct bytes *text, size_t *count)
{
    uint64_t n = 0;

    for (*count = 0; text->size_bytes > 0 && text->data[0] >= '0' && text->data[0] <= '9';
         (*count)++) {
        n = u64_min(n * 10 + (uint64_t)(text->data[0] - '0'), TTL_SECONDS_MAX);
        *text = bytes_of(text->data + 1, text->size_bytes - 1);
    }
    return n;
}

/* What follows the point, in thousandths, rounded up: a ttl is never 0 by rounding. */
static uint64_t take_fraction(struct bytes *text, size_t *count)
{
    uint64_t ms = 0, unit = MS_PER_S / 10;
    bool more = false;

    for (*count = 0; text->size_bytes > 0 && text->data[0] >= '0' && text->data[0] <= '9';
         (*count)++) {
        uint64_t digit = (uint64_t)(text->data[0] - '0');
        ms += digit * unit;
        more = more || (unit == 0 && digit > 0);
        unit /= 10;
        *text = bytes_of(text->data + 1, text->size_bytes - 1);
    }
    return ms + more;
}

int chp_ttl_ms(struct bytes properties, uint64_t *ttl_ms)
{
    struct bytes text;
    size_t whole = 0, part = 0;
    uint64_t ms;

    if (!chp_property(properties, "ttl", &text)) {
        *ttl_ms = UINT64_MAX;
        return ACCORD_OK;
    }
    uint64_t seconds = take_digits(&text, &whole);
    ms = seconds * MS_PER_S;
    if (text.size_bytes > 0 && text.data[0] == '.') {
        text = bytes_of(text.data + 1, text.size_bytes - 1);
        ms += take_fraction(&text, &part);
    }
    if (text.size_bytes > 0 || whole + part == 0)
        return ACCORD_E_FORMAT;
    *ttl_ms = ms == 0 || seconds >= TTL_SECONDS_MAX ? UINT64_MAX : ms;
    return ACCORD_OK;
}

size_t chp_ttl_print(uint64_t ttl_ms, char text[CHP_TTL_BYTES_MAX])
{
    char digits[20];
    size_t count = 0, used = 4;

    if (ttl_ms == UINT64_MAX)
        return 0;
    uint64_t seconds = ttl_ms / MS_PER_S + (ttl_ms % MS_PER_S > 0);
    seconds = u64_max(1, u64_min(seconds, TTL_SECONDS_MAX));
    memcpy(text, "ttl=", used);
    for (; seconds > 0; seconds /= 10)
        digits[count++] = (char)('0' + seconds % 10);
    while (count > 0)
        text[used++] = digits[--count];
    text[used++] = '\n';
    ASSERT(used <= CHP_TTL_BYTES_MAX);
    return used;
}

/* ---- messages ------------------------------------------------------------------------- */

static uint64_t sequence_of(struct bytes frame)
{
    uint64_t n = 0;

    for (size_t i = 0; i < frame.size_bytes; i++)
        n = n << 8 | frame.data[i];
    return n;
}

int chp_parse(const struct bytes *frames, size_t count, struct chp_message *out,
              const char **why)
{
    return chp_parse_long(frames, count, KEY_BYTES_MAX, out, why);
}

int chp_parse_long(const struct bytes *frames, size_t count, size_t key_bytes_max,
                   struct chp_message *out, const char **why)
{
    if (count != CHP_FRAMES)
        return refuse(why, ACCORD_E_FORMAT, "a message has five frames");
    if (frames[0].size_bytes == 0)
        return refuse(why, ACCORD_E_FORMAT, "the key is empty");
    if (frames[0].size_bytes > key_bytes_max)
        return refuse(why, ACCORD_E_SIZE,
                      key_bytes_max == KEY_BYTES_MAX ? "the key is longer than 8192 bytes"
                                                     : "the key is too long");
    if (frames[1].size_bytes != 0 && frames[1].size_bytes != CHP_SEQUENCE_BYTES)
        return refuse(why, ACCORD_E_FORMAT, "the sequence has not 8 bytes");
    if (frames[2].size_bytes != 0 && frames[2].size_bytes != CHP_UUID_BYTES)
        return refuse(why, ACCORD_E_FORMAT, "the uuid has not 16 bytes");
    if (frames[3].size_bytes > CHP_PROPERTIES_BYTES_MAX)
        return refuse(why, ACCORD_E_SIZE, "the properties are longer than 1024 bytes");
    if (!are_properties(frames[3]))
        return refuse(why, ACCORD_E_FORMAT, "the properties are not lines of name=value");
    *out = (struct chp_message){.key = frames[0],
                                .sequence = sequence_of(frames[1]),
                                .uuid = frames[2],
                                .properties = frames[3],
                                .value = frames[4]};
    return ACCORD_OK;
}

int chp_parse_question(const struct bytes *frames, size_t count, struct bytes *subtree,
                       const char **why)
{
    if (count < 1 || !bytes_equal(frames[0], bytes_of_text(CHP_ICANHAZ)))
        return refuse(why, ACCORD_E_FORMAT, "only ICANHAZ? is answered here");
    if (count != 2)
        return refuse(why, ACCORD_E_FORMAT,
                      "ICANHAZ? comes with one more frame, the subtree (empty: all)");
    if (frames[1].size_bytes > KEY_BYTES_MAX)
        return refuse(why, ACCORD_E_SIZE, "the subtree is longer than 8192 bytes");
    if (!chp_is_subtree(frames[1]))
        return refuse(why, ACCORD_E_FORMAT,
                      "a subtree is empty, or begins and ends with a slash");
    *subtree = frames[1];
    return ACCORD_OK;
}

void chp_frames(const struct chp_message *m, uint8_t sequence[CHP_SEQUENCE_BYTES],
                struct bytes frames[CHP_FRAMES])
{
    ASSERT(m->uuid.size_bytes == 0 || m->uuid.size_bytes == CHP_UUID_BYTES);
    for (unsigned i = 0; i < CHP_SEQUENCE_BYTES; i++)
        sequence[i] = (uint8_t)(m->sequence >> (56 - 8 * i));
    frames[0] = m->key;
    frames[1] = bytes_of(sequence, CHP_SEQUENCE_BYTES);
    frames[2] = m->uuid;
    frames[3] = m->properties;
    frames[4] = m->value;
}

bool chp_is_subtree(struct bytes text)
{
    return text.size_bytes == 0 ||
           (text.data[0] == '/' && text.data[text.size_bytes - 1] == '/');
}

bool chp_is_below(struct bytes subtree, struct bytes key)
{
    return key.size_bytes >= subtree.size_bytes &&
           (subtree.size_bytes == 0 || memcmp(subtree.data, key.data, subtree.size_bytes) == 0);
}

bool chp_is_reserved(struct bytes key)
{
    return bytes_equal(key, bytes_of_text(CHP_KTHXBAI)) ||
           bytes_equal(key, bytes_of_text(CHP_HUGZ));
}
