/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "net/http_client.h"

#include "net/time.h"

#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECT_MS_MAX = 3000, REST_MS = 1000 };

enum line_state {
    LINE_FREE,
    LINE_ASKED,   /* waits for its time */
    LINE_UNDERWAY /* libcurl's; only the thread touches it */
};

struct line {
    struct http_client *client;
    CURL *easy;
    enum line_state state; /* guarded, as are the next six while it is not under way */
    uint64_t not_before_ms, timeout_ms;
    char url[HTTP_URL_BYTES_MAX];
    bool posts;
    uint8_t *sent; /* its body; or NULL */
    size_t sent_bytes;
    bool too_long;
    size_t body_bytes;
    uint8_t body[HTTP_ANSWER_BYTES_MAX];
    char error[CURL_ERROR_SIZE];
};

struct http_client {
    struct http_client_hooks hooks;
    CURLM *multi;
    struct curl_slist *post_headers;
    pthread_t thread;
    bool running;
    pthread_mutex_t mutex; /* guards the lines' states, and: */
    bool stop;
    size_t count;
    struct line lines[];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool libcurl_ready;

static void prepare_libcurl(void)
{
    libcurl_ready = curl_global_init(CURL_GLOBAL_ALL) == CURLE_OK;
}

static uint64_t now_ms(void)
{
    return time_monotonic_ns() / NS_PER_MS;
}

/* ---- a line --------------------------------------------------------------------------------
 */

static size_t take_body(char *data, size_t one, size_t count, void *context)
{
    struct line *l = context;
    size_t bytes = one * count;

    if (bytes > sizeof l->body - l->body_bytes) {
        l->too_long = true;
        return 0; /* ends the transfer */
    }
    memcpy(l->body + l->body_bytes, data, bytes);
    l->body_bytes += bytes;
    return bytes;
}

static bool set_line(struct line *l)
{
    CURL *e = l->easy = curl_easy_init();

    return e && curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http") == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_USERAGENT, "accord/" ACCORD_VERSION) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_WRITEDATA, l) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_ERRORBUFFER, l->error) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_PRIVATE, l) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS_MAX) == CURLE_OK;
}

/* Nobody is asked beforehand whether the body may come: that would be a round trip more. */
static bool set_post_headers(struct http_client *c)
{
    struct curl_slist *first, *all;

    first = curl_slist_append(NULL, "Content-Type: application/octet-stream");
    all = first ? curl_slist_append(first, "Expect:") : NULL;
    c->post_headers = all ? all : first;
    return all != NULL;
}

static bool set_method(struct line *l)
{
    CURL *e = l->easy;

    if (!l->posts)
        return curl_easy_setopt(e, CURLOPT_HTTPHEADER, NULL) == CURLE_OK &&
               curl_easy_setopt(e, CURLOPT_HTTPGET, 1L) == CURLE_OK;
    return curl_easy_setopt(e, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_HTTPHEADER, l->client->post_headers) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_POSTFIELDS, l->sent ? (char *)l->sent : "") ==
               CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)l->sent_bytes) ==
               CURLE_OK;
}

static void forget_sent(struct line *l)
{
    free(l->sent);
    l->sent = NULL;
    l->sent_bytes = 0;
}

/* On the thread. */
static bool begin(struct line *l)
{
    l->too_long = false;
    l->body_bytes = 0;
    l->error[0] = 0;
    return set_method(l) && curl_easy_setopt(l->easy, CURLOPT_URL, l->url) == CURLE_OK &&
           curl_easy_setopt(l->easy, CURLOPT_TIMEOUT_MS, (long)l->timeout_ms) == CURLE_OK &&
           curl_multi_add_handle(l->client->multi, l->easy) == CURLM_OK;
}

static int status_of(const struct line *l, CURLcode code)
{
    if (l->too_long)
        return ACCORD_E_SIZE;
    if (code == CURLE_OPERATION_TIMEDOUT)
        return ACCORD_E_TIMEOUT;
    if (code == CURLE_OUT_OF_MEMORY)
        return ACCORD_E_IO;
    return code == CURLE_OK ? ACCORD_OK : ACCORD_E_DOWN;
}

static void end(struct line *l, CURLcode code)
{
    struct http_client *c = l->client;
    struct http_result r = {.status = status_of(l, code),
                            .body = bytes_of(l->body, l->body_bytes)};
    char why[CURL_ERROR_SIZE];
    long http_code = 0;

    curl_easy_getinfo(l->easy, CURLINFO_RESPONSE_CODE, &http_code);
    r.code = (unsigned)http_code;
    if (l->too_long)
        snprintf(why, sizeof why, "its answer is longer than %d bytes", HTTP_ANSWER_BYTES_MAX);
    else
        snprintf(why, sizeof why, "%s", l->error[0] ? l->error : curl_easy_strerror(code));
    r.why = why;
    pthread_mutex_lock(&c->mutex);
    forget_sent(l);
    l->state = LINE_FREE;
    bool stop = c->stop;
    pthread_mutex_unlock(&c->mutex);
    if (!stop)
        c->hooks.done(c->hooks.context, (size_t)(l - c->lines), &r);
}

/* ---- the thread ----------------------------------------------------------------------------
 */

/* Begins what is due; how long the thread may rest until the next is. */
static uint64_t begin_due(struct http_client *c)
{
    uint64_t now = now_ms(), rest = REST_MS;

    for (size_t i = 0; i < c->count; i++) {
        struct line *l = &c->lines[i];
        pthread_mutex_lock(&c->mutex);
        bool due = l->state == LINE_ASKED && l->not_before_ms <= now;
        if (l->state == LINE_ASKED)
            rest = u64_min(rest, u64_sub_sat(l->not_before_ms, now));
        if (due)
            l->state = LINE_UNDERWAY;
        pthread_mutex_unlock(&c->mutex);
        if (due && !begin(l))
            end(l, CURLE_OUT_OF_MEMORY);
    }
    return rest;
}

static void take_ended(struct http_client *c)
{
    CURLMsg *m;
    int left;

    while ((m = curl_multi_info_read(c->multi, &left))) {
        struct line *l = NULL;
        CURLcode code = m->data.result;
        if (m->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &l);
        curl_multi_remove_handle(c->multi, l->easy);
        end(l, code);
    }
}

static bool stopping(struct http_client *c)
{
    pthread_mutex_lock(&c->mutex);
    bool stop = c->stop;
    pthread_mutex_unlock(&c->mutex);
    return stop;
}

static void *carry(void *context)
{
    struct http_client *c = context;
    int running;

    while (!stopping(c)) {
        uint64_t rest = begin_due(c);
        curl_multi_perform(c->multi, &running);
        take_ended(c);
        /* What done() asked for woke us already, so this does not sleep then. */
        curl_multi_poll(c->multi, NULL, 0, (int)rest, NULL);
    }
    return NULL;
}

static int start(struct http_client *c)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    c->running = pthread_create(&c->thread, NULL, carry, c) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return c->running ? ACCORD_OK : ACCORD_E_NOMEM;
}

/* ---- life ----------------------------------------------------------------------------------
 */

int http_client_new(struct http_client **out, size_t lines,
                    const struct http_client_hooks *hooks, char why[NET_WHY_BYTES_MAX])
{
    ASSERT(lines > 0);
    ASSERT(lines <= HTTP_LINES_MAX);
    pthread_once(&once, prepare_libcurl);
    struct http_client *c = calloc(1, sizeof *c + lines * sizeof c->lines[0]);
    bool well = c && libcurl_ready && (c->multi = curl_multi_init()) && set_post_headers(c);
    int status = ACCORD_E_NOMEM;

    if (c) {
        pthread_mutex_init(&c->mutex, NULL);
        c->hooks = *hooks;
    }
    for (size_t i = 0; i < lines && well; i++) {
        c->lines[i].client = c;
        well = set_line(&c->lines[i]);
        c->count = i + 1;
    }
    if (well)
        status = start(c);
    if (status != ACCORD_OK) {
        http_client_free(c);
        snprintf(why, NET_WHY_BYTES_MAX, "no memory, or no thread, to ask other servers with");
        return status;
    }
    *out = c;
    return ACCORD_OK;
}

/* Takes `sent` where it is ACCORD_OK. */
static int take_question(struct http_client *c, size_t line, const char *url, bool posts,
                         uint8_t *sent, size_t sent_bytes, uint64_t delay_ms,
                         uint64_t timeout_ms)
{
    struct line *l = &c->lines[line];
    size_t bytes = strlen(url) + 1;

    ASSERT(line < c->count);
    if (bytes > sizeof l->url)
        return ACCORD_E_SIZE;
    pthread_mutex_lock(&c->mutex);
    bool ours = l->state == LINE_FREE;
    if (ours) {
        l->state = LINE_ASKED;
        l->not_before_ms = now_ms() + delay_ms;
        l->timeout_ms = timeout_ms;
        l->posts = posts;
        l->sent = sent;
        l->sent_bytes = sent_bytes;
        memcpy(l->url, url, bytes);
    }
    pthread_mutex_unlock(&c->mutex);
    if (!ours)
        return ACCORD_E_BUSY;
    curl_multi_wakeup(c->multi);
    return ACCORD_OK;
}

int http_client_ask(struct http_client *c, size_t line, const char *url, uint64_t delay_ms,
                    uint64_t timeout_ms)
{
    return take_question(c, line, url, /* posts= */ false, NULL, 0, delay_ms, timeout_ms);
}

int http_client_post(struct http_client *c, size_t line, const char *url, struct bytes body,
                     uint64_t delay_ms, uint64_t timeout_ms)
{
    if (body.size_bytes > HTTP_POST_BYTES_MAX)
        return ACCORD_E_SIZE;
    uint8_t *sent = malloc(body.size_bytes + 1);
    if (!sent)
        return ACCORD_E_NOMEM;
    if (body.size_bytes > 0)
        memcpy(sent, body.data, body.size_bytes);
    int status = take_question(c, line, url, /* posts= */ true, sent, body.size_bytes, delay_ms,
                               timeout_ms);
    if (status != ACCORD_OK)
        free(sent);
    return status;
}

void http_client_free(struct http_client *c)
{
    if (!c)
        return;
    if (c->running) {
        pthread_mutex_lock(&c->mutex);
        c->stop = true;
        pthread_mutex_unlock(&c->mutex);
        curl_multi_wakeup(c->multi);
        pthread_join(c->thread, NULL);
    }
    for (size_t i = 0; i < c->count; i++) {
        if (c->lines[i].state == LINE_UNDERWAY)
            curl_multi_remove_handle(c->multi, c->lines[i].easy);
        curl_easy_cleanup(c->lines[i].easy);
        forget_sent(&c->lines[i]);
    }
    curl_slist_free_all(c->post_headers);
    curl_multi_cleanup(c->multi);
    pthread_mutex_destroy(&c->mutex);
    free(c);
}

bool http_url_add(char *url, size_t size, struct bytes text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                "0123456789-._~",
                      hex[] = "0123456789ABCDEF";
    size_t begin = strlen(url), used = begin;

    for (size_t i = 0; i < text.size_bytes; i++) {
        uint8_t byte = text.data[i];
        bool as_it_is = byte && strchr(plain, byte);

        if (size - used <= (as_it_is ? 1u : 3u)) {
            url[begin] = 0;
            return false;
        }
        if (as_it_is) {
            url[used++] = (char)byte;
        } else {
            url[used++] = '%';
            url[used++] = hex[byte >> 4];
            url[used++] = hex[byte & 15];
        }
    }
    url[used] = 0;
    return true;
}
