/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* What ArsDigita's servers may ask of a node: a real core and cache behind a real socket. */
#include "door/http/acs.h"

#include "door/house.h"
#include "net/visitor.h"
#include "wire/tcl.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

static const char secret[] = "cluster secret";

/* ---- what a command means ------------------------------------------------------------- */

/* "remove k; clear ns or all": the removals of a command; or why there are none. */
static bool means(const char *command, const char *expected)
{
    static const char *const words[] = {"", "no list", "no flush", "too many"};
    struct acs_removal list[ACS_WORDS_MAX];
    struct bytes bytes = bytes_of_text(command);
    uint8_t *room = malloc(ACS_ROOM_BYTES(bytes.size_bytes));
    char text[1024];
    size_t count, used = 0;

    CHECK(room);
    enum acs_sense sense = acs_understand(bytes, room, list, &count);
    snprintf(text, sizeof text, "%s", words[sense]);
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s %.*s%s", i ? "; " : "",
                                 list[i].kind == REQUEST_REMOVE ? "remove" : "clear",
                                 (int)list[i].name.size_bytes, (const char *)list[i].name.data,
                                 list[i].or_all ? " or all" : "");
    free(room);
    if (strcmp(text, expected) == 0)
        return true;
    fprintf(stderr, "%s means \"%s\", not \"%s\"\n", command, text, expected);
    return false;
}

TEST(commands_that_flush_are_understood_and_others_are_not)
{
    CHECK(means("ns_cache_flush util_memoize {db_string x {select 1}}",
                "remove db_string x {select 1}"));
    CHECK(means("::ns_cache_flush -- util_memoize -x", "remove -x"));
    CHECK(
        means("ns_cache_flush site_nodes /a /b", "remove site_nodes:/a; remove site_nodes:/b"));
    CHECK(means("ns_cache flush site_nodes {}", "remove site_nodes:"));
    CHECK(means("ns_cache_flush util_memoize", "clear default"));
    CHECK(means("ns_cache_flush -glob util_memoize a*", "clear default"));
    CHECK(means("ns_cache_flush site_nodes", "clear site_nodes or all"));
    CHECK(means("util_memoize_flush_regexp_local .*", "clear default"));
    CHECK(means("acs::cache_flush_pattern site_nodes *x*", "clear site_nodes or all"));
    CHECK(means("acs::cache_flush_all site_nodes *", "clear site_nodes or all"));
    CHECK(means("acs::cache_flush_all", "clear *"));
    CHECK(
        means("::acs::site_nodes_cache flush -partition_key 3 k", "remove site_nodes_cache:k"));
    CHECK(means("::acs::site_nodes_cache flush k", "remove site_nodes_cache:k"));
    CHECK(means("::acs::site_nodes_cache flush_pattern k*", "clear site_nodes_cache or all"));
    CHECK(means("::acs::site_nodes_cache flush_all", "clear site_nodes_cache or all"));
    CHECK(means("ns_cache eval util_memoize k {exec rm -rf /}", "no flush"));
    CHECK(means("nsv_set a b c", "no flush"));
    CHECK(means("set flush 1", "no flush"));
    CHECK(means("exec rm", "no flush"));
    CHECK(means("ns_cache_flush", "no flush"));
    CHECK(means("ns_cache_flush -all x", "no flush"));
    CHECK(means("ns_cache", "no flush"));
    CHECK(means(" ", "no flush"));
    CHECK(means("ns_cache_flush {a", "no list"));
    CHECK(means(
        "ns_cache_flush c 1 2 3 4 5 6 7 8 9 10 11 12 13 14",
        "remove c:1; remove c:2; remove c:3; remove c:4; remove c:5; remove c:6; remove "
        "c:7; remove c:8; remove c:9; remove c:10; remove c:11; remove c:12; remove c:13; "
        "remove c:14"));
    CHECK(means("ns_cache_flush c 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15", "too many"));
}

/* ---- over HTTP ------------------------------------------------------------------------ */

struct world {
    struct house *house;
    struct http_door *door;
    struct visitor *guest;
    void (*submit)(void *node, const struct request *requests, size_t count);
};

static struct world *current; /* house.h knows of one door; replies go by way of it */

static void submit(void *node, const struct request *requests, size_t count)
{
    struct house *h = node;
    struct event e = {.type = EVENT_REQUEST, .request = *requests, .now_ns = h->segment.now_ns};
    struct effects effects;

    CHECK(count == 1);
    core_step(h->core, &e, &effects);
    for (size_t i = 0; i < effects.count; i++) {
        const struct effect *effect = &effects.list[i];
        if (effect->type == EFFECT_REPLY && http_door_owns(current->door, effect->reply.client))
            http_door_reply(current->door, &effect->reply);
        else
            house_carry(h, effect);
    }
}

static struct world *world_with(const char *machine, const char *with_secret)
{
    struct http_settings s = {
        .machines = {"10.1.2.*", machine}, .machine_count = 2, .secret = with_secret};
    struct world *w = calloc(1, sizeof *w);
    char why[NET_WHY_BYTES_MAX];

    CHECK(w);
    current = w;
    w->house = house_ready();
    w->submit = w->house->host.submit;
    w->house->host.submit = submit;
    CHECK(http_door_new(&w->door, &w->house->host, &s) == ACCORD_OK);
    CHECK(http_door_listen(w->door, "http://127.0.0.1:0", why) == ACCORD_OK);
    w->guest = visitor_new(&w->house->loop, http_door_address(w->door, 0));
    return w;
}

static void world_free(struct world *w)
{
    w->house->host.submit = w->submit;
    visitor_free(w->guest);
    http_door_free(w->door);
    uv_run(&w->house->loop, UV_RUN_NOWAIT);
    house_free(w->house);
    free(w);
}

static void fill(struct world *w, const char *key)
{
    struct fixture *f = &w->house->segment;
    struct read_result found;
    struct item item = {
        .key = bytes_of_text(key), .value = bytes_of_text("v"), .ttl_ns = UINT64_MAX};

    writer_peek(f->writer, item.key, f->now_ns, &found);
    CHECK(writer_fill(f->writer, &item, &found.token, f->now_ns) == ACCORD_OK);
}

static bool has(struct world *w, const char *key)
{
    struct fixture *f = &w->house->segment;
    struct read_result found;

    writer_peek(f->writer, bytes_of_text(key), f->now_ns, &found);
    return found.state == ACCORD_HIT;
}

static bool told(struct world *w, const char *target, const char *headers, unsigned status,
                 const char *part)
{
    visitor_get(w->guest, target, headers);
    return visitor_was_told(w->guest, status, part);
}

static void encode(const char *text, char *out)
{
    for (; *text; text++)
        out += snprintf(out, 4, "%%%02x", (unsigned char)*text);
}

/* The target of a signed command, as OpenACS makes it. */
static const char *signed_with(const char *key, const char *command, uint64_t time_ms)
{
    static char target[4096];
    char encoded[2048], list[2048], hex[2 * EVP_MAX_MD_SIZE + 1];
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned mac_bytes = 0;

    size_t used = tcl_quote(bytes_of_text(command), true, (uint8_t *)list, sizeof list);
    used +=
        (size_t)snprintf(list + used, sizeof list - used, " %llu", (unsigned long long)time_ms);
    CHECK(HMAC(EVP_sha256(), key, (int)strlen(key), (uint8_t *)list, used, mac, &mac_bytes));
    for (unsigned i = 0; i < mac_bytes; i++)
        snprintf(hex + (size_t)2 * i, 3, "%02x", mac[i]);
    encode(command, encoded);
    snprintf(target, sizeof target,
             "//acs-cluster-do?cmd=%s&f=http%%3a%%2f%%2f10.0.0.1&t=%llu&s=%s", encoded,
             (unsigned long long)time_ms, hex);
    return target;
}

TEST(a_memoized_statement_is_flushed_here_and_nowhere_else)
{
    struct world *w = world_with("127.0.0.1", NULL);
    uint64_t logged = w->house->newest;

    fill(w, "db_string x {select [exit] $y;}");
    CHECK(told(w,
               "/SYSTEM/flush-memoized-statement.tcl?statement=db_string+x+%7Bselect+%5Bexit"
               "%5D+%24y%3B%7D",
               "", 200, "\r\n\r\nSuccessful."));
    CHECK(!has(w, "db_string x {select [exit] $y;}"));
    CHECK(told(w, "/SYSTEM/flush-memoized-statement.tcl?statement=absent", "", 200,
               "Successful."));
    CHECK(told(w, "/SYSTEM/flush-memoized-statement.tcl", "", 400,
               "One statement=KEY is wanted"));
    CHECK(told(w, "/SYSTEM/flush-memoized-statement.tcl?statement=", "", 400, "is wanted"));
    CHECK(told(w, "/SYSTEM/flush-memoized-statement.tcl?statement=a&statement=b", "", 400,
               "is wanted"));
    CHECK(w->house->newest == logged); /* T16: never told to others */
    world_free(w);
}

TEST(a_key_of_the_greatest_length_can_be_flushed)
{
    struct world *w = world_with("127.0.0.1", NULL);
    static char key[KEY_BYTES_MAX + 1], target[3 * KEY_BYTES_MAX + 100];

    memset(key, '{', KEY_BYTES_MAX);
    fill(w, key);
    CHECK(has(w, key));
    size_t used = (size_t)snprintf(target, sizeof target,
                                   "/SYSTEM/flush-memoized-statement.tcl?statement=");
    encode(key, target + used);
    CHECK(told(w, target, "", 200, "Successful."));
    CHECK(!has(w, key));
    world_free(w);
}

TEST(only_listed_addresses_may_flush_and_no_page)
{
    struct world *w = world_with("10.9.9.9", secret); /* T18: loopback is nothing special */
    struct http_door_counts counts;

    fill(w, "k");
    CHECK(told(w, "/SYSTEM/flush-memoized-statement.tcl?statement=k", "", 403,
               "Only the ArsDigita servers listed in cluster-machine may flush here, and "
               "127.0.0.1 is not one"));
    CHECK(told(w, signed_with(secret, "ns_cache_flush util_memoize k", wall_now_ms()), "", 403,
               "Only the ArsDigita servers"));
    CHECK(has(w, "k"));
    http_door_count(w->door, &counts);
    CHECK(counts.acs_refused == 2);
    CHECK(house_noted(w->house, "acs-refused: Only the ArsDigita servers"));
    world_free(w);
    w = world_with("127.0.0.1", secret);
    fill(w, "k");
    CHECK(told(w, "/SYSTEM/flush-memoized-statement.tcl?statement=k",
               "Sec-Fetch-Site: cross-site\r\n", 403, "no page may ask it"));
    CHECK(told(w, "/SYSTEM/flush-memoized-statement.tcl?statement=k",
               "Origin: http://localhost\r\n", 403, "no page may ask it"));
    CHECK(has(w, "k"));
    world_free(w);
}

TEST(signed_commands_are_carried_out_once)
{
    struct world *w = world_with("127.*", secret);
    uint64_t now = wall_now_ms();
    struct http_door_counts counts;
    char target[4096];

    fill(w, "a {b} \"c\"]");
    fill(w, "fill:1");
    fill(w, "other:x");
    snprintf(target, sizeof target, "%s",
             signed_with(secret, "ns_cache_flush util_memoize a\\ {b}\\ \\\"c\\\"\\]", now));
    CHECK(told(w, target, "", 200, "\r\n\r\n1\n"));
    CHECK(!has(w, "a {b} \"c\"]"));
    fill(w, "a {b} \"c\"]");
    CHECK(told(w, target, "", 417, "came before: a copy is not carried out."));
    CHECK(told(w, target, "", 417, "came before"));
    CHECK(has(w, "a {b} \"c\"]"));
    CHECK(told(w, signed_with(secret, "ns_cache_flush fill", now), "", 200, "\r\n\r\n0\n"));
    CHECK(!has(w, "fill:1"));
    CHECK(has(w, "other:x"));
    CHECK(told(w, signed_with(secret, "ns_cache_flush undeclared", now), "", 200, ""));
    CHECK(!has(w, "other:x")); /* wider, never less */
    http_door_count(w->door, &counts);
    CHECK(counts.acs_replays == 2);
    CHECK(counts.acs_flushes == 3);
    world_free(w);
}

TEST(what_is_not_signed_rightly_or_not_now_is_refused)
{
    struct world *w = world_with("127.0.0.1", secret);
    const char *flush = "ns_cache_flush util_memoize k";
    uint64_t now = wall_now_ms();
    char target[4096];

    fill(w, "k");
    CHECK(
        told(w, signed_with("another", flush, now), "", 417,
             "does not match its signature: compare ClusterSecret there with acs-secret-file"));
    snprintf(target, sizeof target, "%s", signed_with(secret, flush, now));
    target[strlen(target) - 1] ^= 1;
    CHECK(told(w, target, "", 417, "does not match"));
    snprintf(target, sizeof target, "%s", signed_with(secret, flush, now));
    target[strlen(target) - 1] = '\0';
    CHECK(told(w, target, "", 417, "does not match"));
    CHECK(told(w, signed_with(secret, flush, now - 600000), "", 417,
               "s before this node's time"));
    CHECK(
        told(w, signed_with(secret, flush, now + 600000), "", 417, "s after this node's time"));
    CHECK(told(w, signed_with(secret, "nsv_set a b c", now), "", 417,
               "is none that flushes a cache, and nothing else is done here"));
    CHECK(told(w, signed_with(secret, "{a", now), "", 417, "is no Tcl list"));
    CHECK(told(w, "/acs-cluster-do?cmd=x", "", 417, "Wanted are cmd, t (milliseconds) and s"));
    CHECK(told(w, "/acs-cluster-do?cmd=a%00b&t=1&s=1", "", 417, "Wanted are"));
    CHECK(told(w, "/acs-cluster-do?cmd=a&t=99999999999999999999&s=1", "", 417, "Wanted are"));
    CHECK(has(w, "k"));
    world_free(w);
    w = world_with("127.0.0.1", NULL);
    CHECK(told(w, signed_with(secret, flush, now), "", 403,
               "Signed commands are not taken here: give the node OpenACS's ClusterSecret"));
    world_free(w);
}
