/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* ACCORD.PING, of a node that is alone in its log. */
#include "door/house.h"

TEST(ping_answers_a_row_for_who_was_asked)
{
    struct house *h = house_ready();
    int g = guest_new(h);
    struct core_status status;

    CHECK(asks(h, g, "ACCORD.PING *",
               "*1\r\n*4\r\n$4\r\nname\r\n$3\r\none\r\n"
               "$8\r\nanswered\r\n:1\r\n"));
    CHECK(asks(h, g, "accord.ping one wait 60000",
               "*1\r\n*4\r\n$4\r\nname\r\n$3\r\none\r\n$8\r\nanswered\r\n:1\r\n"));
    core_status(h->core, h->segment.now_ns, &status);
    CHECK(status.letters_asked == 2);
    close(g);
    house_free(h);
}

TEST(ping_waits_for_as_long_as_it_was_told_and_names_who_did_not_answer)
{
    struct house *h = house_ready();
    int g = guest_new(h);

    guest_say(h, g, "ACCORD.PING web2 WAIT 500\r\n");
    house_pass(h, 400);
    CHECK(guest_is_quiet(h, g));
    house_pass(h, 200);
    CHECK(guest_hears(h, g,
                      "*1\r\n*4\r\n$4\r\nname\r\n$4\r\nweb2\r\n"
                      "$8\r\nanswered\r\n:0\r\n"));
    guest_say(h, g, "ACCORD.PING web2\r\n"); /* whoever goes leaves nothing behind */
    house_turn(h);
    close(g);
    house_pass(h, 6000);
    house_free(h);
}

TEST(ping_says_what_is_wrong_with_what_it_is_given)
{
    struct house *h = house_ready();
    int g = guest_new(h);

    CHECK(strstr(tells(h, g, "ACCORD.PING"), "wrong number of arguments"));
    CHECK(strstr(tells(h, g, "ACCORD.PING web1 5"), "ACCORD.PING node|* [WAIT ms]"));
    CHECK(strstr(tells(h, g, "ACCORD.PING web1 FOR 5"), "ACCORD.PING node|* [WAIT ms]"));
    CHECK(strstr(tells(h, g, "ACCORD.PING web1 WAIT 0"), "1 to 60000 milliseconds"));
    CHECK(strstr(tells(h, g, "ACCORD.PING web1 WAIT 60001"), "1 to 60000 milliseconds"));
    CHECK(strstr(tells(h, g, "ACCORD.PING web1 WAIT -1"), "1 to 60000 milliseconds"));
    CHECK(strstr(tells(h, g, "ACCORD.PING \"\""), "a node's name has 1 to 64"));
    CHECK(strstr(tells(h, g, "ACCORD.PING \"a b\""), "a node's name has 1 to 64"));
    char line[128];
    snprintf(line, sizeof line, "ACCORD.PING %065d", 1);
    CHECK(strstr(tells(h, g, line), "a node's name has 1 to 64"));
    CHECK(strstr(tells(h, g, "MULTI\r\nACCORD.PING web1"), "inside a transaction"));
    close(g);
    house_free(h);
}

TEST(ping_is_refused_while_too_many_wait)
{
    struct house *h = house_ready();
    int first = guest_new(h), second = guest_new(h);

    for (unsigned i = 0; i < LETTERS_MAX; i++)
        guest_say(h, first, "ACCORD.PING nobody WAIT 60000\r\n");
    CHECK(strstr(tells(h, second, "ACCORD.PING web1"), "16 questions to nodes wait"));
    close(first);
    house_pass(h, 100);
    CHECK(strstr(tells(h, second, "ACCORD.PING one"), "answered\r\n:1"));
    close(second);
    house_free(h);
}
