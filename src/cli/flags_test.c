/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/flags.h"

#include "cli/verb.h"

#include "test.h"

#include <stdio.h>

static struct asked asked;
static bool on;
static const char *text;
static struct texts texts;
static uint64_t ms, number;

static const struct flag flags[] = {
    {"--on", FLAG_ON, &on},    {"--text", FLAG_TEXT, &text}, {"--tag", FLAG_TEXTS, &texts},
    {"--ttl", FLAG_LIFE, &ms}, {"--wait", FLAG_MS, &ms},     {"--count", FLAG_NUMBER, &number}};

/* Reads "verb a b c" split at blanks; an empty word is written as a dot. */
static int read(const char *line)
{
    static char copy[1024];
    static char *argv[128];
    char *rest = copy;
    int argc = 0;

    on = false;
    text = NULL;
    texts.count = 0;
    ms = number = 0;
    CHECK(freopen("/dev/null", "w", stderr) != NULL);
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strsep(&rest, " "); word; word = strsep(&rest, " "))
        argv[argc++] = strcmp(word, ".") == 0 ? word + 1 : word;
    argv[argc] = NULL;
    return flags_read(&asked, flags, COUNT_OF(flags), argc, argv);
}

static bool words_are(const char *expected)
{
    char got[256] = "";

    for (size_t i = 0; i < asked.word_count; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s%s", i ? " " : "",
                 i == asked.after ? "|" : "", asked.words[i]);
    return strcmp(got, expected) == 0;
}

TEST(what_has_a_value_is_given_once)
{
    CHECK(read("get --text x --text x") == EXIT_USAGE);
    CHECK(read("get --ttl 1s --ttl=2s") == EXIT_USAGE);
    CHECK(read("get --socket /a k --socket /b") == EXIT_USAGE);
    CHECK(read("get --tag a --tag b --on --on --json --json") == EXIT_OK);
    CHECK(texts.count == 2);
    CHECK(read("get --tag=") == EXIT_USAGE);
    CHECK(read("get --tag .") == EXIT_USAGE);
}

TEST(flags_stand_anywhere_and_words_keep_their_order)
{
    CHECK(read("get one --on two --text=x three") == EXIT_OK);
    CHECK(on && strcmp(text, "x") == 0 && words_are("one two three"));
    CHECK(asked.after == 3);
    CHECK(read("get --socket /s --json --timeout 5s") == EXIT_OK);
    CHECK(strcmp(asked.socket, "/s") == 0 && asked.json && asked.timeout_ms == 5000);
    CHECK(asked.word_count == 0);
}

TEST(after_two_dashes_everything_is_a_word)
{
    CHECK(read("memoize k --ttl 1h -- sh -c --on -- x") == EXIT_OK);
    CHECK(!on && ms == 3600000 && words_are("k |sh -c --on -- x") && asked.after == 1);
    CHECK(read("get -- --on") == EXIT_OK && !on && words_are("|--on"));
    CHECK(read("get k --") == EXIT_OK && asked.after == 1 && asked.word_count == 1);
}

TEST(a_dash_and_nothing_are_words)
{
    CHECK(read("set k -") == EXIT_OK && words_are("k -"));
    CHECK(read("set k .") == EXIT_OK && asked.word_count == 2);
}

TEST(durations_have_units)
{
    CHECK(read("v --ttl 1500us") == EXIT_OK && ms == 2); /* never shorter than asked */
    CHECK(read("v --wait 0") == EXIT_OK && ms == 0);
    CHECK(read("v --ttl 0s") == EXIT_USAGE && read("v --ttl=0") == EXIT_USAGE);
    CHECK(read("v --ttl 1us") == EXIT_OK && ms == 1);
    CHECK(read("v --ttl never") == EXIT_OK && ms == ACCORD_FOREVER);
    CHECK(read("v --ttl 5") == EXIT_USAGE);
    CHECK(read("v --ttl -5s") == EXIT_USAGE);
    CHECK(read("v --ttl=") == EXIT_USAGE);
}

TEST(numbers_keep_their_limits)
{
    CHECK(read("v --count 18446744073709551615") == EXIT_OK && number == UINT64_MAX);
    CHECK(read("v --count 18446744073709551616") == EXIT_USAGE);
    CHECK(read("v --count 1x") == EXIT_USAGE);
    CHECK(read("v --count=") == EXIT_USAGE);
}

TEST(a_flag_may_repeat_32_times_where_it_is_a_list)
{
    char line[1024] = "v";

    for (int i = 0; i < TEXTS_MAX; i++)
        snprintf(line + strlen(line), sizeof line - strlen(line), " --tag t%d", i);
    CHECK(read(line) == EXIT_OK && texts.count == TEXTS_MAX);
    CHECK(strcmp(texts.text[31], "t31") == 0);
    snprintf(line + strlen(line), sizeof line - strlen(line), " --tag more");
    CHECK(read(line) == EXIT_USAGE);
}

TEST(what_is_not_understood_is_refused)
{
    CHECK(read("v --nonsense") == EXIT_USAGE);
    CHECK(read("v -x") == EXIT_USAGE);
    CHECK(read("v --on=1") == EXIT_USAGE);
    CHECK(read("v --text") == EXIT_USAGE);
    CHECK(read("v --o") == EXIT_USAGE);
    CHECK(read("v --onn") == EXIT_USAGE);
}
