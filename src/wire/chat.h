/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* chat.h - what a line of text in a chat room means, and how a change reads there.
 *
 * For people. A plain line is the id of a resource: its key goes, and every item tagged with
 * it, so that all cached versions go. Other operations begin with a slash:
 *
 *     greeble:43          the key greeble:43, and all that is tagged greeble:43
 *     /remove greeble:43  the key alone          /tag red        all that is tagged red
 *     /prefix greeble:    all keys under it      /namespace shop all of a namespace
 *     /clear              everything             //etc/hosts     the id "/etc/hosts"
 *
 * What no keyboard has is written in quotes, after a word: /remove "a\nb\x00\"\\". Each line of
 * a text counts for itself. What is not understood means nothing, so it does no harm: words
 * that nobody knows, what is too long to be a key, quotes that do not end.
 *
 * Pure. Texts are hostile bytes.
 */
#ifndef ACCORD_WIRE_CHAT_H
#define ACCORD_WIRE_CHAT_H

#include "wire/change.h"

enum {
    CHAT_CHANGES_MAX = 256,      /* what one text means at most; later lines mean nothing */
    CHAT_BODY_BYTES_MAX = 16384, /* of a text that is written here, with its end */
};

/* The changes that a text means, in its order: op and key only. Keys lie within `text`, which
 * is written over where it has quotes. Returns how many. */
size_t chat_parse(uint8_t *text, size_t size_bytes, struct change out[CHAT_CHANGES_MAX]);

/* Whether it may stand in XML as it is: UTF-8 without controls. */
bool chat_is_text(struct bytes b);

/* Writes what removes at least the same as these changes, a line for each that removes: what
 * does not fit is counted in a last line, which means nothing. Returns the length without its
 * end; 0: there is nothing to say (joins, beats, leaves). */
size_t chat_print(const struct change *changes, size_t count, char out[CHAT_BODY_BYTES_MAX]);

#endif
