/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* The commands, as a client sees them. Replies that are Redis's own are compared with a real
 * redis-server in test/system/redis_compare.py; here is what differs, and what takes time. */
#include "door/house.h"

TEST(get_and_set_work_inline_and_as_arrays)
{
    struct house *h = house_ready();
    int g = guest_new(h);

    CHECK(asks(h, g, "GET a", "$-1\r\n"));
    CHECK(asks(h, g, "SET a 1", "+OK\r\n"));
    CHECK(asks(h, g, "GET a", "$1\r\n1\r\n"));
    CHECK(asks(h, g, "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$2\r\n\r\n", "+OK\r\n"));
    CHECK(asks(h, g, "GET b", "$2\r\n\r\n\r\n"));
    CHECK(asks(h, g, "MGET a b c", "*3\r\n$1\r\n1\r\n$2\r\n\r\n\r\n$-1\r\n"));
    CHECK(asks(h, g, "DEL a b c", ":2\r\n"));
    CHECK(asks(h, g, "HELLO 3\r\nGET a", "%7\r\n$6\r\nserver\r\n$6\r\naccord\r\n"));
    close(g);
    house_free(h);
}

TEST(replies_come_in_order_while_writes_wait_for_the_bus)
{
    struct house *h = house_ready();
    int g = guest_new(h), other = guest_new(h);

    h->hold = true;
    guest_say(h, g,
              "SET a 1\r\nGET a\r\nPING\r\nDEL a nosuch\r\nGET a\r\nNOSUCH\r\nSET b 2\r\n");
    CHECK(guest_is_quiet(h, g));
    CHECK(asks(h, other, "GET b", "$1\r\n2\r\n")); /* who does not write does not wait */
    h->hold = false;
    CHECK(guest_hears(h, g,
                      "+OK\r\n$1\r\n1\r\n+PONG\r\n:1\r\n$-1\r\n"
                      "-ERR unknown command 'NOSUCH', with args beginning with: \r\n+OK\r\n"));
    CHECK(guest_is_quiet(h, g));
    close(g);
    close(other);
    house_free(h);
}

TEST(a_pipeline_of_writes_travels_in_few_batches)
{
    struct house *h = house_ready();
    int g = guest_new(h);
    char line[32], text[16 * 32] = "";

    for (unsigned i = 0; i < 16; i++) {
        snprintf(line, sizeof line, "SET k%u v\r\n", i);
        strncat(text, line, sizeof text - strlen(text) - 1);
    }
    unsigned before = h->publishes;
    CHECK(asks(h, g, text, "+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n"));
    CHECK(h->publishes - before <= 2);
    close(g);
    house_free(h);
}

TEST(a_set_after_a_missed_get_stores_nothing_if_a_removal_came_between)
{
    struct house *h = house_ready();
    int g = guest_new(h), other = guest_new(h);

    CHECK(asks(h, g, "GET k", "$-1\r\n"));
    CHECK(asks(h, other, "DEL k", ":0\r\n"));
    CHECK(asks(h, g, "SET k outdated", "+OK\r\n"));
    CHECK(asks(h, g, "EXISTS k", ":0\r\n"));
    CHECK(asks(h, g, "SET k next", "+OK\r\n")); /* one GET protects one SET */
    CHECK(asks(h, g, "GET k", "$4\r\nnext\r\n"));

    CHECK(asks(h, g, "MGET a b", "*2\r\n$-1\r\n$-1\r\n"));
    CHECK(asks(h, other, "DEL b", ":0\r\n"));
    CHECK(asks(h, g, "MSET a 1 b 2", "+OK\r\n"));
    CHECK(asks(h, g, "MGET a b", "*2\r\n$1\r\n1\r\n$-1\r\n"));
    close(g);
    close(other);
    house_free(h);
}

/* One connection, as by hand; or two callers that share it, of which the first loads an old row
 * while the second removes it: the same bytes on the wire, so the safe answer. */
TEST(a_removal_between_a_missed_get_and_its_set_counts_on_one_connection_too)
{
    struct house *h = house_ready();
    int g = guest_new(h);

    CHECK(asks(h, g, "GET k\r\nDEL k\r\nSET k v", "$-1\r\n:0\r\n+OK\r\n"));
    CHECK(asks(h, g, "GET k", "$-1\r\n"));
    CHECK(strstr(tells(h, g, "INFO stats"), "\r\nsets_not_stored:1\r\n"));
    CHECK(asks(h, g, "SET k v\r\nGET k", "+OK\r\n$1\r\nv\r\n"));
    CHECK(strstr(tells(h, g, "INFO stats"), "\r\nsets_not_stored:1\r\n"));
    close(g);
    house_free(h);
}

TEST(a_set_is_published_unless_its_namespace_says_fill)
{
    struct house *h = house_ready();
    int g = guest_new(h);

    uint64_t before = h->newest;
    CHECK(asks(h, g, "GET a\r\nSET a 1", "$-1\r\n+OK\r\n"));
    CHECK(h->newest == before + 1);
    CHECK(h->log[before].change.op == CHANGE_REMOVE);
    CHECK(h->log[before].change.has_fingerprint);
    CHECK(asks(h, g, "GET fill:a\r\nSET fill:a 1\r\nGET fill:a", "$-1\r\n+OK\r\n$1\r\n1\r\n"));
    CHECK(h->newest == before + 1);
    CHECK(asks(h, g, "SET fill:a 2", "+OK\r\n")); /* no GET missed it before */
    CHECK(h->newest == before + 2);
    close(g);
    house_free(h);
}

TEST(nx_is_refused_where_it_would_decide_for_one_host_only)
{
    struct house *h = house_ready();
    int g = guest_new(h);
    static const char refused[] =
        "-ERR SET NX would decide for this host only: a cache takes no locks (a namespace with "
        "nx = local allows it)\r\n";

    CHECK(asks(h, g, "SET k v NX", refused));
    CHECK(asks(h, g, "SETNX k v", "-ERR SETNX would decide for this host only"));
    (void)tells(h, g, "PING");
    CHECK(asks(h, g, "EXISTS k", ":0\r\n"));
    CHECK(asks(h, g, "SET local:k v NX", "+OK\r\n"));
    CHECK(asks(h, g, "SET local:k w NX", "$-1\r\n"));
    CHECK(asks(h, g, "SETNX local:k w", ":0\r\n"));
    CHECK(asks(h, g, "SETNX local:m w", ":1\r\n"));
    CHECK(asks(h, g, "GET local:k", "$1\r\nv\r\n"));
    close(g);
    house_free(h);
}

TEST(while_unsure_get_answers_as_the_namespace_says)
{
    struct house *h = house_ready();
    int g = guest_new(h);

    CHECK(asks(h, g, "MSET a 1 old:a 2 strict:a 3", "+OK\r\n"));
    h->down = true;
    house_pass(h, 4000);
    CHECK(!house_is_fresh(h));
    CHECK(asks(h, g, "GET a", "$-1\r\n"));
    CHECK(asks(h, g, "EXISTS a", ":0\r\n"));
    CHECK(asks(h, g, "GET old:a", "$1\r\n2\r\n"));
    CHECK(asks(h, g, "GET strict:a", "-UNSURE unsure: the node cannot know"));
    CHECK(strstr(tells(h, g, "MGET a strict:a"), "-UNSURE "));
    CHECK(strstr(tells(h, g, "ACCORD.GET a"), "$6\r\nunsure\r\n"));
    CHECK(strstr(tells(h, g, "ACCORD.GET old:a"), "$5\r\nstale\r\n$3\r\nwhy\r\n$6\r\nunsure"));
    close(g);
    house_free(h);
}

TEST(get_serves_what_expired_within_its_grace_but_not_what_was_removed_softly)
{
    struct house *h = house_ready();
    int g = guest_new(h);

    CHECK(asks(h, g, "SET grace:a 1 PX 500\r\nSET grace:b 2", "+OK\r\n+OK\r\n"));
    house_pass(h, 600);
    CHECK(asks(h, g, "GET grace:a", "$1\r\n1\r\n"));
    CHECK(asks(h, g, "TTL grace:a", ":0\r\n"));
    CHECK(strstr(tells(h, g, "ACCORD.REMOVE grace:b SOFT"), "@1\r\n"));
    CHECK(asks(h, g, "GET grace:b", "$-1\r\n"));
    const char *answer = tells(h, g, "ACCORD.GET grace:b");
    CHECK(
        strstr(answer, "$5\r\nstale\r\n$3\r\nwhy\r\n$7\r\nremoved\r\n$5\r\nvalue\r\n$1\r\n2"));
    house_pass(h, 61000);
    CHECK(asks(h, g, "GET grace:a", "$-1\r\n"));
    close(g);
    house_free(h);
}

TEST(a_change_that_the_bus_does_not_take_is_an_error_that_says_so)
{
    struct house *h = house_ready();
    int g = guest_new(h);

    CHECK(asks(h, g, "SET a 1", "+OK\r\n"));
    h->down = true;
    guest_say(h, g, "DEL a\r\nPING\r\n");
    house_pass(h, 1500);
    CHECK(guest_hears(h, g, "-UNPUBLISHED removed here, queued for the bus"));
    CHECK(strstr(tells(h, g, "PING"), "+PONG\r\n+PONG\r\n"));
    close(g);
    house_free(h);
}

TEST(exec_answers_one_array_whose_removals_are_neighbours_in_the_log)
{
    struct house *h = house_ready();
    int g = guest_new(h), other = guest_new(h);

    CHECK(asks(h, g, "MSET a 1 b 2", "+OK\r\n"));
    h->hold = true;
    guest_say(h, g, "MULTI\r\nDEL a\r\nGET b\r\nDEL b\r\nPING\r\nEXEC\r\nPING\r\n");
    CHECK(guest_hears(h, g, "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n"));
    guest_say(h, other, "DEL c\r\n");
    uint64_t before = h->newest;
    h->hold = false;
    CHECK(guest_hears(h, g, "*4\r\n:1\r\n$1\r\n2\r\n:1\r\n+PONG\r\n+PONG\r\n"));
    CHECK(guest_hears(h, other, ":0\r\n"));
    uint64_t at = before;
    while (at > 0 && !bytes_equal(h->log[at - 1].change.key, bytes_of_text("a")))
        at--;
    CHECK(bytes_equal(h->log[at].change.key, bytes_of_text("b")));
    close(g);
    close(other);
    house_free(h);
}

TEST(exec_leaves_in_one_publish_whatever_it_removes_and_sets)
{
    struct house *h = house_ready();
    int g = guest_new(h);

    house_pass(h, 100);
    guest_say(h, g, "MULTI\r\nDEL a b\r\nSET c 1\r\nACCORD.REMOVETAG t\r\nDEL a\r\nGET c\r\n");
    CHECK(guest_hears(h, g, "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n"));
    unsigned publishes = h->publishes;
    uint64_t at = h->newest;
    guest_say(h, g, "EXEC\r\n");
    CHECK(h->publishes == publishes + 1);
    CHECK(h->newest == at + 4); /* the first "a" is said again by the last */
    CHECK(bytes_equal(h->log[at].change.key, bytes_of_text("b")));
    CHECK(bytes_equal(h->log[at + 3].change.key, bytes_of_text("a")));
    CHECK(guest_hears(h, g, "*5\r\n:0\r\n+OK\r\n+"));
    (void)tells(h, g, "PING");
    close(g);
    house_free(h);
}

TEST(mset_sets_1024_keys_inside_a_transaction_and_more_by_itself)
{
    struct house *h = house_ready();
    int g = guest_new(h);
    static char line[16384];
    size_t n = (size_t)snprintf(line, sizeof line, "MSET");

    for (unsigned i = 1; i <= PUBLISH_BATCH_MAX; i++)
        n += (size_t)snprintf(line + n, sizeof line - n, " k%u v", i);
    CHECK(asks(h, g, "MULTI", "+OK\r\n"));
    CHECK(asks(h, g, line, "+QUEUED\r\n"));
    CHECK(asks(h, g, "EXEC", "*1\r\n+OK\r\n"));
    CHECK(asks(h, g, "GET k1024", "$1\r\nv\r\n"));
    snprintf(line + n, sizeof line - n, " more w");
    CHECK(asks(h, g, "MULTI", "+OK\r\n"));
    CHECK(asks(h, g, line,
               "-TOOLARGE a transaction travels as one: it holds at most 1024 changes\r\n"));
    CHECK(asks(h, g, "EXEC", "-EXECABORT"));
    (void)tells(h, g, "PING");
    CHECK(asks(h, g, "GET more", "$-1\r\n"));
    CHECK(asks(h, g, line, "+OK\r\n")); /* not as one: no limit of one publish */
    CHECK(asks(h, g, "GET more", "$1\r\nw\r\n"));
    close(g);
    house_free(h);
}

TEST(a_transaction_of_more_changes_than_one_publish_takes_is_refused_before_it_begins)
{
    struct house *h = house_ready();
    int g = guest_new(h);
    static char line[16384];
    size_t n = (size_t)snprintf(line, sizeof line, "MULTI\r\nSET k v\r\nDEL");

    for (unsigned i = 1; i < PUBLISH_BATCH_MAX; i++)
        n += (size_t)snprintf(line + n, sizeof line - n, " k%u", i);
    CHECK(
        asks(h, g, line, "+OK\r\n+QUEUED\r\n+QUEUED\r\n")); /* 1,024: as many as there may be */
    CHECK(asks(h, g, "ACCORD.REMOVE x SOFT",
               "-TOOLARGE a transaction travels as one: it holds "
               "at most 1024 changes\r\n"));
    CHECK(asks(h, g, "EXEC", "-EXECABORT"));
    (void)tells(h, g, "PING");
    CHECK(asks(h, g, "GET k", "$-1\r\n")); /* nothing of it was done */
    uint64_t at = h->newest;
    CHECK(asks(h, g, line, "+OK\r\n+QUEUED\r\n+QUEUED\r\n"));
    unsigned publishes = h->publishes;
    CHECK(asks(h, g, "GET k\r\nEXEC", "+QUEUED\r\n*3\r\n+OK\r\n:0\r\n$1\r\nv\r\n"));
    CHECK(h->publishes == publishes + 1);
    CHECK(h->newest == at + PUBLISH_BATCH_MAX);
    close(g);
    house_free(h);
}

TEST(multi_queues_so_many_commands_and_bytes_and_no_more)
{
    struct house *h = house_ready();
    int g = guest_new(h);
    static char value[ARGUMENT_BYTES_MAX];
    char head[64];

    CHECK(asks(h, g, "MULTI", "+OK\r\n"));
    for (unsigned i = 0; i < MULTI_COMMANDS_MAX; i++)
        CHECK(asks(h, g, "PING", "+QUEUED\r\n"));
    CHECK(asks(h, g, "PING", "-FULL a transaction holds at most"));
    (void)tells(h, g, "PING");
    CHECK(asks(h, g, "EXEC", "-EXECABORT"));
    (void)tells(h, g, "PING");

    memset(value, 'v', sizeof value);
    CHECK(asks(h, g, "MULTI", "+OK\r\n"));
    int n = snprintf(head, sizeof head, "*2\r\n$4\r\nECHO\r\n$%zu\r\n", sizeof value);
    for (unsigned i = 0; i < MULTI_BYTES_MAX / ARGUMENT_BYTES_MAX; i++) {
        guest_write(h, g, head, (size_t)n);
        guest_write(h, g, value, sizeof value);
        guest_write(h, g, "\r\n", 2);
        bool last = i + 1 == MULTI_BYTES_MAX / ARGUMENT_BYTES_MAX;
        CHECK(guest_hears(h, g, last ? "-FULL a transaction" : "+QUEUED\r\n"));
    }
    close(g);
    house_free(h);
}

TEST(reset_takes_a_connection_back_to_how_it_began)
{
    struct house *h = house_ready();
    int g = guest_new(h);

    (void)tells(h, g, "HELLO 3 SETNAME me");
    CHECK(asks(h, g, "MULTI\r\nPING\r\nRESET", "+OK\r\n+QUEUED\r\n+RESET\r\n"));
    CHECK(asks(h, g, "GET a\r\nCLIENT GETNAME\r\nEXEC",
               "$-1\r\n$-1\r\n-ERR EXEC without MULTI\r\n"));
    close(g);
    house_free(h);
}

TEST(keys_have_1_to_8192_bytes)
{
    struct house *h = house_ready();
    int g = guest_new(h);
    static char line[2 * KEY_BYTES_MAX];

    memset(line, 'k', sizeof line);
    memcpy(line, "SET ", 4);
    memcpy(line + 4 + KEY_BYTES_MAX, " v", 3);
    CHECK(asks(h, g, line, "+OK\r\n"));
    memcpy(line, "GET ", 4);
    line[4 + KEY_BYTES_MAX] = 0;
    CHECK(asks(h, g, line, "$1\r\nv\r\n"));
    memset(line + 4 + KEY_BYTES_MAX, 'k', 2);
    line[4 + KEY_BYTES_MAX + 1] = 0;
    CHECK(asks(
        h, g, line,
        "-TOOLARGE a key of 8193 bytes; at most 8192: shorten it, or take a hash of it\r\n"));
    CHECK(asks(h, g, "GET ''", "-ERR a key must have at least 1 byte\r\n"));
    CHECK(asks(h, g, "DEL a ''", "-ERR a key must have at least 1 byte\r\n"));
    CHECK(asks(h, g, "MSET a 1 '' 2", "-ERR a key must have at least 1 byte\r\n"));
    CHECK(asks(h, g, "EXISTS a", ":0\r\n"));
    close(g);
    house_free(h);
}

/* SET k with a value of `bytes` bytes. */
static void say_set(struct house *h, int g, size_t bytes)
{
    static char value[4 * 1024 * 1024];
    char head[64];

    CHECK(bytes <= sizeof value);
    memset(value, 'v', sizeof value);
    int n = snprintf(head, sizeof head, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%zu\r\n", bytes);
    guest_write(h, g, head, (size_t)n);
    guest_write(h, g, value, bytes);
    guest_write(h, g, "\r\n", 2);
}

TEST(a_value_that_fits_no_block_is_refused_and_the_old_one_does_not_survive_it)
{
    struct house *h = house_ready();
    int g = guest_new(h);
    size_t max = h->segment.sizes.value_bytes_max;
    char line[256];

    say_set(h, g, max);
    CHECK(guest_hears(h, g, "+OK\r\n"));
    CHECK(asks(h, g, "EXISTS k", ":1\r\n"));
    say_set(h, g, h->segment.sizes.block_bytes);
    CHECK(guest_hears(h, g, "-TOOLARGE "));
    CHECK(strstr(tells(h, g, "EXISTS k"), "\r\n:0\r\n"));

    CHECK(asks(h, g, "SET k v", "+OK\r\n"));
    say_set(h, g, ARGUMENT_BYTES_MAX + 1);
    snprintf(line, sizeof line,
             "-TOOLARGE the value is larger than 1048576 bytes: not stored; the key was "
             "removed. With its key and tags it must fit a block, here of %llu bytes: store it "
             "compressed or in parts\r\n",
             (unsigned long long)h->segment.sizes.block_bytes);
    CHECK(guest_hears(h, g, line));
    CHECK(asks(h, g, "EXISTS k", ":0\r\n"));
    CHECK(bytes_equal(h->log[h->newest - 1].change.key, bytes_of_text("k")));
    CHECK(asks(h, g, "PING", "+PONG\r\n"));
    close(g);
    house_free(h);
}

TEST(names_and_patterns_are_bounded)
{
    struct house *h = house_ready();
    int g = guest_new(h);
    static char line[3 * KEY_BYTES_MAX];

    memset(line, 'n', sizeof line);
    memcpy(line, "CLIENT SETNAME ", 15);
    line[15 + NAME_BYTES_MAX] = 0;
    CHECK(asks(h, g, line, "+OK\r\n"));
    line[15 + NAME_BYTES_MAX] = 'n';
    line[15 + NAME_BYTES_MAX + 1] = 0;
    CHECK(asks(h, g, line, "-TOOLARGE a client's name has at most 128 bytes\r\n"));
    CHECK(asks(h, g, "CLIENT SETINFO lib-name x\r\nCLIENT SETINFO foo x",
               "+OK\r\n-ERR Unrecognized option 'foo'\r\n"));
    memset(line, 'p', sizeof line);
    memcpy(line, "ACCORD.WATCH ", 13);
    line[13 + KEY_BYTES_MAX + 1] = 0;
    CHECK(asks(h, g, line, "-TOOLARGE a pattern of 8193 bytes; at most 8192\r\n"));
    close(g);
    house_free(h);
}

TEST(one_command_names_so_many_keys_and_no_more)
{
    struct house *h = house_ready();
    int g = guest_new(h);
    char head[64];

    for (unsigned extra = 0; extra < 2; extra++) {
        int n =
            snprintf(head, sizeof head, "*%u\r\n$4\r\nMGET\r\n", SPREAD_KEYS_MAX + 1 + extra);
        guest_write(h, g, head, (size_t)n);
        for (unsigned i = 0; i < SPREAD_KEYS_MAX + extra; i++)
            guest_write(h, g, "$1\r\nk\r\n", 7);
        CHECK(guest_hears(
            h, g, extra ? "-TOOLARGE at most 16384 keys at once\r\n" : "*16384\r\n$-1\r\n"));
        static char rest[5 * SPREAD_KEYS_MAX];
        CHECK(extra || guest_read(h, g, rest, sizeof rest - 5) == sizeof rest - 5);
    }
    /* A DEL of any number goes out as removals of at most REMOVE_KEYS_MAX keys. */
    CHECK(asks(h, g, "MSET k 1 j 2", "+OK\r\n"));
    int n = snprintf(head, sizeof head, "*%u\r\n$3\r\nDEL\r\n", 2 * REMOVE_KEYS_MAX + 2);
    guest_write(h, g, head, (size_t)n);
    for (unsigned i = 0; i < 2 * REMOVE_KEYS_MAX + 1; i++)
        guest_write(h, g, i == 2 * REMOVE_KEYS_MAX ? "$1\r\nj\r\n" : "$1\r\nk\r\n", 7);
    CHECK(guest_hears(h, g, ":2\r\n"));
    close(g);
    house_free(h);
}

TEST(half_a_gigabyte_declared_takes_no_memory_of_ours)
{
    struct house *h = house_ready();
    int g = guest_new(h);
    static char zeros[1 << 20];

    guest_say(h, g, "*2\r\n$4\r\nECHO\r\n$536870912\r\n");
    for (unsigned i = 0; i < 24; i++) {
        guest_write(h, g, zeros, sizeof zeros);
        const struct connection *c = h->door->connections;
        CHECK(c && c->in.capacity <= 4 * INPUT_BYTES);
    }
    CHECK(guest_is_quiet(h, g));
    close(g);
    house_turn(h);
    house_free(h);
}

TEST(scan_visits_each_key_and_only_what_matches)
{
    struct house *h = house_ready();
    int g = guest_new(h);
    char line[64];
    unsigned found = 0;
    uint64_t cursor = 0;

    for (unsigned i = 0; i < 500; i++) {
        snprintf(line, sizeof line, "SET %s:%u v", i % 2 ? "odd" : "even", i);
        CHECK(asks(h, g, line, "+OK\r\n"));
    }
    do {
        snprintf(line, sizeof line, "SCAN %llu MATCH odd:* COUNT 50",
                 (unsigned long long)cursor);
        const char *reply = tells(h, g, line);
        CHECK(strncmp(reply, "*2\r\n$", 5) == 0);
        cursor = strtoull(strstr(reply + 5, "\r\n") + 2, NULL, 10);
        CHECK(!strstr(reply, "even:"));
        for (const char *p = reply; (p = strstr(p, "odd:")); p++)
            found++;
    } while (cursor != 0);
    CHECK(found == 250);
    close(g);
    house_free(h);
}

TEST(views_are_maps_in_both_protocols)
{
    struct house *h = house_ready();
    int g = guest_new(h);
    char expected[256];

    snprintf(expected, sizeof expected,
             "*8\r\n$4\r\nname\r\n$3\r\none\r\n$7\r\napplied\r\n:%llu\r\n$5\r\nshare\r\n"
             "$3\r\n0.5\r\n$4\r\nself\r\n:1\r\n",
             (unsigned long long)h->newest);
    CHECK(asks(h, g, "ACCORD.STATUS", expected));
    CHECK(strncmp(tells(h, g, "ACCORD.NODES"), "*2\r\n*8\r\n", 8) == 0);
    (void)tells(h, g, "HELLO 3");
    snprintf(expected, sizeof expected,
             "%%4\r\n$4\r\nname\r\n$3\r\none\r\n$7\r\napplied\r\n:%llu\r\n$5\r\nshare\r\n"
             ",0.5\r\n$4\r\nself\r\n#t\r\n",
             (unsigned long long)h->newest);
    CHECK(asks(h, g, "ACCORD.STATUS", expected));
    CHECK(strstr(tells(h, g, "INFO accord"), "share:0.5\r\n"));
    CHECK(strncmp(tells(h, g, "INFO accord"), "=", 1) == 0);
    close(g);
    house_free(h);
}

TEST(shutdown_asks_the_node_to_stop)
{
    struct house *h = house_ready();
    int g = guest_new(h);

    guest_say(h, g, "SHUTDOWN NOSAVE\r\n");
    house_turn(h);
    CHECK(h->stop_wanted);
    close(g);
    house_free(h);
}

TEST(every_command_is_found_whatever_its_case_and_says_how_it_is_used)
{
    struct house *h = house_ready();
    int g = guest_new(h);
    char line[64];

    for (size_t i = 0; i < command_count; i++) {
        CHECK(command_find(h->door, bytes_of_text(commands[i].name)) == &commands[i]);
        CHECK(commands[i].summary[0]);
        snprintf(line, sizeof line, "COMMAND INFO %s", commands[i].name);
        CHECK(strncmp(tells(h, g, line), "*1\r\n*10\r\n", 9) == 0);
    }
    CHECK(!command_find(h->door, bytes_of_text("")));
    CHECK(!command_find(h->door, bytes_of_text("getx")));
    CHECK(!command_find(h->door, bytes_of_text("\x07\x05\x14")));
    CHECK(strstr(tells(h, g, "ACCORD.HELP"), "ACCORD.GET key"));
    close(g);
    house_free(h);
}
