/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* bus_kit_xmpp.c - a Prosody, and an ejabberd, that the tests of a program share, each with
 * rooms of its own; the person is a client of its own (libstrophe by the bus's link, but past
 * its counting). */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bus/xmpp/link.h"
#include "bus_kit.h"
#include "net/time.h"
#include "room_server.h"
#include "test.h"

enum { PATIENCE_MS = 60000 };

/* A seat in the room that counts nothing. */
struct person {
    struct xmpp_place place;
    struct xmpp_link link;
    const char *waits_for; /* an id that is to come back */
    bool came;
};

/* Asked for once in a test, which is a process of its own: a server that is down for good would
 * be waited for each time. */
static void url_on(const struct room_server_kind *kind, char out[KIT_URL_BYTES_MAX],
                   const char *cluster)
{
    static uint16_t port;

    if (port == 0)
        port = room_server_shared(kind);
    snprintf(out, KIT_URL_BYTES_MAX,
             "xmpp://accord:secret@127.0.0.1:%u/t%dx%s@rooms.localhost?domain=localhost&"
             "tls=insecure-off",
             port, (int)getpid(), cluster);
}

static void url(char out[KIT_URL_BYTES_MAX], const char *cluster)
{
    url_on(&prosody_server, out, cluster);
}

/* A busy machine takes ten minutes for the whole contract on ejabberd. What it is always asked
 * is where it differs from Prosody: how large a stanza may be, what a key may hold, ids
 * that are times, a room that is destroyed, people, presence. */
static bool is_asked_of_ejabberd(void)
{
    static const char *const always[] = {"B4_takes_a_batch_of_the_largest_keys",
                                         "B5_brings_every_key_out",
                                         "B6_replays_every_entry",
                                         "B7_notices_a_log_that_was_replaced",
                                         "B11_delivers_what_a_person_wrote",
                                         "B18_tells_which_nodes"};

    for (size_t i = 0; i < sizeof always / sizeof always[0]; i++)
        if (strstr(test_name(), always[i]))
            return true;
    return getenv("ACCORD_EJABBERD") != NULL;
}

static void ejabberd_url(char out[KIT_URL_BYTES_MAX], const char *cluster)
{
    if (!is_asked_of_ejabberd())
        test_skip("ejabberd is slow: ACCORD_EJABBERD=1 runs this on it too");
    url_on(&ejabberd_server, out, cluster);
}

static void heard(void *context, struct xmpp_heard *h)
{
    struct person *p = context;

    p->came = p->came || (p->waits_for && strcmp(h->id, p->waits_for) == 0);
}

static void refused(void *context, const char *id, const char *condition)
{
    (void)context;
    (void)id;
    fprintf(stderr, "the person is refused: %s\n", condition);
    abort();
}

static void ended(void *context)
{
    (void)context;
}

static uint64_t deadline(void)
{
    return time_monotonic_ns() + PATIENCE_MS * NS_PER_MS;
}

static struct person *joined(const char *url_text)
{
    struct person *p = calloc(1, sizeof *p);
    struct bus_settings s = {.timeout_ms = PATIENCE_MS};
    char why[BUS_WHY_BYTES_MAX] = "";

    CHECK(p && xmpp_place_init(&p->place, url_text, NULL, why) == ACCORD_OK);
    p->link.context = p;
    p->link.heard = heard;
    p->link.refused = refused;
    p->link.ended = ended;
    CHECK(xmpp_link_open(&p->link, &p->place, &s, why) == ACCORD_OK);
    if (xmpp_link_up(&p->link, deadline(), why) != ACCORD_OK) {
        fprintf(stderr, "%s\n", why);
        abort();
    }
    return p;
}

static void left(struct person *p)
{
    xmpp_link_close(&p->link);
    xmpp_place_done(&p->place);
    free(p);
}

static void say(const char *url_text, const char *content)
{
    struct person *p = joined(url_text);
    char why[BUS_WHY_BYTES_MAX], *text = NULL;

    int bytes = asprintf(&text, "<message type='groupchat' id='said' to='%s'>%s</message>",
                         p->place.room, content);
    CHECK(bytes > 0);
    p->waits_for = "said";
    pthread_mutex_lock(&p->link.mutex);
    CHECK(xmpp_link_send(&p->link, p->link.generation, text, (size_t)bytes, why) == ACCORD_OK);
    while (!p->came)
        CHECK(xmpp_link_wait(&p->link, deadline()));
    pthread_mutex_unlock(&p->link.mutex);
    free(text);
    left(p);
}

/* What a person can type is typed. The rest is what a program may have damaged. */
static void write_text(const char *url_text, const char *op, struct bytes key)
{
    static const char *const words[] = {"remove", "tag", "prefix", "namespace"};
    char *content = NULL;
    int bytes = 0;

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(op, words[i]) == 0 && key.size_bytes > 0 && key.size_bytes <= KEY_BYTES_MAX)
            bytes = asprintf(&content, "<body>/%s %.*s</body>", op, (int)key.size_bytes,
                             (const char *)key.data);
    if (!content)
        bytes = asprintf(&content,
                         "<body>%s</body><accord xmlns='" XMPP_BESIDE_NS "' state='torn'/>",
                         op[0] ? op : "nothing");
    CHECK(bytes > 0);
    say(url_text, content);
    free(content);
}

static const char *room_of(const char *url_text)
{
    static char room[64];
    const char *from = strrchr(url_text, '/') + 1;

    snprintf(room, sizeof room, "%.*s", (int)strcspn(from, "@"), from);
    return room;
}

static void cut(const char *url_text, unsigned count)
{
    room_server_cut(&prosody_server, room_of(url_text), count);
}

static void ejabberd_cut(const char *url_text, unsigned count)
{
    room_server_cut(&ejabberd_server, room_of(url_text), count);
}

/* The room is destroyed by its owner. */
static void replace(const char *url_text)
{
    struct person *p = joined(url_text);
    char why[BUS_WHY_BYTES_MAX] = "";

    if (xmpp_link_destroy_room(&p->link, deadline(), why) != ACCORD_OK) {
        fprintf(stderr, "%s\n", why);
        abort();
    }
    left(p);
}

const struct bus_kit bus_kit_xmpp = {.name = "xmpp",
                                     .url = url,
                                     .write = write_text,
                                     .cut = cut,
                                     .replace = replace,
                                     .timeout_ms = PATIENCE_MS};
const struct bus_kit bus_kit_xmpp_ejabberd = {.name = "xmpp on ejabberd",
                                              .url = ejabberd_url,
                                              .write = write_text,
                                              .cut = ejabberd_cut,
                                              .replace = replace,
                                              .timeout_ms = PATIENCE_MS};
