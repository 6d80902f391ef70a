/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "test.h"
#include "wire/letter.h"

#include <stdlib.h>

static struct bytes filled(char *room, size_t bytes, char with)
{
    memset(room, with, bytes);
    return bytes_of((const uint8_t *)room, bytes);
}

TEST(letter_is_text_that_a_person_can_read)
{
    const struct letter ask = {.type = LETTER_ASK,
                               .id = 0x7f3a09c2d4e5b617,
                               .wait_ms = 5000,
                               .to = bytes_of_text("web2"),
                               .kind = bytes_of_text("ping")};
    const struct letter answer = {.type = LETTER_ANSWER,
                                  .id = 0x7f3a09c2d4e5b617,
                                  .verdict = VERDICT_REFUSED,
                                  .body = bytes_of_text("no such question here")};
    char text[LETTER_TEXT_BYTES_MAX];

    letter_print(&ask, text);
    CHECK(strcmp(text, "ask 7f3a09c2d4e5b617 5000 web2 ping") == 0);
    letter_print(&answer, text);
    CHECK(strcmp(text, "answer 7f3a09c2d4e5b617 refused no such question here") == 0);
}

static void check_same(const struct letter *l)
{
    char text[LETTER_TEXT_BYTES_MAX];
    struct letter out;

    letter_print(l, text);
    CHECK(letter_parse(bytes_of_text(text), &out) == ACCORD_OK);
    CHECK(out.type == l->type && out.id == l->id && out.wait_ms == l->wait_ms);
    CHECK(bytes_equal(out.to, l->to) && bytes_equal(out.kind, l->kind));
    CHECK(out.verdict == l->verdict && bytes_equal(out.body, l->body));
}

TEST(letter_reads_what_it_prints_up_to_the_longest)
{
    static char to[NODE_NAME_BYTES_MAX], kind[LETTER_KIND_BYTES_MAX],
        body[LETTER_BODY_BYTES_MAX];
    static const size_t bodies[] = {0, 1, LETTER_BODY_BYTES_MAX};

    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct bytes said = bytes_of(bodies[i] > 0 ? (const uint8_t *)body : NULL, bodies[i]);
        filled(body, sizeof body, '~');
        check_same(&(struct letter){.type = LETTER_ASK,
                                    .id = UINT64_MAX,
                                    .wait_ms = LETTER_WAIT_MS_MAX,
                                    .to = filled(to, sizeof to, 'n'),
                                    .kind = filled(kind, sizeof kind, 'k'),
                                    .body = said});
        for (int v = VERDICT_DONE; v <= VERDICT_MOVED; v++)
            check_same(&(struct letter){
                .type = LETTER_ANSWER, .verdict = (enum letter_verdict)v, .body = said});
    }
}

TEST(letter_reads_nothing_else)
{
#define ID "7f3a09c2d4e5b617"
    static const char *const others[] = {
        "",
        "ask",
        "ask ",
        "ask " ID,
        "ask " ID " 5000",
        "ask " ID " 5000 web2",
        "ask " ID " 5000 web2 ",
        "ask " ID " 0 web2 ping",
        "ask " ID " 05 web2 ping",
        "ask " ID " 60001 web2 ping",
        "ask " ID " 99999999999999999999999 web2 ping",
        "ask " ID " 5000  ping",
        "ask " ID " 5000 web2 ping ",
        "ask " ID " 5000 web2 ping\n",
        "ask " ID " 5000 web2\tping",
        "ask " ID " 5000 web\x80 ping",
        "ask " ID " 5000 web2 a-word-that-is-too-long",
        "ask 7F3A09C2D4E5B617 5000 web2 ping",
        "ask 7f3a 5000 web2 ping",
        "asks " ID " 5000 web2 ping",
        "answer " ID,
        "answer " ID " ",
        "answer " ID " perhaps",
        "answer " ID " done ",
        "answer " ID " done a\tb",
        "answer " ID " done a\x7f",
        "answer " ID " donee",
        "resend 00112233445566778899aabbccddeeff 6-7",
        "app tcp://10.0.0.1 0.1.0",
    };
    struct letter out = {.id = 77};

    for (size_t i = 0; i < COUNT_OF(others); i++) {
        CHECK(letter_parse(bytes_of_text(others[i]), &out) == ACCORD_E_FORMAT);
        CHECK(out.id == 77);
    }
    static char long_text[CHANGE_ABOUT_BYTES_MAX] = "answer " ID " done ";
    size_t head = strlen(long_text);
    filled(long_text + head, LETTER_BODY_BYTES_MAX + 1, 'x');
    CHECK(letter_parse(bytes_of((const uint8_t *)long_text, head + LETTER_BODY_BYTES_MAX),
                       &out) == ACCORD_OK);
    out.id = 77;
    CHECK(letter_parse(bytes_of((const uint8_t *)long_text, head + LETTER_BODY_BYTES_MAX + 1),
                       &out) == ACCORD_E_FORMAT);
#undef ID
}

TEST(letter_is_to_the_node_that_it_names_or_to_all)
{
    struct letter l = {.to = bytes_of_text("web2")};

    CHECK(letter_is_to(&l, bytes_of_text("web2")));
    CHECK(!letter_is_to(&l, bytes_of_text("web")));
    CHECK(!letter_is_to(&l, bytes_of_text("web21")));
    l.to = bytes_of_text("*");
    CHECK(letter_is_to(&l, bytes_of_text("web21")));
}

/* Cut anywhere, or with any byte changed, it is read as what it then says, or not at all. */
TEST(letter_of_any_bytes_is_read_within_its_bounds)
{
    for (unsigned round = 0; round < 20000; round++) {
        char text[LETTER_TEXT_BYTES_MAX];
        struct letter l = {.type = LETTER_ASK,
                           .id = test_random(rng, UINT64_MAX),
                           .wait_ms = 1 + test_random(rng, 5000),
                           .to = bytes_of_text("web2"),
                           .kind = bytes_of_text("ping"),
                           .body = bytes_of_text("and more")};
        l.type = test_random(rng, 2) ? LETTER_ASK : LETTER_ANSWER;
        letter_print(&l, text);
        size_t bytes = test_random(rng, strlen(text) + 1);
        char *exact = malloc(bytes + 1);
        CHECK(exact);
        memcpy(exact, text, bytes);
        if (bytes > 0)
            exact[test_random(rng, bytes)] = (char)test_random(rng, 256);
        struct letter out;
        if (letter_parse(bytes_of((const uint8_t *)exact, bytes), &out) == ACCORD_OK) {
            char again[LETTER_TEXT_BYTES_MAX];
            letter_print(&out, again);
            CHECK(bytes_equal(bytes_of_text(again), bytes_of((const uint8_t *)exact, bytes)));
        }
        free(exact);
    }
}
