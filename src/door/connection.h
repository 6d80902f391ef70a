/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* connection.h - one client of the RESP door, and the door that holds them. Inside src/door
 * only.
 *
 * A burst of input is parsed where it was received, its commands run, and their replies leave
 * with one write. A command whose reply must wait (a SET for the bus) takes a slot; commands
 * behind it run at once, but their replies are held until it is their turn.
 *
 * Nothing here is kept for an idle client but struct connection itself: buffers come from the
 * door's pool when there is something to put in them, and go back when they are empty.
 *
 * Everything runs on the loop thread. A connection is ended only between commands: what finds
 * out in the middle of one calls connection_doom(), and the flush that follows ends it.
 */
#ifndef ACCORD_DOOR_CONNECTION_H
#define ACCORD_DOOR_CONNECTION_H

#include "door/miss.h"
#include "door/resp.h"
#include "wire/resp.h"

enum {
    BUFFER_BYTES = 16 * 1024,             /* of a pooled buffer */
    POOL_MAX = 64,                        /* pooled buffers kept */
    INPUT_BYTES = 64 * 1024,              /* received at once */
    INPUT_PAUSED_BYTES = 256 * 1024,      /* read ahead while earlier commands wait */
    OUTPUT_PAUSED_BYTES = 1024 * 1024,    /* unsent replies: no more commands are run */
    HELD_BYTES_MAX = 1024 * 1024,         /* held replies: no more commands are run */
    ARGUMENT_BYTES_MAX = 1024 * 1024,     /* no block is larger, so nothing longer fits */
    COMMAND_BYTES_MAX = 32 * 1024 * 1024, /* all arguments of one command */
    SLOTS_MAX = 1024,                     /* commands of one pipeline under way */
    MULTI_COMMANDS_MAX = 1024,            /* queued between MULTI and EXEC */
    MULTI_BYTES_MAX = 16 * 1024 * 1024,   /* and their arguments */
    SPREAD_KEYS_MAX = 16384,              /* keys of one MSET or MGET */
    BURST_COMMANDS_MAX = 4096,            /* run for one client before others get their turn */
    INLINE_ARGUMENTS = 8,                 /* kept in the connection itself */
    LISTENERS_MAX = 16,
    GETS_MAX = 32,           /* read together */
    GETS_VALUE_BYTES = 1024, /* longer values are read again by themselves */
    NAME_BYTES_MAX = 128,    /* CLIENT SETNAME */
};

#define REDIS_VERSION "7.0.15" /* whose commands are spoken here */

struct buffer {
    uint8_t *data; /* NULL: nothing in it */
    size_t start;  /* what lies before is done with */
    size_t bytes;  /* end of what is in it */
    size_t capacity;
};

struct connection;
struct slot;

/* Turns the core's reply into the command's. Writes to c->sink, or submits again. */
typedef void (*slot_finish)(struct connection *c, struct slot *s, const struct reply *reply);

/* One command whose reply is under way, or replies that wait behind it. */
struct slot {
    uint64_t id; /* names it in requests */
    slot_finish finish;
    bool done, mute;
    bool barrier;             /* no later command runs before this is done */
    bool attach;              /* the two descriptors go with it */
    uint32_t waiting;         /* requests still without reply */
    int status;               /* of the first that failed */
    uint64_t note;            /* as the finish function needs */
    uint64_t number;          /* sum of the counts */
    struct position position; /* the latest */
    bool has_position;
    size_t offset, bytes;             /* in c->held: prepared material; done: the reply */
    size_t error_offset, error_bytes; /* in c->held: the reply if status is not OK */
};

struct connection {
    struct resp_door *door;
    struct connection *next, *previous; /* of all */
    struct connection *dirty_next;      /* to be flushed before the loop sleeps */
    struct connection *watch_next, *watch_previous;
    uv_poll_t poll;
    int fd;
    int events; /* what poll waits for */
    uint64_t client;

    struct buffer in, out, held;
    size_t counted_bytes; /* of it in the door's client_bytes; see memory.c */
    struct buffer *sink;  /* where the running command's reply is written */
    struct resp_parser parser;
    struct resp_argument inline_arguments[INLINE_ARGUMENTS];

    struct slot *slots; /* a ring: ids slot_first .. slot_next - 1 */
    uint64_t slot_first, slot_next;
    uint32_t slot_capacity;
    uint32_t barriers;

    bool tcp, resp3, authenticated;
    bool dirty, doomed, closing, half_closed, requested;
    bool multi, multi_broken;
    bool mute, mute_next, mute_command; /* CLIENT REPLY: all; the next; the running one */
    bool running;                       /* a burst of this connection is being run */
    bool again;                         /* that burst ended for others to have their turn */
    bool watching;
    bool handle_closed;
    const char *doom; /* why, for the log; NULL: not worth a line */

    struct buffer queue; /* MULTI */
    uint32_t queued;
    size_t queued_changes; /* what they publish, at most */

    struct misses misses;
    struct bytes watch; /* the pattern; ours */
    int32_t line;       /* of attach; -1: none */
    bool attaching;     /* the running command's reply carries the two descriptors */
    bool attach_under_way;
    size_t attach_at; /* offset in out of the reply that carries them; SIZE_MAX: none */

    const char *last_command;
    uint64_t created_ms, active_ms, commands;
    int64_t pid, uid;                       /* of a unix client; else -1 */
    char *name, *library, *library_version; /* CLIENT SETNAME, SETINFO; ours, may be NULL */
    char peer[64], local[112];
};

struct listener {
    struct resp_door *door;
    uv_poll_t poll;
    int fd;
    bool open, tcp;
    char address[160];
    char path[112]; /* unix */
    uint64_t device, inode;
};

struct command;

struct get_batch {
    size_t count;
    struct read_request requests[GETS_MAX];
    uint8_t values[GETS_MAX][GETS_VALUE_BYTES];
};

struct set_batch {
    size_t count;
    struct request requests[REQUESTS_MAX]; /* what all SETs have in common stays in them */
};

enum { COMMAND_SLOTS = 256 };

/* What became of the cache at the last drop or start; op "": not known yet. */
struct watch_told {
    uint64_t count; /* of such pushes since start */
    const char *op; /* "cold-boot", "warm" */
    char why[512];
    struct position position;
};

struct resp_door {
    const struct door_host *host;
    struct resp_settings settings;
    struct listener *listeners[LISTENERS_MAX];
    size_t listener_count;
    int reserve_fd; /* given up to say no when descriptors run out */
    int passed_fd;  /* the last that a client passed while one is wanted; -1: none */
    uint64_t passed_by;
    bool accept_paused;

    struct connection *connections, *dirty, *watchers;
    struct connection **table; /* by client number; open addressing */
    size_t table_capacity, table_count;

    uint8_t *pool[POOL_MAX];
    size_t pool_count;
    struct get_batch *gets;  /* of the burst that runs, */
    struct set_batch sets;   /* or these */
    uint8_t *input;          /* INPUT_BYTES, shared: what is left over is copied out */
    struct bytes *arguments; /* of the running command */
    size_t argument_capacity;
    struct buffer temporary;    /* replies whose count is known last */
    uint8_t *zeros;             /* ARGUMENT_BYTES_MAX + 1 of them, once they are needed */
    uint8_t key[KEY_BYTES_MAX]; /* a key that must outlive its buffer */
    const struct command *commands[COMMAND_SLOTS]; /* by name; open addressing */
    uint64_t seed;
    uint64_t *lines; /* reader lines: one bit each, set: taken */
    struct resp_counts counts;
    uint64_t client_bytes; /* of all connections but the doomed */
    uint64_t started_ms;
    struct watch_told told;

    /* Closed together at the end; the door's memory goes with the last of them. */
    uv_prepare_t flusher;
    uv_idle_t again; /* active while a connection has commands left to run */
    uv_timer_t timer;
    unsigned handles; /* still open: these, listeners and connections */
    bool ending;
};

/* ---- connection.c: input, output, slots ----------------------------------------------- */

/* Takes over `fd`, which is non-blocking. False: out of memory; fd is closed. */
bool connection_new(struct resp_door *d, int fd, const struct listener *l, const char *peer);
/* At once; only between commands. */
void connection_end(struct connection *c);
/* Will be ended at the next flush, unsent replies lost. `why` is static; NULL: no log line. */
void connection_doom(struct connection *c, const char *why);
void connection_doom_unread(struct connection *c, const char *why); /* counted as that */
/* Flushes it before the loop sleeps, and runs what it can of its input. */
void connection_touch(struct connection *c);
void connection_flush(struct connection *c);
/* Back to how it began: RESP2, no name, no MULTI, no watch. */
void connection_reset(struct connection *c);

/* A slot for the running command, which writes nothing to c->sink. It is valid until the first
 * slot_submit(). NULL: out of memory (the connection is doomed). */
MUST_CHECK struct slot *slot_new(struct connection *c, slot_finish finish, uint32_t requests);
/* Copies `bytes` to c->held as the slot's prepared material. */
void slot_prepare(struct connection *c, struct slot *s, struct bytes bytes);
struct bytes slot_prepared(const struct connection *c, const struct slot *s);
/* The slot with this id; NULL: its reply has gone out. */
struct slot *slot_find(struct connection *c, uint64_t id);
void slot_submit(struct connection *c, uint64_t slot_id, struct request *r);
void slot_answer(struct connection *c, struct slot *s, const struct reply *reply);
bool slots_empty(const struct connection *c);
/* A request of the slot failed: replies with the error, and says true. */
bool slot_failed(struct connection *c, const struct slot *s);
/* Between these, what is written to c->sink is one reply, or a push, in its turn: behind the
 * slots under way, if there are any. `start` is what sink_begin() returned. */
size_t sink_begin(struct connection *c);
void sink_end(struct connection *c, size_t start);
/* Bytes of replies that the client has not taken. */
size_t output_pending(const struct connection *c);

/* ---- clients.c: by number ------------------------------------------------------------- */

MUST_CHECK bool clients_add(struct resp_door *d, struct connection *c);
void clients_remove(struct resp_door *d, struct connection *c);
struct connection *clients_find(const struct resp_door *d, uint64_t client); /* or NULL */

/* ---- buffer.c ------------------------------------------------------------------------- */

/* At least `room` bytes after b->bytes. False: out of memory; nothing changed. */
MUST_CHECK bool buffer_room(struct resp_door *d, struct buffer *b, size_t room);
void buffer_release(struct resp_door *d, struct buffer *b);

/* ---- memory.c ------------------------------------------------------------------------- */

/* After its buffers have grown or shrunk; may doom it, or others. */
void memory_count(struct connection *c);
void memory_forget(struct connection *c); /* it is doomed or ended */

/* ---- reply.c: writes to c->sink ------------------------------------------------------- */

/* Where `bytes` may be written; then reply_wrote(). NULL: out of memory, the connection is
 * doomed. */
uint8_t *reply_room(struct connection *c, size_t bytes);
void reply_wrote(struct connection *c, size_t bytes);
void reply_raw(struct connection *c, struct bytes bytes);
void reply_header(struct connection *c, char type, size_t count);
void reply_array(struct connection *c, size_t count);
void reply_map(struct connection *c, size_t pairs);
void reply_push(struct connection *c, size_t count);
void reply_integer(struct connection *c, int64_t n);
void reply_unsigned(struct connection *c, uint64_t n); /* over 2^63-1: a bulk string */
void reply_real(struct connection *c, double value);
void reply_flag(struct connection *c, bool value);
void reply_bulk(struct connection *c, struct bytes value);
void reply_text(struct connection *c, const char *text); /* a bulk string */
void reply_verbatim(struct connection *c, struct bytes text);
void reply_null(struct connection *c);
void reply_line(struct connection *c, const char *text); /* "+…" */
void reply_ok(struct connection *c);
void reply_position(struct connection *c, struct position p);
/* "-…"; the format begins with the error's word. */
PRINTF_LIKE(2, 3) void reply_error(struct connection *c, const char *format, ...);
/* The error line of a status; not counted. */
void reply_status(struct connection *c, int status, const char *why);
/* What was kept in c->held, once more. */
void reply_kept(struct connection *c, size_t offset, size_t bytes);

/* ---- strict.c: the answers of strict removals ----------------------------------------- */

/* Map: position, confirmed, lapsed. */
void reply_strict(struct connection *c, const struct reply *reply, struct position position);
/* The error line, with the names of all; not counted. */
void reply_strict_unknown(struct connection *c, const struct reply *reply);

/* ---- command.c ------------------------------------------------------------------------ */

typedef void (*command_run)(struct connection *c, const struct bytes *args, size_t count);

enum command_flag {
    READ = 1,
    WRITE = 2,
    FAST = 4,
    ADMIN = 8,
    LOADING = 16,
    NO_AUTH = 32,
    NO_MULTI = 64,
    IN_WATCH = 128,
};

struct command {
    const char *name;
    command_run run;
    int arity; /* negative: at least */
    unsigned flags;
    int first_key, last_key, step;
    const char *group, *since, *summary;
};

extern const struct command commands[];
extern const size_t command_count;

void commands_init(struct resp_door *d);
const struct command *command_find(const struct resp_door *d, struct bytes name);
/* "ACCORD.GET key [LOAD ms]…": what comes before the colon of its summary. */
enum { COMMAND_USAGE_BYTES_MAX = 192 };
const char *command_usage(const struct command *command, char text[COMMAND_USAGE_BYTES_MAX]);
/* Runs one command as it was received. */
void command_dispatch(struct connection *c, const struct bytes *args, size_t count,
                      bool dropped);
void command_queue_drop(struct connection *c);
/* How many changes the command publishes, at most. */
size_t command_changes(const struct command *command, const struct bytes *args, size_t count);
/* How many names are there, of ACCORD.REMOVE and the like; any arguments. */
size_t removal_name_count(const struct bytes *args, size_t count);
bool word_is(struct bytes word, const char *lower); /* whatever the case */

#define COMMAND(NAME, ...)                                                                     \
    void command_##NAME(struct connection *c, const struct bytes *args, size_t count);
#include "defs/command.def"
#undef COMMAND

/* ---- what several commands need ------------------------------------------------------- */

/* What is here of a key, as a plain client may see it. */
enum look { LOOK_NONE, LOOK_VALUE, LOOK_ERROR };
enum look look_judge(const struct connection *c, struct bytes key,
                     const struct read_result *result);
/* Looks without the value; LOOK_ERROR was replied to. */
enum look look(struct connection *c, struct bytes key, struct read_result *result);
/* Replies to a key of 0 bytes or too many, and says false. */
bool key_fits(struct connection *c, struct bytes key);
bool keys_fit(struct connection *c, const struct bytes *keys, size_t count, size_t step);
const struct namespace_settings *namespace_of(const struct connection *c, struct bytes key);
/* Writes the value of a key as a bulk string; false: it wrote nothing. */
bool read_value(struct connection *c, struct bytes key, struct read_result *result,
                enum look *look);
/* GETs that follow each other in a burst are read together, so that their cache misses overlap.
 * Takes the command if it is such a GET; what it takes is answered by gets_run(), which comes
 * before any other command and at the end of the burst. */
bool gets_take(struct connection *c, const uint8_t *data);
void gets_run(struct connection *c);
/* The same for SETs without options, which go to the core together; see burst.c. */
void sets_init(struct resp_door *d);
bool sets_take(struct connection *c, const uint8_t *data);
void sets_run(struct connection *c);
/* The command at `data` is `name` (three small letters) with so many arguments, itself
 * included, and nothing stands in the way of running it together with others like it. */
bool burst_is(const struct connection *c, const uint8_t *data, const char *name, size_t count);
bool integer_argument(struct connection *c, struct bytes text, int64_t *out);
uint64_t wall_now_ms(void);
/* A request of this connection, all else zero or the namespace's. */
struct request request_make(enum request_op op, const struct bytes *keys, size_t count);
bool take_token(struct connection *c, struct bytes key, struct token *out);
uint64_t key_hash(const struct resp_door *d, struct bytes key);
/* REMOVE of these keys, in as many requests as it takes. */
void remove_keys(struct connection *c, const struct bytes *keys, size_t count,
                 slot_finish finish);
void finish_ok(struct connection *c, struct slot *s, const struct reply *reply);
void finish_count(struct connection *c, struct slot *s, const struct reply *reply);
void finish_prepared(struct connection *c, struct slot *s, const struct reply *reply);
void finish_position(struct connection *c, struct slot *s, const struct reply *reply);
/* The view as maps: an array of them, or (one) the first. */
void reply_view(struct connection *c, const char *name, bool one);
/* CLIENT LIST's line, without line end; cut to fit. Returns its length. */
size_t client_line(const struct connection *c, char *text, size_t text_bytes);
bool client_name_fits(struct connection *c, struct bytes name); /* else replied to */
void client_set_name(char **name, struct bytes text);           /* empty: none */

struct subcommand {
    const char *name;
    command_run run;
    int arity; /* of the whole, as in Redis; negative: at least */
};
void subcommand_run(struct connection *c, const char *command, const struct subcommand *list,
                    size_t list_count, const struct bytes *args, size_t count);

/* ---- listen.c ------------------------------------------------------------------------- */

void listener_close(struct listener *l);
void accept_resume(struct resp_door *d);

/* ---- watch.c -------------------------------------------------------------------------- */

void watch_end(struct connection *c);

/* ---- accord.c ------------------------------------------------------------------------- */

/* Whether the node would like to have an earlier segment. */
bool offer_is_wanted(const struct resp_door *d);
/* Takes a reader line for the connection, if one is free; and gives it back. */
void line_take(struct connection *c);
void line_release(struct connection *c);

/* ---- resp.c --------------------------------------------------------------------------- */

void door_note(const struct resp_door *d, const char *what, const char *why);
/* A handle of the door is closed; the last one frees it. */
void door_handle_closed(struct resp_door *d);
/* Some connection has commands left: run them in the loop's next turn. */
void door_again(struct resp_door *d);

#endif
