/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* stanza.c - a message of the room: out of libstrophe's XML, and as text to be sent. */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>
#include <zlib.h>

#include "bus/xmpp/link.h"

#include "net/time.h"

enum {
    TEXT_BYTES_MAX = 1 << 20, /* of what a person typed, to be looked at */
    STAMP_SLACK_MS = 1000,    /* archives' times are whole seconds */
};

void xmpp_heard_done(struct xmpp_heard *h)
{
    free(h->data);
    h->data = NULL;
}

bool xmpp_escape(const char *text, char *out, size_t out_bytes)
{
    size_t used = 0;

    for (; *text; text++) {
        const char *with = *text == '&'    ? "&amp;"
                           : *text == '<'  ? "&lt;"
                           : *text == '>'  ? "&gt;"
                           : *text == '\'' ? "&apos;"
                           : *text == '"'  ? "&quot;"
                                           : NULL;
        size_t length = with ? strlen(with) : 1;

        if (used + length >= out_bytes)
            return false;
        memcpy(out + used, with ? with : text, length);
        used += length;
    }
    out[used] = '\0';
    return true;
}

/* ---- read ---------------------------------------------------------------------------------
 */

/* As we write it: base64 of a zlib stream, that holds at most one part's records. False: torn.
 */
static bool decode(const char *text, struct xmpp_heard *h)
{
    size_t length = strlen(text);
    size_t padding = length > 0 && text[length - 1] == '=';
    uLongf records = XMPP_PART_BYTES_MAX;

    padding += length > 1 && text[length - 2] == '=';
    if (length == 0 || length % 4 != 0 || length > 2 * XMPP_PART_BYTES_MAX)
        return false;
    uint8_t *packed = malloc(length / 4 * 3 + 1);
    h->data = malloc(records);
    int bytes =
        packed && h->data ? EVP_DecodeBlock(packed, (const uint8_t *)text, (int)length) : -1;
    bool good =
        bytes >= 0 && uncompress(h->data, &records, packed, (uLong)bytes - padding) == Z_OK;
    free(packed);
    h->data_bytes = good ? records : 0;
    if (!good)
        xmpp_heard_done(h);
    return good;
}

static void read_beside(const struct xmpp_link *l, xmpp_stanza_t *x, struct xmpp_heard *h)
{
    char *text = xmpp_stanza_get_text(x);

    h->has_beside = xmpp_beside_parse(xmpp_stanza_get_attribute(x, "log"),
                                      xmpp_stanza_get_attribute(x, "at"),
                                      xmpp_stanza_get_attribute(x, "state"),
                                      xmpp_stanza_get_attribute(x, "batch"), &h->beside);
    if (h->has_beside)
        h->beside.voice = xmpp_voice_parse(xmpp_stanza_get_attribute(x, "voice"));
    if (h->has_beside && !h->beside.begin)
        h->has_beside = text && decode(text, h);
    h->torn = !h->has_beside;
    if (text)
        xmpp_free(l->xmpp, text);
}

static void read_text(const struct xmpp_link *l, xmpp_stanza_t *body, struct xmpp_heard *h)
{
    char *text = xmpp_stanza_get_text(body);

    if (text && strlen(text) <= TEXT_BYTES_MAX) {
        h->data = (uint8_t *)strdup(text);
        h->data_bytes = strlen(text);
        h->text = h->data != NULL;
    }
    if (text)
        xmpp_free(l->xmpp, text);
}

static bool is(xmpp_stanza_t *x, const char *name, const char *ns)
{
    const char *its_name = xmpp_stanza_get_name(x), *its_ns = xmpp_stanza_get_ns(x);

    return its_name && strcmp(its_name, name) == 0 &&
           (!ns || (its_ns && strcmp(its_ns, ns) == 0));
}

static void read_archive_id(const struct xmpp_link *l, xmpp_stanza_t *x, struct xmpp_heard *h)
{
    const char *by = xmpp_stanza_get_attribute(x, "by");
    const char *id = xmpp_stanza_get_id(x);

    if (by && id && strcasecmp(by, l->place->room) == 0 && xmpp_aid_is_valid(id))
        snprintf(h->aid, sizeof h->aid, "%s", id);
}

static void read_children(const struct xmpp_link *l, xmpp_stanza_t *message,
                          struct xmpp_heard *h)
{
    xmpp_stanza_t *body = NULL, *ours = NULL;

    for (xmpp_stanza_t *x = xmpp_stanza_get_children(message); x; x = xmpp_stanza_get_next(x)) {
        if (is(x, "body", NULL))
            body = x;
        else if (is(x, "accord", XMPP_BESIDE_NS))
            ours = x;
        else if (is(x, "stanza-id", "urn:xmpp:sid:0"))
            read_archive_id(l, x, h);
    }
    if (ours)
        read_beside(l, ours, h);
    else if (body)
        read_text(l, body, h);
}

/* "2026-11-28T12:00:00Z", with or without a fraction, as Unix time in ms; 0: none. */
static uint64_t stamp_ms(const char *text)
{
    struct tm t = {0};

    if (!text || !strptime(text, "%Y-%m-%dT%H:%M:%S", &t))
        return 0;
    return (uint64_t)timegm(&t) * 1000 + STAMP_SLACK_MS;
}

/* What the room's archive has: the message lies within. */
static xmpp_stanza_t *forwarded(xmpp_stanza_t *result, struct xmpp_heard *h)
{
    xmpp_stanza_t *f = xmpp_stanza_get_child_by_name(result, "forwarded");
    xmpp_stanza_t *delay = f ? xmpp_stanza_get_child_by_name(f, "delay") : NULL;

    h->came_ms = delay ? stamp_ms(xmpp_stanza_get_attribute(delay, "stamp")) : 0;
    return f ? xmpp_stanza_get_child_by_name(f, "message") : NULL;
}

bool xmpp_heard_read(const struct xmpp_link *l, xmpp_stanza_t *message, struct xmpp_heard *out)
{
    xmpp_stanza_t *result = xmpp_stanza_get_child_by_name(message, "result");
    const char *archive = result ? xmpp_stanza_get_id(result) : NULL;

    memset(out, 0, sizeof *out);
    if (result)
        message = forwarded(result, out);
    else
        out->came_ms = time_wall_ms();
    if (!message || (result && (!archive || !xmpp_aid_is_valid(archive))))
        return false;
    const char *id = xmpp_stanza_get_id(message);
    snprintf(out->id, sizeof out->id, "%s", id ? id : "");
    read_children(l, message, out);
    if (result)
        snprintf(out->aid, sizeof out->aid, "%s", archive);
    return true;
}

/* ---- write --------------------------------------------------------------------------------
 */

struct buffer {
    char *data;
    size_t used;
};

static void put(struct buffer *b, const char *text)
{
    size_t length = strlen(text);

    memcpy(b->data + b->used, text, length + 1);
    b->used += length;
}

static void put_body(struct buffer *b, const char *body)
{
    if (!body[0])
        return;
    put(b, "<body>");
    bool fits = xmpp_escape(body, b->data + b->used, 6 * strlen(body) + 1);
    ASSERT(fits);
    b->used += strlen(b->data + b->used);
    put(b, "</body>");
}

/* Records as text. False: out of memory. */
static bool put_records(struct buffer *b, struct bytes records)
{
    uLongf bytes = compressBound(records.size_bytes);
    uint8_t *packed = malloc(bytes);

    if (packed && compress2(packed, &bytes, records.data, records.size_bytes, 1) == Z_OK)
        b->used += (size_t)EVP_EncodeBlock((uint8_t *)b->data + b->used, packed, (int)bytes);
    bool good = packed != NULL;
    free(packed);
    return good;
}

char *xmpp_message_write(const struct xmpp_link *l, const char *id,
                         const struct xmpp_beside *beside, const char *body, bool archived,
                         struct bytes records, size_t *bytes)
{
    char head[XMPP_BESIDE_BYTES_MAX];
    struct buffer b = {.data = malloc(2048 + XMPP_BESIDE_BYTES_MAX + 6 * strlen(body) +
                                      compressBound(records.size_bytes) / 3 * 4 + 8)};

    if (!b.data)
        return NULL;
    put(&b, "<message type='groupchat' to='");
    put(&b, l->place->room);
    put(&b, "' id='");
    put(&b, id);
    put(&b, "'>");
    put_body(&b, body);
    xmpp_beside_print(beside, head);
    put(&b, head);
    put(&b, ">");
    if (records.size_bytes > 0 && !put_records(&b, records)) {
        free(b.data);
        return NULL;
    }
    put(&b, "</accord>");
    if (archived && !body[0])
        put(&b, "<store xmlns='urn:xmpp:hints'/>");
    if (!archived)
        put(&b, "<no-store xmlns='urn:xmpp:hints'/>");
    put(&b, "</message>");
    *bytes = b.used;
    return b.data;
}
