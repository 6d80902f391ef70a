/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* fleet.h - for tests: cores over real segments, and one deterministic bus between them.
 *
 * Time is virtual; nothing happens but in fleet_run() and in the calls of a test. The bus is an
 * ordered log with delays; it can be cut from a node, lose its tail, fail a publish, or answer
 * that nobody knows. Each node keeps its state journal over a crash, and readers may keep the
 * segment of a crashed node mapped.
 */
#ifndef ACCORD_CORE_FLEET_H
#define ACCORD_CORE_FLEET_H

#include "cache/fixture.h"
#include "cache/inherit.h"
#include "core/core.h"

enum {
    FLEET_NODES_MAX = 4,
    FLEET_LOG_MAX = 60000,
    FLEET_ANSWERS_MAX = 60000,
    FLEET_MESSAGES_MAX = 256,
    FLEET_JOURNAL_MAX = 20000,
    FLEET_KEY_MAX = 64,
    FLEET_MISSES_MAX = 64
};

struct fleet_change {
    struct change change; /* its bytes point into the members below */
    uint8_t key[FLEET_KEY_MAX];
    char origin[NODE_NAME_BYTES_MAX + 1];
    char about[CHANGE_ABOUT_BYTES_MAX];
    unsigned signed_with; /* a key; 0: none */
};

struct fleet_entry {
    struct fleet_change held;
    uint64_t position;
    uint64_t at_ns; /* when the bus took it */
};

struct fleet_answer {
    size_t node;
    uint64_t client, asked_ns, answered_ns;
    unsigned count; /* of replies; 1 when all is well */
    bool abandoned; /* its client or node is gone */
    struct reply reply;
    uint8_t value[64]; /* its beginning */
};

enum fleet_kind {
    FLEET_ATTACH, /* asked; the rest is what the bus says */
    FLEET_HEAD,
    FLEET_PUBLISH,
    FLEET_ATTACHED,
    FLEET_GONE,
    FLEET_LOST,
    FLEET_HEAD_ANSWER,
    FLEET_PUBLISHED,
    FLEET_DELIVER
};

struct fleet_message {
    enum fleet_kind kind;
    size_t node;
    uint64_t due_ns, order;
    uint64_t generation; /* of the node's reading; another: void */
    bool resume;
    struct cursor cursor;
    uint64_t view_ns, nonce, number, last, after, head;
    int status;
    struct fleet_change *changes;
    size_t count;
};

struct fleet_node {
    bool alive, fatal, stopped, cut, stalled;
    bool is_clone; /* settings.incarnation and .random are given: another node's */
    struct core *core;
    struct fixture segment;
    struct core_settings settings;
    char name[16];
    uint64_t offset_ns;     /* its clock is ahead of the fleet's */
    int64_t drift_permille; /* and fast by so much; before fleet_start() */
    uint64_t stalled_until_ns;
    bool reading, delivering;
    uint64_t read_position, generation, read_due_ns;
    struct id128 read_message;
    uint64_t epoch; /* of the log that it reads */
    struct {
        uint64_t position;
        unsigned times;
    } misses[FLEET_MISSES_MAX];
    size_t miss_count;
    struct fleet_change *journal;
    size_t journal_count;
    struct fence_saved fences[8]; /* kept over a crash, as the journal is */
    unsigned notes[32];
    struct cursor saved; /* by the newest EFFECT_SAVE; position 0: none */
    void *inheriting;    /* memory of a copy under way */
    unsigned colds;      /* EFFECT_COLD */
    enum drop cold_cause;
    struct position cold_at;
    char refused[160]; /* why what was to be inherited was not */
    unsigned attaches, asks, publishes, kept;
    char why[256]; /* of the newest note with one */
    unsigned key;  /* signs with it, and checks; 0: neither. With settings.signing */
};

struct fleet {
    uint64_t now_ns, wall_ms;
    uint64_t *rng;
    size_t count;
    struct fleet_node nodes[FLEET_NODES_MAX];

    struct id128 log;
    uint64_t epoch, newest, max_stale_ns, max_stale_before_ns;
    size_t log_count;
    struct fleet_entry *entries;
    size_t message_count;
    uint64_t order, starts, inserted;
    struct fleet_message messages[FLEET_MESSAGES_MAX];
    uint64_t answer_count; /* ids of requests are indexes of answers */
    struct fleet_answer *answers;

    /* The bus's ways. */
    uint64_t delay_min_ns, delay_max_ns;
    unsigned fail_permille;    /* a publish that is not in the log */
    unsigned unknown_permille; /* a publish of which nobody knows; half are in the log */
    unsigned repeat_permille;  /* a delivery that begins with entries given before */
    bool gathers;              /* events come as in a turn of the loop: more follow at once */
    unsigned signs;            /* the key of what the bus takes; of fleet_insert(), for tests */

    void *context; /* of the hooks; each may be NULL */
    void (*applied)(struct fleet *f, struct fleet_node *n, const struct entry *e, bool own);
    void (*answered)(struct fleet *f, struct fleet_answer *a);
    void (*taken)(struct fleet *f, const struct change *c); /* by the bus, just now */
};

#define FLEET_L (3 * NS_PER_S)

/* `rng` may be NULL where nothing is random: every delay is then the smallest. */
struct fleet *fleet_new(uint64_t *rng);
void fleet_free(struct fleet *f);

/* Settings as they are by default, for a test to change before fleet_start(). */
struct fleet_node *fleet_add(struct fleet *f, const char *name);
/* A new core over a new segment; what the journal holds is sent again. */
void fleet_start(struct fleet *f, struct fleet_node *n);
/* The same, resuming from the cursor that was saved; `old` (NULL: none yet) is given first. */
void fleet_start_resumed(struct fleet *f, struct fleet_node *n, const struct fixture *old);
/* Gives it the segment of its earlier self, which stays mapped while it is copied. */
void fleet_inherit(struct fleet *f, struct fleet_node *n, const struct fixture *old);
/* As by SIGKILL. The segment stays as it was: the caller reads on in it, or frees it. */
void fleet_kill(struct fleet *f, struct fleet_node *n);

void fleet_step(struct fleet *f, struct fleet_node *n, const struct event *e);
void fleet_run(struct fleet *f, uint64_t for_ns);
/* Runs until every living node is fresh; fails after a minute. */
void fleet_settle(struct fleet *f);

void fleet_cut(struct fleet *f, struct fleet_node *n, bool cut);
/* The newest `count` entries vanish, and the epoch changes. */
void fleet_lose_tail(struct fleet *f, size_t count);
/* The entry at that position is left out the next `times` that it is delivered to the node. */
void fleet_miss(struct fleet_node *n, uint64_t position, unsigned times);
/* The entry at that position vanishes, and nobody is told. */
void fleet_delete(struct fleet *f, uint64_t position);
/* A change that a person wrote into the log. */
void fleet_insert(struct fleet *f, enum change_op op, const char *key);
void fleet_insert_change(struct fleet *f, struct change c); /* with a version, or soft */
void fleet_insert_whole(struct fleet *f, struct change c);  /* its message and time, too */

/* Submits a request; its client is 1 unless given. The answer may be there already. */
struct fleet_answer *fleet_request(struct fleet *f, struct fleet_node *n, struct request r);
/* The same, all in one event; the first of the answers. `list` is changed. */
struct fleet_answer *fleet_requests(struct fleet *f, struct fleet_node *n, struct request *list,
                                    size_t count);
struct request fleet_load(const char *key, uint64_t wait_ns);
struct request fleet_fill(const char *key, const char *value, const struct token *token);
struct request fleet_set(const char *key, const char *value);
struct request fleet_remove(const char *key);
struct request fleet_clear(const char *what);
struct request fleet_sync(uint64_t wait_ns);
void fleet_gone(struct fleet *f, struct fleet_node *n, uint64_t client);

uint64_t fleet_clock(const struct fleet *f, const struct fleet_node *n);
struct read_result fleet_get(struct fleet *f, struct fleet_node *n, const char *key);
bool fleet_hits(struct fleet *f, struct fleet_node *n, const char *key, const char *value);
struct core_status fleet_status(const struct fleet *f, const struct fleet_node *n);
size_t fleet_log_count(const struct fleet *f, enum change_op op, const char *key);

#endif
