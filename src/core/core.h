/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* core.h - the one door into the pure part: an event goes in, effects come out.
 *
 * The core decides; it writes the segment (which is memory), notes in settings.hand which entry
 * it applies, and writes nothing else. Doors read the
 * segment themselves: hits never pass here. Misses that want the right to load, fills, changes
 * and waits become requests.
 *
 * Ownership, without exception: everything an event points to is borrowed for the call;
 * everything the effects point to belongs to the core (or to the event) and is valid until the
 * next call. Time: the core knows only event->now_ns (the segment's clock), which never goes
 * backwards, and event->wall_ms (for people). Between calls the owner sleeps until
 * core_deadline_ns() or until something happens. All memory is taken at core_new().
 */
#ifndef ACCORD_CORE_CORE_H
#define ACCORD_CORE_CORE_H

#include "base/state.h"
#include "cache/writer.h"
#include "wire/hand.h"

struct core;

/* ---- settings ---------------------------------------------------------------------------- */

enum namespace_version { VERSION_NONE, VERSION_LSN, VERSION_ROW };
enum namespace_set { SET_PUBLISH, SET_FILL };

/* Per namespace (design, section 7). [0] is "default". */
struct namespace_settings {
    char name[NAMESPACE_BYTES_MAX + 1];
    uint64_t ttl_ns; /* UINT64_MAX: never */
    uint64_t grace_ns;
    uint64_t negative_ttl_ns;
    uint64_t unsure_ttl_ns;
    uint64_t max_stale_ns; /* tighter than the cluster's; UINT64_MAX: the cluster's */
    uint64_t hold_off_ns;
    uint32_t refresh_permille;
    uint32_t jitter_permille;
    enum when_unsure when_unsure;
    enum namespace_version version;
    enum namespace_set set;
    bool nx_local;
    char delimiter; /* '\0': none */
};

/* The fences of one namespace with version = lsn, for a restart. */
struct fence_saved {
    char name[NAMESPACE_BYTES_MAX + 1];
    bool held;       /* some removals without a version may still count */
    uint64_t newest; /* version of all removals seen */
};

struct core_settings {
    char name[NODE_NAME_BYTES_MAX + 1];
    char about[256]; /* "app tcp://… 0.1.0": travels in the join */
    /* What the namespaces ask for, one line without tabs: in the join and each beat, so that
     * others can say where theirs differ. Empty: nothing is said. */
    char policies[POLICIES_BYTES_MAX + 1];
    struct id128 incarnation;
    uint64_t random[4];    /* seed of everything random here; from getrandom() */
    uint64_t max_stale_ns; /* L as set here; the cluster's number comes with ATTACHED */
    bool max_stale_given;  /* by the user: then a cluster's smaller L is refused */
    uint64_t publish_timeout_ns;
    uint64_t load_timeout_ns;
    uint64_t join_settle_ns;    /* how long a namesake has to object before the first lease */
    uint32_t expect_members;    /* fewer is not ready; 0: any */
    bool head_linearizable;     /* from the bus's capabilities */
    bool ack_local;             /* answer once the change is kept in the state journal */
    bool signing;               /* entries say whether they can be trusted: see trust.h */
    uint32_t unsigned_removals; /* with signing: how many a second pass; 0: none */
    const struct namespace_settings *namespaces; /* borrowed for core_new() */
    size_t namespace_count;
    const struct fence_saved *fences; /* as SAVE_FENCES gave them; borrowed until attached */
    size_t fence_count;
    struct cursor fences_at;
    /* An earlier incarnation stood at `cursor`, and its segment may be given (EVENT_INHERIT):
     * the first attach resumes there. Else `cold_why` says why not, one line. */
    bool resume;
    struct cursor cursor;
    char cold_why[160];
    /* Noted before each entry is applied, and left so: the owner takes it out of hand once the
     * effects are carried out. Of its poison list nothing is applied: the cache is dropped. */
    struct hand hand;
};

/* ---- events ------------------------------------------------------------------------------ */

enum request_op {
    REQUEST_LOAD,       /* the right to load keys[0], or its value once another has loaded it */
    REQUEST_FILL,       /* item with token */
    REQUEST_SET,        /* item; with or without token; publishes as section 11 says */
    REQUEST_REMOVE,     /* keys */
    REQUEST_REMOVE_TAG, /* keys are tags */
    REQUEST_CLEAR,      /* keys[0]: a namespace, a prefix that ends in its delimiter, or "*" */
    REQUEST_EXPIRE,     /* keys[0]: change ttl_ns and grace_ns of what is here */
    REQUEST_SYNC,       /* wait until `position` (or the head, asked now) is applied here */
    REQUEST_MAX_STALE,  /* the cluster's L is max_stale_ns from now on, in stages */
    REQUEST_FENCE_FLOOR, /* keys[0] is a namespace: its fills must prove `version`, from now on
                          */
    REQUEST_FRESHEN, /* wait until the lease rests on a question not older than max_stale_ns */
    REQUEST_REMOVE_MANY, /* keys, each as kinds[] says; all or none, in one publish */
    /* What this client changes from now on travels in one publish; until the END, or until
     * anything else happens first. batch_count changes are to come, with batch_bytes of keys:
     * where there is no room for them all, each is refused. No replies. */
    REQUEST_BATCH_BEGIN,
    REQUEST_BATCH_END,
    REQUEST_PING, /* keys[0]: a node, or "*" for every node, is asked how it is; see
                     core_answer() */
    /* keys[0], as kinds[0] says (see REMOVE_MANY), goes from this host's cache alone: nothing
     * is published. For what reached every other host by another way. */
    REQUEST_REMOVE_HERE
};

struct request {
    enum request_op op;
    uint64_t client; /* names the connection; never reused */
    uint64_t id;     /* of the client's choosing; comes back in the reply */
    const struct bytes *keys;
    size_t key_count;
    const uint8_t
        *kinds; /* REMOVE_MANY, _HERE: of each key REQUEST_REMOVE, _REMOVE_TAG or _CLEAR */
    size_t batch_count, batch_bytes; /* BATCH_BEGIN */
    struct bytes
        retry_id; /* removals: not empty: asked for again with the same, it is the same */
    bool soft;
    bool has_version;
    uint64_t version;
    bool has_token;
    struct token token;
    bool want_strict;      /* WAIT: strict removal */
    uint64_t wait_ns;      /* LOAD, SYNC, FRESHEN, strict: how long; 0: do not wait; PING */
    uint64_t max_stale_ns; /* FRESHEN */
    bool has_position;
    struct position position; /* SYNC */
    /* FILL, SET, EXPIRE. ttl_ns 0: the namespace's; grace_ns UINT64_MAX: the namespace's. */
    struct item item;
};

enum event_type {
    EVENT_TICK,          /* the deadline passed; nothing else happened */
    EVENT_REQUEST,       /* a door received a request */
    EVENT_REQUESTS,      /* several of one client, none in a batch of it (BATCH_BEGIN) */
    EVENT_CLIENT_GONE,   /* a connection closed: its waits and rights end */
    EVENT_RESEND,        /* at start: changes kept in the state journal, not yet in the log */
    EVENT_BUS_ATTACHED,  /* answer to ATTACH */
    EVENT_BUS_GONE,      /* the log cannot prove the cursor: cold boot, then ATTACH anew */
    EVENT_BUS_LOST,      /* no connection; the shell retries ATTACH by itself */
    EVENT_BUS_ENTRIES,   /* the log's next entries, in order */
    EVENT_BUS_HEAD,      /* answer to ASK_HEAD */
    EVENT_BUS_PUBLISHED, /* answer to PUBLISH */
    EVENT_INHERIT,       /* the segment of the incarnation that settings.cursor is of */
    EVENT_CLOCK_BROKEN,  /* the segment's clock ran wrong: drop the lease */
    EVENT_STOP           /* clean stop: end the lease, leave, then STOPPED */
};

struct event {
    uint64_t now_ns;
    uint64_t wall_ms;
    bool more; /* other events follow at once: what is accepted waits to travel with theirs */
    enum event_type type;
    union {
        struct request request;
        struct {
            const struct request *list;
            size_t count; /* 1 .. REQUESTS_MAX */
        } requests;       /* handled in this order, as one event each would have been */
        uint64_t client_gone;
        struct {
            const struct change *changes;
            size_t count;
        } resend;
        struct {
            struct id128 log;
            uint64_t epoch;
            uint64_t after;
            uint64_t head;
            uint64_t max_stale_ns;
            uint64_t max_stale_before_ns; /* 0: the same */
            bool resumed;
        } attached;
        /* The owner has checked that it is that one, and that its writer is dead. `old` is
         * borrowed for the call; its mapping and `memory` (inherit_bytes() of it) until
         * EFFECT_INHERITED. old_now_ns is now on its clock. */
        struct {
            const struct reader *old;
            void *memory;
            uint64_t old_now_ns;
        } inherit;
        struct {
            const char *why; /* one line for people */
        } gone, lost;
        struct {
            const struct entry *entries;
            size_t count;
        } entries;
        struct {
            uint64_t nonce;
            int status; /* ACCORD_OK, else the question failed */
            uint64_t head;
            const char *why; /* one line for people, where it failed; may be NULL */
        } head;
        struct {
            uint64_t batch;
            int status; /* ACCORD_OK; ACCORD_E_TIMEOUT: unknown; else: none is in the log */
            uint64_t last;
            uint64_t epoch; /* of the log that took it; 0: the bus cannot say, so as attached */
            const char *why;
        } published;
    };
};

/* ---- effects ----------------------------------------------------------------------------- */

/* The answer to one request. */
struct reply {
    uint64_t client;
    uint64_t id;
    int status;
    enum accord_state
        state; /* LOAD: MISS (with the right), HIT, STALE, NEGATIVE, BUSY, UNSURE */
    enum accord_why why;
    bool has_token; /* LOAD: this caller is to load */
    struct token token;
    bool has_value; /* LOAD: what the other caller loaded */
    struct bytes value;
    uint64_t version;
    uint64_t count; /* REMOVE: keys that had an item here */
    bool has_position;
    struct position position; /* changes: where it stands in the log; SYNC: applied here */
    const char *why_text; /* for people, where status is not OK; of a strict removal, where it
                             is, who confirmed and who lapsed; may be NULL */
    bool is_strict;       /* core_standing() tells of each node how it stands */
    uint64_t strict_position; /* for core_standing() */
    uint64_t strict_since_ns;
    uint64_t letter; /* PING: for core_answer() */
};

/* How another node stands to a strict removal (P3). */
enum standing {
    STANDING_NONE,      /* it joined after the removal, or has left: it cannot have the item */
    STANDING_CONFIRMED, /* it has applied the removal */
    STANDING_LAPSED,    /* it has not, and holds no lease any more under which it may serve */
    STANDING_UNKNOWN    /* it may still serve what was removed */
};
struct core_standing {
    const char *name;
    struct id128 incarnation;
    bool ambiguous; /* another incarnation has, or had, this name */
    enum standing standing;
};

/* Decisions worth one log line. NOTE(NAME, "word"). */
#define CORE_NOTES(NOTE)                                                                       \
    NOTE(LEASE_HELD, "lease")  /* fresh from now on */                                         \
    NOTE(LEASE_LOST, "unsure") /* with why */                                                  \
    NOTE(ATTACHED, "attached")                                                                 \
    NOTE(BUS_LOST, "bus-lost")                                                                 \
    NOTE(COLD_BOOT, "cold-boot") /* the cache was dropped; why says the cause */               \
    NOTE(COLD, "cold")           /* nothing was inherited; why says the cause */               \
    NOTE(WARM, "warm")           /* with how many items */                                     \
    NOTE(MEMBER_JOINED, "joined")                                                              \
    NOTE(MEMBER_LEFT, "left")                                                                  \
    NOTE(MEMBER_SILENT, "silent")                                                              \
    NOTE(PUBLISH_FAILED, "publish-failed")                                                     \
    NOTE(PUBLISH_OK, "publish-ok") /* the first success after failures */                      \
    NOTE(OUTBOX_FULL, "outbox-full")                                                           \
    NOTE(MAX_STALE, "max-stale") /* the cluster's L is used */                                 \
    NOTE(NAME_TAKEN, "name-taken")                                                             \
    NOTE(HOLE_CLOSED, "hole-closed") /* with how; the number is the place before it */         \
    NOTE(REFUSED, "refused")         /* an entry that is not trusted; why says what to do */

enum core_note {
#define NOTE(name, word) NOTE_##name,
    CORE_NOTES(NOTE)
#undef NOTE
};
const char *core_note_word(enum core_note note);

/* Why the cache was dropped: defs/drop.def. */
enum drop {
#define DROP(NAME, name, text) DROP_##NAME,
#include "defs/drop.def"
    DROPS
};
const char *core_drop_word(enum drop cause); /* "no_segment"; static */

/* What became of the earlier incarnation's cache. */
enum core_warmth {
    WARM_NEVER,   /* nothing can be inherited, or not any more */
    WARM_OPEN,    /* its segment was not given yet */
    WARM_COPYING, /* it was, and is being copied from */
    WARM_KEPT     /* done */
};

enum effect_type {
    EFFECT_REPLY,
    EFFECT_ATTACH,   /* attach the bus; answers ATTACHED, GONE or LOST */
    EFFECT_ASK_HEAD, /* ask for the head; answers BUS_HEAD with this nonce */
    EFFECT_PUBLISH,  /* append these changes; answers BUS_PUBLISHED with this batch */
    EFFECT_KEEP,     /* write these changes to the state journal and sync it, before any later
                        REPLY of this list goes out */
    EFFECT_FORGET,   /* these messages need no journal any more */
    EFFECT_APPLIED,  /* a change of the log, or one for this host alone, was applied: for
                        watchers, after it took hold */
    EFFECT_SAVE_FENCES, /* they may be saved, as of this place in the log */
    EFFECT_SAVE,        /* the cursor may be saved (at most once a second) */
    EFFECT_COLD,      /* the cache was dropped, or began empty; the position after which changes
                         are applied to it is noted (L6): callbacks may run */
    EFFECT_INHERITED, /* what EVENT_INHERIT brought is needed no more */
    EFFECT_NOTE,
    EFFECT_FATAL,  /* the node must end: `why` says what to do; e.g. its name is taken */
    EFFECT_STOPPED /* after STOP: nothing is left to do */
};

struct effect {
    enum effect_type type;
    union {
        struct reply reply;
        struct {
            bool resume; /* from `cursor`; else anew, the view beginning view_ns ago */
            struct cursor cursor;
            uint64_t view_ns;
        } attach;
        struct {
            uint64_t nonce;
            struct cursor at;
        } ask_head;
        struct {
            uint64_t batch;
            const struct change *changes;
            size_t count;
        } publish;
        struct {
            const struct change *changes;
            size_t count;
        } keep;
        struct {
            const struct id128 *messages;
            size_t count;
        } forget;
        struct {
            const struct entry *entry;
            bool own;
        } applied;
        struct {
            struct cursor at;
            const struct fence_saved *list;
            size_t count;
        } save_fences;
        struct cursor save;
        struct {
            enum drop cause;
            const char *why; /* one line for people */
            struct position position;
        } cold;
        struct {
            const char *refused; /* why nothing was taken; NULL: it was taken */
            uint64_t kept;
        } inherited;
        struct {
            enum core_note note;
            const char *who; /* a member's name; may be NULL */
            const char *why; /* may be NULL */
            uint64_t number; /* as the note needs */
        } note;
        struct {
            const char *why;
        } fatal;
    };
};

struct effects {
    const struct effect *list; /* to be carried out in this order */
    size_t count;
};

/* ---- the door ---------------------------------------------------------------------------- */

/* Takes all memory the core will ever use. `writer` is borrowed for the core's life; nothing
 * else may write the segment meanwhile. ACCORD_E_NOMEM; ACCORD_E_INVALID: settings. */
MUST_CHECK int core_new(struct core **out, const struct core_settings *settings,
                        struct writer *writer, uint64_t now_ns);
void core_free(struct core *c); /* NULL is fine */

/* Never fails: what goes wrong is an effect. The first call should be a TICK: it asks to
 * ATTACH. */
void core_step(struct core *c, const struct event *e, struct effects *out);
/* UINT64_MAX: nothing to wait for. Now: a batch waits for an event that no more follow. */
uint64_t core_deadline_ns(const struct core *c);

/* ---- views: for status, metrics and doors; nothing here decides ----------------------------
 */

struct core_member {
    char name[NODE_NAME_BYTES_MAX + 1];
    char about[256];
    char policies[POLICIES_BYTES_MAX + 1]; /* empty: it has not said */
    struct id128 incarnation;
    uint64_t joined_position;
    uint64_t last_seen_ns; /* when its last join or beat was applied here */
    uint64_t applied;      /* as its last beat said */
    bool self;
    bool silent; /* no beat for 1.25 × member_ttl + L/2 */
};

struct core_status {
    bool attached, fresh, ready, stopping;
    uint64_t lease_left_ns;   /* 0: unsure */
    uint64_t unsure_since_ns; /* with wall clock below; 0 while fresh */
    uint64_t unsure_since_wall_ms;
    const char *why; /* why unsure, one line; "" while fresh */
    uint64_t max_stale_ns, member_ttl_ns;
    uint64_t stale_waited_ns; /* what others are waited for by: larger while L changes */
    uint64_t stale_used_ns;   /* this node's own leases: smaller while L is raised */
    struct cursor cursor;
    uint64_t head;   /* newest known position of the log */
    bool head_known; /* false: lag is unknown, not zero */
    bool lag_known;  /* false: nothing is proven yet */
    uint64_t lag_ns; /* what was acknowledged longer ago than this is applied here */
    enum core_warmth warmth;
    const char *warm_why; /* "812345 items kept", or why nothing was; one line */
    uint64_t inherited, inherited_touched, inherited_left;
    size_t members; /* not silent, self included */
    size_t outbox, loads, waiters;
    size_t holes_open;
    size_t strict_waits; /* strict removals in the log that not every node has confirmed */
    /* counted since start */
    uint64_t applied_changes, applied_own, applied_foreign, beats_sent;
    uint64_t published, publish_failures, unpublished_answers;
    uint64_t strict_done, strict_unknown;
    uint64_t retries; /* removals that were known by their id, and not made again */
    uint64_t folded;  /* removals of a batch that a later one of it said again */
    uint64_t lease_renewals, lease_losses, cold_boots, gaps, divergences;
    uint64_t holes_replayed, holes_resent; /* of the gaps: closed, and how */
    uint64_t resends;       /* times that changes of this node were said again for others */
    uint64_t drops[DROPS];  /* the cold boots, by cause */
    struct position poison; /* the entry skipped last; 0: none */
    uint64_t loads_granted, loads_waited, loads_busy, loads_lost;
    uint64_t fills_stored, fills_refused_token, fills_refused_version, fills_refused_size,
        fills_refused_unsure, fills_refused_held;
    uint64_t sets_not_stored;      /* of fills_refused_token, those that were plain SETs */
    uint64_t refused[TRUST_KINDS]; /* entries, by what was wrong with them */
    uint64_t unsigned_applied, unsigned_over; /* removals by hand */
    const char *refused_last;                 /* one line for people; "": none was */
    uint64_t letters_asked;                   /* questions of ours to other nodes */
    uint64_t letters_answered;                /* questions of others, each once */
    uint64_t letters_repeated; /* answers that came again, or for which there was no room */
    uint64_t letters_late;     /* questions not answered, for they may be old */
    uint64_t letters_full;     /* or because too many others were to be answered */
};
void core_status(const struct core *c, uint64_t now_ns, struct core_status *out);
size_t core_member_count(const struct core *c);
/* `index` below core_member_count(); valid until the next core_step(). */
const struct core_member *core_member(const struct core *c, size_t index);
/* A later incarnation of its name is there: this one was killed, or must leave. */
bool core_member_is_superseded(const struct core *c, size_t index);
/* The next node to which the removal of this reply (is_strict) mattered; *at begins as 0.
 * False: there is none left. Only while the effects are valid of which the reply is one. */
bool core_standing(const struct core *c, const struct reply *reply, size_t *at,
                   struct core_standing *out);

/* What became of a question (REQUEST_PING) at one node. */
struct core_answer {
    const char *name;
    bool answered, self;
    uint64_t asked;                   /* how often, until it answered */
    const struct core_member *member; /* as the log knows it; NULL: not at all */
    /* answered: */
    struct id128 incarnation;
    struct bytes state; /* "fresh", "unsure"; "refused", where it would not answer */
    struct bytes version;
    const char *why; /* unsure or refused; may be "" */
    uint64_t round_trip_ns;
    bool applied_known; /* false: it reads another log, or another epoch of it */
    uint64_t applied;   /* position of the log */
    uint64_t lag;       /* of it behind our question there */
    /* not answered: */
    bool in_log; /* the question has reached the log: it has come back to us */
};
/* The next node that has answered; then those that have not and should have. *at begins as 0.
 * False: there is none left. Only while the effects are valid of which the reply is one. */
bool core_answer(const struct core *c, uint64_t letter, size_t *at, struct core_answer *out);

/* What a fill of a namespace must prove: see fences.h. */
struct core_fence {
    const struct namespace_settings *settings;
    bool used;         /* it has versions or a hold_off */
    const char *state; /* "open"; "held": nothing is stored; "unknown": nor before a floor is */
    uint64_t left_ns;  /* until it is open by itself */
    uint64_t floor, newest;
    uint64_t refused_version, refused_held;
};
/* False: there are no more namespaces. */
bool core_fence(const struct core *c, size_t index, uint64_t now_ns, struct core_fence *out);

#endif
