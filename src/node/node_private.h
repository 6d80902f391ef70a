/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* node_private.h - the one struct of the shell, and what its files ask of each other.
 *
 *     node.c     open, close, run
 *     step.c     events into the core, effects out of it
 *     host.c     what doors may ask
 *     chp.c      the CHP doors
 *     chp_pair.c the other one of two that serve the CHP bus
 *     warm.c     what an earlier run left
 *     view.c     the views of defs/view.def
 *     words.c    the lines for people: status, ready
 *     notify.c   the service manager
 */
#ifndef ACCORD_NODE_PRIVATE_H
#define ACCORD_NODE_PRIVATE_H

#include "bus/chp/hub.h"
#include "bus/keyless.h"
#include "bus/signed.h"
#include "cache/reader.h"
#include "door/chp/chp.h"
#include "door/http/http.h"
#include "door/resp.h"
#include "node/acs_peers.h"
#include "node/bus_thread.h"
#include "node/clock.h"
#include "node/cold.h"
#include "node/command.h"
#include "node/deferred.h"
#include "node/earlier.h"
#include "node/files.h"
#include "node/held.h"
#include "node/journal_thread.h"
#include "node/lag.h"
#include "node/log.h"
#include "node/mapping.h"
#include "node/node.h"
#include "node/poison.h"
#include "node/policies.h"
#include "node/populate.h"
#include "node/trouble.h"

enum { STATUS_LINE_BYTES_MAX = 1024, READY_LINE_BYTES_MAX = 2048 };

/* A loop that wakes so much later than it had to is told of. */
#define STANDSTILL_NS NS_PER_S

/* Counted by the shell; the rest is counted where it happens, and summed in view.c. */
struct node_counts {
    uint64_t requests, deferred, replies, notes;
    uint64_t keep_failures;
    uint64_t cold_commands, cold_commands_failed;
    struct reader_line detached; /* of clients that are gone */
};

struct node {
    const struct settings *settings;
    struct node_hooks hooks;
    struct log log;
    char bus_public[1024]; /* the URL without its password */
    char state_why[160];   /* why nothing can be resumed from the state folder; "": new */
    uint64_t started_ns, files_max;
    uint32_t clients_max; /* as many as the files allow */

    struct node_clock clock;
    struct segment_sizes sizes;
    struct mapping mapping;
    void *writer_memory;
    struct writer *writer;
    struct reader reader;
    struct journal *journal; /* NULL: no state is kept */
    struct journal_thread *journal_thread;
    struct poison *poison; /* NULL: nothing is noted of entries in hand */
    struct hand applying;
    bool boot_known;
    struct segment_identity identity; /* of our segment */
    struct journal_place saved;       /* by the run before; read at start */
    struct id128 wanted;     /* the incarnation of the segment to inherit; none: none */
    struct earlier earlier;  /* while it is being copied */
    struct populate *ahead;  /* of that copying; NULL: nothing is */
    struct command *on_cold; /* NULL: nothing is to be run */
    struct cold cold;        /* what it is to be told of, in its time */
    bool stored;             /* the service manager has our segment */
    struct core *core;
    struct fence_saved fences[NAMESPACES_MAX]; /* as an earlier run had saved them */
    struct core_settings core_settings;
    size_t core_bytes;
    struct id128 incarnation;

    uv_loop_t loop;
    bool loop_open;
    uv_timer_t timer; /* the core's deadline */
    uv_prepare_t prepare;
    uv_async_t stop_async;
    bool handles_open;
    bool opened; /* the owner knows of us */
    struct door_host host;
    uint64_t letter; /* the view "ping" is of it */
    struct resp_door *door;
    struct chp_door *chp[CHP_DOORS_MAX];
    struct node_hub {
        struct hub *hub;
        struct chp_beside beside;
        struct node *node;
        struct chp_door *door;
        struct chp_pair *pair; /* NULL: it is not one of two servers */
    } hubs[CHP_DOORS_MAX];     /* of those doors */
    size_t chp_count;
    struct http_door *http;      /* NULL: none of the listeners is http:// */
    struct acs_peers *acs_peers; /* NULL: there are none */
    const struct bus_ops *bus_ops;
    const char *bus_caveat;                /* of this URL; may be NULL */
    char bus_advice[BUS_ADVICE_BYTES_MAX]; /* of the newest attach */
    struct bus_ops watched_ops;            /* is that: a bus that signs, or sees who does */
    struct bus_thread *bus;
    struct trouble attaching, publishing; /* that lasts */
    struct lag lag;

    uint64_t now_ns;   /* never goes back */
    uint64_t armed_ns; /* the deadline that the timer waits for, while it is active */
    uint64_t wakes_ns; /* when it was to wake, at the latest; UINT64_MAX: it is awake */
    uint64_t log_epoch;
    uint64_t clients; /* numbers given */
    bool carrying;    /* effects of a step are being carried out */
    struct deferred_queue deferred;
    struct held_queue held;
    uint64_t keep_first, keep_last; /* tickets of this list's KEEPs; 0: none yet */
    bool keep_refused;              /* one of them could not even be asked for */
    uint64_t keep_failed;           /* the newest ticket that was not kept */
    char keep_why[JOURNAL_WHY_BYTES_MAX];

    bool ready_said, waiting_said, fatal, stop_wanted, stop_given, stopped;
    char fatal_why[512];
    struct node_counts counts;
};

/* node.c */
PRINTF_LIKE(3, 4)
int node_fail(char why[NODE_WHY_BYTES_MAX], int status, const char *format, ...);

/* step.c */
void step_event(struct node *n, struct event *e); /* not while carrying */
void step_tick(struct node *n);
void step_reply(struct node *n, const struct reply *reply); /* to the door that it is for */
void step_bus_event(void *node, struct event *e);
void step_stop(struct node *n);
void step_journal_answer(void *node, enum journal_work work, uint64_t ticket, int status,
                         size_t count, const char *why);

/* host.c */
void host_init(struct node *n);

/* chp.c */
int chp_doors_open(struct node *n, const char *address, char why[NODE_WHY_BYTES_MAX]);
void chp_doors_close(struct node *n);
bool chp_doors_reply(struct node *n, const struct reply *reply); /* false: not theirs */
void chp_doors_requested(struct node *n, const struct event *e); /* once it has taken hold */
void chp_doors_applied(struct node *n, const struct entry *entry, bool own);
void chp_doors_changed(struct node *n);
void chp_doors_count(const struct node *n, struct chp_counts *sum);
void chp_hubs_count(const struct node *n, struct hub_counts *sum);
const char *
chp_hubs_pair(const struct node *n); /* hub_pair_text() of the one that has a pair */

/* chp_pair.c: where --bus has two servers, and `address` is one of them. *out stays NULL where
 * it is not. */
int chp_pair_open(struct node *n, struct node_hub *h, const char *address,
                  char why[NODE_WHY_BYTES_MAX]);
void chp_pair_close(struct chp_pair *p); /* NULL is fine */
bool chp_pair_say(struct chp_pair *p, const struct bytes *frames, size_t count);

/* view.c */
int view_fill(void *node, const char *name, const struct view_sink *sink);

/* words.c */
void words_status(const struct node *n, const struct core_status *s, char *line, size_t size);
/* Which promises hold on a bus that can do so much, and what they rest on. */
void words_promises(const struct node *n, char *text, size_t size);
/* "warm: 812345 items kept", "cold: the host was restarted since". */
void words_start(const struct core_status *s, char *line, size_t size);
/* Which key signs, and what is accepted; "" where changes are not signed. */
void words_signing(const struct node *n, char *line, size_t size);
void words_relays(const struct node *n, char *line, size_t size); /* empty: there are none */
/* Why a node that was asked is unsure; or what it may mean that it has not answered. */
void words_ping(const struct node *n, const struct core_answer *a, char *line, size_t size);
uint64_t words_lag(const struct core_status *s); /* where s->head_known */

/* warm.c */
void warm_read(struct node *n, struct core_settings *c); /* sets where it resumes, or why not */
void warm_start(struct node *n);
int warm_offered(void *node, int fd, const char **why);
void warm_released(struct node *n, const char *refused);
void warm_told(struct node *n, const struct effect *e); /* EFFECT_COLD */
uint64_t warm_look(struct node *n); /* runs what is due; until when it need not be called */
int warm_command(struct node *n, char *why); /* starts what runs on-cold-boot */
void warm_save(struct node *n, const struct cursor *cursor);

/* notify.c: tells systemd, if it listens: "READY=1\nSTATUS=…". */
void notify_service(const char *text);
/* Gives it a descriptor to keep over our restart, in place of any of that name. */
void notify_store(int fd, const char *name);
/* What an earlier run gave it under that name, the caller's now; -1: nothing. Once. */
int notify_stored(const char *name);

#endif
