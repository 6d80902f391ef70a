/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* The client against the server of this house, and against none. */
#include "net/http_client.h"
#include "net/http_server.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "test.h"

enum { LINES = 3, PATIENCE_MS = 60000 };

static struct world {
    uv_loop_t loop;
    struct http_server *server;
    struct http_client *client;
    pthread_mutex_t mutex; /* guards all below */
    unsigned done;
    size_t line;
    int status;
    unsigned code;
    char body[64], why[NET_WHY_BYTES_MAX];
    bool again; /* done() asks the line once more */
    char url[512];
} w;

static unsigned sum_of(struct bytes b)
{
    unsigned sum = 0;

    for (size_t i = 0; i < b.size_bytes; i++)
        sum = sum * 31 + b.data[i];
    return sum;
}

static void handle(void *context, const struct http_request *r, struct http_answer *a)
{
    static char large[HTTP_ANSWER_BYTES_MAX + 1], text[64];

    (void)context;
    memset(large, 'x', sizeof large);
    a->status = strcmp(r->path, "/no") == 0 ? 403 : 200;
    if (strcmp(r->path, "/sent") == 0)
        a->body = bytes_of(text, (size_t)snprintf(text, sizeof text, "%s %zu %u", r->method,
                                                  r->body.size_bytes, sum_of(r->body)));
    else if (strcmp(r->path, "/large") == 0)
        a->body = bytes_of(large, sizeof large);
    else
        a->body = r->argument_count ? r->arguments[0].value : bytes_of_text("well");
}

static void done(void *context, size_t line, const struct http_result *r)
{
    (void)context;
    pthread_mutex_lock(&w.mutex);
    w.done++;
    w.line = line;
    w.status = r->status;
    w.code = r->code;
    snprintf(w.body, sizeof w.body, "%.*s", (int)u64_min(r->body.size_bytes, 40),
             (const char *)r->body.data);
    snprintf(w.why, sizeof w.why, "%s", r->why);
    bool again = w.again;
    w.again = false;
    pthread_mutex_unlock(&w.mutex);
    if (again)
        CHECK(http_client_ask(w.client, line, w.url, 0, PATIENCE_MS) == ACCORD_OK);
}

static void begin(void)
{
    struct http_server_hooks server = {.handle = handle, .body_bytes_max = HTTP_POST_BYTES_MAX};
    struct http_client_hooks client = {NULL, done};
    char why[NET_WHY_BYTES_MAX] = "";

    memset(&w, 0, sizeof w);
    pthread_mutex_init(&w.mutex, NULL);
    CHECK(uv_loop_init(&w.loop) == 0);
    CHECK(http_server_new(&w.server, &w.loop, "http://127.0.0.1:0", false, &server, why) ==
          ACCORD_OK);
    CHECK(http_client_new(&w.client, LINES, &client, why) == ACCORD_OK);
}

static void finish(void)
{
    http_client_free(w.client);
    http_server_free(w.server);
    uv_run(&w.loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&w.loop) == 0);
    pthread_mutex_destroy(&w.mutex);
}

static void wait_for(unsigned count, bool serve)
{
    for (unsigned waited = 0;; waited++) {
        pthread_mutex_lock(&w.mutex);
        bool well = w.done >= count;
        pthread_mutex_unlock(&w.mutex);
        if (well)
            return;
        CHECK(waited < PATIENCE_MS);
        if (serve)
            uv_run(&w.loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
}

static void until_done(unsigned count)
{
    wait_for(count, true);
}

static void ask(const char *target)
{
    snprintf(w.url, sizeof w.url, "%s%s", http_server_address(w.server), target);
    CHECK(http_client_ask(w.client, 0, w.url, 0, PATIENCE_MS) == ACCORD_OK);
}

TEST(an_answer_comes_with_its_code_and_body_and_the_line_is_free_again)
{
    begin();
    ask("/");
    until_done(1);
    CHECK(w.status == ACCORD_OK);
    CHECK(w.code == 200);
    CHECK(strcmp(w.body, "well") == 0);
    w.again = true; /* on the client's own thread */
    ask("/no");
    until_done(3);
    CHECK(w.status == ACCORD_OK);
    CHECK(w.code == 403);
    struct http_counts c;
    http_server_count(w.server, &c);
    CHECK(c.requests == 3);
    CHECK(c.connections == 1); /* it was kept */
    finish();
}

TEST(what_is_added_to_a_url_arrives_byte_by_byte)
{
    char all[256], url[1024] = "/?k=";
    uint8_t bytes[255];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i + 1);
    CHECK(http_url_add(url, sizeof url, bytes_of(bytes, sizeof bytes)));
    CHECK(strncmp(url, "/?k=%01%02", 10) == 0);
    CHECK(strstr(url, "%2F0123456789%3A"));
    for (size_t size = 5; size < 40; size++) {
        snprintf(all, sizeof all, "/?k=");
        bool fits = http_url_add(all, size, bytes_of_text("a b&c=d"));
        CHECK(fits == (size >= sizeof "/?k=a%20b%26c%3Dd"));
        CHECK(strcmp(all, fits ? "/?k=a%20b%26c%3Dd" : "/?k=") == 0);
    }
    begin();
    ask("/?k=a%20b%2B%26c");
    until_done(1);
    CHECK(strcmp(w.body, "a b+&c") == 0);
    finish();
}

TEST(a_body_is_posted_whole_and_the_next_question_has_none)
{
    static const size_t sizes[] = {0, 1, 5000, 2000000, HTTP_POST_BYTES_MAX};
    static uint8_t body[HTTP_POST_BYTES_MAX + 1];
    char expected[64];

    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (uint8_t)(i * 7 + i / 251);
    begin();
    snprintf(w.url, sizeof w.url, "%s/sent", http_server_address(w.server));
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct bytes b = bytes_of(body, sizes[i]);
        snprintf(expected, sizeof expected, "POST %zu %u", sizes[i], sum_of(b));
        CHECK(http_client_post(w.client, 0, w.url, b, 0, PATIENCE_MS) == ACCORD_OK);
        until_done((unsigned)i + 1);
        CHECK(w.status == ACCORD_OK);
        CHECK(strcmp(w.body, expected) == 0);
    }
    CHECK(http_client_post(w.client, 0, w.url, bytes_of(body, sizeof body), 0, PATIENCE_MS) ==
          ACCORD_E_SIZE);
    ask("/sent");
    until_done(COUNT_OF(sizes) + 1);
    CHECK(strcmp(w.body, "GET 0 0") == 0);
    struct http_counts c;
    http_server_count(w.server, &c);
    CHECK(c.connections == 1); /* it was kept through all of it */
    finish();
}

TEST(a_body_whose_line_is_busy_is_not_sent_and_one_under_way_ends_with_the_client)
{
    static uint8_t body[100000];

    begin();
    snprintf(w.url, sizeof w.url, "%s/sent", http_server_address(w.server));
    struct bytes b = bytes_of(body, sizeof body);
    CHECK(http_client_post(w.client, 0, w.url, b, 0, PATIENCE_MS) == ACCORD_OK);
    CHECK(http_client_post(w.client, 0, w.url, b, 0, PATIENCE_MS) == ACCORD_E_BUSY);
    CHECK(http_client_post(w.client, 1, "http://127.0.0.1:1/", b, 0, PATIENCE_MS) == ACCORD_OK);
    CHECK(http_client_post(w.client, 2, w.url, b, /* delay_ms= */ 3600000, PATIENCE_MS) ==
          ACCORD_OK);
    wait_for(1, /* serve= */ false); /* who is not there delays nobody, and is not waited for */
    CHECK(w.line == 1);
    CHECK(w.status == ACCORD_E_DOWN);
    finish();
    CHECK(w.done == 1);
}

TEST(an_answer_that_is_too_long_is_none)
{
    begin();
    ask("/large");
    until_done(1);
    CHECK(w.status == ACCORD_E_SIZE);
    CHECK(strcmp(w.why, "its answer is longer than 8192 bytes") == 0);
    finish();
}

TEST(who_is_not_there_is_said_and_a_url_that_is_too_long_is_refused)
{
    static char url[HTTP_URL_BYTES_MAX + 1];

    begin();
    memset(url, 'x', sizeof url - 1);
    CHECK(http_client_ask(w.client, 0, url, 0, PATIENCE_MS) == ACCORD_E_SIZE);
    CHECK(http_client_ask(w.client, 1, "http://127.0.0.1:1/", 0, PATIENCE_MS) == ACCORD_OK);
    until_done(1);
    CHECK(w.line == 1);
    CHECK(w.status == ACCORD_E_DOWN);
    CHECK(w.why[0]);
    CHECK(http_client_ask(w.client, 1, "file:///etc/passwd", 0, PATIENCE_MS) == ACCORD_OK);
    until_done(2);
    CHECK(w.status == ACCORD_E_DOWN);
    finish();
}

TEST(a_line_under_way_is_busy_and_one_that_hangs_delays_no_other)
{
    begin();
    snprintf(w.url, sizeof w.url, "%s/", http_server_address(w.server));
    CHECK(http_client_ask(w.client, 0, w.url, 0, /* timeout_ms= */ 50) == ACCORD_OK);
    wait_for(1, /* serve= */ false);
    CHECK(w.status == ACCORD_E_TIMEOUT);
    CHECK(http_client_ask(w.client, 0, w.url, 0, PATIENCE_MS) == ACCORD_OK);
    CHECK(http_client_ask(w.client, 0, w.url, 0, PATIENCE_MS) == ACCORD_E_BUSY);
    CHECK(http_client_ask(w.client, 2, "http://127.0.0.1:1/", 0, PATIENCE_MS) == ACCORD_OK);
    wait_for(2, /* serve= */ false);
    CHECK(w.line == 2);
    finish(); /* with one under way */
    CHECK(w.done == 2);
}

TEST(a_question_that_waits_for_its_time_is_given_up_with_the_client)
{
    begin();
    CHECK(http_client_ask(w.client, 0, "http://127.0.0.1:1/", /* delay_ms= */ 3600000,
                          PATIENCE_MS) == ACCORD_OK);
    CHECK(http_client_ask(w.client, 1, "http://127.0.0.1:1/", /* delay_ms= */ 50,
                          PATIENCE_MS) == ACCORD_OK);
    until_done(1);
    CHECK(w.line == 1);
    finish();
    CHECK(w.done == 1);
}
