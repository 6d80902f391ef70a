/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* link.h - one connection to an XMPP server, and our seat in one room.
 *
 * libstrophe has a thread of its own here, for its context is not for several, its connecting
 * and its select() block, and what is given to it while it is not connected vanishes (T48). It
 * is asked for nothing but the stream: stream management is off. Its select() takes descriptors
 * below 1,024 alone; a low one is held in reserve and let go just before it connects.
 *
 * Any thread, after xmpp_link_open() and before xmpp_link_close(). Every wait has a deadline of
 * CLOCK_MONOTONIC, in nanoseconds. */
#ifndef ACCORD_BUS_XMPP_LINK_H
#define ACCORD_BUS_XMPP_LINK_H

#include <pthread.h>
#include <strophe.h>

#include "bus/xmpp/beside.h"
#include "bus/xmpp/place.h"

enum {
    XMPP_PAGE_MAX = 100,           /* messages that the archive is asked for at once */
    XMPP_OUT_BYTES_MAX = 32 << 20, /* written and not yet taken by libstrophe */
    XMPP_ID_BYTES_MAX = 48,
};

/* One message of the room, live or out of its archive. */
struct xmpp_heard {
    char aid[XMPP_AID_BYTES_MAX]; /* "": it is not archived */
    char id[XMPP_ID_BYTES_MAX];   /* as its sender named it; "" */
    bool own;                     /* live, from our seat */
    bool text;                    /* data is what a person typed */
    bool torn;                    /* it has an element of ours that cannot be read */
    bool has_beside;
    struct xmpp_beside beside;
    uint64_t came_ms; /* Unix time: ours when it came, or the archive's; the latest it can be */
    uint8_t *data;    /* records, or text; malloc()ed */
    size_t data_bytes;
};
void xmpp_heard_done(struct xmpp_heard *h);

struct xmpp_page {
    struct xmpp_heard messages[XMPP_PAGE_MAX]; /* oldest first */
    size_t count;
    bool complete; /* there are no more in that direction */
};
void xmpp_page_done(struct xmpp_page *p);

struct xmpp_occupant {
    char nick[XMPP_NICK_BYTES_MAX];
    char node[NODE_NAME_BYTES_MAX + 1]; /* "": it is none */
};

enum xmpp_state {
    XMPP_DOWN,
    XMPP_CONNECTING,
    XMPP_JOINING,
    XMPP_CONFIGURING, /* the room is new: what kind of room it is to be */
    XMPP_ASKING,      /* what it can */
    XMPP_UP
};

struct xmpp_out {
    struct xmpp_out *next;
    size_t bytes;
    char text[];
};

struct xmpp_link {
    const struct xmpp_place *place;
    uint64_t timeout_ms;
    const char *node; /* NULL: of a tool */

    /* On the link's thread, with the mutex held. `heard` owns nothing: it takes data by setting
     * it to NULL. */
    void *context;
    void (*heard)(void *context, struct xmpp_heard *h);
    void (*refused)(void *context, const char *id, const char *condition);
    void (*ended)(void *context);

    pthread_t thread;
    bool started;
    int wake_fd, low_fd;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    enum xmpp_state state;
    uint64_t generation; /* of our seat: another one after each loss */
    int status;          /* why it is down */
    char why[BUS_WHY_BYTES_MAX];
    bool quit, go, leave;
    bool destroyed;       /* the room is no more: we sat there when that was said */
    uint64_t deadline_ns; /* to be seated by then */
    char address[64];
    uint16_t port;
    char nick[XMPP_NICK_BYTES_MAX];
    unsigned nick_tries;
    size_t next_server; /* of the URL's, to be tried next */
    struct xmpp_out *out_first, *out_last;
    size_t out_bytes;
    struct xmpp_occupant occupants[MEMBERS_MAX];
    size_t occupant_count;
    uint64_t asked;                   /* numbers the questions */
    char question[XMPP_ID_BYTES_MAX]; /* whose answer is awaited */
    bool answered;
    int answer_status;
    struct xmpp_page *page;

    /* of the link's thread alone */
    xmpp_ctx_t *xmpp;
    xmpp_conn_t *connection;
    xmpp_log_t log;
    char complaint[256]; /* libstrophe's last */
    int fd;
    bool over, seated, created;
    uint64_t heard_ns, pinged_ns; /* 0: not pinged */
};

MUST_CHECK int xmpp_link_open(struct xmpp_link *l, const struct xmpp_place *place,
                              const struct bus_settings *s, char why[BUS_WHY_BYTES_MAX]);
void xmpp_link_close(struct xmpp_link *l);

/* Takes a seat where we have none. ACCORD_E_DOWN, _DENIED, _UNSUPPORTED (no archive);
 * ACCORD_E_TIMEOUT: it is still being taken, and the next call waits on. */
MUST_CHECK int xmpp_link_up(struct xmpp_link *l, uint64_t deadline_ns,
                            char why[BUS_WHY_BYTES_MAX]);

/* Whole stanzas, sent in this order while our seat is that of `generation`. ACCORD_E_DOWN: it
 * is not, or ACCORD_E_FULL; nothing was sent. The mutex is held. */
MUST_CHECK int xmpp_link_send(struct xmpp_link *l, uint64_t generation, const char *text,
                              size_t bytes, char why[BUS_WHY_BYTES_MAX]);

/* A page of the archive before, or after, the message `aid`; "": from the end, the beginning.
 * ACCORD_E_GONE: there is no such message. ACCORD_E_DOWN, _TIMEOUT, _IO. One thread. */
MUST_CHECK int xmpp_link_page(struct xmpp_link *l, bool before, const char *aid,
                              uint64_t deadline_ns, struct xmpp_page *out,
                              char why[BUS_WHY_BYTES_MAX]);

/* Whatever the room has said before this was asked has been heard when it returns. */
MUST_CHECK int xmpp_link_hear(struct xmpp_link *l, uint64_t deadline_ns,
                              char why[BUS_WHY_BYTES_MAX]);

/* Was there no such room until we came in? */
bool xmpp_link_made_room(struct xmpp_link *l);

/* Destroys the room. Some servers put us out before they answer. */
MUST_CHECK int xmpp_link_destroy_room(struct xmpp_link *l, uint64_t deadline_ns,
                                      char why[BUS_WHY_BYTES_MAX]);

/* Waits on `changed`; the mutex is held. False: the deadline has passed. */
bool xmpp_link_wait(struct xmpp_link *l, uint64_t deadline_ns);

/* What the thread of link.c shares with what it hears (seat.c); the mutex is not held. */
void xmpp_seat_take(struct xmpp_link *l); /* registers, and asks for the seat */
void xmpp_seat_look(struct xmpp_link *l, uint64_t now_ns); /* are we still there? */
void xmpp_end(struct xmpp_link *l, int status, const char *format, ...) PRINTF_LIKE(3, 4);
void xmpp_put(struct xmpp_link *l, const char *format, ...) PRINTF_LIKE(2, 3);

/* stanza.c: a message of the room, out of its XML. False: nothing for the log. */
bool xmpp_heard_read(const struct xmpp_link *l, xmpp_stanza_t *message, struct xmpp_heard *out);
/* Whole, escaped; malloc()ed; NULL: out of memory. Changes may be none (begin). */
char *xmpp_message_write(const struct xmpp_link *l, const char *id,
                         const struct xmpp_beside *beside, const char *body, bool archived,
                         struct bytes records, size_t *bytes);
/* Escapes; false: it does not fit. */
bool xmpp_escape(const char *text, char *out, size_t out_bytes);

#endif
