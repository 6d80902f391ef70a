/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "test.h"
#include "wire/resend.h"

static const struct id128 incarnation = {0x0011223344556677, 0x8899aabbccddeeff};

TEST(resend_is_text_that_a_person_can_read)
{
    const struct resend r = {RESEND_WANTED, incarnation, 6, 8};
    char text[RESEND_TEXT_BYTES_MAX];

    resend_print(&r, text);
    CHECK(strcmp(text, "resend 00112233445566778899aabbccddeeff 6-7") == 0);
}

TEST(resend_reads_what_it_prints)
{
    static const enum resend_kind kinds[] = {RESEND_WANTED, RESEND_DONE, RESEND_GONE};
    static const uint64_t from[] = {1, 9, 10, UINT64_MAX - 1};
    char text[RESEND_TEXT_BYTES_MAX];

    for (size_t k = 0; k < COUNT_OF(kinds); k++)
        for (size_t i = 0; i < COUNT_OF(from); i++) {
            const struct resend r = {kinds[k], incarnation, from[i], from[i] + 1};
            struct resend out;
            resend_print(&r, text);
            CHECK(resend_parse(bytes_of_text(text), &out) == ACCORD_OK);
            CHECK(out.kind == r.kind && id128_equal(out.incarnation, incarnation));
            CHECK(out.from == r.from && out.until == r.until);
        }
}

TEST(resend_reads_nothing_else)
{
#define ID "00112233445566778899aabbccddeeff"
    static const char *const others[] = {
        "",
        "resend",
        "resend ",
        "resend " ID,
        "resend " ID " 6",
        "resend " ID " 6-",
        "resend " ID " 7-6",
        "resend " ID " 0-6",
        "resend " ID " 06-7",
        "resend " ID " 6-7 ",
        "resend " ID " 6--7",
        "resend " ID " 6-18446744073709551615",
        "resend " ID " 6-18446744073709551616",
        "resend " ID " 6-99999999999999999999999",
        "resend 00112233445566778899AABBCCDDEEFF 6-7",
        "resend 00112233445566778899aabbccddeef 6-7",
        "Resend " ID " 6-7",
        "resends " ID " 6-7",
        "gone " ID " 6-7\n",
        "app tcp://10.0.0.1 0.1.0",
    };
#undef ID
    struct resend out = {.from = 77};

    for (size_t i = 0; i < COUNT_OF(others); i++) {
        CHECK(resend_parse(bytes_of_text(others[i]), &out) == ACCORD_E_FORMAT);
        CHECK(out.from == 77);
    }
}
