/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* The server with real sockets: what is right, what is wrong, and what is too much. */
#include "net/http_server.h"

#include "net/visitor.h"

struct world {
    uv_loop_t loop;
    struct http_server *server;
    char seen[4096];     /* of the last request */
    size_t body_bytes;   /* of the answer */
    uint8_t taken[1024]; /* the body of the last request, where bodies are taken */
    size_t taken_bytes;
    unsigned calls;
};

static void handle(void *context, const struct http_request *r, struct http_answer *a)
{
    static char zeros[128 * 1024];
    struct world *w = context;
    int used =
        snprintf(w->seen, sizeof w->seen, "%s %.200s peer=%s host=%s*%zu body=%d pass=%s",
                 r->method, r->path, r->peer, r->host ? r->host : "-", r->host_count,
                 r->has_body, r->password ? r->password : "-");

    for (size_t i = 0; i < r->argument_count && i < HTTP_ARGUMENTS_MAX; i++)
        used += snprintf(
            w->seen + used, sizeof w->seen - (size_t)used, " %s=%.*s(%zu)",
            r->arguments[i].name, (int)u64_min(r->arguments[i].value.size_bytes, 64),
            (const char *)r->arguments[i].value.data, r->arguments[i].value.size_bytes);
    snprintf(w->seen + used, sizeof w->seen - (size_t)used, " count=%zu", r->argument_count);
    w->taken_bytes = r->body.size_bytes;
    if (r->body.size_bytes > 0 && r->body.size_bytes <= sizeof w->taken)
        memcpy(w->taken, r->body.data, r->body.size_bytes);
    w->calls++;
    a->status = 200;
    a->body = w->body_bytes ? bytes_of(zeros, w->body_bytes) : bytes_of_text("well\n");
}

static struct world *world_of(unsigned seconds_max, unsigned connections_max,
                              size_t body_bytes_max)
{
    struct world *w = calloc(1, sizeof *w);
    char why[NET_WHY_BYTES_MAX] = "";

    CHECK(w);
    CHECK(uv_loop_init(&w->loop) == 0);
    struct http_server_hooks hooks = {.context = w,
                                      .handle = handle,
                                      .seconds_max = seconds_max,
                                      .connections_max = connections_max,
                                      .body_bytes_max = body_bytes_max};
    CHECK(http_server_new(&w->server, &w->loop, "http://127.0.0.1:0", false, &hooks, why) ==
          ACCORD_OK);
    return w;
}

static struct world *world_with(unsigned seconds_max, unsigned connections_max)
{
    return world_of(seconds_max, connections_max, /* body_bytes_max= */ 0);
}

static struct visitor *visitor_of(struct world *w)
{
    return visitor_new(&w->loop, http_server_address(w->server));
}

static void world_free(struct world *w)
{
    http_server_free(w->server);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&w->loop) == 0);
    free(w);
}

static struct http_counts counts(const struct world *w)
{
    struct http_counts c;

    http_server_count(w->server, &c);
    return c;
}

TEST(a_request_comes_whole_and_its_answer_goes_out_on_the_same_connection)
{
    struct world *w = world_with(0, 0);
    struct visitor *g = visitor_of(w);

    visitor_get(g, "/a%20b?k=v+1&k=%26%3d%00z&empty=&bare", "X-Other: 1\r\n");
    CHECK(visitor_was_told(g, 200, "well\n"));
    CHECK(strstr(g->answer, "X-Content-Type-Options: nosniff"));
    CHECK(strstr(g->answer, "Cache-Control: no-store"));
    CHECK(strcmp(w->seen, "GET /a b peer=127.0.0.1 host=localhost*1 body=0 pass=- k=v 1(3) "
                          "k=&=(4) empty=(0) bare=(0) count=4") == 0);
    visitor_ask(g, "HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    CHECK(visitor_was_told(g, 200, "Content-Length: 5"));
    CHECK(!strstr(g->answer, "well"));
    visitor_get(g, "/", "Authorization: Bearer secret\r\n");
    CHECK(strstr(w->seen, "pass=secret"));
    visitor_get(g, "/", "Authorization: Basic YW55OnNlY3JldDI=\r\n");
    CHECK(strstr(w->seen, "pass=secret2"));
    CHECK(!g->closed);
    CHECK(counts(w).requests == 4);
    CHECK(counts(w).connections == 1);
    visitor_free(g);
    world_free(w);
}

TEST(what_announces_a_body_is_answered_before_it_comes)
{
    static const char *const kinds[] = {"Content-Length: 1000000000000",
                                        "Transfer-Encoding: chunked", "Content-Length: 5",
                                        "Transfer-Encoding: what"};
    struct world *w = world_with(0, 0);
    char text[256];

    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct visitor *g = visitor_of(w);
        snprintf(text, sizeof text, "POST / HTTP/1.1\r\nHost: localhost\r\n%s\r\n\r\n",
                 kinds[i]);
        visitor_ask(g, text);
        CHECK(visitor_was_told(g, 200, "Connection: close"));
        CHECK(strstr(w->seen, "body=1"));
        visitor_free(g);
    }
    world_free(w);
}

/* A POST of these bytes, sent in pieces of up to `piece`. */
static void post(struct visitor *g, const uint8_t *body, size_t bytes, size_t piece)
{
    char head[128];

    g->bytes = 0;
    snprintf(head, sizeof head,
             "POST /p HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n", bytes);
    CHECK(visitor_send(g, head, strlen(head)));
    for (size_t sent = 0; sent < bytes; sent += piece) {
        (void)visitor_send(g, (const char *)body + sent, u64_min(piece, bytes - sent));
        visitor_turn(g);
    }
    visitor_await(g, /* head_only= */ false);
}

TEST_SEEDS(a_body_comes_whole_however_it_was_cut_and_the_connection_stays, 10)
{
    struct world *w = world_of(0, 0, /* body_bytes_max= */ 100000);
    struct visitor *g = visitor_of(w);
    static uint8_t body[100000];

    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (uint8_t)test_random(rng, 256);
    for (unsigned i = 1; i <= 5; i++) {
        size_t bytes = 1 + test_random(rng, sizeof w->taken);
        post(g, body, bytes, 1 + test_random(rng, 300));
        CHECK(visitor_was_told(g, 200, "well"));
        CHECK(w->calls == i);
        CHECK(w->taken_bytes == bytes);
        CHECK(memcmp(w->taken, body, bytes) == 0);
    }
    post(g, body, sizeof body, sizeof body); /* as long as may be */
    CHECK(visitor_was_told(g, 200, "well"));
    CHECK(w->taken_bytes == sizeof body);
    post(g, body, 0, 1);
    CHECK(visitor_was_told(g, 200, "well"));
    CHECK(w->taken_bytes == 0);
    visitor_get(g, "/", ""); /* and what has none is asked on the same connection */
    CHECK(visitor_was_told(g, 200, "well"));
    CHECK(!g->closed);
    CHECK(counts(w).connections == 1);
    visitor_free(g);
    world_free(w);
}

TEST(a_body_that_is_too_long_or_does_not_say_how_long_it_is_is_refused_before_it_comes)
{
    static const struct {
        const char *header;
        unsigned status;
        const char *told;
    } cases[] = {{"Content-Length: 101", 413, "longer than this server takes: send less"},
                 {"Content-Length: 99999999999999999999", 413, ""},
                 {"Transfer-Encoding: chunked", 411, "send a Content-Length, no chunks"}};
    struct world *w = world_of(0, 0, /* body_bytes_max= */ 100);
    char text[256];

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct visitor *g = visitor_of(w);
        snprintf(text, sizeof text, "POST / HTTP/1.1\r\nHost: localhost\r\n%s\r\n\r\n",
                 cases[i].header);
        visitor_ask(g, text);
        CHECK(visitor_was_told(g, cases[i].status, cases[i].told));
        visitor_free(g);
    }
    CHECK(w->calls == 0);
    world_free(w);
}

TEST(who_goes_in_the_middle_of_a_body_is_heard_of_by_nobody)
{
    static const char text[] =
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\n"
        "0123456789012345678";
    struct world *w = world_of(0, 0, /* body_bytes_max= */ 100);

    for (size_t i = 0; i < sizeof text; i++) {
        struct visitor *g = visitor_of(w);
        CHECK(visitor_send(g, text, i));
        visitor_free(g);
    }
    time_t end = visitor_now() + VISITOR_SECONDS;
    while (counts(w).connections > 0 && visitor_now() < end)
        uv_run(&w->loop, UV_RUN_NOWAIT);
    CHECK(counts(w).connections == 0);
    CHECK(w->calls == 0);
    world_free(w);
}

TEST(a_head_that_is_too_long_is_refused_and_costs_nobody_else)
{
    struct world *w = world_with(0, 0);
    struct visitor *g = visitor_of(w);
    static char target[200 * 1024];

    memset(target, 'a', sizeof target);
    target[0] = '/';
    target[24600] = '\0'; /* the longest key, each byte of it as %XX */
    visitor_get(g, target, "");
    CHECK(visitor_was_told(g, 200, "well"));
    target[24600] = 'a';
    target[HTTP_REQUEST_BYTES_MAX] = '\0';
    visitor_get(g, target, "");
    CHECK(visitor_was_told(g, 431, "longer than 32768 bytes: send a shorter URL"));
    visitor_free(g);
    CHECK(w->calls == 1);
    target[HTTP_REQUEST_BYTES_MAX] = 'a';
    target[sizeof target - 1] = '\0';
    g = visitor_of(w);
    visitor_get(g, target, "");
    CHECK(g->closed || strncmp(g->answer, "HTTP/1.1 4", 10) == 0);
    visitor_free(g);
    g = visitor_of(w);
    visitor_get(g, "/", "");
    CHECK(visitor_was_told(g, 200, "well"));
    visitor_free(g);
    world_free(w);
}

TEST(what_is_malformed_never_comes_to_the_handler)
{
    static const char *const wrong[] = {
        "GARBAGE\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n", /* no Host */
        "GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nHost localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: "
        "chunked\r\n"
        "\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: zwei\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", /* TLS */
        "*1\r\n$4\r\nPING\r\n\r\n",                             /* RESP */
    };
    struct world *w = world_with(0, 0);

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct visitor *g = visitor_of(w);
        unsigned before = w->calls;
        visitor_ask(g, wrong[i]);
        if (w->calls != before)
            fprintf(stderr, "let pass: %s\n", wrong[i]);
        CHECK(w->calls == before);
        CHECK(g->closed || strncmp(g->answer, "HTTP/1.1 4", 10) == 0 ||
              strncmp(g->answer, "HTTP/1.1 5", 10) == 0);
        visitor_free(g);
    }
    world_free(w);
}

/* Any bytes, cut anywhere: nothing falls over, and who asks rightly is answered. */
TEST_SEEDS(bytes_of_any_kind_do_no_harm, 20)
{
    static const char *const words[] = {
        "GET ",    "/",    "?",    "%",      "HTTP/1.1",     "\r\n",
        "\n",      ": ",   "Host", "a=b&",   "\r\n\r\n",     "Content-Length",
        "chunked", "\x80", " ",    "Expect", "100-continue", "Cookie"};
    struct world *w = world_with(0, 0);

    for (unsigned i = 0; i < 20; i++) {
        struct visitor *g = visitor_of(w);
        char text[2048];
        size_t used = 0;
        for (uint64_t j = test_random(rng, 60); j > 0; j--)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s",
                                     words[test_random(rng, COUNT_OF(words))]);
        (void)visitor_send(g, text, used);
        visitor_turn(g);
        visitor_free(g);
    }
    struct visitor *g = visitor_of(w);
    visitor_get(g, "/", "");
    CHECK(visitor_was_told(g, 200, "well"));
    visitor_free(g);
    world_free(w);
}

TEST(whoever_sends_a_byte_now_and_then_is_closed_in_time)
{
    struct world *w = world_with(1, 0);
    struct visitor *g = visitor_of(w);
    time_t end = visitor_now() + VISITOR_SECONDS;
    const char *text = "GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ";

    CHECK(visitor_send(g, text, strlen(text)));
    while (!g->closed && visitor_now() < end) {
        (void)send(g->fd, "a", 1, MSG_NOSIGNAL);
        visitor_turn(g);
        usleep(20 * 1000);
    }
    CHECK(g->closed);
    CHECK(counts(w).closed_slow == 1);
    CHECK(w->calls == 0);
    visitor_free(g);
    world_free(w);
}

TEST(an_idle_connection_is_closed_and_so_is_who_never_reads)
{
    struct world *w = world_with(1, 0);
    struct visitor *idle = visitor_of(w), *deaf = visitor_of(w);
    time_t end = visitor_now() + VISITOR_SECONDS;

    visitor_get(idle, "/", "");
    CHECK(visitor_was_told(idle, 200, "well"));
    w->body_bytes = 128 * 1024;
    for (unsigned i = 0; i < 200; i++) {
        const char *text = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
        (void)send(deaf->fd, text, strlen(text), MSG_NOSIGNAL);
        uv_run(&w->loop, UV_RUN_NOWAIT);
    }
    while (counts(w).connections > 0 && visitor_now() < end) {
        uv_run(&w->loop, UV_RUN_NOWAIT);
        usleep(10 * 1000);
    }
    CHECK(counts(w).connections == 0);
    visitor_free(idle);
    visitor_free(deaf);
    world_free(w);
}

TEST(beyond_the_limit_of_connections_one_is_told_so)
{
    struct world *w = world_with(0, 2);
    struct visitor *a = visitor_of(w), *b = visitor_of(w), *c = visitor_of(w);

    visitor_get(a, "/", "");
    visitor_get(b, "/", "");
    visitor_get(c, "/", "");
    CHECK(visitor_was_told(c, 503, "so many HTTP connections already"));
    CHECK(counts(w).refused_full == 1);
    visitor_free(a);
    visitor_free(c);
    while (counts(w).connections > 1)
        uv_run(&w->loop, UV_RUN_NOWAIT);
    c = visitor_of(w);
    visitor_get(c, "/", "");
    CHECK(visitor_was_told(c, 200, "well"));
    visitor_free(b);
    visitor_free(c);
    world_free(w);
}

TEST(a_caller_that_goes_in_the_middle_leaves_nothing_behind)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: localhost\r\nX: y\r\n\r\n";
    struct world *w = world_with(0, 0);

    for (size_t i = 0; i < sizeof text - 1; i++) {
        struct visitor *g = visitor_of(w);
        CHECK(visitor_send(g, text, i));
        visitor_free(g);
    }
    time_t end = visitor_now() + VISITOR_SECONDS;
    while (counts(w).connections > 0 && visitor_now() < end)
        uv_run(&w->loop, UV_RUN_NOWAIT);
    CHECK(counts(w).connections == 0);
    CHECK(w->calls == 0);
    world_free(w);
}

TEST(its_end_closes_who_is_connected)
{
    struct world *w = world_with(0, 0);
    struct visitor *g = visitor_of(w);

    visitor_get(g, "/", "");
    CHECK(visitor_send(g, "GET / HT", 8));
    world_free(w);
    char byte;
    CHECK(recv(g->fd, &byte, 1, 0) <= 0);
    visitor_free(g);
}

TEST(the_message_about_connections_names_the_limit)
{
    char number[16];

    snprintf(number, sizeof number, "(%d)", HTTP_CONNECTIONS_MAX);
    CHECK(strcmp(number, "(64)") == 0); /* as in http_server.c and docs/operating/http.md */
    CHECK(HTTP_REQUEST_BYTES_MAX == 32768);
}
