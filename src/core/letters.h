/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* letters.h - questions to one node, or to every node, and their answers (wire/letter.h).
 *
 * Who asks says its question in a beat, and again after 250 ms, twice that, and so on, each
 * time with jitter, until it is answered or the caller's time is over. Answers are matched by
 * the id and told apart by incarnation; a second one of the same incarnation is counted,
 * nothing else. A question to ourselves is answered by its own way through the log.
 *
 * Who is asked does what is asked once, remembers its answer, and says the same again when it
 * is asked again. It answers only what it can tell to be no older than the asker's patience, by
 * its own clock: what lies in the log behind an own beat was said after that beat was made. So
 * what lay there while a node was away, stopped, or not yet there, is not answered; the next
 * time that it is asked, it is. (No node can tell more sharply than its beats are apart, so a
 * patience of less than 2 × max_stale counts as that.)
 *
 * Nothing of the cache rests on a letter. The struct is a part of the core (inside.h), and
 * letters.c one of its files.
 */
#ifndef ACCORD_CORE_LETTERS_H
#define ACCORD_CORE_LETTERS_H

#include "core/core.h"
#include "wire/letter.h"

enum letter_state {
    LETTER_NONE,
    LETTER_WAITS, /* it is to be said in a beat, as soon as there is one */
    LETTER_SAID,
    LETTER_ENDED /* of ours: replied to in this step; its answers are there until the next */
};

/* A question of ours. */
struct letter_sent {
    enum letter_state state;
    uint64_t id, client, request;
    char to[NODE_NAME_BYTES_MAX + 1];
    char kind[LETTER_KIND_BYTES_MAX + 1];
    uint64_t wait_ms, ends_ns;
    uint64_t first_ns; /* when it was said first; 0: not yet */
    uint64_t again_ns, pause_ns;
    uint64_t times;           /* said */
    uint64_t position, epoch; /* where it came back in the log; 0: not yet */
    size_t answers;
    bool heard; /* an answer came since it was last looked at */
};

struct letter_answer {
    uint64_t to; /* the question's id; 0: unused */
    struct id128 incarnation;
    char name[NODE_NAME_BYTES_MAX + 1];
    char body[LETTER_BODY_BYTES_MAX + 1];
    enum letter_verdict verdict;
    uint64_t round_trip_ns, asked;
    uint64_t applied, epoch; /* as the beat says that bore it */
};

/* Of another node, or of a person (incarnation: none). */
struct letter_taken {
    enum letter_state state;
    uint64_t id;
    struct id128 incarnation;
    char kind[LETTER_KIND_BYTES_MAX + 1];
    bool done; /* answer[] is what it was answered with, and always will be */
    char answer[LETTER_TEXT_BYTES_MAX];
};

struct letters {
    struct letter_sent sent[LETTERS_MAX];
    struct letter_taken taken[LETTERS_TAKEN_MAX]; /* a ring */
    uint64_t taken_count;
    bool answered_last; /* a beat told an answer last: a question comes next */
    size_t answers_used;
    struct letter_answer answers[LETTER_ANSWERS_MAX];
    char word[LETTER_TEXT_BYTES_MAX]; /* of the beat on its way */
};

#endif
