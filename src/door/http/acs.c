/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "door/http/acs.h"
#include "base/hex.h"
#include "net/time.h"
#include "wire/glob.h"
#include "wire/tcl.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MAC_BYTES = 32, TIME_DIGITS_MAX = 15, SIGNED_ROOM = 2 + 1 + TIME_DIGITS_MAX };

static const char only_machines[] = "Only the ArsDigita servers listed in cluster-machine may "
                                    "flush here, and %s is not one: add "
                                    "it there, or ask from one of them.";

/* ---- who asks ------------------------------------------------------------------------- */

PRINTF_LIKE(4, 5)
static void refuse(struct http_door *d, struct http_answer *a, unsigned status,
                   const char *format, ...)
{
    char line[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    d->acs_refused++;
    if (d->host->note)
        d->host->note(d->host->node, "acs-refused", line);
    answer_refused(d, a, status, "%s", line);
}

static bool is_machine(const struct http_door *d, const char *peer)
{
    for (size_t i = 0; i < d->settings.machine_count; i++)
        if (glob_match(bytes_of_text(d->settings.machines[i]), bytes_of_text(peer)))
            return true;
    return false;
}

/* A page in somebody's browser is not a server, wherever that browser runs. */
static bool admits(struct http_door *d, const struct http_request *r, struct http_answer *a)
{
    if (!is_machine(d, r->peer)) {
        refuse(d, a, 403, only_machines, r->peer);
        return false;
    }
    if (r->origin || (r->fetch_site && strcmp(r->fetch_site, "none") != 0)) {
        refuse(d, a, 403, "This is for servers, and no page may ask it.");
        return false;
    }
    return true;
}

/* The one argument of that name; false: there is none, or several. */
static bool find(const struct http_request *r, const char *name, struct bytes *out)
{
    size_t found = 0;

    for (size_t i = 0; i < r->argument_count && i < HTTP_ARGUMENTS_MAX; i++) {
        if (strcmp(r->arguments[i].name, name) != 0)
            continue;
        *out = r->arguments[i].value;
        found++;
    }
    return found == 1 && r->argument_count <= HTTP_ARGUMENTS_MAX;
}

/* ---- removing ------------------------------------------------------------------------- */

/* The core answers at once: see REQUEST_REMOVE_HERE. */
static int remove_one(struct http_door *d, enum request_op kind, struct bytes name,
                      uint64_t *count)
{
    uint8_t kinds[1] = {(uint8_t)kind};
    struct request r = {.op = REQUEST_REMOVE_HERE,
                        .client = d->client,
                        .id = ++d->request,
                        .keys = &name,
                        .key_count = 1,
                        .kinds = kinds};

    if (name.size_bytes > KEY_BYTES_MAX)
        return ACCORD_OK; /* no key is so long, so it is not here */
    d->reply = (struct reply){.status = ACCORD_E_BUSY};
    d->host->submit(d->host->node, &r, 1);
    *count += d->reply.count;
    return d->reply.status;
}

static int carry_out(struct http_door *d, const struct acs_removal *removal, uint64_t *count)
{
    int status = remove_one(d, removal->kind, removal->name, count);

    if (status == ACCORD_E_ABSENT && removal->or_all)
        status = remove_one(d, REQUEST_CLEAR, bytes_of_text("default"), count);
    d->acs_flushes += status == ACCORD_OK;
    return status;
}

void http_door_reply(struct http_door *d, const struct reply *reply)
{
    if (d && reply->client == d->client && reply->id == d->request)
        d->reply = *reply;
}

bool http_door_owns(const struct http_door *d, uint64_t client)
{
    return d && client == d->client;
}

/* ---- /SYSTEM/flush-memoized-statement.tcl --------------------------------------------- */

void acs_flush_memoized(struct http_door *d, const struct http_request *r,
                        struct http_answer *a)
{
    struct bytes statement = bytes_of(NULL, 0);
    uint64_t count = 0;

    if (!admits(d, r, a))
        return;
    if (!find(r, "statement", &statement) || statement.size_bytes == 0) {
        refuse(d, a, 400, "One statement=KEY is wanted: the statement that was memoized.");
        return;
    }
    struct acs_removal removal = {REQUEST_REMOVE, statement, false};
    int status = carry_out(d, &removal, &count);
    if (status != ACCORD_OK) {
        refuse(d, a, 503, "Nothing was removed: %s.", status_text(status));
        return;
    }
    a->status = 200;
    a->body = bytes_of_text("Successful.");
}

/* ---- /acs-cluster-do ------------------------------------------------------------------ */

struct command {
    struct bytes text, time, signature;
    uint64_t time_ms;
};

static bool read_time(struct command *c)
{
    c->time_ms = 0;
    for (size_t i = 0; i < c->time.size_bytes; i++) {
        if (c->time.data[i] < '0' || c->time.data[i] > '9')
            return false;
        c->time_ms = c->time_ms * 10 + (uint64_t)(c->time.data[i] - '0');
    }
    return c->time.size_bytes > 0;
}

static bool read_command(const struct http_request *r, struct command *c)
{
    return find(r, "cmd", &c->text) && find(r, "t", &c->time) && find(r, "s", &c->signature) &&
           c->text.size_bytes > 0 && !memchr(c->text.data, 0, c->text.size_bytes) &&
           c->time.size_bytes <= TIME_DIGITS_MAX && read_time(c);
}

/* Of the list of both, as Tcl writes it. False: out of memory. */
static bool make_mac(const char *secret, const struct command *c, uint8_t mac[MAC_BYTES])
{
    size_t size = 2 * c->text.size_bytes + SIGNED_ROOM;
    unsigned bytes = 0;
    uint8_t *list = malloc(size);

    if (!list)
        return false;
    size_t used = tcl_quote(c->text, /* first= */ true, list, size);
    list[used++] = ' ';
    memcpy(list + used, c->time.data, c->time.size_bytes);
    used += c->time.size_bytes;
    bool well = HMAC(EVP_sha256(), secret, (int)strlen(secret), list, used, mac, &bytes) &&
                bytes == MAC_BYTES;
    free(list);
    return well;
}

static bool signature_fits(const struct command *c, const uint8_t mac[MAC_BYTES])
{
    uint8_t given[MAC_BYTES];

    if (c->signature.size_bytes != 2 * (size_t)MAC_BYTES)
        return false;
    for (size_t i = 0; i < MAC_BYTES; i++) {
        int high = hex_digit(c->signature.data[2 * i]);
        int low = hex_digit(c->signature.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        given[i] = (uint8_t)(high << 4 | low);
    }
    return CRYPTO_memcmp(given, mac, MAC_BYTES) == 0;
}

struct acs_seen {
    uint64_t came_ms;
    uint8_t mac[16], peer[46];
};

/* Whether this signature came before from there, within the time in which it is taken. Two
 * servers may well say the same in the same millisecond. */
static bool came_before(struct http_door *d, const char *peer, const uint8_t mac[MAC_BYTES],
                        uint64_t now_ms)
{
    struct acs_seen one = {.came_ms = now_ms};

    memcpy(one.mac, mac, sizeof one.mac);
    snprintf((char *)one.peer, sizeof one.peer, "%s", peer);
    for (uint64_t i = d->seen_count; i > 0 && d->seen_count - i < ACS_SEEN_MAX; i--) {
        const struct acs_seen *s = &d->seen[(i - 1) % ACS_SEEN_MAX];
        if (now_ms - s->came_ms > 2 * ACS_SKEW_MS)
            break;
        if (memcmp(s->mac, one.mac, sizeof one.mac) == 0 &&
            memcmp(s->peer, one.peer, sizeof one.peer) == 0)
            return true;
    }
    d->seen[d->seen_count++ % ACS_SEEN_MAX] = one;
    return false;
}

/* By a clock that nobody sets. */
static uint64_t steady_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* False: the answer says why it is not believed. */
static bool believes(struct http_door *d, const struct http_request *r, const struct command *c,
                     struct http_answer *a)
{
    uint64_t now = time_wall_ms();
    uint64_t off = now > c->time_ms ? now - c->time_ms : c->time_ms - now;
    uint8_t mac[MAC_BYTES];

    if (!make_mac(d->settings.secret, c, mac)) {
        refuse(d, a, 503, "Out of memory: come again.");
        return false;
    }
    if (!signature_fits(c, mac)) {
        refuse(d, a, 417,
               "The command of %s does not match its signature: compare ClusterSecret there "
               "with acs-secret-file here.",
               r->peer);
        return false;
    }
    if (off > ACS_SKEW_MS) {
        refuse(d, a, 417,
               "The command of %s was signed %llu s %s this node's time, and at most 60 are "
               "allowed: set the clocks of both.",
               r->peer, (unsigned long long)(off / 1000),
               now > c->time_ms ? "before" : "after");
        return false;
    }
    if (came_before(d, r->peer, mac, steady_ms())) {
        d->acs_replays++;
        refuse(d, a, 417, "The command of %s came before: a copy is not carried out.", r->peer);
        return false;
    }
    return true;
}

static void flush(struct http_door *d, struct bytes command, struct http_answer *a)
{
    static const char *const wrong[] = {
        [ACS_NO_LIST] = "is no Tcl list",
        [ACS_NO_FLUSH] = "is none that flushes a cache, and nothing else is done here",
        [ACS_TOO_MANY] = "has more than 16 words",
    };
    struct acs_removal removals[ACS_WORDS_MAX];
    uint8_t *room = malloc(ACS_ROOM_BYTES(command.size_bytes));
    uint64_t removed = 0;
    size_t count = 0;
    int status = room ? ACCORD_OK : ACCORD_E_NOMEM;

    enum acs_sense sense = room ? acs_understand(command, room, removals, &count) : ACS_FLUSH;
    for (size_t i = 0; i < count && status == ACCORD_OK; i++)
        status = carry_out(d, &removals[i], &removed);
    free(room);
    if (sense != ACS_FLUSH)
        refuse(d, a, 417, "The command %s.", wrong[sense]);
    else if (status != ACCORD_OK)
        refuse(d, a, 417, "Not all was removed: %s.", status_text(status));
    else
        answer_line(d, a, 200, "%llu", (unsigned long long)removed);
}

void acs_cluster_do(struct http_door *d, const struct http_request *r, struct http_answer *a)
{
    struct command c = {.time_ms = 0};

    if (!admits(d, r, a))
        return;
    if (!d->settings.secret) {
        refuse(
            d, a, 403,
            "Signed commands are not taken here: give the node OpenACS's ClusterSecret in an "
            "acs-secret-file.");
        return;
    }
    if (!read_command(r, &c)) {
        refuse(d, a, 417, "Wanted are cmd, t (milliseconds) and s (the signature), each once.");
        return;
    }
    if (!d->seen)
        d->seen = calloc(ACS_SEEN_MAX, sizeof *d->seen);
    if (!d->seen)
        refuse(d, a, 503, "Out of memory: come again.");
    else if (believes(d, r, &c, a))
        flush(d, c.text, a);
}

void acs_done(struct http_door *d)
{
    free(d->seen);
}
