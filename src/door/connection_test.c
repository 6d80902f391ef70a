/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* Clients that are slow, greedy, many, broken, or gone. */
#include "door/house.h"

#include <malloc.h>

TEST(a_command_may_come_byte_by_byte)
{
    struct house *h = house_ready();
    int g = guest_new(h);
    static const char text[] = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nhello\r\nGET k\r\n";

    for (size_t i = 0; i + 1 < sizeof text; i++) {
        guest_write(h, g, text + i, 1);
        if (i < 30)
            CHECK(guest_is_quiet(h, g));
    }
    CHECK(guest_hears(h, g, "+OK\r\n$5\r\nhello\r\n"));
    close(g);
    house_free(h);
}

TEST(a_client_that_writes_all_before_it_reads_anything_is_served)
{
    struct house *h = house_ready();
    int g = guest_new(h);
    enum { COUNT = 20000, VALUE = 2000 };
    static char value[VALUE + 64], back[VALUE + 16];

    memset(value, 'v', sizeof value);
    memcpy(value, "SET k ", 6);
    memcpy(value + 6 + VALUE, "\r\n", 3);
    guest_say(h, g, value);
    CHECK(guest_hears(h, g, "+OK\r\n"));
    for (unsigned i = 0; i < COUNT; i++)
        guest_say(h, g, "GET k\r\n");
    /* 40 MB of replies: they are not all made at once, nor is the client kept from writing. */
    CHECK(h->door->connections->out.capacity <= 8 * OUTPUT_PAUSED_BYTES);
    for (unsigned i = 0; i < COUNT; i++) {
        size_t bytes = VALUE + 9; /* "$2000\r\n", "\r\n" */
        CHECK(guest_read(h, g, back, bytes) == bytes);
        CHECK(memcmp(back, "$2000\r\nv", 8) == 0);
    }
    CHECK(asks(h, g, "PING", "+PONG\r\n"));
    close(g);
    house_free(h);
}

TEST(a_client_that_never_reads_its_replies_is_closed)
{
    struct house *h = house_ready();
    int g = guest_new(h), other = guest_new(h);
    static char text[1 << 20];
    size_t sent = 0;

    for (size_t i = 0; i < sizeof text; i++)
        text[i] = "PING\r\n"[i % 6];
    while (sent < 4 * OUTPUT_BYTES_MAX && h->door->counts.clients == 2) {
        ssize_t n = send(g, text + sent % 6, sizeof text - 6, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        house_turn(h);
        const struct connection *c = clients_find(h->door, 1);
        CHECK(!c || output_pending(c) + c->in.bytes - c->in.start <= OUTPUT_BYTES_MAX + MIB);
    }
    CHECK(h->door->counts.clients == 1);
    CHECK(h->door->counts.closed_output == 1);
    CHECK(house_noted(h, "client-closed: it does not read its replies"));
    CHECK(asks(h, other, "PING", "+PONG\r\n"));
    close(g);
    close(other);
    house_free(h);
}

TEST(clients_together_hold_no_more_than_they_may_and_the_largest_goes)
{
    enum { GUESTS = 32, LIMIT = 16 * 1024 * 1024 };
    struct house *h = house_new();
    static char value[100 * 1024];
    int guests[GUESTS], small;
    char command[64];

    h->settings.client_bytes_max = LIMIT;
    house_open(h);
    while (!house_is_fresh(h))
        house_pass(h, 10);
    small = guest_new(h);
    snprintf(command, sizeof command, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%zu\r\n", sizeof value);
    guest_say(h, small, command);
    guest_write(h, small, value, sizeof value);
    guest_say(h, small, "\r\n");
    CHECK(guest_hears(h, small, "+OK\r\n"));
    for (unsigned i = 0; i < GUESTS; i++) {
        guests[i] = guest_new(h);
        for (unsigned n = 0; n < 24; n++)
            CHECK(send(guests[i], "GET k\r\n", 7, MSG_NOSIGNAL) == 7);
        for (unsigned turn = 0; turn < 5; turn++) {
            house_turn(h);
            CHECK(h->door->client_bytes <= LIMIT);
        }
    }
    CHECK(h->door->counts.closed_memory > 0);
    CHECK(h->door->counts.clients == 1 + GUESTS - h->door->counts.closed_memory);
    CHECK(house_noted(h, "client-closed: all clients together hold as much as client-memory"));
    CHECK(strstr(tells(h, small, "INFO stats"), "evicted_clients:"));
    CHECK(asks(h, small, "CONFIG GET maxmemory-clients",
               "*2\r\n$17\r\nmaxmemory-clients\r\n$8\r\n16777216\r\n"));
    for (unsigned i = 0; i < GUESTS; i++)
        close(guests[i]);
    for (unsigned turn = 0; turn < 5; turn++)
        house_turn(h);
    const struct connection *c = h->door->connections;
    CHECK(c && !c->next);
    CHECK(h->door->client_bytes == c->counted_bytes); /* who is gone holds nothing */
    close(small);
    for (unsigned turn = 0; turn < 5; turn++)
        house_turn(h);
    CHECK(h->door->client_bytes == 0);
    house_free(h);
}

/* All are written to in one step, before any of them could be ended. */
TEST(watchers_that_do_not_read_are_bounded_in_sum)
{
    enum { GUESTS = 64, LIMIT = 16 * 1024 * 1024, REMOVALS = 200 };
    struct house *h = house_new();
    static char key[KEY_BYTES_MAX + 1];
    int guests[GUESTS];
    struct entry e = {.position = 1, .change = {.op = CHANGE_REMOVE}};

    h->settings.client_bytes_max = LIMIT;
    house_open(h);
    for (unsigned i = 0; i < GUESTS; i++) {
        guests[i] = guest_new(h);
        guest_say(h, guests[i], "ACCORD.WATCH\r\n");
    }
    memset(key, 'k', KEY_BYTES_MAX);
    e.change.key = bytes_of(key, KEY_BYTES_MAX);
    for (unsigned i = 0; i < REMOVALS; i++) {
        resp_door_applied(h->door, &e, false, 1);
        size_t sum = 0;
        for (const struct connection *c = h->door->connections; c; c = c->next)
            sum += c->out.capacity + c->held.capacity + c->in.capacity;
        CHECK(sum <= LIMIT + 4 * MIB); /* the one that was being written to */
    }
    CHECK(h->door->counts.closed_memory > 0);
    CHECK(h->door->counts.closed_memory < GUESTS);
    house_turn(h);
    CHECK(h->door->counts.clients == GUESTS - h->door->counts.closed_memory);
    for (unsigned i = 0; i < GUESTS; i++)
        close(guests[i]);
    house_free(h);
}

TEST(commands_that_wait_for_the_bus_are_bounded_and_none_is_lost)
{
    struct house *h = house_ready();
    int g = guest_new(h);
    enum { COUNT = 5000 };
    char reply[8];

    h->hold = true;
    for (unsigned i = 0; i < COUNT; i++)
        guest_say(h, g, "DEL nosuch\r\n");
    CHECK(guest_is_quiet(h, g));
    const struct connection *c = h->door->connections;
    CHECK(c->slot_next - c->slot_first == SLOTS_MAX);
    h->hold = false;
    for (unsigned i = 0; i < COUNT; i++) {
        CHECK(guest_read(h, g, reply, 4) == 4);
        CHECK(memcmp(reply, ":0\r\n", 4) == 0);
    }
    CHECK(slots_empty(c));
    close(g);
    house_free(h);
}

TEST(a_client_that_only_half_closes_gets_its_replies)
{
    struct house *h = house_ready();
    int g = guest_new(h);

    h->hold = true;
    guest_say(h, g, "PING\r\nSET a 1\r\nPING\r\nGET");
    shutdown(g, SHUT_WR);
    CHECK(guest_hears(h, g, "+PONG\r\n"));
    CHECK(guest_is_quiet(h, g));
    h->hold = false;
    CHECK(guest_hears(h, g, "+OK\r\n+PONG\r\n"));
    CHECK(guest_is_closed(h, g));
    close(g);
    house_free(h);
}

TEST(a_client_that_goes_while_it_waits_leaves_nothing)
{
    struct house *h = house_ready();
    int g = guest_new(h);

    h->hold = true;
    guest_say(h, g, "SET a 1\r\nSET b 2\r\nMULTI\r\nPING\r\n*3\r\n$3\r\nSET\r\n$100\r\nabc");
    close(g);
    for (unsigned i = 0; i < 10; i++)
        house_turn(h);
    CHECK(h->door->counts.clients == 0);
    CHECK(h->gone_count == 1);
    h->hold = false;
    for (unsigned i = 0; i < 10; i++)
        house_turn(h);
    g = guest_new(h);
    CHECK(asks(h, g, "MGET a b", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n"));
    close(g);
    house_free(h);
}

/* They are read together; longer values, misses and errors among them by themselves. */
TEST(gets_in_a_row_are_answered_each_in_its_turn)
{
    struct house *h = house_ready();
    int g = guest_new(h);
    static char text[40000], expected[200000], value[3000];
    size_t said = 0, heard = 0;

    memset(value, 'v', sizeof value);
    for (unsigned i = 0; i < 100; i++) {
        int bytes = i % 7 == 3 ? GETS_VALUE_BYTES + (int)i - 51 : (int)i;
        snprintf(text, sizeof text, "SET k%u \"%.*s\"", i, bytes, value);
        CHECK(i % 10 == 9 || asks(h, g, text, "+OK\r\n"));
        heard += i % 10 == 9 ? (size_t)snprintf(expected + heard, 16, "$-1\r\n")
                             : (size_t)snprintf(expected + heard, 4000, "$%d\r\n%.*s\r\n",
                                                bytes, bytes, value);
        if (i % 50 == 20)
            heard += (size_t)snprintf(expected + heard, 16, "+PONG\r\n");
    }
    for (unsigned i = 0; i < 100; i++) {
        said += (size_t)snprintf(text + said, 32, "%s k%u\r\n", i % 3 ? "GET" : "get", i);
        if (i % 50 == 20)
            said += (size_t)snprintf(text + said, 16, "PING\r\n");
    }
    snprintf(text + said, 16, "*1\r\n:\r\n");
    snprintf(expected + heard, 80, "-ERR Protocol error: expected '$', got ':'\r\n");
    CHECK(send(g, text, strlen(text), 0) == (ssize_t)strlen(text)); /* one burst */
    static char back[sizeof expected];
    CHECK(guest_read(h, g, back, strlen(expected)) == strlen(expected));
    CHECK(memcmp(back, expected, strlen(expected)) == 0);
    CHECK(guest_is_closed(h, g));
    CHECK(h->door->counts.gets == 100);
    CHECK(h->door->counts.get_misses == 10);
    close(g);
    house_free(h);
}

/* They go to the core together; other commands among them by themselves, each in its turn. */
TEST(sets_in_a_row_are_answered_each_in_its_turn)
{
    struct house *h = house_ready();
    int g = guest_new(h);
    static char text[40000], expected[40000], back[40000];
    size_t said = 0, heard = 0;

    for (unsigned i = 0; i < 100; i++) {
        said +=
            (size_t)snprintf(text + said, 32, "%s k%u v%u\r\n", i % 3 ? "SET" : "sEt", i, i);
        heard += (size_t)snprintf(expected + heard, 16, "+OK\r\n");
        if (i % 10 == 3) {
            said += (size_t)snprintf(text + said, 32, "GET k%u\r\n", i);
            heard +=
                (size_t)snprintf(expected + heard, 16, "$%d\r\nv%u\r\n", i < 10 ? 2 : 3, i);
        }
        if (i % 10 == 5) {
            said += (size_t)snprintf(text + said, 64, "SET k%u w GET\r\nSET '' v\r\n", i);
            heard += (size_t)snprintf(expected + heard, 80,
                                      "$%d\r\nv%u\r\n-ERR a key must have at least 1 byte\r\n",
                                      i < 10 ? 2 : 3, i);
        }
        if (i % 50 == 20) {
            said += (size_t)snprintf(text + said, 64, "MULTI\r\nSET q 1\r\nEXEC\r\n");
            heard += (size_t)snprintf(expected + heard, 64, "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
        }
    }
    snprintf(text + said, 16, "*1\r\n:\r\n");
    snprintf(expected + heard, 80, "-ERR Protocol error: expected '$', got ':'\r\n");
    CHECK(send(g, text, strlen(text), 0) == (ssize_t)strlen(text)); /* one burst */
    CHECK(guest_read(h, g, back, strlen(expected)) == strlen(expected));
    CHECK(memcmp(back, expected, strlen(expected)) == 0);
    CHECK(guest_is_closed(h, g));
    close(g);
    g = guest_new(h);
    CHECK(asks(h, g, "MGET k0 k5 k99 q",
               "*4\r\n$2\r\nv0\r\n$1\r\nw\r\n$3\r\nv99\r\n$1\r\n1\r\n"));
    close(g);
    house_free(h);
}

/* What was removed since it was missed is not stored (P2); what is around it is. */
TEST(sets_in_a_row_each_bring_the_token_of_their_own_miss)
{
    struct house *h = house_ready();
    int g = guest_new(h);

    CHECK(asks(h, g, "MGET a b c", "*3\r\n$-1\r\n$-1\r\n$-1\r\n"));
    CHECK(asks(h, g, "DEL b", ":0\r\n"));
    guest_say(h, g, "SET a 1\r\nSET b 1\r\nSET c 1\r\nGET a\r\nGET b\r\nGET c\r\n");
    CHECK(guest_hears(h, g, "+OK\r\n+OK\r\n+OK\r\n$1\r\n1\r\n$-1\r\n$1\r\n1\r\n"));
    CHECK(asks(h, g, "SET b 2", "+OK\r\n"));
    CHECK(asks(h, g, "GET b", "$1\r\n2\r\n"));
    close(g);
    house_free(h);
}

TEST(quit_answers_and_closes_and_nothing_after_it_runs)
{
    struct house *h = house_ready();
    int g = guest_new(h);

    h->hold = true;
    guest_say(h, g, "SET a 1\r\nQUIT\r\nSET a 2\r\n");
    CHECK(guest_is_quiet(h, g));
    h->hold = false;
    CHECK(guest_hears(h, g, "+OK\r\n+OK\r\n"));
    CHECK(guest_is_closed(h, g));
    close(g);
    g = guest_new(h);
    CHECK(asks(h, g, "GET a", "$1\r\n1\r\n"));
    close(g);
    house_free(h);
}

TEST(a_protocol_error_is_answered_in_its_turn_and_closes)
{
    struct house *h = house_ready();
    int g = guest_new(h);

    h->hold = true;
    guest_say(h, g, "SET a 1\r\n*1\r\n$x\r\nPING\r\n");
    CHECK(guest_is_quiet(h, g));
    h->hold = false;
    CHECK(guest_hears(h, g, "+OK\r\n-ERR Protocol error: invalid bulk length\r\n"));
    CHECK(guest_is_closed(h, g));
    CHECK(h->door->counts.protocol_errors == 1);
    close(g);
    house_free(h);
}

TEST(a_command_larger_than_its_limit_is_refused_and_closed)
{
    struct house *h = house_ready();
    int g = guest_new(h);
    static char value[ARGUMENT_BYTES_MAX];
    char head[64], reply[64] = "";
    unsigned sent = 0;

    guest_say(h, g, "*100\r\n$4\r\nMSET\r\n");
    int n = snprintf(head, sizeof head, "$%zu\r\n", sizeof value);
    memset(value, 'v', sizeof value);
    while (h->door->counts.protocol_errors == 0 && sent < 40) {
        guest_write(h, g, head, (size_t)n);
        guest_write(h, g, value, sizeof value / 2);
        if (h->door->counts.protocol_errors == 0)
            guest_write(h, g, value, sizeof value / 2);
        if (h->door->counts.protocol_errors == 0)
            guest_write(h, g, "\r\n", 2);
        sent++;
    }
    CHECK(sent >= COMMAND_BYTES_MAX / ARGUMENT_BYTES_MAX);
    CHECK(sent <= COMMAND_BYTES_MAX / ARGUMENT_BYTES_MAX + 1);
    guest_read(h, g, reply, sizeof reply - 1);
    CHECK(strncmp(reply, "-TOOLARGE a command of more than 33554432 bytes\r\n", 40) == 0);
    close(g);
    house_free(h);
}

TEST(one_reply_is_bounded_too)
{
    struct house *h = house_ready();
    int g = guest_new(h);
    static char value[100000], text[8192];

    memset(value, 'v', sizeof value);
    int n = snprintf(text, sizeof text, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%zu\r\n", sizeof value);
    guest_write(h, g, text, (size_t)n);
    guest_write(h, g, value, sizeof value);
    CHECK(asks(h, g, "", "+OK\r\n"));
    snprintf(text, sizeof text, "*%u\r\n$4\r\nMGET\r\n", 1001u);
    guest_say(h, g, text);
    for (unsigned i = 0; i < 1000; i++)
        guest_say(h, g, "$1\r\nk\r\n");
    CHECK(guest_hears(h, g,
                      "-TOOLARGE a reply of more than 33554432 bytes; ask for fewer keys\r\n"));
    CHECK(asks(h, g, "PING", "+PONG\r\n"));
    close(g);
    house_free(h);
}

TEST(a_greedy_client_does_not_keep_the_others_waiting)
{
    struct house *h = house_ready();
    int g = guest_new(h), other = guest_new(h);
    static char text[6 * 60000 + 1], reply[1 << 16];

    for (size_t i = 0; i + 1 < sizeof text; i++)
        text[i] = "PING\r\n"[i % 6];
    for (size_t at = 0; at + 1 < sizeof text;) {
        ssize_t n = send(g, text + at, sizeof text - 1 - at, MSG_NOSIGNAL);
        if (n <= 0)
            break;
        at += (size_t)n;
    }
    CHECK(send(other, "PING\r\n", 6, 0) == 6);
    uint64_t before = h->door->counts.commands;
    ssize_t n = -1;
    while (n < 0) {
        uv_run(&h->loop, UV_RUN_NOWAIT);
        n = recv(other, reply, sizeof reply, 0);
    }
    CHECK(h->door->counts.commands - before <= 3 * BURST_COMMANDS_MAX);
    close(g);
    close(other);
    house_free(h);
}

TEST(idle_clients_are_closed_after_their_time_and_those_who_watch_are_not)
{
    struct house *h = house_new();

    h->settings.idle_timeout_ms = 3600 * 1000;
    house_open(h);
    int g = guest_new(h), watches = guest_new(h);
    (void)tells(h, watches, "ACCORD.WATCH");
    CHECK(asks(h, g, "PING", "+PONG\r\n"));
    CHECK(h->door->counts.closed_idle == 0);
    h->door->settings.idle_timeout_ms = 100; /* as if an hour were over, however slow we are */
    CHECK(guest_is_closed(h, g));
    CHECK(h->door->counts.closed_idle == 1);
    CHECK(h->door->counts.clients == 1);
    close(g);
    close(watches);
    house_free(h);
}

TEST(client_kill_ends_another_and_oneself)
{
    struct house *h = house_ready();
    int g = guest_new(h), other = guest_new(h);

    CHECK(asks(h, g, "CLIENT ID", ":1\r\n"));
    CHECK(asks(h, g, "CLIENT KILL ID 2", ":1\r\n"));
    CHECK(guest_is_closed(h, other));
    CHECK(asks(h, g, "CLIENT KILL ID 1", ":0\r\n")); /* SKIPME, unless told otherwise */
    CHECK(asks(h, g, "CLIENT KILL ID 1 SKIPME no", ":1\r\n"));
    CHECK(guest_is_closed(h, g));
    close(g);
    close(other);
    house_free(h);
}

/* ---- many ----------------------------------------------------------------------------- */

TEST(more_clients_than_allowed_are_told_so)
{
    struct house *h = house_new();

    h->settings.clients_max = 3;
    house_open(h);
    int g[4];
    for (unsigned i = 0; i < 4; i++)
        g[i] = guest_new(h);
    CHECK(guest_hears(h, g[3], "-ERR max number of clients reached\r\n"));
    CHECK(guest_is_closed(h, g[3]));
    CHECK(asks(h, g[2], "PING", "+PONG\r\n"));
    CHECK(h->door->counts.refused == 1);
    CHECK(house_noted(h, "clients-refused"));
    close(g[0]);
    for (unsigned i = 0; i < 10; i++)
        house_turn(h);
    close(g[3]);
    g[3] = guest_new(h);
    CHECK(asks(h, g[3], "PING", "+PONG\r\n"));
    for (unsigned i = 1; i < 4; i++)
        close(g[i]);
    house_free(h);
}

static double cpu_s(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

TEST(when_descriptors_run_out_clients_are_refused_and_the_loop_sleeps_on)
{
    struct house *h = house_ready();
    struct rlimit limit, small;
    int g[4], wasted[64];
    unsigned used = 0;

    for (unsigned i = 0; i < 4; i++) { /* descriptors of clients, taken before they run out */
        g[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        CHECK(g[i] >= 0);
    }
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    int last = dup(0);
    small = limit;
    small.rlim_cur = (rlim_t)last + 2;
    close(last);
    CHECK(setrlimit(RLIMIT_NOFILE, &small) == 0);
    while (used < COUNT_OF(wasted) && (wasted[used] = dup(0)) >= 0)
        used++;
    CHECK(used > 0 && used < COUNT_OF(wasted));

    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, h->path, strlen(h->path));
    CHECK(connect(g[0], (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(guest_hears(h, g[0], "-ERR max number of clients reached\r\n"));
    CHECK(h->door->counts.refused == 1);

    /* Now not even the reserve is left. */
    close(h->door->reserve_fd);
    h->door->reserve_fd = -1;
    wasted[used++] = dup(0);
    CHECK(connect(g[1], (struct sockaddr *)&address, sizeof address) == 0);
    for (unsigned i = 0; i < 5; i++)
        house_turn(h);
    CHECK(house_noted(h, "out of file descriptors"));
    double before = cpu_s();
    uv_update_time(&h->loop);
    for (unsigned i = 0; i < 3; i++)
        uv_run(&h->loop, UV_RUN_ONCE); /* sleeps until the timer */
    CHECK(cpu_s() - before < 0.5);

    for (unsigned i = 0; i < used; i++)
        close(wasted[i]);
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(asks(h, g[1], "PING", "+PONG\r\n")); /* it had waited in the queue */
    for (unsigned i = 0; i < 4; i++)
        close(g[i]);
    house_free(h);
}

TEST(a_thousand_idle_clients_take_little_memory)
{
    struct house *h = house_ready();
    enum { COUNT = 1000 };
    static int g[COUNT];
    struct rlimit limit;

    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    if (limit.rlim_cur < 2 * COUNT + 100) {
        house_free(h);
        test_skip("the limit of open files is too low");
    }
    for (unsigned i = 0; i < COUNT; i++) {
        g[i] = guest_new(h);
        CHECK(asks(h, g[i], "SET a 1", "+OK\r\n")); /* they were not always idle */
        guest_say(h, g[i], "*2\r\n$4\r\nECHO\r\n$3\r\nab");
        CHECK(asks(h, g[i], "c", "$3\r\nabc\r\n"));
    }
    size_t most = 0;
    for (const struct connection *c = h->door->connections; c; c = c->next) {
        size_t bytes = sizeof *c + c->in.capacity + c->out.capacity + c->held.capacity +
                       c->queue.capacity + c->slot_capacity * sizeof(struct slot) +
                       (c->parser.arguments != c->inline_arguments ? c->parser.capacity : 0);
        most = bytes > most ? bytes : most;
    }
    CHECK(h->door->counts.clients == COUNT);
    CHECK(most <= 8 * KIB);
    for (unsigned i = 0; i < COUNT; i++)
        close(g[i]);
    for (unsigned i = 0; i < 1000 && h->door->counts.clients > 0; i++)
        house_turn(h);
    CHECK(h->door->counts.clients == 0);
    house_free(h);
}

/* Bytes of all kinds from several guests: nothing crashes, and a decent guest is served. */
TEST_SEEDS(whatever_is_sent_the_door_stands, 20)
{
    struct house *h = house_ready();
    static const char *const pieces[] = {"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n",
                                         "GET k\r\n",
                                         "DEL k j\r\n",
                                         "MULTI\r\n",
                                         "EXEC\r\n",
                                         "ACCORD.WATCH\r\n",
                                         "ACCORD.GET k LOAD 50\r\n",
                                         "RESET\r\n",
                                         "HELLO 3\r\n",
                                         "*2\r\n$4\r\nECHO\r\n$",
                                         "\r\n",
                                         "*",
                                         "$5\r\n",
                                         "'",
                                         "\"\\x",
                                         "CLIENT LIST\r\n",
                                         "ACCORD.SYNC WAIT 5\r\n",
                                         "SCAN 0\r\n",
                                         "CLIENT REPLY SKIP\r\n",
                                         "QUIT\r\n",
                                         "MGET a b c k\r\n",
                                         "ACCORD.REMOVE k SOFT\r\n",
                                         "SET k v GET PX 5\r\n",
                                         "GETDEL k\r\n",
                                         "ACCORD.ATTACH 1 1\r\n",
                                         "COMMAND\r\n",
                                         "INFO\r\n",
                                         "CLIENT KILL ID 2\r\n",
                                         "DISCARD\r\n",
                                         "EXPIRE k 10\r\n",
                                         "GETEX k PX 1\r\n",
                                         "ACCORD.STATUS\r\n",
                                         "FLUSHALL\r\n"};
    int g[4] = {-1, -1, -1, -1};
    char reply[4096];

    for (unsigned i = 0; i < 400; i++) {
        unsigned who = (unsigned)test_random(rng, 4);
        if (g[who] < 0)
            g[who] = guest_new(h);
        h->hold = test_random(rng, 3) == 0;
        const char *piece = pieces[test_random(rng, COUNT_OF(pieces))];
        size_t bytes = strlen(piece);
        if (test_random(rng, 6) == 0)
            bytes = test_random(rng, bytes + 1);
        ssize_t n = send(g[who], piece, bytes, MSG_NOSIGNAL);
        house_turn(h);
        if (test_random(rng, 2))
            n = recv(g[who], reply, sizeof reply, 0);
        if (n == 0 || test_random(rng, 40) == 0) {
            close(g[who]);
            g[who] = -1;
        }
        if (test_random(rng, 20) == 0)
            house_pass(h, 20);
    }
    h->hold = false;
    int decent = guest_new(h);
    CHECK(asks(h, decent, "PING", "+PONG\r\n"));
    for (unsigned i = 0; i < 4; i++) {
        if (g[i] >= 0)
            close(g[i]);
    }
    close(decent);
    house_free(h);
}
