/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* bus_xmpp_bench.c - the xmpp bus beside what a chat room gives to libstrophe
 * alone, on one Prosody that archives on disk:
 *
 *   removal-xmpp-3  a removal sent to one node until it is gone on three,
 * against a message with a body in one process until another sits in the room
 * and has it; they take turns …-of-3 the same against three occupants, until
 * the prober that looks at the nodes has seen that the last of them has it
 * xmpp-sustained  changes a second, published in full batches, against a
 * message for each, sent ahead of what comes back xmpp-catch-up   changes a
 * second, read by who has just connected from the first to the last, against
 * the pages of the same archive, their messages thrown away idle-xmpp-… what
 * nodes say that have nothing to do (idle.h)
 */
#include "bench.h"
#include "idle.h"
#include "many.h"
#include "three.h"

#include "bus/xmpp/link.h"
#include "bus/xmpp/xmpp.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strophe.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { AHEAD = 256, URL_BYTES_MAX = 128 };

static uint16_t port;

/* ---- the server ---- */

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    if (!f || fputs(text, f) < 0 || fclose(f) != 0)
        bench_die(path);
}

static void make_folder(const char *path)
{
    if (mkdir(path, 0700) != 0)
        bench_die(path);
}

static void wait_until_it_listens(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    bool listens = false;

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < 300 && !listens; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        listens = fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0;
        close(fd);
        if (!listens)
            usleep(100000);
    }
    if (!listens)
        bench_die("prosody does not listen");
}

static void start_server(void)
{
    const char *folder = bench_folder();
    char text[1024], *const argv[] = {"prosody", "--config",
                                      strdup(bench_path("prosody.cfg.lua")), "-F", NULL};

    port = many_free_port();
    snprintf(text, sizeof text,
             "run_as_root = true\n"
             "pidfile = \"%s/prosody.pid\"\n"
             "data_path = \"%s\"\n"
             "log = { warn = \"%s/prosody.log\" }\n"
             "interfaces = { \"127.0.0.1\" }\n"
             "c2s_ports = { %u }\n"
             "c2s_direct_tls_ports = { }\n"
             "s2s_ports = { }\n"
             "http_ports = { }\n"
             "https_ports = { }\n"
             "modules_enabled = { \"saslauth\", \"disco\", \"ping\" }\n"
             "modules_disabled = { \"s2s\", \"tls\" }\n"
             "c2s_require_encryption = false\n"
             "authentication = \"internal_plain\"\n"
             "VirtualHost \"localhost\"\n"
             "Component \"rooms.localhost\" \"muc\"\n"
             "  modules_enabled = { \"muc_mam\" }\n"
             "  muc_room_locking = false\n",
             folder, folder, folder, port);
    write_file(argv[2], text);
    make_folder(bench_path("localhost"));
    make_folder(bench_path("localhost/accounts"));
    write_file(bench_path("localhost/accounts/accord.dat"),
               "return { [\"password\"] = \"secret\"; };\n");
    bench_start("prosody", -1, argv);
    wait_until_it_listens();
}

static const char *url_of(const char *room)
{
    static char url[URL_BYTES_MAX];

    snprintf(url, sizeof url,
             "xmpp://accord:secret@127.0.0.1:%u/%s@rooms.localhost?domain=localhost&"
             "tls=insecure-off",
             port, room);
    return url;
}

/* ---- a client without us ---- */

struct guest {
    xmpp_ctx_t *context;
    xmpp_conn_t *connection;
    char room[64], nick[24];
    bool is_seated, is_leaving, page_is_complete;
    size_t heard;   /* messages with a body, since it is seated */
    size_t said;    /* with or without */
    size_t page;    /* messages of this page */
    char last[256]; /* the archive's id of the newest of them */
};

static int on_message(xmpp_conn_t *connection, xmpp_stanza_t *stanza, void *context)
{
    struct guest *g = context;
    xmpp_stanza_t *result = xmpp_stanza_get_child_by_name(stanza, "result");

    (void)connection;
    if (result) {
        g->page++;
        snprintf(g->last, sizeof g->last, "%s", xmpp_stanza_get_id(result));
    } else if (g->is_seated) {
        g->said++;
        g->heard += xmpp_stanza_get_child_by_name(stanza, "body") != NULL;
    }
    return 1;
}

/* 110: it is our own presence. */
static int on_presence(xmpp_conn_t *connection, xmpp_stanza_t *stanza, void *context)
{
    struct guest *g = context;
    xmpp_stanza_t *x = xmpp_stanza_get_child_by_name(stanza, "x");

    (void)connection;
    for (xmpp_stanza_t *s = x ? xmpp_stanza_get_children(x) : NULL; s;
         s = xmpp_stanza_get_next(s)) {
        const char *code = xmpp_stanza_get_attribute(s, "code");
        g->is_seated |= code && strcmp(code, "110") == 0;
    }
    return 1;
}

static int on_page(xmpp_conn_t *connection, xmpp_stanza_t *stanza, void *context)
{
    struct guest *g = context;
    xmpp_stanza_t *fin = xmpp_stanza_get_child_by_name(stanza, "fin");

    (void)connection;
    if (!fin)
        bench_die("a page of the archive");
    const char *complete = xmpp_stanza_get_attribute(fin, "complete");
    g->page_is_complete = complete && strcmp(complete, "true") == 0;
    g->page = SIZE_MAX; /* it is whole */
    return 0;
}

static void on_connection(xmpp_conn_t *connection, xmpp_conn_event_t event, int error,
                          xmpp_stream_error_t *stream_error, void *context)
{
    struct guest *g = context;

    if (g->is_leaving)
        return;
    if (event != XMPP_CONN_CONNECT) {
        fprintf(stderr, "bench: %s in %s: event %d, error %d, %s\n", g->nick, g->room,
                (int)event, error,
                stream_error && stream_error->text ? stream_error->text : "no text");
        exit(1);
    }
    xmpp_handler_add(connection, on_message, NULL, "message", NULL, g);
    xmpp_handler_add(connection, on_presence, NULL, "presence", NULL, g);
    xmpp_send_raw_string(connection,
                         "<presence to='%s/%s'><x xmlns='http://jabber.org/protocol/muc'>"
                         "<history maxstanzas='0'/></x></presence>",
                         g->room, g->nick);
}

static void guest_turn(struct guest *g, unsigned long wait_ms)
{
    xmpp_run_once(g->context, wait_ms);
}

static bool guest_dial(struct guest *g)
{
    g->connection = xmpp_conn_new(g->context);
    if (!g->connection)
        bench_die("xmpp_conn_new");
    xmpp_conn_set_jid(g->connection, "accord@localhost");
    xmpp_conn_set_pass(g->connection, "secret");
    (void)xmpp_conn_set_flags(g->connection, XMPP_CONN_FLAG_DISABLE_TLS);
    if (xmpp_connect_client(g->connection, "127.0.0.1", port, on_connection, g) == XMPP_EOK)
        return true;
    xmpp_conn_release(g->connection);
    return false;
}

static void guest_join(struct guest *g, const char *room, const char *nick)
{
    *g = (struct guest){.context = xmpp_ctx_new(NULL, NULL)};
    snprintf(g->room, sizeof g->room, "%s@rooms.localhost", room);
    snprintf(g->nick, sizeof g->nick, "%s", nick);
    if (!g->context || !guest_dial(g))
        bench_die("a connection to prosody");
    while (!g->is_seated)
        guest_turn(g, 10);
}

static void guest_say(struct guest *g, const char *body)
{
    xmpp_send_raw_string(g->connection,
                         "<message to='%s' type='groupchat'><body>%s</body></message>", g->room,
                         body);
    guest_turn(g, 0);
}

static void guest_leave(struct guest *g)
{
    g->is_leaving = true;
    xmpp_conn_release(g->connection);
    xmpp_ctx_free(g->context);
}

/* ---- a removal ---- */

/* The argument: a room. `count`: what of it is counted. */
_Noreturn static void sit(struct receiver *s, const char *room,
                          size_t (*count)(const struct guest *g))
{
    struct guest g;
    char nick[24];
    size_t before = 0;

    snprintf(nick, sizeof nick, "guest%d", (int)getpid());
    guest_join(&g, room, nick);
    receiver_saw(s, 1, 0);
    for (;;) {
        guest_turn(&g, 1000);
        size_t now = count(&g);
        if (now > before)
            receiver_saw(s, (uint32_t)(now - before), bench_now_ns());
        before = now;
    }
}

static size_t with_a_body(const struct guest *g)
{
    return g->heard;
}

_Noreturn static void receive(struct receiver *s, const char *room)
{
    sit(s, room, with_a_body);
}

struct raw {
    struct guest guest;
    const char *key;
};

/* What came back to the other one is taken here too: it has no time of its own. */
static void send_raw(void *context)
{
    struct raw *r = context;

    guest_turn(&r->guest, 0);
    guest_say(&r->guest, r->key);
}

static void measure_removal(struct three *three, struct receiver *s)
{
    static struct raw one, all;

    one.key = all.key = three->key;
    guest_join(&one.guest, "raw", "one");
    guest_join(&all.guest, "raw3", "all");
    three_compare(three,
                  &(struct three_raw){.bus = "xmpp",
                                      .where = "xmpp",
                                      .durability = "prosody's archive, both",
                                      .peer_one = "libstrophe, a message to one other occupant",
                                      .peer_all = "libstrophe, a message to three others",
                                      .send = send_raw,
                                      .one = &one,
                                      .all = &all,
                                      .receiver = s});
    guest_leave(&one.guest);
    guest_leave(&all.guest);
}

/* ---- many changes ---- */

static double publish_many_raw(struct guest *g, size_t first, size_t count)
{
    char key[FILL_KEY_BYTES + 1];
    size_t before = g->heard;

    uint64_t began_ns = bench_now_ns();
    for (size_t i = 0; i < count; i++) {
        fill_key(first + i, key);
        guest_say(g, key);
        while (i + 1 > g->heard - before + AHEAD)
            guest_turn(g, 1000);
    }
    while (g->heard - before < count)
        guest_turn(g, 1000);
    return (double)(bench_now_ns() - began_ns) / 1e9;
}

static void ask_page(struct guest *g, unsigned number)
{
    char id[24], after[300] = "";

    snprintf(id, sizeof id, "page%u", number);
    if (g->last[0])
        snprintf(after, sizeof after, "<after>%s</after>", g->last);
    g->page = 0;
    xmpp_id_handler_add(g->connection, on_page, id, g);
    xmpp_send_raw_string(g->connection,
                         "<iq type='set' id='%s' to='%s'><query xmlns='urn:xmpp:mam:2'>"
                         "<set xmlns='http://jabber.org/protocol/rsm'><max>%d</max>%s</set>"
                         "</query></iq>",
                         id, g->room, XMPP_PAGE_MAX, after);
}

static double read_raw(const char *room)
{
    struct guest g;

    uint64_t began_ns = bench_now_ns();
    guest_join(&g, room, "reader");
    for (unsigned n = 0; !g.page_is_complete; n++) {
        ask_page(&g, n);
        while (g.page != SIZE_MAX)
            guest_turn(&g, 1000);
    }
    double passed_s = (double)(bench_now_ns() - began_ns) / 1e9;
    guest_leave(&g);
    return passed_s;
}

/* From the connection on. */
static double read_ours(const char *url)
{
    struct bus_attached attached;

    uint64_t began_ns = bench_now_ns();
    struct bus *b = many_open(&bus_xmpp, url, &attached);
    (void)many_read(&bus_xmpp, b, attached.after, many_changes());
    double passed_s = (double)(bench_now_ns() - began_ns) / 1e9;
    bus_xmpp.close(b);
    return passed_s;
}

static void measure_many(void)
{
    struct bus_attached attached;
    struct guest g;
    double ours = 0, raw = 0;

    struct bus *b = many_open(&bus_xmpp, url_of("many"), &attached);
    guest_join(&g, "rawmany", "writer");
    for (int i = 0; i < MANY_TURNS; i++) {
        size_t some = many_changes() / MANY_TURNS, first = (size_t)i * some;
        ours += many_publish(&bus_xmpp, b, first, some);
        raw += publish_many_raw(&g, first, some);
    }
    guest_leave(&g);
    bus_xmpp.close(b);
    many_report("xmpp-sustained", "xmpp", ours, raw, "libstrophe, a message for each", 0.8,
                "prosody's archive, both");
    ours = raw = 0;
    for (int i = 0; i < MANY_TURNS; i++) {
        ours += read_ours(url_of("many"));
        raw += read_raw("many");
    }
    many_report("xmpp-catch-up", "xmpp", ours / MANY_TURNS, raw / MANY_TURNS,
                "libstrophe, the pages of the same archive", 1 / 1.5,
                "prosody's archive, both");
}

/* ---- nothing ---- */

static size_t all(const struct guest *g)
{
    return g->said;
}

_Noreturn static void receive_all(struct receiver *s, const char *room)
{
    sit(s, room, all);
}

static double messages_of(void *context)
{
    return (double)((const struct receiver *)context)->seen;
}

/* A beat each L/6, and L is what this bus gives a new log. */
static double designed(int nodes)
{
    (void)nodes;
    return 6000.0 / XMPP_MAX_STALE_MS;
}

static void measure_idle(int nodes)
{
    char room[16];

    snprintf(room, sizeof room, "idle%d", nodes);
    struct receiver *s = receiver_start(receive_all, room);
    struct idle_bus b = {.bus = "xmpp",
                         .unit = "messages/s, each node",
                         .peer = "beats of the design",
                         .count = messages_of,
                         .context = s,
                         .designed = designed,
                         .durability = "prosody's archive"};
    idle_measure(&b, url_of(room), nodes);
    receiver_stop(s);
}

int main(void)
{
    static struct three three;

    /* A message for each of as many as elsewhere takes Prosody minutes. */
    setenv("ACCORD_BENCH_CHANGES", "8192", /* overwrite= */ 0);
    xmpp_initialize();
    start_server();
    /* Before our bus has threads here. */
    struct receiver *s = receiver_start(receive, "raw");
    for (int i = 0; i < THREE_NODES; i++)
        three.receivers[i] = receiver_start(receive, "raw3");
    measure_idle(IDLE_FEW);
    measure_idle(IDLE_MANY);
    three_start(&three, url_of("three"));
    measure_removal(&three, s);
    measure_many();
    xmpp_shutdown();
    return 0;
}
