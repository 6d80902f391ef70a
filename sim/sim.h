/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* sim.h - a fleet in one process: the real core and the real segment, all else virtual.
 *
 *     main.c       seeds, reports                 plan.c    what a seed decides beforehand
 *     sim.c        the heap of events, one run    clock.c   what time each host believes it is
 *     bus.c        servers and their logs         link.c    between a host and its server
 *     disk.c       the state journal              daemon.c  core, segment, effects
 *     reader.c     processes that read            task.c    loaders, writers, the origin
 *     heir.c       what a restart inherits        call.c    requests and their answers
 *     scene.c      scenarios, as on real processes
 *     fault.c      whatever goes wrong            trace.c   what happened, for people
 *     stranger.c   entries without a key          operator.c  who runs the cluster
 *     bound.c      how old a read may be           poison.c  entries that end who reads them
 *     check*.c     was every promise kept?        fiber.c   stopping between two loads
 *     memory.c     large, zeroed, and cheap
 *
 * One thread, one seed, one order of events: a run repeats exactly. Nothing decides by floating
 * point, by a pointer's value, by the wall clock or by bytes that nobody wrote.
 */
#ifndef ACCORD_SIM_SIM_H
#define ACCORD_SIM_SIM_H

#include "cache/inherit.h"
#include "cache/reader.h"
#include "cache/writer.h"
#include "cli/torture/scenario.h"
#include "core/core.h"
#include "sim/check.h"
#include "sim/fiber.h"
#include "sim/rng.h"
#include "sim/sometimes.h"

enum {
    HOSTS_MAX = 52,
    READERS = 4, /* processes per host, at most */
    READERS_MAX = HOSTS_MAX * READERS,
    KEYS = 18,
    SPACES = 8,
    SERVERS_MAX = 4,
    LACKS_MAX = 8, /* entries that one host is never given */
    TASKS_MAX = 48,
    CALLS_MAX = 32768,
    VERSIONS_MAX = 8192, /* of one key in one run */
    CLOCK_CHANGES_MAX = 64,
    VALUE_BYTES_LARGE = 50000,
    READ_KEYS_MAX = 3,
    TERMS_MAX = 256, /* changes of max_stale in one run */
    TRACE_MAX = 1 << 16
};

/* The kinds of faults. FAULT(NAME, "words"): the 22 of the test plan, then those of the bus
 * that the plan sums up as one, and of clients. */
#define FAULTS(FAULT)                                                                          \
    FAULT(DROP, "drop")                                                                        \
    FAULT(DUPLICATE, "duplicate")                                                              \
    FAULT(REORDER, "reorder")                                                                  \
    FAULT(DELAY, "delay")                                                                      \
    FAULT(ONE_WAY, "one-way partition")                                                        \
    FAULT(CUT, "full partition")                                                               \
    FAULT(SWIZZLE, "swizzle")                                                                  \
    FAULT(CRASH, "crash and restart")                                                          \
    FAULT(STALE_DISK, "crash with stale disk")                                                 \
    FAULT(PAUSE, "pause")                                                                      \
    FAULT(SLOW, "clock slow")                                                                  \
    FAULT(FAST, "clock fast")                                                                  \
    FAULT(SUSPEND, "suspend")                                                                  \
    FAULT(VM_PAUSE, "hypervisor pause")                                                        \
    FAULT(DISK_FULL, "disk full")                                                              \
    FAULT(TORN_WRITE, "torn write")                                                            \
    FAULT(BIT_FLIP, "bit flip")                                                                \
    FAULT(MISDIRECTED, "misdirected write")                                                    \
    FAULT(FSYNC, "failed fsync")                                                               \
    FAULT(FAILOVER, "failover with lost tail")                                                 \
    FAULT(SPLIT, "split brain")                                                                \
    FAULT(NO_MEMORY, "allocation failure")                                                     \
    FAULT(UNKNOWN, "unknown publish result")                                                   \
    FAULT(REFUSED, "refused publish")                                                          \
    FAULT(HOLE, "entry not delivered")                                                         \
    FAULT(TRUNCATE, "log truncated")                                                           \
    FAULT(RESTORE, "log restored")                                                             \
    FAULT(REPLACE, "log replaced")                                                             \
    FAULT(PRUNE, "log pruned")                                                                 \
    FAULT(BUS_DOWN, "bus down")                                                                \
    FAULT(TWICE, "started twice")                                                              \
    FAULT(LOST_DISK, "restart without disk")                                                   \
    FAULT(STEP_PAUSE, "pause between two stores")                                              \
    FAULT(STEP_CRASH, "crash between two stores")                                              \
    FAULT(READ_PAUSE, "pause between two loads")                                               \
    FAULT(READER_KILL, "reader killed")                                                        \
    FAULT(CLIENT_GONE, "client gone")                                                          \
    FAULT(CLOCK_BROKEN, "clock source changed")                                                \
    FAULT(STOP, "clean stop")                                                                  \
    FAULT(LATE, "entries later than answers")                                                  \
    FAULT(CLONE, "machine cloned")

enum fault {
#define FAULT(name, words) FAULT_##name,
    FAULTS(FAULT)
#undef FAULT
        FAULT_KINDS
};
extern const char *const fault_words[FAULT_KINDS];

/* ---- plan.c: drawn once per run -----------------------------------------------------------
 */
/* What two of five worlds are bent towards: races so narrow that chance alone seldom meets
 * them. */
enum theme {
    THEME_NONE,
    THEME_LEASE,   /* late answers, cuts, and reads in the last moment of a lease */
    THEME_STRICT,  /* strict removals, one after the other, and hosts that are mute, slow or new
                    */
    THEME_REUSE,   /* memory is written over while readers sleep */
    THEME_HOLE,    /* entries that a host is never given, and that their origin says again */
    THEME_HEIR,    /* short outages, and restarts soon after them */
    THEME_FENCE,   /* replicas that lag, restarts and outages nearly as long as hold_off */
    THEME_SHORTER, /* logs cut back in silence while hosts start, read, or have a hole */
    THEME_HOLES,   /* so many holes that they overlap, and whoever has one dies; never by chance
                    */
    THEME_PING,    /* any world, and questions in it; never by chance */
    THEME_CUT,     /* logs cut back in silence while they are read again; never by chance */
    THEME_STRANGER, /* signed changes, and entries of who has no key; never by chance */
    THEME_SPACE,    /* namespaces, their bounds and removals, and no tags; never by chance */
    THEME_MOVED,    /* entries that are moved in the log in silence; never by chance */
    THEME_OPERATOR, /* any world, and who runs the cluster; see operator.c */
    THEME_TWINS,    /* machines that are cloned while they run; never by chance */
    THEMES
};
extern const char *const theme_words[THEMES];
struct plan {
    enum theme theme;
    size_t hosts, present; /* the second: from the start */
    unsigned readers;      /* of each */
    uint64_t max_stale_ns, publish_timeout_ns, load_timeout_ns, join_settle_ns, bus_timeout_ns;
    bool head_linearizable, quiet; /* quiet: no fault at all, so nothing may go wrong */
    bool large_values, large_only;
    bool clocks_apart;      /* each as wrong as it may be */
    unsigned end_permille;  /* of reads, that the next is in the last moment of the lease */
    unsigned late_permille; /* of pauses of reads, that they are after nearly all loads */
    uint64_t tight_ns;      /* max_stale of the namespace "tight"; UINT64_MAX: the cluster's */
    bool keeps_place, stores_segment; /* for a warm restart: see heir.c */
    unsigned soon_permille;           /* of crashes: started again at once */
    uint64_t live_ns, heal_ns;
    uint64_t delay_min_ns, delay_max_ns;
    uint64_t fault_every_ns;        /* mean */
    unsigned permille[FAULT_KINDS]; /* of messages and steps */
    unsigned weight[FAULT_KINDS];   /* of the faults that come by themselves */
    unsigned weights;               /* summed */
    uint64_t read_every_ns, load_every_ns, write_every_ns, ask_every_ns;
    uint64_t think_ns; /* between two acts of a loader or writer, at most and mostly less */
    unsigned hot_keys; /* few: the less is removed, the longer copies live */
    unsigned ack_local_permille, strict_permille, outbox_permille, die_permille, wide_permille;
    unsigned position_gap; /* positions may have holes */
    uint64_t retain_ns;
    uint64_t restart_max_ns, outage_min_ns, outage_max_ns;
    unsigned moved_permille;     /* of those cut off: started anew, and without their disk */
    unsigned lsn_permille;       /* of those: of the namespace "lsn" */
    unsigned lost_permille;      /* of crashes: the place is lost, what fences say is not */
    unsigned versioned_permille; /* of removals from a namespace with a version of its own */
    unsigned lagging_permille; /* of loads, writes and reads: of what is read from a replica */
    unsigned space_permille;   /* of loads, writes and reads: of a namespace */
    bool untagged;             /* no item has a tag, and no tag is removed */
    bool signing;              /* who has no key is a stranger, and writes that often */
    uint64_t stranger_every_ns;
    uint32_t unsigned_removals; /* a second */
    uint64_t
        operator_every_ns; /* mean, between two requests of an operator; 0: there is none */
    uint64_t least_stale_ns, most_stale_ns; /* between which max_stale changes */
    unsigned clear_permille;                /* of those: of a namespace, up to a version */
    unsigned poison_permille;               /* of changes: whoever looks at it dies */
    unsigned local_permille;                /* of hosts: with a max_stale of their own */
};
/* `scenario` or NULL; `theme` or THEME_NONE: chance decides. With an operator all else is drawn
 * as without. */
void plan_draw(struct plan *p, struct rng *r, const struct scenario *scenario, enum theme theme,
               bool operator_is_there, bool has_clones);

/* ---- clock.c ------------------------------------------------------------------------------
 */
struct host_clock {
    struct {
        uint64_t true_ns, clock_ns;
        uint32_t permille; /* of the true rate; 0: it stands */
    } changes[CLOCK_CHANGES_MAX];
    size_t count;
};
void clock_begin(struct host_clock *c, uint64_t true_ns, uint64_t clock_ns, uint32_t permille);
void clock_rate(struct host_clock *c, uint64_t true_ns, uint32_t permille);
uint64_t clock_at(const struct host_clock *c, uint64_t true_ns);
/* The first true instant at which it shows that, if its rate stays; UINT64_MAX: it stands. */
uint64_t clock_moment(const struct host_clock *c, uint64_t true_ns, uint64_t clock_ns);
/* The first true instant, in the past, at which it showed that or more. */
uint64_t clock_since(const struct host_clock *c, uint64_t clock_ns);

/* ---- bus.c --------------------------------------------------------------------------------
 */
/* One change, however often it is published; its bytes belong to it. */
struct record {
    struct record *next; /* in its bucket */
    struct change change;
    uint64_t serial;
    enum trust trust;
    bool poison;     /* whoever looks at it dies */
    uint32_t covers; /* a bit for each key: what is promised of change_covers() */
    uint64_t position[SERVERS_MAX]; /* 0: not there */
};
struct slot {
    struct record *record;
    uint64_t position, taken_ns;
    uint64_t log, epoch, index, taking, before; /* of the log: see check_entry() */
    uint64_t max_stale_ns, max_stale_before_ns; /* as of this entry */
};
_Static_assert(KEYS <= 32, "a bit for each key");
struct server {
    bool used, alive, deposed;
    uint64_t locked_until_ns; /* another program holds its write lock */
    struct id128 log;
    uint64_t epoch, newest, pruned_to, entries; /* entries: ever taken */
    uint64_t max_stale_ns, max_stale_before_ns; /* of the cluster, as attach() tells */
    struct slot *slots;
    size_t first, count, capacity; /* slots[first, count) are retained */
};
enum { RECORD_BUCKETS = 4096 };
struct bus {
    struct server servers[SERVERS_MAX];
    size_t primary;
    uint64_t epochs, logs, records, takings, poisons;
    bool doubted; /* it took a removal that may have been a node's: see core/trust.h */
    struct record *buckets[RECORD_BUCKETS];
};

/* What a copy of a running machine begins with, beside its disk. */
struct image {
    bool taken;
    size_t of; /* which host */
    struct id128 incarnation;
    uint64_t random[4];
};

/* ---- link.c -------------------------------------------------------------------------------
 */
struct link {
    uint64_t view; /* grows with every attach that the core asks for */
    bool reading, delivering, attaching;
    bool cut_read, cut_write;
    size_t server;
    uint64_t read_position, read_due_ns, retry_ns;
    uint64_t given; /* the newest position of which it knows all that came before */
    struct id128 read_message;
    size_t batches; /* of entries, not consumed yet */
    bool resume;    /* the attach under way */
    struct cursor cursor;
    uint64_t view_ns;
    uint64_t anew_head; /* newest position when reading began anew */
    /* Entries that the host's server does not have, though others do; serials. */
    uint64_t lacks[LACKS_MAX];
    size_t lack_count;
};

/* What comes to a daemon, in the order of arrival. */
struct letter {
    struct letter *next;
    uint64_t view; /* 0: whatever the view */
    struct event event;
    struct slot *slots; /* of ENTRIES */
    size_t slot_count;
    size_t call; /* of a request; SIZE_MAX: none */
};

/* ---- disk.c -------------------------------------------------------------------------------
 */
struct disk {
    uint8_t *bytes;
    size_t size, durable, capacity;
    bool full, fails_sync;
    size_t kept; /* changes that it would give back now */
};

/* ---- daemon.c -----------------------------------------------------------------------------
 */
/* A segment, mapped by its daemon and by readers, however dead the daemon. */
struct cache {
    bool used;
    size_t id, host, users;
    void *segment, *hints, *memory;
    struct segment_sizes sizes;
    struct reader reader;
    struct id128 incarnation; /* of its writer */
    uint64_t seed;            /* of its hash secret */
    uint64_t dropped_ns;      /* by its clock */
    uint64_t local_ns;        /* max_stale that its daemon was given; UINT64_MAX: none */
    bool fallback;            /* its clock was switched */
    bool torn;                /* its writer died between two stores */
};

/* Where an incarnation stood, as its state folder has it. */
struct place {
    bool kept;
    struct cursor cursor;
    struct id128 incarnation;
    uint64_t seed;
    unsigned boot;
    struct check_chain chain; /* what it had applied by then */
};

struct daemon {
    bool alive, attached, stepping, fatal, stopping, crash_in_step, carrying;
    uint64_t generation; /* of all that is scheduled for it */
    uint64_t stopped_until_ns, wake_ns, began_clock_ns;
    uint64_t dies_in; /* loads, stores and effects, as the scenario says; 0: not so */
    struct core *core;
    struct cache *cache;
    struct writer *writer;
    struct core_settings settings;
    struct fiber fiber;
    struct event event; /* of the step under way */
    struct effects effects;
    struct letter *letter; /* which it came from */
    struct letter *first, *last;
    bool keep_failed;
    unsigned notes[32];
    char why[128];
    uint64_t losses;       /* of the lease */
    struct id128 wanted;   /* whose segment it would inherit; none: nobody's */
    struct cache *earlier; /* being inherited */
    struct check_chain resumed;
    struct cursor poison[POISONS_MAX]; /* what it skips */
    uint64_t poisoned;                 /* the entry of which it dies in this step; 0: none */
};

/* An entry that an earlier daemon had in hand when it ended. */
struct suspect {
    struct cursor at;
    uint64_t tries; /* 0: none */
};

struct host {
    size_t index;
    char name[16], real_name[16];
    struct host_clock clock;
    uint32_t permille; /* of its clock, while it runs */
    uint64_t frozen_until_ns;
    uint64_t vm_pause_ns, vm_pause_from_ns; /* stopped so far in the present window */
    uint64_t excused_until_ns;
    uint64_t seen[HOSTS_MAX]; /* incarnation of each host, seen since the cache was dropped */
    uint64_t gaps;            /* that its core has counted */
    bool on_old_side, starts_without_memory;
    uint64_t local_ns;            /* max_stale in its configuration; UINT64_MAX: none */
    bool absent;                  /* it was never started, and need not be */
    uint64_t returns_ns;          /* as the scenario says; 0: it says nothing */
    uint64_t dead_ns;             /* for how long, once it dies in so many calls */
    struct fence_saved fences[8]; /* in its state folder */
    size_t fence_count;
    struct cursor fences_at;
    struct image image;     /* of which its next daemon is started */
    bool twin;              /* of two that were started of one, and that both may live */
    struct hand_place hand; /* also in its state folder */
    struct suspect suspects[POISONS_MAX];
    struct place place, place_before; /* in its state folder; and what was there before */
    unsigned boot;                    /* of the machine */
    struct cache *stored;             /* the service manager has it */
    struct cache *last;               /* of its newest daemon */
    struct daemon daemon;
    struct link link;
    struct disk disk;
};

/* ---- reader.c -----------------------------------------------------------------------------
 */
enum read_mode { READ_GET, READ_BORROW, READ_MANY };
struct reader_process {
    size_t host;
    struct cache *cache;
    struct fiber fiber;
    enum read_mode mode;
    uint64_t start_ns, serial, stopped_until_ns;
    uint64_t dropped_ns; /* when its cache had been dropped last, as the read began */
    uint64_t since_ns[READ_KEYS_MAX]; /* max_stale of the key before the start */
    bool excused, valid;
    uint64_t loads;                    /* of shared words by its last whole hit */
    size_t forced;                     /* 1 + the key of the next read; 0: any */
    bool waits_for_lease;              /* paused until its daemon has one again */
    unsigned waits_for_steps;          /* paused until it has made so many more; 0: it is not */
    uint64_t position, position_epoch; /* the segment's, read before the key; 0: not read */
    size_t count, keys[READ_KEYS_MAX];
    struct read_request requests[READ_KEYS_MAX];
    struct borrow borrow;
    uint8_t buffers[READ_KEYS_MAX][VALUE_BYTES_LARGE + 1024];
};

/* ---- task.c -------------------------------------------------------------------------------
 */
struct row {
    uint64_t version;
    uint64_t committed_wall[VERSIONS_MAX];
    uint64_t committed_ns[VERSIONS_MAX];
};

enum task_kind {
    TASK_NONE,
    TASK_LOAD,
    TASK_WRITE,
    TASK_SET,
    TASK_SYNC,
    TASK_EXPIRE,
    TASK_FLOOR
};
struct task {
    enum task_kind kind;
    unsigned state;
    uint64_t serial, client;
    size_t host, key;
    uint64_t generation; /* of the daemon it talks to */
    struct token token;
    uint64_t token_generation, token_losses; /* of its daemon, when it gave the token */
    uint64_t version, lsn;
    uint64_t read_ns; /* when it read its origin */
    bool sets, lagging;
    struct position position;
    bool has_position;
    size_t first; /* TASK_WRITE: its first call; SIZE_MAX: none yet */
    struct request again;
};

/* What a daemon said to a question, as the bus took it first. */
struct ping_answer {
    struct ping_answer *next;
    struct id128 incarnation;
    size_t bytes;
    uint8_t text[];
};

/* One request, from the asking to the answer. */
struct call {
    struct request request;
    struct bytes keys[4];
    size_t task, host, cache;
    size_t first; /* the call that this one repeats, by its id; SIZE_MAX: none */
    uint64_t task_serial, generation, client;
    uint64_t asked_ns, asked_clock_ns, since_ns, wall; /* wall: 0, not begun yet */
    uint64_t void_ns;                        /* not taken by then, it is given up; 0: never */
    uint64_t token_generation, token_losses; /* as of the task */
    bool answered, abandoned, accepted, taken, kept;
    bool excused; /* when it was asked */
    int status;
    size_t key;
    uint64_t version;      /* of the value that a fill or set brings */
    uint64_t floors[KEYS]; /* SYNC, FRESHEN: what OK means */
};

/* ---- trace.c ------------------------------------------------------------------------------
 */
/* TRACE(NAME, "text"): each # is the next of two numbers. */
#define TRACES(TRACE)                                                                          \
    TRACE(START, "daemon started, incarnation #, journal #")                                   \
    TRACE(OFFERED, "offered the earlier segment # (torn #)")                                   \
    TRACE(INHERITED, "inherited # items (refused #)")                                          \
    TRACE(KILL, "daemon killed (#: in a step)")                                                \
    TRACE(STOPPED, "daemon stopped")                                                           \
    TRACE(STEP, "step: event #, effects #")                                                    \
    TRACE(STEP_PAUSE, "paused between two stores for # us")                                    \
    TRACE(ATTACH, "asks to attach: resume # at #")                                             \
    TRACE(ATTACHED, "attached: resumed #, after #")                                            \
    TRACE(GONE, "told that its place is gone")                                                 \
    TRACE(LOST, "told that the bus is lost")                                                   \
    TRACE(ASK, "asks for the head, nonce #")                                                   \
    TRACE(HEAD, "told the head: status #, position #")                                         \
    TRACE(PUBLISH, "publishes batch # of # changes")                                           \
    TRACE(PUBLISHED, "told of batch: status #, position #")                                    \
    TRACE(TAKEN, "the bus took op # at position #")                                            \
    TRACE(ENTRIES, "given # entries up to #")                                                  \
    TRACE(APPLIED, "applied # (own #)")                                                        \
    TRACE(NOTE, "note #, number #")                                                            \
    TRACE(KEEP, "keeps # changes: status #")                                                   \
    TRACE(FORGET, "forgets # changes")                                                         \
    TRACE(REQUEST, "request #, op #")                                                          \
    TRACE(REPLY, "request # answered: status #")                                               \
    TRACE(COMMIT, "version # committed (wall #)")                                              \
    TRACE(LOADED, "version # read from the origin for request #")                              \
    TRACE(READ, "read: state #, version #")                                                    \
    TRACE(READ_PAUSE, "reader # paused between two loads for # us")                            \
    TRACE(SCENE, "line # of the scenario, fault #")                                            \
    TRACE(FAULT, "fault # (#)")                                                                \
    TRACE(CLOCK, "clock runs at # permille, shows #")                                          \
    TRACE(HEAL, "all faults end")

enum trace_kind {
#define TRACE(name, format) TRACE_##name,
    TRACES(TRACE)
#undef TRACE
        TRACE_KINDS
};
enum { NO_HOST = 255, NO_KEY = 255 };
struct trace_event {
    uint64_t at_ns, a, b;
    uint8_t kind, host, key;
};
struct trace {
    uint64_t hash, count;
    bool print;
    struct trace_event events[TRACE_MAX]; /* a ring */
};

/* ---- sim.c --------------------------------------------------------------------------------
 */
enum happening_kind {
    HAPPEN_WAKE,   /* a daemon's deadline, or its inbox */
    HAPPEN_STEP,   /* a step goes on after its pause */
    HAPPEN_LETTER, /* arrives at a host */
    HAPPEN_ATTACH, /* a question arrives at a server */
    HAPPEN_HEAD,
    HAPPEN_PUBLISH,
    HAPPEN_DELIVER,
    HAPPEN_READ,
    HAPPEN_TASK,
    HAPPEN_NEW_LOAD,
    HAPPEN_NEW_WRITE,
    HAPPEN_NEW_ASK,
    HAPPEN_NEW_PING,
    HAPPEN_STRANGER,
    HAPPEN_OPERATOR,
    HAPPEN_FAULT,
    HAPPEN_SCENE, /* a step of the scenario */
    HAPPEN_UNCUT,
    HAPPEN_CUT,
    HAPPEN_ROOM, /* on its disk */
    HAPPEN_THAW,
    HAPPEN_PART_TWINS,
    HAPPEN_START,
    HAPPEN_SERVER_END,
    HAPPEN_BUS_UP
};
struct happening {
    uint64_t at_ns, order;
    enum happening_kind kind;
    size_t host;
    uint64_t a, b;
    void *thing;
};

/* Memory of one run: taken piece by piece, given back as a whole. */
struct region {
    uint8_t **chunks;
    size_t chunk, count, used;
};

/* The cluster's max_stale from then on. */
struct term {
    uint64_t at_ns, max_stale_ns;
};

struct failure {
    bool failed;
    char promise[32], text[600];
};

struct sim {
    uint64_t seed;
    struct rng rng;
    struct rng ping_rng;     /* of its own: worlds without pings stay what they were */
    struct rng operator_rng; /* as well */
    struct term terms[TERMS_MAX];
    size_t term_count;
    uint64_t now_ns, wall, orders, ends_ns;
    bool healing, over;
    struct plan plan;
    const struct scenario *scenario; /* NULL: faults come by chance */
    enum theme theme;                /* of every run; THEME_NONE: chance decides */
    uint64_t scenes;                 /* steps of it that were done */
    struct bus bus;
    size_t host_count;
    struct host hosts[HOSTS_MAX];
    struct reader_process readers[READERS_MAX];
    struct cache caches[CHECK_CACHES_MAX];
    struct row rows[KEYS];
    struct namespace_settings spaces[SPACES];
    struct task tasks[TASKS_MAX];
    uint64_t task_serial, clients;
    size_t call_count, call_open; /* below the second all are settled */
    struct call calls[CALLS_MAX];
    size_t *call_of_wall;
    size_t wall_capacity;
    uint64_t faults[FAULT_KINDS];
    uint64_t incarnations;
    struct region region;
    struct happening *heap;
    size_t heap_count, heap_capacity;
    struct ping_answer *answers; /* that the bus took */
    size_t last_ping;            /* its call; SIZE_MAX: none yet */
    struct check check;
    struct trace trace;
    struct failure failure;
    /* counted over all runs */
    struct {
        uint64_t runs, true_ns, events, steps, reads, hits, fills, strict_ok, strict_timeout;
        uint64_t loads, leases_lost, cold_boots, inherited;
    } sum;
};

void sim_run(struct sim *s, uint64_t seed); /* s->failure says how it went */
void sim_end(struct sim *s);                /* of a run that was left by an assertion, too */
void sim_done(struct sim *s);
void sim_fail(struct sim *s, const char *promise, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void *sim_alloc(struct sim *s, size_t bytes); /* zeroed; of this run */
void sim_push(struct sim *s, struct happening h);
uint64_t sim_delay_ns(struct sim *s); /* of one message */
/* Whether a fault of this kind strikes now; counted. */
bool sim_strikes(struct sim *s, enum fault kind);

void trace_begin(struct trace *t);
void trace(struct sim *s, enum trace_kind kind, size_t host, size_t key, uint64_t a,
           uint64_t b);
/* The last events of that host and key (or of all), for people. */
void trace_tell(const struct sim *s, size_t most);
void trace_name(const struct sim *s, const struct trace_event *e, char text[256]);

/* What is being run now, for the hooks in the segment. */
void step_enter(struct sim *s, struct host *h, uint64_t steps);
uint64_t steps_made(void); /* loads and stores since */

/* ---- bus.c, link.c ---- */
void bus_begin(struct sim *s);
struct server *bus_primary(struct sim *s); /* NULL: none */
/* Takes a change into the log of a server; its position. */
uint64_t bus_take(struct sim *s, size_t server, const struct change *c);
/* In a fleet that signs: of who has no key, or another one. */
uint64_t bus_take_from(struct sim *s, size_t server, const struct change *c, enum trust trust);
bool bus_proven(const struct server *v, const struct cursor *c, size_t index);
const struct slot *bus_at(const struct server *v, uint64_t position); /* NULL: none */
size_t bus_first_after(const struct server *v, uint64_t position);
uint64_t bus_position_before(const struct server *v, uint64_t since_ns);
void bus_failover(struct sim *s, size_t lost, bool split);
void bus_truncate(struct sim *s, size_t lost, bool says_so);
void bus_replace(struct sim *s);
void bus_move(struct sim *s);
void bus_prune(struct sim *s);
bool change_covers(const struct change *c, size_t key);
static inline bool record_covers(const struct record *r, size_t key)
{
    return r->covers >> key & 1; /* asked for each entry, host and key */
}
uint64_t change_floor(const struct sim *s, const struct change *c, size_t key);
uint64_t record_floor(const struct sim *s, const struct record *r, size_t key);
void link_reset(struct sim *s, struct host *h);
void link_attach(struct sim *s, struct host *h, const struct effect *e);
void link_ask(struct sim *s, struct host *h, const struct effect *e);
void link_publish(struct sim *s, struct host *h, const struct effect *e);
void link_happens(struct sim *s, const struct happening *x);
void link_lose(struct sim *s, struct host *h);
void link_consumed(struct sim *s, struct host *h, const struct letter *l);
void link_news(struct sim *s, size_t server); /* a server has entries that some did not get */
struct letter *letter_new(struct sim *s, enum event_type type);
void letter_send(struct sim *s, struct host *h, struct letter *l, uint64_t at_ns);

/* ---- disk.c ---- */
int disk_keep(struct disk *d, const struct change *changes, size_t count);
void disk_forget(struct disk *d, const struct id128 *messages, size_t count);
/* What is left after a crash: the durable part, and some of what was not synced, torn. */
void disk_crash(struct disk *d, struct rng *r, bool stale, bool torn);
void disk_damage(struct disk *d, struct rng *r, bool misdirected);
/* The changes to resend, in order; `damaged`: what could not be read may have been anything. */
size_t disk_read(struct sim *s, struct disk *d, struct change **out, bool *damaged);
void disk_copy(struct disk *to, const struct disk *from);
void disk_clear(struct disk *d);

/* ---- daemon.c ---- */
void daemon_start(struct sim *s, struct host *h);
void daemon_kill(struct sim *s, struct host *h);
void daemon_run(struct sim *s, struct host *h); /* whatever it can do now */
void daemon_continue(struct sim *s, struct host *h);
void daemon_post(struct sim *s, struct host *h, struct letter *l);
bool host_is_frozen(const struct sim *s, const struct host *h);
bool host_takes(const struct sim *s, const struct host *h); /* requests */
bool hosts_are_twins(const struct host *h, const struct host *other);
void cache_release(struct cache *c);
void cache_done(struct cache *c);

/* ---- heir.c ---- */
void heir_save(struct sim *s, struct host *h, const struct cursor *cursor);
void heir_crashed(struct sim *s, struct host *h); /* the last save may not have been written */
void heir_lost(struct host *h);                   /* the place was, with its disk */
void heir_settings(struct host *h, struct core_settings *c);
void heir_start(struct sim *s, struct host *h);
/* Somebody has a segment of an earlier daemon of the host, and connects. */
void heir_offered(struct sim *s, struct host *h, struct cache *c);
void heir_attaches(struct sim *s, struct host *h, const struct effect *e);
void heir_released(struct sim *s, struct host *h, const struct effect *e);
void heir_noted(const struct effect *e);
void heir_died(struct host *h);
void heir_end(struct host *h);

/* ---- reader.c ---- */
void reader_begin(struct sim *s);
void reader_happens(struct sim *s, const struct happening *x);
void reader_kill(struct sim *s, size_t index);
/* Its daemon has made a step, or was granted a lease: who waits for that reads on. */
void reader_stepped(struct sim *s, const struct host *h, bool leased);
/* Who is idle at that host reads the key now: when a promise begins, or in the midst of a step.
 */
void reader_force(struct sim *s, const struct host *h, size_t key);
void reader_orphaned(struct sim *s, const struct host *h); /* its daemon is dead */
/* Checks one answer that is said to be fresh, or is not; `bytes` of a value. */
void reader_check_all(struct sim *s);

/* ---- task.c ---- */
extern const char *const key_names[KEYS];
bool key_sets_are_fills(size_t key);
bool key_keeps_unsure(size_t key);
size_t
key_of_replica(struct sim *s); /* one of those that are loaded from a replica that lags */
size_t key_of_space(struct sim *s);
size_t key_of_order(void); /* of the namespace with one order of versions */
/* Where the cluster's is that. */
uint64_t key_max_stale_ns(const struct sim *s, size_t key, uint64_t max_stale_ns);
bool key_is_protected(size_t key); /* P1 and P3 are promised for how it is used */
size_t value_write(const struct sim *s, size_t key, uint64_t version, uint8_t *to);
bool value_is_negative(size_t key, uint64_t version);
/* The version of a whole value; false: these bytes were never written. */
bool value_read(const struct sim *s, size_t key, const uint8_t *bytes, size_t size,
                uint64_t *version);
uint64_t version_at_wall(const struct sim *s, size_t key, uint64_t wall);
const struct bytes *key_tags(size_t key, size_t *count);
uint64_t key_version_of(const struct sim *s, const struct change *c, size_t key);
void task_happens(struct sim *s, const struct happening *x);
void task_begin(struct sim *s);
/* Some row is changed in this moment; what a trigger would write then. False: it has no more
 * versions. */
bool task_row(struct sim *s, struct change *out);
/* Its request was answered, or never will be (reply is NULL). */
void task_answered(struct sim *s, struct call *c, const struct reply *r);
void call_reply(struct sim *s, struct host *h, const struct reply *r);
/* ---- stranger.c ---- */
void stranger_begin(struct sim *s);
void stranger_happens(struct sim *s);
/* ---- bound.c ---- */
void bound_begin(struct sim *s);
void bound_note(struct sim *s, uint64_t max_stale_ns); /* the cluster's, from now on */
bool bound_has_room(const struct sim *s);
/* Of what was acknowledged before that moment, a read of that segment that begins now misses
 * nothing. */
uint64_t bound_since(const struct sim *s, const struct cache *c, size_t key);
/* ---- operator.c ---- */
bool operator_is_there(const struct sim *s);
void operator_begin(struct sim *s);
void operator_happens(struct sim *s);
/* Whether the daemon is right to give up for that; then somebody mends its configuration. */
bool operator_mends(struct host *h);
void operator_replied(struct sim *s, struct host *h, const struct call *c,
                      const struct reply *r);
/* ---- poison.c ---- */
bool poison_drawn(struct sim *s, const struct change *c);
void poison_start(struct host *h); /* its daemon is about to; its settings are drawn */
void poison_lost(struct host *h);  /* with its disk */
/* Which of the letter's entries it would die of; slot_count: none. */
size_t poison_before(const struct host *h, const struct letter *l);
void poison_strikes(struct sim *s, struct host *h, uint64_t position);
void poison_passed(struct host *h, uint64_t position); /* it lives, and has done what follows */
/* ---- ping.c ---- */
void ping_begin(struct sim *s);
void ping_happens(struct sim *s, const struct happening *x);
void ping_taken(struct sim *s, const struct change *c); /* by the bus */
void ping_replied(struct sim *s, struct host *h, const struct call *c, const struct reply *r);
/* ---- call.c ---- */
/* A number that grows with every commit and every step: the "wall clock" of the run. */
uint64_t wall_next(struct sim *s);
/* Gives a request to a host's daemon; its id is its place in calls. */
struct call *call_make(struct sim *s, struct host *h, const struct request *r, size_t key);
/* Of the value that the change of a SET is about; UINT64_MAX: of none. */
uint64_t call_version(const struct sim *s, const struct change *c);
void call_taken(struct sim *s, const struct change *c);
void call_kept(struct sim *s, const struct change *c);
void call_disk_lost(struct sim *s, size_t host);
void call_client_gone(struct sim *s, struct host *h, uint64_t client);
void call_abandon(struct sim *s, size_t host); /* its daemon is gone */
bool host_is_excused(const struct sim *s, const struct host *h);
void call_begun(struct sim *s, struct host *h, size_t call);
/* True: who asked has given up, for the daemon took it too late. */
bool call_given_up(struct sim *s, size_t call);

/* ---- fault.c ---- */
bool fault_has_clones(const struct sim *s);
void fault_begin(struct sim *s);
void fault_happens(struct sim *s, const struct happening *x);
void fault_heal(struct sim *s);
void fault_crash(struct sim *s, struct host *h); /* as by SIGKILL; it is not started again */

/* ---- scene.c ---- */
#define SCENE_SETTLES_NS (4 * NS_PER_S) /* until all nodes are up, and its time begins */
/* ACCORD_E_INVALID: `why` says what cannot be, in the file or here. ACCORD_E_UNSUPPORTED: the
 * file is good, and asks for something that no simulator has: `why` says what. */
MUST_CHECK int scene_parse(struct scenario *out, const char *text,
                           char why[SCENARIO_WHY_BYTES_MAX]);
void scene_plan(const struct scenario *sc, struct plan *p);
uint64_t scene_lasts_ns(const struct scenario *sc);
void scene_begin(struct sim *s);
void scene_happens(struct sim *s, size_t index);
/* It has come to the end of its calls. */
void scene_dies(struct sim *s, struct host *h);

#endif
