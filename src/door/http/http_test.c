/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* The HTTP door before a node that says what the test wants: who may ask, and what is answered.
 */
#include "door/http/private.h"

#include "net/visitor.h"

struct world {
    uv_loop_t loop;
    struct door_host host;
    struct http_door *door;
    struct visitor *guest;
    const char *line, *state;
    bool ready, lag_known;
    uint64_t members, expected;
};

static void fill_status(const struct world *w, const struct view_sink *s)
{
    s->row(s->context);
    s->text(s->context, "line", w->line);
    s->text(s->context, "state", w->state);
    s->flag(s->context, "ready", w->ready);
    s->text(s->context, "name", "web\"1\\");
    s->text(s->context, "incarnation", "0123456789abcdef0123456789abcdef");
    s->text(s->context, "version", "9.8.7");
    s->number(s->context, "lease_left_ms", 2045);
    s->number(s->context, "uptime_s", 77);
    if (w->lag_known)
        s->number(s->context, "lag", 3);
    else
        s->text(s->context, "lag", "unknown");
    s->number(s->context, "members", w->members);
    s->number(s->context, "expect_members", w->expected);
    s->number(s->context, "cold_boots", UINT64_MAX);
}

static int view(void *node, const char *name, const struct view_sink *s)
{
    const struct world *w = node;

    if (strcmp(name, "status") == 0) {
        fill_status(w, s);
        return ACCORD_OK;
    }
    if (strcmp(name, "nodes") != 0)
        return ACCORD_E_ABSENT;
    for (unsigned i = 0; i < 2; i++) {
        s->row(s->context);
        s->text(s->context, "name", "web2");
        s->flag(s->context, "silent", i == 1);
        s->text(s->context, "incarnation", i ? "bbbb" : "aaaa");
    }
    return ACCORD_OK;
}

static struct world *world_new(const char *password)
{
    struct world *w = calloc(1, sizeof *w);
    const struct http_settings settings = {.names = {"shop.example"}, .name_count = 1};
    char why[NET_WHY_BYTES_MAX];

    CHECK(w);
    CHECK(uv_loop_init(&w->loop) == 0);
    w->host = (struct door_host){
        .node = w, .loop = &w->loop, .view = view, .password = password, .version = "9.8.7"};
    w->line = "unsure since start: no bus yet; reads go to the origin";
    w->state = "unsure";
    CHECK(http_door_new(&w->door, &w->host, &settings) == ACCORD_OK);
    CHECK(http_door_listen(w->door, "http://127.0.0.1:0", why) == ACCORD_OK);
    w->guest = visitor_new(&w->loop, http_door_address(w->door, 0));
    return w;
}

static void world_free(struct world *w)
{
    visitor_free(w->guest);
    http_door_free(w->door);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&w->loop) == 0);
    free(w);
}

static bool told(struct world *w, const char *target, const char *headers, unsigned status,
                 const char *part)
{
    visitor_get(w->guest, target, headers);
    return visitor_was_told(w->guest, status, part);
}

/* Asks with this Host line alone. */
static bool hosted(struct world *w, const char *host, unsigned status)
{
    char text[512];

    snprintf(text, sizeof text, "GET /healthz HTTP/1.1\r\n%s\r\n\r\n", host);
    visitor_ask(w->guest, text);
    return visitor_was_told(w->guest, status, "");
}

TEST(a_node_is_alive_before_it_is_ready_and_says_why_it_is_not)
{
    struct world *w = world_new(NULL);

    CHECK(told(w, "/healthz", "", 200, "\r\n\r\nalive\n"));
    CHECK(told(w, "/readyz", "", 503,
               "\r\n\r\nnot ready: unsure since start: no bus yet; reads go to the origin\n"));
    w->line = "fresh, lease 2.9 s left, lag 0";
    w->state = "fresh";
    w->members = 1;
    w->expected = 3;
    CHECK(told(w, "/readyz", "", 503,
               "not ready: 1 of 3 members are here; fresh, lease 2.9 s left, lag 0\n"));
    w->ready = true;
    w->members = 3;
    CHECK(told(w, "/readyz", "", 200, "\r\n\r\nready: fresh, lease 2.9 s left, lag 0\n"));
    CHECK(told(w, "/", "", 404, "Try /metrics, /healthz or /readyz."));
    CHECK(told(w, "/metrics/", "", 404, "nothing here"));
    world_free(w);
}

TEST(metrics_are_what_the_views_say_in_seconds_and_what_is_unknown_is_no_number)
{
    struct world *w = world_new(NULL);

    CHECK(told(w, "/metrics", "", 200, "Content-Type: text/plain; version=0.0.4"));
    const char *text = w->guest->answer;
    CHECK(strstr(text, "\naccord_info{name=\"web\\\"1\\\\\",incarnation=\"0123456789abcdef"
                       "0123456789abcdef\",version=\"9.8.7\"} 1\n"));
    CHECK(strstr(text, "# TYPE accord_fresh gauge\naccord_fresh 0\n"));
    CHECK(strstr(text, "\naccord_ready 0\n"));
    CHECK(strstr(text,
                 "# TYPE accord_lease_left_seconds gauge\naccord_lease_left_seconds 2.045\n"));
    CHECK(strstr(text, "\naccord_uptime_seconds 77\n"));
    CHECK(strstr(text, "\naccord_lag NaN\n"));
    CHECK(strstr(text, "# HELP accord_cold_boots_total times the cache was dropped\n"
                       "# TYPE accord_cold_boots_total counter\n"
                       "accord_cold_boots_total 18446744073709551615\n"));
    CHECK(strstr(text, "# TYPE accord_nodes_silent gauge\n"
                       "accord_nodes_silent{name=\"web2\",incarnation=\"aaaa\"} 0\n"
                       "accord_nodes_silent{name=\"web2\",incarnation=\"bbbb\"} 1\n"));
    w->state = "fresh";
    w->lag_known = true;
    CHECK(told(w, "/metrics", "", 200, "\naccord_fresh 1\n"));
    CHECK(strstr(text, "\naccord_lag 3\n"));
    world_free(w);
}

TEST(every_number_of_the_views_is_a_metric_once)
{
    static const char *const fields[] = {
#define FIELD(view, field, type, help) #view " " #field " " #type,
#include "defs/view.def"
    };
    static const char *const metrics[] = {
#define METRIC(view, field, kind) #view " " #field " ",
#include "defs/metric.def"
    };

    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        const char *f = fields[i];
        bool wanted = (strncmp(f, "status ", 7) == 0 || strncmp(f, "bus ", 4) == 0 ||
                       strncmp(f, "segment ", 8) == 0) &&
                      !strstr(f, " TEXT") && strcmp(f, "status pid NUMBER") != 0;
        size_t found = 0;
        for (size_t j = 0; j < COUNT_OF(metrics); j++)
            found += strncmp(f, metrics[j], strlen(metrics[j])) == 0;
        if (wanted && found != 1)
            fprintf(stderr, "%s: %zu times in defs/metric.def\n", f, found);
        CHECK(!wanted || found == 1);
    }
    for (size_t j = 0; j < COUNT_OF(metrics); j++) {
        size_t found = 0;
        for (size_t i = 0; i < COUNT_OF(fields); i++)
            found += strncmp(fields[i], metrics[j], strlen(metrics[j])) == 0;
        CHECK(found == 1);
    }
}

TEST(only_names_of_this_node_may_be_in_host)
{
    struct world *w = world_new(NULL);
    char own[300];

    CHECK(hosted(w, "Host: localhost", 200));
    CHECK(hosted(w, "Host: LOCALHOST:9180", 200));
    CHECK(hosted(w, "Host: 192.0.2.7:80", 200));
    CHECK(hosted(w, "Host: [2001:db8::1]:80", 200));
    CHECK(hosted(w, "Host: shop.example", 200));
    CHECK(hosted(w, "Host: shop.example.:80", 200));
    snprintf(own, sizeof own, "Host: %s", w->door->own_name);
    CHECK(hosted(w, own, 200));
    CHECK(hosted(w, "Host: evil.example", 421));
    CHECK(strstr(w->guest->answer, "not known as \"evil.example\": call it by its address, or "
                                   "give it that name with --http-host.\n"));
    CHECK(hosted(w, "Host: localhost.evil.example", 421));
    CHECK(hosted(w, "Host: 127.0.0.1.evil.example", 421));
    CHECK(hosted(w, "Host: ev\x01il<b>\"", 421) || w->guest->closed);
    CHECK(hosted(w, "Host: localhost\r\nHost: localhost", 400));
    CHECK(hosted(w, "Host: [::1", 400));
    CHECK(hosted(w, "Host: ", 400));
    world_free(w);
}

TEST(pages_of_other_sites_and_other_methods_are_refused)
{
    struct world *w = world_new(NULL);
    struct http_door_counts counts;

    CHECK(told(w, "/metrics", "Origin: http://localhost\r\n", 200, "accord_"));
    CHECK(told(w, "/metrics", "Origin: http://evil.example\r\n", 403,
               "Pages of other sites may not ask here (Origin: http://evil.example)."));
    CHECK(told(w, "/metrics", "Origin: null\r\n", 403, "Pages of other sites"));
    visitor_ask(w->guest, "DELETE /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    CHECK(visitor_was_told(w->guest, 405, "Allow: GET, HEAD"));
    CHECK(strstr(w->guest->answer, "DELETE does nothing here: only GET and HEAD do.\n"));
    CHECK(told(w, "/metrics", "Content-Length: 10\r\n", 413, "A body is not read here"));
    http_door_count(w->door, &counts);
    CHECK(counts.requests == 5);
    CHECK(counts.refused == 4);
    world_free(w);
}

TEST(with_a_password_metrics_need_it_and_readiness_says_one_word_without)
{
    struct world *w = world_new("se:cret");

    CHECK(told(w, "/metrics", "", 401, "WWW-Authenticate: Basic realm=\"accord\""));
    CHECK(strstr(w->guest->answer, "This needs the node's password: send the first line"));
    CHECK(told(w, "/metrics", "Authorization: Bearer se:cre\r\n", 401,
               "That is not the password: send the first line"));
    CHECK(told(w, "/metrics", "Authorization: Bearer se:crett\r\n", 401, "not the password"));
    CHECK(told(w, "/metrics", "Authorization: Bearer se:cret\r\n", 200, "accord_ready 0\n"));
    CHECK(
        told(w, "/metrics", "Authorization: Basic cHJvbTpzZTpjcmV0\r\n", 200, "accord_ready"));
    CHECK(told(w, "/metrics", "Authorization: Basic !!\r\n", 401, "password"));
    CHECK(told(w, "/healthz", "", 200, "alive"));
    CHECK(told(w, "/readyz", "", 503, "\r\n\r\nnot ready\n"));
    CHECK(told(w, "/readyz", "Authorization: Bearer se:cret\r\n", 503,
               "not ready: unsure since"));
    world_free(w);
}

TEST(a_door_has_a_bounded_number_of_listeners)
{
    struct world *w = world_new(NULL);
    char why[NET_WHY_BYTES_MAX];

    CHECK(http_door_listen(w->door, "http://0.0.0.0:0", why) == ACCORD_E_INVALID);
    for (unsigned i = 1; i < HTTP_LISTENERS_MAX; i++)
        CHECK(http_door_listen(w->door, "http://127.0.0.1:0", why) == ACCORD_OK);
    CHECK(http_door_listen(w->door, "http://127.0.0.1:0", why) == ACCORD_E_FULL);
    CHECK(strstr(why, "at most 16 addresses"));
    CHECK(!http_door_address(w->door, HTTP_LISTENERS_MAX));
    world_free(w);
}
