/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* resp.h - the RESP door: Redis's protocol, 2 and 3, over unix sockets and TCP.
 *
 * The commands are in defs/command.def. Where Redis has a command, its answers and its error
 * texts are Redis's; what differs, and why, is said at the command. A connection's replies come
 * in the order of its commands, though several may be under way at once.
 *
 * Errors begin with one of these words; the text after it is for people:
 *
 *     ERR           Redis's: syntax, unknown command, protocol errors (then it is closed)
 *     NOAUTH, WRONGPASS, NOPROTO, EXECABORT      Redis's
 *     UNPUBLISHED   removed here, queued for the bus: other hosts may not have it yet
 *     TIMEOUT       the time given ran out; what was asked for may still happen
 *     UNSURE        the node cannot know whether its copy is current: read the origin
 *     FULL          a limit of this node was reached; nothing was done; try again later
 *     TOOLARGE      a key, a value, a command or a reply is over its limit
 *     REFUSED       the token or the version is outdated: not stored
 *     GONE          the position asked for is of another log or epoch
 *     DOWN          no bus
 *     NOATTACH, NOTWANTED      see attach.h
 *
 * What ACCORD.* answer (a map is an array of pairs in RESP2; a position is the simple string
 * "<position>@<epoch in hex>"):
 *
 *     ACCORD.GET key [LOAD ms] [MAXSTALE ms]
 *         map: state, why (bulk strings: the words of defs/state.def and why.def), value (bulk
 *         or null), token (bulk; null where none was taken), age_ms, version (0: none; over
 *         2^63-1 a bulk string of digits), ttl_ms (-1: never), may_load, refresh (0 or 1)
 *     ACCORD.FILL key value TOKEN t [PX ms] [GRACE ms] [NEGATIVE] [VERSION v] [TAGS n tag …]
 *         "STORED", or "REFUSED token|version|size|unsure|held" (simple strings). PX -1: never
 *         expires. NEGATIVE: the value is ignored (send an empty one). What was refused may be
 *         used by who has loaded it, and is not fresh.
 *     ACCORD.SET key value [the options of FILL but NEGATIVE]
 *         as SET, with what FILL has: a position
 *     ACCORD.REMOVE key … | KEYS n key … [SOFT] [VERSION v] [WAIT ms] [ID text],
 *     ACCORD.REMOVETAG tag …, ACCORD.CLEAR namespace|prefix|* [SOFT] [VERSION v] [WAIT ms]
 *     [ID text]
 *         a position. With WAIT, once no node can serve the old value as fresh, a map:
 *         position, confirmed (array of the other nodes that have applied it), lapsed (array
 *         of those whose lease has run out); else the error
 *             TIMEOUT unknown: not confirmed by web2, web3; confirmed by web4; lapsed: web5
 *         or, where nobody is to blame, "TIMEOUT unknown: " and why. A node is its name, and
 *         where several incarnations have it, "web2#1f2e3d4c", the first of its hex digits.
 *         ID names this removal, in 1 to 64 bytes: asked for again with the same words and the
 *         same ID, at this node, it is not made again, but waits for the first (also when that
 *         was cut off, or sent again from the state journal after a restart). The newest 8,192
 *         are known; after that, or when the log was replaced, it is just made again. So a new
 *         change of the data needs a new ID.
 *     ACCORD.BATCH n KEY key | TAG tag | CLEAR namespace|prefix|* (n times) [the same options]
 *         the same, for all of them: they reach the other hosts together, in one publish,
 *         or not at all. VERSION only where all are keys. What MULTI and EXEC enclose
 *         travels so too; either holds at most 1,024 changes.
 *     ACCORD.MAXSTALE SET ms                                  a position: it travels
 *     ACCORD.FENCE                                            array of maps (defs/view.def)
 *     ACCORD.FENCE FLOOR namespace version                    OK: here, until the next start
 *     ACCORD.FENCE RESET namespace [WAIT ms]                  a position: it travels
 *     ACCORD.SYNC [position] [WAIT ms]                            the position applied here
 *     ACCORD.NODES, ACCORD.STATUS                     array of maps; map (defs/view.def)
 *     ACCORD.WATCH [pattern [SINCE mark]]
 *         array: "accord.watch", pattern, position (bulk strings): what is applied after that
 *         position is pushed from now on, RESP3 as push, RESP2 as array:
 *         "accord.change", op, key, origin (bulk strings), soft (0 or 1), position (bulk).
 *         Removals of keys are matched against the pattern; of tags, prefixes, namespaces and
 *         everything go to all, as they may touch what matches. Three more have a line of text
 *         as their key: "drop": the node dropped its cache, and why; "cold-boot": it is empty,
 *         and it is known after which position changes are applied (also at a start); "warm":
 *         the cache of the run before was taken over. With SINCE the reply has a fourth
 * element: a mark, "INCARNATION.N", N the cold-boots and warms pushed so far. Whoever watches
 *         again gives the mark that it had, with N counted on by those that it was told ("": it
 *         has none): where one was missed, the newest is pushed at once. In RESP2 the
 * connection then takes only ACCORD.WATCH, PING, QUIT and RESET. ACCORD.ATTACH protocol
 * boottime_ns, ACCORD.OFFER incarnation       see attach.h ACCORD.HELP array of lines
 */
#ifndef ACCORD_DOOR_RESP_H
#define ACCORD_DOOR_RESP_H

#include "door/door.h"

enum { DOOR_WHY_BYTES_MAX = 512 };

/* Zero everywhere means the default. Strings are borrowed for the call. */
struct resp_settings {
    const char *address;       /* the first listener, as of resp_door_listen(); NULL: none */
    uint32_t clients_max;      /* of all listeners; CONNECTIONS_DEFAULT */
    uint64_t client_bytes_max; /* what they hold together; CLIENTS_BYTES_DEFAULT */
    uint64_t idle_timeout_ms;  /* a client silent for so long is closed; 0: never */
    uint32_t socket_mode;      /* of unix sockets; 0660 */
    const char *socket_group;  /* they are given to it if it exists and we may; NULL: ours */
};

struct resp_door;

/* Makes a door and its first listener. `host` is borrowed for the door's life. On failure *out
 * is untouched and `why` says what happened and what to do. ACCORD_E_INVALID: the address;
 * ACCORD_E_CONFLICT: the path or port is in use; ACCORD_E_DENIED; ACCORD_E_IO; _NOMEM. */
MUST_CHECK int resp_door_new(struct resp_door **out, const struct door_host *host,
                             const struct resp_settings *s, char why[DOOR_WHY_BYTES_MAX]);

/* One more listener: "unix:/path" or "tcp://host:port" (IPv6 in brackets; port 0: any free
 * one). A TCP address that is not loopback needs host->password. Errors as above. */
MUST_CHECK int resp_door_listen(struct resp_door *d, const char *address,
                                char why[DOOR_WHY_BYTES_MAX]);

/* The addresses listened on, port filled in, for the ready line; NULL past the end. */
const char *resp_door_address(const struct resp_door *d, size_t index);

/* Accepts no one more; unix paths are removed. Clients stay. */
void resp_door_stop_accepting(struct resp_door *d);

/* Sends what is written, as far as that goes without waiting, closes every connection, and
 * frees the door. Its handles are closed with the loop: run the loop once more after it
 * (uv_run() until it has nothing left), before the loop is closed. NULL is fine. */
void resp_door_free(struct resp_door *d);

/* The core's reply to a request that this door submitted; a client that is gone is ignored. */
void resp_door_reply(struct resp_door *d, const struct reply *reply);

/* A change was applied (EFFECT_APPLIED), in the log of this epoch: tells those who watch. */
void resp_door_applied(struct resp_door *d, const struct entry *entry, bool own,
                       uint64_t epoch);

/* The node dropped its cache (a cold boot): watchers are told "drop", and why. */
void resp_door_dropped(struct resp_door *d, const char *why, struct position position);
/* It is empty, and changes after `position` apply: watchers are told "cold-boot", and why. */
void resp_door_cold(struct resp_door *d, const char *why, struct position position);
/* The cache of the run before was taken over: they are told "warm", and how much. */
void resp_door_warm(struct resp_door *d, const char *why, struct position position);

/* Counted since start, but for the first three, which are what is now. */
struct resp_counts {
    uint64_t clients, watchers, attached;
    uint64_t accepted, refused, commands, pushes;
    uint64_t gets, get_hits, get_stale, get_negative, get_misses, get_unsure;
    uint64_t errors, protocol_errors;
    uint64_t closed_idle, closed_output; /* silent too long; replies never read */
    uint64_t closed_memory;              /* held the most when all held too much */
    uint64_t client_bytes;               /* held now, by all */
    uint64_t bytes_in, bytes_out;
};
void resp_door_count(const struct resp_door *d, struct resp_counts *out);

/* What doors of these settings (all of them given) take at most beside their tables. */
size_t resp_door_bytes_max(const struct resp_settings *s);

/* The rows of the view "clients". */
void resp_door_clients(const struct resp_door *d, const struct view_sink *sink);

#endif
