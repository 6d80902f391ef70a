/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "door/chp/names.h"
#include "test.h"

#include <string.h>

static const struct namespace_settings declared_here[] = {
    {.name = "default"}, {.name = "greeble"}, {.name = "a"}};

static bool called(const char *key, const char *name)
{
    uint8_t room[CHP_NAME_BYTES_MAX];
    struct bytes out;

    return chp_name_of(declared_here, COUNT_OF(declared_here), bytes_of_text(key), room,
                       &out) &&
           bytes_equal(out, bytes_of_text(name));
}

static bool nameless(const char *key)
{
    uint8_t room[CHP_NAME_BYTES_MAX];
    struct bytes out;

    return !chp_name_of(declared_here, COUNT_OF(declared_here), bytes_of_text(key), room, &out);
}

static bool means(const char *name, const char *key)
{
    uint8_t room[KEY_BYTES_MAX];
    struct bytes out;
    const char *why = NULL;
    bool found = chp_key_of(declared_here, COUNT_OF(declared_here), bytes_of_text(name), room,
                            &out, &why);

    CHECK(found == (why == NULL));
    return found && key && bytes_equal(out, bytes_of_text(key));
}

TEST(chp_name_of_a_declared_namespace_is_a_subtree)
{
    CHECK(called("greeble:43", "/greeble/43") && means("/greeble/43", "greeble:43"));
    CHECK(called("greeble:a/b:c", "/greeble/a/b:c") &&
          means("/greeble/a/b:c", "greeble:a/b:c"));
    CHECK(called("a:", "/a/") && means("/a/", "a:"));
}

TEST(chp_name_of_any_other_key_is_the_key)
{
    static const char *const same[] = {"page",     "page:42",   "/client/7", "greeble",
                                       "/greeble", "default:7", ":x",        "/",
                                       "//x",      "HUGZ1"};

    for (size_t i = 0; i < COUNT_OF(same); i++)
        CHECK(called(same[i], same[i]) && means(same[i], same[i]));
}

TEST(chp_name_that_is_taken_is_given_to_no_other_key)
{
    CHECK(nameless("/greeble/43") && nameless("/a/"));
    CHECK(!means("greeble:43", NULL)); /* it would come back as /greeble/43 */
}

TEST(chp_words_of_the_protocol_name_no_key)
{
    CHECK(nameless("HUGZ") && nameless("KTHXBAI"));
    CHECK(!means("HUGZ", NULL) && !means("KTHXBAI", NULL));
}

TEST_SEEDS(chp_name_and_key_lead_to_each_other, 2000)
{
    static const char *const parts[] = {"/", ":", "a", "greeble", "b", "default", "HUGZ"};
    char text[64] = "";
    uint8_t room[CHP_NAME_BYTES_MAX], back[KEY_BYTES_MAX];
    struct bytes name, key;
    const char *why;

    for (uint64_t n = 1 + test_random(rng, 5); n > 0; n--)
        strncat(text, parts[test_random(rng, COUNT_OF(parts))], sizeof text - strlen(text) - 1);
    struct bytes given = bytes_of_text(text);
    size_t count = COUNT_OF(declared_here);
    if (chp_name_of(declared_here, count, given, room, &name)) {
        CHECK(chp_key_of(declared_here, count, name, back, &key, &why));
        CHECK(bytes_equal(key, given));
    }
    if (chp_key_of(declared_here, count, given, back, &key, &why)) {
        CHECK(chp_name_of(declared_here, count, key, room, &name));
        CHECK(bytes_equal(name, given));
    }
}
