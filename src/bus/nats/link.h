/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* link.h - one connection to NATS, and what JetStream answers.
 *
 * libnats reconnects by itself, with jitter. The server's API is asked in its own JSON, so that
 * what an operator has set on the stream, and this library does not know, stays as it is.
 *
 * Any thread, after nats_link_open() and before nats_link_close(). Every call is bounded by the
 * settings' timeout. Failures: ACCORD_E_DOWN, _TIMEOUT (it may have been done), _DENIED, _GONE
 * (there is no such stream or message), _IO (JetStream refused; `why` says it). */
#ifndef ACCORD_BUS_NATS_LINK_H
#define ACCORD_BUS_NATS_LINK_H

#include "bus/nats/record.h"
#include "bus/nats/rights.h"
#include "bus/url.h"

#include <jansson.h>
#include <nats/nats.h>

enum {
    NATS_CLUSTER_BYTES_MAX = 32,
    NATS_NAME_BYTES_MAX = 64, /* of a stream, a subject */
    NATS_CLIENT_BYTES_MAX = NATS_NAME_BYTES_MAX + NODE_NAME_BYTES_MAX,
};

struct nats_link {
    char cluster[NATS_CLUSTER_BYTES_MAX + 1];
    char stream[NATS_NAME_BYTES_MAX]; /* ACCORD_CLUSTER */
    char api[NATS_NAME_BYTES_MAX];    /* $JS.API, or of the domain */
    char name[NATS_CLIENT_BYTES_MAX]; /* of the connection: "accord.CLUSTER node web1" */
    uint64_t replicas;                /* of a stream that is made */
    uint64_t timeout_ms;
    natsConnection *connection;
    jsCtx *js;
    jsOptions options;
    struct nats_rights rights;
    char domain[NATS_NAME_BYTES_MAX];
    char version[32]; /* of the server, as it said; "": it was not asked */
};

/* Fills in the names that follow from the URL; nothing is connected. ACCORD_E_INVALID. */
MUST_CHECK int nats_link_names(struct nats_link *l, const char *url,
                               char why[BUS_WHY_BYTES_MAX]);

/* What the server's people should do, though the bus works without: one line, or "". */
void nats_link_advise(const struct nats_link *l, char out[BUS_ADVICE_BYTES_MAX]);

/* Whether the URL lets a server be too old. Not, where the URL is refused. */
bool nats_link_allows_old(const char *url);

/* ACCORD_E_INVALID: the URL; ACCORD_E_DENIED: also a file of the URL that cannot be read;
 * ACCORD_E_UNSUPPORTED: the server is too old. */
MUST_CHECK int nats_link_open(struct nats_link *l, const struct bus_settings *s,
                              char why[BUS_WHY_BYTES_MAX]);
void nats_link_close(struct nats_link *l);

/* Waits for the connection, as long as the timeout allows. */
MUST_CHECK int nats_link_wait(struct nats_link *l, char why[BUS_WHY_BYTES_MAX]);

/* Asks API.verb.STREAM with a JSON body (stolen; NULL: none). *reply: to be json_decref()ed. */
MUST_CHECK int nats_link_ask(struct nats_link *l, const char *verb, json_t *body,
                             json_t **reply, char why[BUS_WHY_BYTES_MAX]);

/* The message at `sequence`, from the stream's leader: ACCORD_E_GONE where it is not there.
 * *out points into *holder, for nats_holder_free(). */
struct nats_holder {
    natsMsg *message;
    uint8_t *whole;
};
MUST_CHECK int nats_link_message(struct nats_link *l, uint64_t sequence, struct id128 log,
                                 struct nats_message *out, struct nats_holder *holder,
                                 char why[BUS_WHY_BYTES_MAX]);
void nats_holder_free(struct nats_holder *h);

/* Fills *out from a message of any subject of ours, however it came. Where it is the last part
 * of a batch, the others are read too, and *whole is their malloc()ed payload, else NULL. A
 * part that is not there any more makes it a message that clears. */
MUST_CHECK int nats_message_of(struct nats_link *l, natsMsg *m, uint64_t sequence,
                               struct id128 log, struct nats_message *out, uint8_t **whole,
                               char why[BUS_WHY_BYTES_MAX]);

/* The status of this bus for one of libnats, said in `why`. */
int nats_link_fail(const struct nats_link *l, natsStatus s, int js_error, const char *what,
                   char why[BUS_WHY_BYTES_MAX]);

/* Monotonic, and Unix time; ms. */
uint64_t nats_now_ms(void);

/* Whether "2.10.23" is at least that version. */
bool nats_version_is_at_least(const char *text, unsigned major, unsigned minor, unsigned patch);

#endif
