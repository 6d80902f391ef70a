/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/torture/scenario.h"

#include "test.h"

#include <stdio.h>

static struct scenario s;
static char why[SCENARIO_WHY_BYTES_MAX];

static int parse(const char *text)
{
    s = (struct scenario){.nodes = 3, .readers = 4, .seconds = 9, .max_stale_ns = NS_PER_S};
    why[0] = 0;
    return scenario_parse(&s, text, why);
}

static bool refused(const char *text, const char *expected)
{
    return parse(text) == ACCORD_E_INVALID && strcmp(why, expected) == 0;
}

TEST(an_empty_scenario_leaves_what_is_usual)
{
    CHECK(parse("") == ACCORD_OK);
    CHECK(parse("\n  # nothing\n\n") == ACCORD_OK);
    CHECK(s.nodes == 3);
    CHECK(s.count == 0);
}

TEST(numbers_and_steps_are_read_and_sorted_by_time)
{
    CHECK(parse("nodes 5\nreaders 7\nseconds 12\nmax-stale 2s\n"
                "at 3s stop web2 for 1.1L   # just too long\n"
                "at 500ms kill web1\r\n"
                "at 0.25s kill reader7\n"
                "at 4L lock bus for 0.5L") == ACCORD_OK);
    CHECK(s.nodes == 5);
    CHECK(s.readers == 7);
    CHECK(s.seconds == 12);
    CHECK(s.max_stale_ns == 2 * NS_PER_S);
    CHECK(s.count == 4);
    CHECK(s.steps[0].fault == SCENARIO_READER_KILL);
    CHECK(s.steps[0].at_ns == NS_PER_S / 4);
    CHECK(s.steps[0].line == 7);
    CHECK(s.steps[0].who == 6);
    CHECK(s.steps[1].fault == SCENARIO_KILL);
    CHECK(s.steps[1].for_ns == UINT64_MAX);
    CHECK(s.steps[2].fault == SCENARIO_STOP);
    CHECK(s.steps[2].for_ns == 2200 * NS_PER_MS);
    CHECK(s.steps[3].fault == SCENARIO_BUS_LOCK);
    CHECK(s.steps[3].at_ns == 8 * NS_PER_S);
}

TEST(every_fault_is_known_by_its_words)
{
    static const char *const words[] = {
#define FAULT(name, verb, whom, flag) verb " " whom,
        SCENARIO_FAULTS(FAULT)
#undef FAULT
    };
    char line[100], text[64];

    for (size_t i = 0; i < COUNT_OF(words); i++) {
        bool bus = strstr(words[i], "bus") != NULL;
        const char *rest = i == SCENARIO_TURN           ? " by -2s for 1s"
                           : i == SCENARIO_READER_SHIFT ? " by 2s"
                                                        : " for 1s";
        snprintf(line, sizeof line, "at 1s %s%s%s", words[i], bus ? "" : "2", rest);
        CHECK(parse(line) == ACCORD_OK);
        CHECK(s.steps[0].fault == (enum scenario_fault)i);
        scenario_step_text(&s.steps[0], text, sizeof text);
        CHECK(strstr(line, text) != NULL);
        CHECK(scenario_fault_flag((enum scenario_fault)i)[0] != 0);
    }
}

TEST(a_kill_may_wait_for_a_call_and_a_clock_is_wrong_by_a_time)
{
    char text[64];

    CHECK(parse("at 1s kill web1 in 40 calls for 1.1L\n"
                "at 2s turn web3 by -1h for 2s\n"
                "at 3s turn web3 by 2s\n"
                "at 4s shift reader2 by 1000h\n"
                "at 5s fill web2 for 2L") == ACCORD_OK);
    CHECK(s.steps[0].fault == SCENARIO_KILL);
    CHECK(s.steps[0].calls == 40);
    CHECK(s.steps[0].for_ns == 1100 * NS_PER_MS);
    CHECK(s.steps[1].fault == SCENARIO_TURN);
    CHECK(s.steps[1].by_ns == -3600 * (int64_t)NS_PER_S);
    CHECK(s.steps[1].for_ns == 2 * NS_PER_S);
    CHECK(s.steps[2].for_ns == UINT64_MAX);
    CHECK(s.steps[3].fault == SCENARIO_READER_SHIFT);
    CHECK(s.steps[3].who == 1);
    CHECK(s.steps[3].by_ns == 3600000 * (int64_t)NS_PER_S);
    CHECK(s.steps[4].fault == SCENARIO_FILL);
    scenario_step_text(&s.steps[0], text, sizeof text);
    CHECK(strcmp(text, "kill web1 in 40 calls") == 0);
    scenario_step_text(&s.steps[1], text, sizeof text);
    CHECK(strcmp(text, "turn web3 by -1h") == 0);
    scenario_step_text(&s.steps[3], text, sizeof text);
    CHECK(strcmp(text, "shift reader2 by 1000h") == 0);
}

TEST(what_follows_a_fault_is_told_where_it_does_not_belong)
{
    CHECK(refused("at 1s stop web1 in 3 calls for 1s",
                  "line 1: expected \"in N calls\" with kill webN only"));
    CHECK(refused("at 1s kill reader1 in 3 calls",
                  "line 1: expected \"in N calls\" with kill webN only"));
    CHECK(refused("at 1s kill web1 in 0 calls",
                  "line 1: expected \"in\", a number from 1 to 1000, \"calls\""));
    CHECK(refused("at 1s kill web1 in 1001 calls",
                  "line 1: expected \"in\", a number from 1 to 1000, \"calls\""));
    CHECK(refused("at 1s kill web1 in 3",
                  "line 1: expected \"in\", a number from 1 to 1000, \"calls\""));
    CHECK(refused("at 1s kill web1 by 1h",
                  "line 1: expected \"by TIME\" with turn webN and shift readerN only"));
    CHECK(refused("at 1s turn web1", "line 1: expected \"by\" and a time: how wrong its clock "
                                     "is"));
    CHECK(refused("at 1s turn web1 by",
                  "line 1: expected \"by\" and a time from 1ms to 1000h such as 1h or -1h"));
    CHECK(refused("at 1s turn web1 by 0s",
                  "line 1: expected \"by\" and a time from 1ms to 1000h such as 1h or -1h"));
    CHECK(refused("at 1s turn web1 by -1001h",
                  "line 1: expected \"by\" and a time from 1ms to 1000h such as 1h or -1h"));
    CHECK(refused("at 1s shift reader1 by 1h for 2s",
                  "line 1: expected no \"for\" with shift readerN: it is for good"));
    CHECK(refused("at 1s fill web1", "line 1: expected \"for\" and a time: how long"));
}

TEST(steps_of_one_instant_stay_in_the_order_of_the_file)
{
    CHECK(parse("at 1s kill web1\nat 1s kill web2\nat 1s kill web3") == ACCORD_OK);
    CHECK(s.steps[0].who == 0);
    CHECK(s.steps[1].who == 1);
    CHECK(s.steps[2].who == 2);
}

TEST(a_mistake_is_told_with_its_line_and_what_is_expected)
{
    CHECK(refused("nodes 3\nfoo 3\n",
                  "line 2: expected nodes, readers, seconds, max-stale or at"));
    CHECK(refused("nodes", "line 1: expected a name and a value, or: at TIME FAULT WHOM "
                           "[in N calls] [by TIME] [for TIME]"));
    CHECK(refused("nodes none", "line 1: expected a number from 1 to 1000"));
    CHECK(refused("nodes 0", "line 1: expected a number from 1 to 1000"));
    CHECK(refused("nodes 1001", "line 1: expected a number from 1 to 1000"));
    CHECK(refused("max-stale 0", "line 1: expected a time such as 1s"));
    CHECK(refused("at 1s kill web1\nnodes 3",
                  "line 2: expected at: the numbers come before the first step"));
    CHECK(refused("at 1s kill", "line 1: expected at TIME FAULT WHOM [in N calls] [by TIME] "
                                "[for TIME]"));
    CHECK(refused("at 1s kill web1 with 1s", "line 1: expected at TIME FAULT WHOM [in N calls] "
                                             "[by TIME] [for TIME]"));
    CHECK(refused("at 1s kill web1 for",
                  "line 1: expected \"for\" and a time such as 300ms or 1.1L"));
    CHECK(refused("at soon kill web1",
                  "line 1: expected a time such as 2.5s, 300ms or 1.1L after \"at\""));
    CHECK(refused("at 1s kill web1 for ever",
                  "line 1: expected \"for\" and a time such as 300ms or 1.1L"));
    CHECK(refused("at 1s stop web1", "line 1: expected \"for\" and a time: how long"));
    CHECK(refused("at 1s kill web0",
                  "line 1: expected kill, end, stop, start, fill, turn webN; kill, stop, shift "
                  "readerN; lock, move, restore bus"));
    CHECK(refused("at 1s kill bus2",
                  "line 1: expected kill, end, stop, start, fill, turn webN; kill, stop, shift "
                  "readerN; lock, move, restore bus"));
    CHECK(refused("a b c d e f g h i j", "line 1: expected fewer words"));
}

TEST(limits_of_length_and_number_hold_at_their_ends)
{
    static char text[SCENARIO_STEPS_MAX * 20 + 40];
    char line[260];
    size_t used = 0;

    memset(line, ' ', sizeof line);
    line[199] = 0;
    CHECK(parse(line) == ACCORD_OK);
    line[199] = ' ';
    line[200] = 0;
    CHECK(refused(line, "line 1: expected at most 199 bytes"));
    for (int i = 0; i < SCENARIO_STEPS_MAX; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "at 1s kill web1\n");
    CHECK(parse(text) == ACCORD_OK);
    CHECK(s.count == SCENARIO_STEPS_MAX);
    snprintf(text + used, sizeof text - used, "at 1s kill web1\n");
    CHECK(refused(text, "line 513: expected at most 512 steps"));
}
