/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "wire/letter.h"

#include "wire/words.h"

static const struct bytes types[] = {
    [LETTER_ASK] = {(const uint8_t *)"ask ", 4},
    [LETTER_ANSWER] = {(const uint8_t *)"answer ", 7},
};

static const char *const verdicts[] = {
    [VERDICT_DONE] = "done", [VERDICT_REFUSED] = "refused", [VERDICT_MOVED] = "moved"};

_Static_assert(4 + WORDS_HALF_DIGITS + 1 + WORDS_NUMBER_DIGITS_MAX + 1 + NODE_NAME_BYTES_MAX +
                       1 + LETTER_KIND_BYTES_MAX + 1 + LETTER_BODY_BYTES_MAX + 1 <=
                   LETTER_TEXT_BYTES_MAX,
               "the longest question fits a signed beat");
_Static_assert(7 + WORDS_HALF_DIGITS + 1 + 7 + 1 + LETTER_BODY_BYTES_MAX + 1 <=
                   LETTER_TEXT_BYTES_MAX,
               "the longest answer does");

const char *letter_verdict_word(enum letter_verdict verdict)
{
    ASSERT((size_t)verdict < COUNT_OF(verdicts));
    return verdicts[verdict];
}

/* ---- writing -------------------------------------------------------------------------------
 */

static char *put_word(char *at, struct bytes word)
{
    *at++ = ' ';
    return words_put(at, word);
}

void letter_print(const struct letter *l, char text[LETTER_TEXT_BYTES_MAX])
{
    ASSERT((size_t)l->type < COUNT_OF(types));
    ASSERT(l->body.size_bytes <= LETTER_BODY_BYTES_MAX);
    char *at = words_put_half(words_put(text, types[l->type]), l->id);
    if (l->type == LETTER_ASK) {
        ASSERT(l->to.size_bytes <= NODE_NAME_BYTES_MAX);
        ASSERT(l->kind.size_bytes <= LETTER_KIND_BYTES_MAX);
        *at++ = ' ';
        at = words_put_number(at, l->wait_ms);
        at = put_word(put_word(at, l->to), l->kind);
    } else {
        at = put_word(at, bytes_of_text(letter_verdict_word(l->verdict)));
    }
    if (l->body.size_bytes > 0)
        at = put_word(at, l->body);
    *at = '\0';
}

/* ---- reading -------------------------------------------------------------------------------
 */

static const struct bytes space = {(const uint8_t *)" ", 1};

static bool take_verdict(struct words *w, enum letter_verdict *out)
{
    struct bytes word;

    if (!words_take_word(w, LETTER_KIND_BYTES_MAX, &word))
        return false;
    for (size_t i = 0; i < COUNT_OF(verdicts); i++)
        if (bytes_equal(word, bytes_of_text(verdicts[i]))) {
            *out = (enum letter_verdict)i;
            return true;
        }
    return false;
}

/* The rest, behind a space; or there is none. */
static bool take_body(struct words *w, struct bytes *out)
{
    if (w->left == 0)
        return true;
    if (!words_take(w, space) || w->left == 0 || w->left > LETTER_BODY_BYTES_MAX)
        return false;
    for (size_t i = 0; i < w->left; i++)
        if (w->at[i] < ' ' || w->at[i] > '~')
            return false;
    *out = bytes_of(w->at, w->left);
    return true;
}

static bool take_ask(struct words *w, struct letter *l)
{
    return words_take(w, space) && words_take_number(w, &l->wait_ms) &&
           l->wait_ms <= LETTER_WAIT_MS_MAX && words_take(w, space) &&
           words_take_word(w, NODE_NAME_BYTES_MAX, &l->to) && words_take(w, space) &&
           words_take_word(w, LETTER_KIND_BYTES_MAX, &l->kind);
}

int letter_parse(struct bytes text, struct letter *out)
{
    struct words rest = {text.data, text.size_bytes};
    struct letter l = {.type = LETTER_ASK};

    if (!words_take(&rest, types[LETTER_ASK])) {
        l.type = LETTER_ANSWER;
        if (!words_take(&rest, types[LETTER_ANSWER]))
            return ACCORD_E_FORMAT;
    }
    bool read =
        words_take_half(&rest, &l.id) &&
        (l.type == LETTER_ASK ? take_ask(&rest, &l)
                              : words_take(&rest, space) && take_verdict(&rest, &l.verdict)) &&
        take_body(&rest, &l.body);
    if (!read)
        return ACCORD_E_FORMAT;
    *out = l;
    return ACCORD_OK;
}
