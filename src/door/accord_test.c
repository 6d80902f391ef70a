/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* ACCORD.*, and what is pushed. */
#include "door/attach.h"
#include "door/house.h"

#include <sys/mman.h>
#include <sys/stat.h>

/* The text of a bulk string field of a map in RESP2. Static. */
static const char *field(const char *reply, const char *name)
{
    static char text[128];
    char head[64];

    snprintf(head, sizeof head, "$%zu\r\n%s\r\n", strlen(name), name);
    const char *at = strstr(reply, head);
    CHECK(at);
    at += strlen(head);
    if (*at == '$' && at[1] != '-')
        at = strstr(at, "\r\n") + 2;
    size_t n = strcspn(at, "\r");
    CHECK(n < sizeof text);
    memcpy(text, at, n);
    text[n] = 0;
    return text;
}

static bool field_is(const char *reply, const char *name, const char *value)
{
    bool same = strcmp(field(reply, name), value) == 0;

    if (!same)
        fprintf(stderr, "%s is %s, expected %s\n", name, field(reply, name), value);
    return same;
}

/* Gets `key` and keeps its token. */
static void take(struct house *h, int g, const char *key, char token[TOKEN_TEXT_BYTES_MAX])
{
    char line[256];

    snprintf(line, sizeof line, "ACCORD.GET %s", key);
    snprintf(token, TOKEN_TEXT_BYTES_MAX, "%s", field(tells(h, g, line), "token"));
}

static bool fills(struct house *h, int g, const char *rest, const char *token,
                  const char *expected)
{
    char line[512];

    snprintf(line, sizeof line, "ACCORD.FILL %s TOKEN %s", rest, token);
    return asks(h, g, line, expected);
}

TEST(a_get_tells_state_why_value_token_age_and_version)
{
    struct house *h = house_ready();
    char token[TOKEN_TEXT_BYTES_MAX];
    int g = guest_new(h);

    const char *reply = tells(h, g, "ACCORD.GET k");
    CHECK(strncmp(reply, "*18\r\n", 5) == 0);
    CHECK(field_is(reply, "state", "miss"));
    CHECK(field_is(reply, "why", "absent"));
    CHECK(field_is(reply, "value", "$-1"));
    CHECK(field_is(reply, "may_load", ":0"));
    take(h, g, "k", token);
    CHECK(fills(h, g, "k hello PX 5000 VERSION 12 TAGS 2 t1 t2", token, "+STORED\r\n"));
    house_pass(h, 1000);
    reply = tells(h, g, "ACCORD.GET k");
    CHECK(field_is(reply, "state", "hit"));
    CHECK(field_is(reply, "why", ""));
    CHECK(field_is(reply, "value", "hello"));
    CHECK(field_is(reply, "age_ms", ":1000"));
    CHECK(field_is(reply, "ttl_ms", ":4000"));
    CHECK(field_is(reply, "version", ":12"));
    CHECK(strstr(tells(h, g, "ACCORD.REMOVETAG t2"), "@1\r\n"));
    CHECK(field_is(tells(h, g, "ACCORD.GET k"), "why", "removed"));
    (void)tells(h, g, "HELLO 3");
    CHECK(strncmp(tells(h, g, "ACCORD.GET k"), "%9\r\n", 4) == 0);
    close(g);
    house_free(h);
}

TEST(a_fill_is_refused_for_its_token_its_version_its_size)
{
    struct house *h = house_ready();
    char token[TOKEN_TEXT_BYTES_MAX];
    static char big[ARGUMENT_BYTES_MAX + 2];
    int g = guest_new(h);

    take(h, g, "k", token);
    CHECK(asks(h, g, "DEL k", ":0\r\n"));
    CHECK(fills(h, g, "k v", token, "+REFUSED token\r\n"));
    take(h, g, "k", token);
    CHECK(fills(h, g, "k v9 VERSION 9", token, "+STORED\r\n"));
    CHECK(fills(h, g, "k v8 VERSION 8", token, "+REFUSED version\r\n"));

    take(h, g, "k", token);
    memset(big, 'v', sizeof big);
    char head[128];
    int n = snprintf(head, sizeof head, "*5\r\n$11\r\nACCORD.FILL\r\n$1\r\nk\r\n$%d\r\n",
                     ARGUMENT_BYTES_MAX + 1);
    guest_write(h, g, head, (size_t)n);
    guest_write(h, g, big, ARGUMENT_BYTES_MAX + 1);
    n = snprintf(head, sizeof head, "\r\n$5\r\nTOKEN\r\n$%zu\r\n%s\r\n", strlen(token), token);
    guest_write(h, g, head, (size_t)n);
    CHECK(guest_hears(h, g, "+REFUSED size\r\n"));

    take(h, g, "none", token);
    CHECK(fills(h, g, "none '' NEGATIVE", token, "+STORED\r\n"));
    CHECK(asks(h, g, "GET none", "$-1\r\n"));
    CHECK(field_is(tells(h, g, "ACCORD.GET none"), "state", "negative"));
    close(g);
    house_free(h);
}

TEST(a_fill_that_makes_no_sense_is_told_why)
{
    struct house *h = house_ready();
    char token[TOKEN_TEXT_BYTES_MAX];
    int g = guest_new(h);

    take(h, g, "k", token);
    CHECK(asks(h, g, "ACCORD.FILL k v PX 5",
               "-ERR a fill needs the TOKEN that ACCORD.GET gave\r\n"));
    CHECK(asks(h, g, "ACCORD.FILL k v TOKEN x", "-ERR that is no token"));
    (void)tells(h, g, "PING");
    CHECK(fills(h, g, "k v PX 0", token, "-ERR PX takes milliseconds from 1 on"));
    (void)tells(h, g, "PING");
    CHECK(fills(h, g, "k v PX x", token, "-ERR value is not an integer or out of range\r\n"));
    CHECK(fills(h, g, "k v TAGS 3 a b", token,
                "-ERR syntax error: ACCORD.FILL key value TOKEN t [PX ms] [GRACE ms] "
                "[NEGATIVE] [VERSION v] [TAGS n tag …]\r\n"));
    CHECK(
        fills(h, g, "k v TAGS 99999 a b", token, "-TOOLARGE an item has at most 32 tags\r\n"));
    CHECK(fills(h, g, "k v GRACE", token, "-ERR value is not an integer"));
    (void)tells(h, g, "PING");
    CHECK(fills(h, g, "k v FOO", token,
                "-ERR syntax error: ACCORD.FILL key value TOKEN t [PX ms] [GRACE ms] "
                "[NEGATIVE] [VERSION v] [TAGS n tag …]\r\n"));
    CHECK(fills(h, g, "k v PX -1", token, "+STORED\r\n"));
    CHECK(asks(h, g, "TTL k", ":-1\r\n"));
    close(g);
    house_free(h);
}

TEST(a_set_with_options_answers_its_position)
{
    struct house *h = house_ready();
    int g = guest_new(h);
    char expected[64];

    snprintf(expected, sizeof expected, "+%llu@1\r\n", (unsigned long long)h->newest + 1);
    CHECK(asks(h, g, "ACCORD.SET k v PX 9000 TAGS 1 t", expected));
    CHECK(asks(h, g, "PTTL k", ":9000\r\n"));
    CHECK(asks(h, g, "ACCORD.SET k v NEGATIVE",
               "-ERR syntax error: ACCORD.SET key value [TOKEN t] [PX ms] [GRACE ms] [VERSION "
               "v] [TAGS n tag …]\r\n"));
    CHECK(strstr(tells(h, g, "ACCORD.REMOVETAG t"), "@1\r\n"));
    CHECK(asks(h, g, "EXISTS k", ":0\r\n"));
    close(g);
    house_free(h);
}

TEST(one_caller_loads_and_the_others_are_given_what_it_loaded)
{
    struct house *h = house_ready();
    char token[TOKEN_TEXT_BYTES_MAX];
    int g = guest_new(h), waits = guest_new(h), hurries = guest_new(h);

    const char *reply = tells(h, g, "ACCORD.GET k LOAD 1000");
    CHECK(field_is(reply, "may_load", ":1"));
    snprintf(token, sizeof token, "%s", field(reply, "token"));
    guest_say(h, waits, "ACCORD.GET k LOAD 1000\r\n");
    CHECK(guest_is_quiet(h, waits));
    CHECK(field_is(tells(h, hurries, "ACCORD.GET k LOAD 0"), "state", "busy"));
    CHECK(fills(h, g, "k loaded", token, "+STORED\r\n"));
    reply = tells(h, waits, "PING");
    CHECK(field_is(reply, "state", "hit"));
    CHECK(field_is(reply, "value", "loaded"));
    CHECK(field_is(reply, "may_load", ":0"));
    close(g);
    close(waits);
    close(hurries);
    house_free(h);
}

TEST(a_loader_that_dies_leaves_its_right_to_the_next)
{
    struct house *h = house_ready();
    int g = guest_new(h), waits = guest_new(h);

    CHECK(field_is(tells(h, g, "ACCORD.GET k LOAD 1000"), "may_load", ":1"));
    guest_say(h, waits, "ACCORD.GET k LOAD 1000\r\n");
    CHECK(guest_is_quiet(h, waits));
    close(g);
    CHECK(field_is(tells(h, waits, "PING"), "may_load", ":1"));
    close(waits);
    house_free(h);
}

TEST(a_wait_for_a_load_does_not_stop_the_pipeline_that_would_end_it)
{
    struct house *h = house_ready();
    char token[TOKEN_TEXT_BYTES_MAX];
    int g = guest_new(h);

    const char *reply = tells(h, g, "ACCORD.GET k LOAD 1000");
    snprintf(token, sizeof token, "%s", field(reply, "token"));
    guest_say(h, g, "ACCORD.GET k LOAD 1000\r\n");
    char line[256];
    snprintf(line, sizeof line, "ACCORD.FILL k v TOKEN %s", token);
    reply = tells(h, g, line);
    CHECK(field_is(reply, "value", "v"));
    CHECK(strstr(reply, "+STORED\r\n"));
    close(g);
    house_free(h);
}

TEST(maxstale_asks_the_log_at_once_where_the_lease_is_older)
{
    struct house *h = house_ready();
    int g = guest_new(h);

    CHECK(asks(h, g, "SET k v", "+OK\r\n"));
    CHECK(field_is(tells(h, g, "ACCORD.GET k MAXSTALE 0"), "state", "hit"));
    CHECK(field_is(tells(h, g, "ACCORD.GET k MAXSTALE 60000"), "state", "hit"));
    CHECK(field_is(tells(h, g, "ACCORD.GET x MAXSTALE 0 LOAD 10"), "may_load", ":1"));
    h->down = true;
    guest_say(h, g, "ACCORD.GET k MAXSTALE 0\r\n");
    house_pass(h, 1100);
    const char *reply = tells(h, g, "PING");
    CHECK(field_is(reply, "state", "unsure"));
    CHECK(field_is(reply, "why", "maxstale"));
    CHECK(field_is(reply, "value", "$-1"));
    close(g);
    house_free(h);
}

TEST(a_fence_refuses_what_a_lagging_replica_gives)
{
    struct house *h = house_ready();
    char token[TOKEN_TEXT_BYTES_MAX];
    int g = guest_new(h);

    take(h, g, "lsn:k", token);
    CHECK(fills(h, g, "lsn:k v VERSION 90", token, "+REFUSED held\r\n")); /* just started */
    CHECK(asks(h, g, "ACCORD.FENCE FLOOR lsn 50", "+OK\r\n"));
    CHECK(asks(h, g, "ACCORD.FENCE FLOOR held 50",
               "-ERR a floor needs a namespace with version = lsn\r\n"));
    CHECK(!strstr(tells(h, g, "ACCORD.FENCE FLOOR lsn x"), "+OK"));
    CHECK(strstr(tells(h, g, "ACCORD.FENCE FLOOR lsn"), "-ERR syntax error"));
    CHECK(strstr(tells(h, g, "ACCORD.FENCE NOW"), "-ERR syntax error"));
    CHECK(fills(h, g, "lsn:k v", token, "+REFUSED version\r\n"));
    CHECK(fills(h, g, "lsn:k v VERSION 49", token, "+REFUSED version\r\n"));
    CHECK(fills(h, g, "lsn:k v VERSION 50", token, "+STORED\r\n"));
    CHECK(strstr(tells(h, g, "ACCORD.REMOVE lsn:k VERSION 60"), "@1\r\n"));
    take(h, g, "lsn:k", token);
    CHECK(fills(h, g, "lsn:k old VERSION 59", token, "+REFUSED version\r\n"));
    CHECK(fills(h, g, "lsn:k new VERSION 60", token, "+STORED\r\n"));
    CHECK(strstr(tells(h, g, "ACCORD.CLEAR lsn VERSION 70"), "@1\r\n"));
    CHECK(strstr(tells(h, g, "ACCORD.CLEAR * VERSION 70"), "one namespace's order"));
    take(h, g, "lsn:k", token);
    CHECK(fills(h, g, "lsn:k old VERSION 69", token, "+REFUSED version\r\n"));
    CHECK(strstr(tells(h, g, "ACCORD.FENCE RESET lsn"), "@1\r\n"));
    CHECK(fills(h, g, "lsn:k old VERSION 75", token, "+REFUSED token\r\n"));
    take(h, g, "lsn:k", token);
    CHECK(fills(h, g, "lsn:k new VERSION 1", token, "+STORED\r\n"));
    CHECK(strstr(tells(h, g, "ACCORD.FENCE RESET nowhere"), "no such namespace"));
    close(g);
    house_free(h);
}

TEST(where_nobody_has_versions_a_removed_key_is_held_for_a_while)
{
    struct house *h = house_ready();
    char token[TOKEN_TEXT_BYTES_MAX];
    int g = guest_new(h), other = guest_new(h);

    house_pass(h, 1100); /* since the start */
    take(h, g, "held:k", token);
    CHECK(fills(h, g, "held:k v", token, "+STORED\r\n"));
    CHECK(asks(h, g, "DEL held:k", ":1\r\n"));
    CHECK(field_is(tells(h, g, "ACCORD.GET held:k LOAD 0"), "state", "miss"));
    guest_say(h, other, "ACCORD.GET held:k LOAD 1000\r\n");
    take(h, g, "held:k", token);
    CHECK(fills(h, g, "held:k old", token, "+REFUSED held\r\n"));
    const char *shared = tells(h, other, "PING"); /* who waits has what was loaded, as stale */
    CHECK(field_is(shared, "state", "stale"));
    CHECK(strstr(shared, "old"));
    house_pass(h, 1100);
    take(h, g, "held:k", token);
    CHECK(fills(h, g, "held:k new", token, "+STORED\r\n"));
    close(g);
    close(other);
    house_free(h);
}

TEST(options_follow_keys_and_keys_n_takes_any_key)
{
    struct house *h = house_ready();
    int g = guest_new(h);

    CHECK(asks(h, g, "MSET a 1 SOFT 2 keys 3 b 4", "+OK\r\n"));
    CHECK(strstr(tells(h, g, "ACCORD.REMOVE a SOFT"), "@1\r\n"));
    CHECK(asks(h, g, "EXISTS SOFT", ":1\r\n"));
    CHECK(strstr(tells(h, g, "ACCORD.REMOVE SOFT"), "@1\r\n"));
    CHECK(asks(h, g, "EXISTS SOFT", ":0\r\n"));
    CHECK(strstr(tells(h, g, "ACCORD.REMOVE keys"), "@1\r\n"));
    CHECK(asks(h, g, "EXISTS keys", ":0\r\n"));
    CHECK(asks(h, g, "MSET SOFT 2 b 4", "+OK\r\n"));
    CHECK(strstr(tells(h, g, "ACCORD.REMOVE KEYS 2 b SOFT"), "@1\r\n"));
    CHECK(asks(h, g, "EXISTS SOFT b", ":0\r\n"));
    CHECK(asks(h, g, "ACCORD.REMOVE KEYS 3 a b", "-ERR KEYS 3, but 2 arguments follow\r\n"));
    CHECK(asks(h, g, "ACCORD.REMOVE KEYS 0 a", "-ERR KEYS 0, but 1 arguments follow\r\n"));
    CHECK(asks(h, g, "ACCORD.GET",
               "-ERR wrong number of arguments for 'accord.get' command: ACCORD.GET key [LOAD "
               "ms] [MAXSTALE ms]\r\n"));
    CHECK(asks(h, g, "ACCORD.NODES x",
               "-ERR wrong number of arguments for 'accord.nodes' command: ACCORD.NODES\r\n"));
    CHECK(asks(h, g, "ACCORD.REMOVE a SOFT b",
               "-ERR syntax error: ACCORD.REMOVE key … | KEYS n key … [SOFT] [VERSION v] [WAIT "
               "ms] [ID text]\r\n"));
    CHECK(asks(h, g, "ACCORD.REMOVETAG t VERSION 1",
               "-ERR syntax error: ACCORD.REMOVETAG tag … | KEYS n tag … [SOFT] [WAIT ms] [ID "
               "text]\r\n"));
    close(g);
    house_free(h);
}

TEST(clear_takes_a_namespace_or_everything)
{
    struct house *h = house_ready();
    int g = guest_new(h);

    CHECK(asks(h, g, "MSET a 1 local:a 2", "+OK\r\n"));
    CHECK(strstr(tells(h, g, "ACCORD.CLEAR local"), "@1\r\n"));
    CHECK(asks(h, g, "EXISTS a local:a", ":1\r\n"));
    CHECK(strstr(tells(h, g, "ACCORD.CLEAR nosuch"), "-ERR "));
    CHECK(strstr(tells(h, g, "ACCORD.CLEAR *"), "@1\r\n"));
    CHECK(asks(h, g, "EXISTS a", ":0\r\n"));
    close(g);
    house_free(h);
}

TEST(a_removal_that_waits_is_answered_when_no_node_can_serve_what_it_removed)
{
    struct house *h = house_ready();
    int g = guest_new(h);

    CHECK(asks(h, g, "MSET a 1 b 2 local:a 3", "+OK\r\n"));
    house_pass(h, 20000); /* before, it knows too little of who else is there */
    const char *alone = "@1\r\n$9\r\nconfirmed\r\n*0\r\n$6\r\nlapsed\r\n*0\r\n";
    CHECK(strstr(tells(h, g, "ACCORD.REMOVE a b WAIT 1000"), alone));
    CHECK(strstr(tells(h, g, "ACCORD.CLEAR local WAIT 1000"), alone));
    CHECK(strstr(tells(h, g, "ACCORD.REMOVETAG t WAIT 1000"), alone));
    CHECK(asks(h, g, "EXISTS a b local:a", ":0\r\n"));
    h->hold = true;
    guest_say(h, g, "ACCORD.REMOVE a WAIT 100\r\n");
    CHECK(guest_is_quiet(h, g));
    house_pass(h, 200);
    CHECK(guest_is_quiet(h, g)); /* the bus has not even taken it */
    h->hold = false;
    CHECK(guest_hears(h, g,
                      "-TIMEOUT unknown: the removal has not come back from the log yet\r\n"));
    close(g);
    house_free(h);
}

/* Web2 and both incarnations of web3 beat, as long as this lasts; then the first has applied
 * all that is in the log. */
static void others_beat(struct house *h, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        house_beat(h, "web2", (struct id128){0x22ull << 32, 2}, h->newest, 1);
        house_beat(h, "web3", (struct id128){0x33ull << 32, 3}, 0, 1);
        house_beat(h, "web3", (struct id128){0x3aull << 32, 4}, h->newest, 1);
        house_beat(h, "we, b;", (struct id128){5, 5}, h->newest, 1);
        house_pass(h, 1000);
    }
}

TEST(a_removal_that_waits_names_every_node_that_confirmed_or_lapsed)
{
    struct house *h = house_ready();
    int g = guest_new(h);
    char line[320];

    others_beat(h, 20);
    guest_say(h, g, "ACCORD.REMOVE k WAIT 100\r\n");
    CHECK(guest_is_quiet(h, g));
    house_beat(h, "web2", (struct id128){0x22ull << 32, 2}, h->newest, 1);
    house_pass(h, 200);
    CHECK(guest_hears(h, g,
                      "-TIMEOUT unknown: not confirmed by web3#00000033, web3#0000003a, "
                      "we??b?; confirmed by web2\r\n"));
    CHECK(asks(h, g, "HELLO 3", "%7\r\n") && strlen(tells(h, g, "")) > 0);
    guest_say(h, g, "ACCORD.REMOVE k WAIT 60000\r\n");
    CHECK(guest_is_quiet(h, g));
    uint64_t at = h->newest;
    others_beat(h, 2);
    CHECK(guest_is_quiet(h, g)); /* the first web3 has applied nothing */
    others_beat(h, 4);
    snprintf(line, sizeof line,
             "%%3\r\n$8\r\nposition\r\n+%llu@1\r\n$9\r\nconfirmed\r\n*3\r\n$4\r\nweb2\r\n"
             "$13\r\nweb3#0000003a\r\n$6\r\nwe??b?\r\n$6\r\nlapsed\r\n*1\r\n$13\r\n"
             "web3#00000033\r\n",
             (unsigned long long)at);
    CHECK(guest_hears(h, g, line));
    close(g);
    house_free(h);
}

/* More than anybody reads, but a program may: none is left out. */
TEST(a_removal_that_is_unknown_names_as_many_nodes_as_there_are)
{
    struct house *h = house_ready();
    int g = guest_new(h);
    char name[24];

    for (uint64_t i = 0; i < MEMBERS_MAX - 1; i++) {
        snprintf(name, sizeof name, "web%04llu", (unsigned long long)i);
        house_beat(h, name, (struct id128){i + 100, 2}, 0, 1);
    }
    house_pass(h, 100);
    guest_say(h, g, "ACCORD.REMOVE k WAIT 50\r\n");
    house_pass(h, 200);
    char *heard = calloc(1, 65536);
    CHECK(heard);
    size_t count = guest_read(h, g, heard, 65535);
    CHECK(strncmp(heard, "-TIMEOUT unknown: not confirmed by web0000, ", 44) == 0);
    for (uint64_t i = 0; i < MEMBERS_MAX - 1; i++) {
        snprintf(name, sizeof name, "web%04llu", (unsigned long long)i);
        CHECK(strstr(heard, name));
    }
    CHECK(heard[count - 1] == '\n');
    free(heard);
    close(g);
    house_free(h);
}

TEST(a_removal_with_an_id_is_made_once)
{
    struct house *h = house_ready();
    int g = guest_new(h);
    char first[64];

    snprintf(first, sizeof first, "%s", tells(h, g, "ACCORD.REMOVE a b ID one"));
    uint64_t at = h->newest;
    CHECK(first[0] == '+');
    CHECK(asks(h, g, "ACCORD.REMOVE a b ID one", first));
    CHECK(asks(h, g, "ACCORD.REMOVE KEYS 2 a b ID one", first));
    CHECK(h->newest == at);
    CHECK(tells(h, g, "ACCORD.BATCH 1 KEY a ID one")[0] == '+');
    CHECK(h->newest == at + 1);
    CHECK(asks(h, g, "ACCORD.CLEAR * ID",
               "-ERR syntax error: ACCORD.CLEAR namespace|prefix|* [SOFT] [VERSION v] [WAIT "
               "ms] [ID text]\r\n"));
    CHECK(asks(h, g,
               "ACCORD.CLEAR * ID "
               "0123456789012345678901234567890123456789012345678901234567890123x",
               "-ERR an ID has 1 to 64 bytes\r\n"));
    close(g);
    house_free(h);
}

TEST(a_batch_removes_keys_tags_and_namespaces_in_one_publish)
{
    struct house *h = house_ready();
    int g = guest_new(h);

    CHECK(asks(h, g, "MSET a 1 local:b 2 c 3", "+OK\r\n"));
    house_pass(h, 20000);
    unsigned publishes = h->publishes;
    const char *reply = tells(h, g, "ACCORD.BATCH 3 KEY a TAG t CLEAR local");
    CHECK(reply[0] == '+' && strstr(reply, "@1\r\n"));
    CHECK(h->publishes == publishes + 1);
    CHECK(asks(h, g, "EXISTS a local:b c", ":1\r\n"));
    CHECK(strstr(tells(h, g, "ACCORD.BATCH 1 KEY c WAIT 1000"), "confirmed"));
    CHECK(asks(h, g, "SET c 1", "+OK\r\n"));
    CHECK(asks(h, g, "ACCORD.BATCH 2 KEY c CLEAR nowhere", "-ERR no such namespace"));
    (void)tells(h, g, "");
    CHECK(asks(h, g, "ACCORD.BATCH 2 KEY c", "-ERR a batch of 2, but 2 arguments follow\r\n"));
    CHECK(asks(h, g, "ACCORD.BATCH 1 KEYS c", "-ERR syntax error"));
    (void)tells(h, g, "");
    CHECK(asks(h, g, "ACCORD.BATCH 1 TAG c VERSION 1",
               "-ERR syntax error: ACCORD.BATCH n KEY key | TAG tag | CLEAR name … [SOFT] "
               "[VERSION v] [WAIT ms] [ID text]\r\n"));
    CHECK(
        asks(h, g, "ACCORD.BATCH 1025 KEY c", "-TOOLARGE a batch holds at most 1024 changes"));
    (void)tells(h, g, "");
    CHECK(asks(h, g, "GET c", "$1\r\n1\r\n"));
    close(g);
    house_free(h);
}

TEST(what_follows_a_sync_waits_for_it)
{
    struct house *h = house_ready();
    int g = guest_new(h), other = guest_new(h);
    char line[128];

    CHECK(asks(h, g, "SET k old", "+OK\r\n"));
    h->hold = true;
    snprintf(line, sizeof line, "ACCORD.SYNC %llu@1 WAIT 10000\r\nGET k\r\nPING\r\n",
             (unsigned long long)h->newest + 1);
    guest_say(h, g, line);
    guest_say(h, other, "DEL k\r\n");
    CHECK(guest_is_quiet(h, g));
    h->hold = false;
    snprintf(line, sizeof line, "+%llu@1\r\n$-1\r\n+PONG\r\n", (unsigned long long)h->newest);
    CHECK(guest_hears(h, g, line));
    CHECK(guest_hears(h, other, ":1\r\n"));
    CHECK(strstr(tells(h, g, "ACCORD.SYNC"), "@1\r\n"));
    CHECK(strstr(tells(h, g, "ACCORD.SYNC nonsense"), "-ERR syntax error"));
    CHECK(strstr(tells(h, g, "MULTI\r\nACCORD.SYNC"),
                 "-ERR Command not allowed inside a transaction"));
    close(g);
    close(other);
    house_free(h);
}

TEST(a_sync_that_takes_too_long_times_out_and_the_pipeline_goes_on)
{
    struct house *h = house_ready();
    int g = guest_new(h);
    char line[128];

    snprintf(line, sizeof line, "ACCORD.SYNC %llu@1 WAIT 100\r\nPING\r\n",
             (unsigned long long)h->newest + 1000);
    guest_say(h, g, line);
    CHECK(guest_is_quiet(h, g));
    house_pass(h, 200);
    CHECK(guest_hears(h, g, "-TIMEOUT not applied here within 100 ms: this node stands at "));
    CHECK(strstr(tells(h, g, "PING"), "; ask again, with a longer WAIT\r\n+PONG\r\n+PONG\r\n"));
    close(g);
    house_free(h);
}

/* ---- ACCORD.WATCH --------------------------------------------------------------------- */

TEST(who_watches_is_told_of_every_change_that_touches_its_pattern)
{
    struct house *h = house_ready();
    int g = guest_new(h), other = guest_new(h);
    char line[256];

    snprintf(line, sizeof line,
             "*3\r\n$12\r\naccord.watch\r\n$6\r\nuser:*\r\n$%d\r\n%llu@1\r\n",
             h->newest > 9 ? 4 : 3, (unsigned long long)h->newest);
    CHECK(asks(h, g, "ACCORD.WATCH user:*", line));
    CHECK(asks(h, other, "DEL other:1 user:1", ":0\r\n"));
    CHECK(guest_hears(h, g,
                      "*6\r\n$13\r\naccord.change\r\n$6\r\nremove\r\n$6\r\nuser:1\r\n"
                      "$3\r\none\r\n:0\r\n$"));
    (void)tells(h, g, "PING");
    CHECK(strstr(tells(h, other, "ACCORD.REMOVETAG t SOFT"), "@1\r\n"));
    CHECK(guest_hears(h, g,
                      "*6\r\n$13\r\naccord.change\r\n$3\r\ntag\r\n$1\r\nt\r\n"
                      "$3\r\none\r\n:1\r\n$"));
    (void)tells(h, g, "PING");
    resp_door_dropped(h->door, "gone", (struct position){1, 99});
    CHECK(guest_hears(h, g,
                      "*6\r\n$13\r\naccord.change\r\n$4\r\ndrop\r\n$4\r\ngone\r\n"
                      "$0\r\n\r\n:0\r\n$4\r\n99@1\r\n"));
    CHECK(guest_is_quiet(h, other));
    close(g);
    close(other);
    house_free(h);
}

/* The whole of what a new guest is told that watches since `mark`. */
static const char *watches_since(struct house *h, const char *mark)
{
    char words[128];
    int g = guest_new(h);

    snprintf(words, sizeof words,
             "*4\r\n$12\r\nACCORD.WATCH\r\n$1\r\n*\r\n$5\r\nSINCE\r\n"
             "$%zu\r\n%s",
             strlen(mark), mark);
    const char *all = tells(h, g, words);
    close(g);
    return all;
}

TEST(who_watches_again_is_told_of_the_cold_boot_that_it_missed)
{
    static const char cold[] = "$9\r\ncold-boot\r\n$4\r\ngone\r\n";
    struct house *h = house_ready();

    CHECK(strstr(watches_since(h, ""), "00000000000000070000000000000009.0\r\n"));
    resp_door_cold(h->door, "gone", (struct position){1, 9});
    CHECK(strstr(watches_since(h, "00000000000000070000000000000009.0"), cold));
    CHECK(strstr(watches_since(h, "anotherdaemon.5"), cold));
    CHECK(!strstr(watches_since(h, "00000000000000070000000000000009.1"), cold));
    CHECK(!strstr(watches_since(h, ""), cold));
    resp_door_dropped(h->door, "again", (struct position){1, 9});
    CHECK(!strstr(watches_since(h, "anotherdaemon.5"), cold)); /* not known yet */
    resp_door_warm(h->door, "12 items kept", (struct position){1, 9});
    CHECK(strstr(watches_since(h, "anotherdaemon.5"), "$4\r\nwarm\r\n$13\r\n12 items kept"));
    house_free(h);
}

TEST(beats_are_nothing_to_tell)
{
    struct house *h = house_ready();
    int g = guest_new(h);

    (void)tells(h, g, "ACCORD.WATCH");
    uint64_t before = h->newest;
    house_pass(h, 10000);
    CHECK(h->newest > before);
    CHECK(guest_is_quiet(h, g));
    close(g);
    house_free(h);
}

TEST(in_resp2_a_watch_takes_the_connection_in_resp3_it_shares_it)
{
    struct house *h = house_ready();
    int g = guest_new(h), other = guest_new(h);

    (void)tells(h, g, "ACCORD.WATCH");
    CHECK(asks(h, g, "GET a",
               "-ERR Can't execute 'get': only ACCORD.WATCH / PING / QUIT / RESET "
               "are allowed in this context\r\n"));
    CHECK(asks(h, g, "PING", "*2\r\n$4\r\npong\r\n$0\r\n\r\n"));
    CHECK(asks(h, g, "RESET", "+RESET\r\n"));
    CHECK(asks(h, g, "GET a", "$-1\r\n"));
    CHECK(h->door->counts.watchers == 0);

    (void)tells(h, g, "HELLO 3");
    (void)tells(h, g, "ACCORD.WATCH");
    CHECK(asks(h, g, "GET a", "_\r\n"));
    CHECK(asks(h, other, "DEL a", ":0\r\n"));
    CHECK(guest_hears(h, g, ">6\r\n$13\r\naccord.change\r\n"));
    close(g);
    close(other);
    house_free(h);
}

TEST(a_push_never_falls_into_the_middle_of_a_reply)
{
    struct house *h = house_ready();
    int g = guest_new(h), other = guest_new(h);

    (void)tells(h, g, "HELLO 3");
    (void)tells(h, g, "ACCORD.WATCH other*");
    h->hold = true;
    guest_say(h, g, "MULTI\r\nPING\r\nDEL a\r\nPING\r\nEXEC\r\n");
    CHECK(guest_hears(h, g, "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n"));
    guest_say(h, other, "DEL other1\r\nDEL other2\r\n");
    house_turn(h);
    h->hold = false;
    CHECK(guest_hears(h, g, "*3\r\n+PONG\r\n:0\r\n+PONG\r\n>6\r\n$13\r\naccord.change\r\n"));
    close(g);
    close(other);
    house_free(h);
}

TEST(a_watcher_that_never_reads_is_closed_and_the_rest_lives_on)
{
    struct house *h = house_ready();
    int g = guest_new(h), other = guest_new(h);
    static char key[KEY_BYTES_MAX];

    (void)tells(h, g, "ACCORD.WATCH");
    memset(key, 'k', sizeof key);
    struct entry entry = {.change = {.op = CHANGE_REMOVE, .key = bytes_of(key, sizeof key)}};
    for (unsigned i = 0; i < 10000 && h->door->counts.watchers > 0; i++) {
        entry.position = i;
        resp_door_applied(h->door, &entry, false, 1);
        if (i % 100 == 0)
            house_turn(h);
    }
    house_turn(h);
    CHECK(h->door->counts.watchers == 0);
    CHECK(h->door->counts.closed_output == 1);
    CHECK(house_noted(h, "client-closed: it watches, and does not read what it is told"));
    CHECK(asks(h, other, "PING", "+PONG\r\n"));
    close(g);
    close(other);
    house_free(h);
}

/* ---- ACCORD.ATTACH -------------------------------------------------------------------- */

static int memory_fd(const char *name)
{
    int fd = memfd_create(name, MFD_CLOEXEC);

    CHECK(fd >= 0);
    return fd;
}

static bool same_file(int a, int b)
{
    struct stat sa, sb;

    CHECK(fstat(a, &sa) == 0 && fstat(b, &sb) == 0);
    return sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

/* One recvmsg(): its bytes, and the descriptors that came with them. */
static size_t receive(struct house *h, int g, char *text, size_t text_bytes, int fds[2])
{
    union {
        struct cmsghdr head;
        uint8_t space[CMSG_SPACE(2 * sizeof(int))];
    } control;
    struct iovec data = {text, text_bytes - 1};
    struct msghdr m = {.msg_iov = &data,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof control};
    ssize_t n;

    for (unsigned i = 0; i < 50; i++)
        house_turn(h);
    n = recvmsg(g, &m, MSG_CMSG_CLOEXEC);
    CHECK(n > 0);
    text[n] = 0;
    fds[0] = fds[1] = -1;
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(2 * sizeof(int)))
        memcpy(fds, CMSG_DATA(c), 2 * sizeof(int));
    return (size_t)n;
}

static struct house *house_to_attach(void)
{
    struct house *h = house_new();

    h->host.segment_fd = memory_fd("segment");
    h->host.hints_fd = memory_fd("hints");
    h->host.reader_lines = 2;
    h->host.reader_line_first = 5;
    house_open(h);
    for (unsigned i = 0; i < 100 && !house_is_fresh(h); i++)
        house_pass(h, 10);
    return h;
}

static void house_detach(struct house *h)
{
    int a = h->host.segment_fd, b = h->host.hints_fd;

    house_free(h);
    close(a);
    close(b);
}

static void say_attach(struct house *h, int g, uint64_t boottime_ns)
{
    char line[128];

    snprintf(line, sizeof line, "ACCORD.ATTACH 1 %llu\r\n", (unsigned long long)boottime_ns);
    guest_say(h, g, line);
}

TEST(attach_hands_over_the_two_descriptors_with_the_first_byte_of_its_reply)
{
    struct house *h = house_to_attach();
    int g = guest_new(h), fds[2];
    char text[1024];

    say_attach(h, g, attach_boottime_ns());
    receive(h, g, text, sizeof text, fds);
    CHECK(strncmp(text, "*16\r\n", 5) == 0);
    CHECK(field_is(text, "protocol", ":1"));
    CHECK(field_is(text, "line", ":5"));
    CHECK(field_is(text, "incarnation", "00000000000000070000000000000009"));
    char expected[32];
    snprintf(expected, sizeof expected, ":%zu", h->host.segment_bytes);
    CHECK(field_is(text, "segment_bytes", expected));
    CHECK(same_file(fds[0], h->host.segment_fd));
    CHECK(same_file(fds[1], h->host.hints_fd));
    CHECK(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
    close(fds[0]);
    close(fds[1]);
    close(g);
    house_detach(h);
}

TEST(attach_in_a_pipeline_waits_its_turn)
{
    struct house *h = house_to_attach();
    int g = guest_new(h), fds[2];
    char text[1024];

    h->hold = true;
    guest_say(h, g, "PING\r\nSET a 1\r\n");
    CHECK(guest_hears(h, g, "+PONG\r\n"));
    say_attach(h, g, attach_boottime_ns());
    say_attach(h, g, attach_boottime_ns());
    guest_say(h, g, "PING\r\n");
    CHECK(guest_is_quiet(h, g));
    h->hold = false;
    size_t n = receive(h, g, text, sizeof text, fds);
    if (fds[0] < 0) /* "+OK" may come by itself */
        n = receive(h, g, text, sizeof text, fds);
    CHECK(n > 0);
    CHECK(same_file(fds[0], h->host.segment_fd));
    if (!strstr(text, "+PONG"))
        receive(h, g, text, sizeof text, (int[2]){0});
    CHECK(strstr(text, "-ERR the answer to an earlier ACCORD.ATTACH is still on its way\r\n"
                       "+PONG\r\n"));
    close(fds[0]);
    close(fds[1]);
    close(g);
    house_detach(h);
}

TEST(lines_are_given_once_and_come_back_with_the_connection)
{
    struct house *h = house_to_attach();
    int g[3], fds[2];
    char text[1024];
    static const char *const lines[] = {":5", ":6", ":-1"};

    for (unsigned i = 0; i < 3; i++) {
        g[i] = guest_new(h);
        say_attach(h, g[i], attach_boottime_ns());
        receive(h, g[i], text, sizeof text, fds);
        CHECK(field_is(text, "line", lines[i]));
        close(fds[0]);
        close(fds[1]);
    }
    close(g[0]);
    for (unsigned i = 0; i < 10; i++)
        house_turn(h);
    CHECK(h->lines_freed == 1);
    say_attach(h, g[2], attach_boottime_ns());
    receive(h, g[2], text, sizeof text, fds);
    CHECK(field_is(text, "line", ":5"));
    close(fds[0]);
    close(fds[1]);
    close(g[1]);
    close(g[2]);
    house_detach(h);
}

TEST(who_has_another_clock_or_protocol_is_not_attached_but_served)
{
    struct house *h = house_to_attach();
    int g = guest_new(h);
    uint64_t now = attach_boottime_ns();

    CHECK(attach_same_clock(now + ATTACH_CLOCK_NS_MAX, now));
    CHECK(attach_same_clock(now, now + ATTACH_CLOCK_NS_MAX));
    CHECK(!attach_same_clock(now + ATTACH_CLOCK_NS_MAX + 1, now));
    CHECK(!attach_same_clock(now, now + ATTACH_CLOCK_NS_MAX + 1));
    say_attach(h, g, now + 3600 * NS_PER_S);
    CHECK(guest_hears(h, g, "-NOATTACH your CLOCK_BOOTTIME differs from the daemon's by 359"));
    CHECK(strstr(tells(h, g, "PING"), "+PONG\r\n"));
    CHECK(asks(h, g, "ACCORD.ATTACH 2 1",
               "-NOATTACH this daemon speaks attach protocol 1, you "
               "asked for 2"));
    (void)tells(h, g, "PING");
    CHECK(asks(h, g, "ACCORD.ATTACH x 1", "-ERR value is not an integer or out of range\r\n"));
    CHECK(asks(h, g, "SET a 1", "+OK\r\n"));
    close(g);
    house_detach(h);
}
