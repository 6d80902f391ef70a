/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* inside.h - the core from inside: its one struct, and what its files ask of each other.
 *
 *     core.c        the door: one event in, effects out; deadlines; views
 *     coherence.c   attach, cold boot, lease, questions, beats, stop
 *     apply.c       entries of the log, in order
 *     publish.c     accepted changes on their way to the log, and who waits for them
 *     request.c     what doors ask, but for
 *     single.c      loads: one per key
 *     stage.c       changes of L, in two stages
 *     hole.c        changes that did not arrive
 *     fencing.c     what a removal leaves behind for fills to prove
 *     warm.c        what an earlier incarnation had
 *     strict.c      strict removals: who has confirmed, and when nobody needs to
 *     trust.c       entries that no key's holder has signed
 *     letters.c     questions to one node, and their answers
 *
 * Only these files and their tests include this.
 */
#ifndef ACCORD_CORE_INSIDE_H
#define ACCORD_CORE_INSIDE_H

#include "cache/reader.h"
#include "core/core.h"
#include "core/fences.h"
#include "core/hole.h"
#include "core/lease.h"
#include "core/letters.h"
#include "core/loads.h"
#include "core/members.h"
#include "core/outbox.h"
#include "core/policy.h"
#include "core/random.h"
#include "core/retries.h"
#include "core/sent.h"
#include "core/text.h"
#include "core/trail.h"
#include "core/trust.h"
#include "core/waits.h"
#include "core/warm.h"

enum link {
    LINK_NEW,       /* nothing was tried */
    LINK_ATTACHING, /* an ATTACH is under way: entries that come now are of the last one */
    LINK_UP,
    LINK_LOST /* the shell tries again by itself */
};

enum phase {
    PHASE_RUNNING,
    PHASE_DOOMED,   /* FATAL was said: no lease, no beat; what was accepted still goes out */
    PHASE_STOPPING, /* no lease; what was accepted goes out */
    PHASE_LEAVING,  /* the leave is on its way, the last of all */
    PHASE_STOPPED
};

enum {
    /* Each wait is answered at most once, some with a KEEP before; each entry says at most a
     * few things; each member falls silent once; each request is answered, or waits. */
    EFFECTS_MAX = 2 * WAITERS_MAX + 8 * DELIVER_BATCH_MAX + MEMBERS_MAX + LOADS_MAX +
                  2 * REQUESTS_MAX + LETTERS_MAX + 64,
    LEASE_SHARE = 6, /* questions per max_stale */
    JITTER_PERMILLE = 200,
    MEMBER_TTL_SHARE = 4 /* member_ttl in max_stales */
};

#define BACKOFF_MIN_NS (50 * NS_PER_MS)
#define BACKOFF_MAX_NS NS_PER_S
#define SAVE_EVERY_NS  NS_PER_S

struct core {
    struct core_settings settings;
    char of_us[CHANGE_ABOUT_BYTES_MAX]; /* `about` of the join, and of beats */
    size_t of_us_bytes;
    struct writer *writer;
    uint64_t now_ns, wall_ms; /* of the event; never go back */
    bool more;                /* of the event */
    enum link link;
    enum phase phase;

    struct random random;
    struct lease lease;
    struct trail trail;

    uint64_t max_stale_ns, member_ttl_ns, silence_ns; /* the cluster's; see stage.c */
    uint64_t wait_stale_ns;                           /* the largest L that some may go by */
    uint64_t stage_ends_ns;                           /* 0: no change of L is under way */
    bool stage_settle;                                /* the log is to be told when it ends */
    bool attached_once;
    uint64_t view_since_ns; /* what we know of members begins here: see strict.c */
    uint64_t reading;       /* grows whenever what was read of the log so far proves no more */
    uint64_t anew_head;     /* newest position when reading began anew */
    bool rereads;           /* from before our place, whose entry was not met again yet */
    uint64_t head;          /* newest position known */
    uint64_t head_asked_ns; /* when it was asked; 0: unknown */

    uint64_t sequence;     /* of the newest change that travelled */
    uint64_t own_position; /* of our first join or beat in this log; 0: not yet */
    bool join_made, leave_made;
    bool has_twin; /* another process bears our incarnation: see apply.c */
    uint64_t ask_due_ns, beat_due_ns, beat_made_ns;
    uint64_t ask_head; /* newest position known when the question left: no answer is less */
    bool beat_wanted;  /* somebody waits for what the next beat says */
    uint64_t told_question_ns; /* as the segment has it */
    uint64_t wanted_serial;    /* somebody waits for this question */
    uint32_t ask_failures;

    uint64_t save_due_ns, saved_position;
    uint64_t stop_deadline_ns;
    bool full_noted, sweep_due;

    uint64_t unsure_since_ns, unsure_since_wall_ms;
    struct text why;         /* why unsure; "" while fresh */
    struct text lost_why;    /* what the bus said last */
    struct text publish_why; /* what the last failed publish said */
    struct text fatal_why;
    struct text refused;   /* the entry refused last, and why */
    struct text line;      /* scratch */
    struct text too_large; /* why an item is refused with ACCORD_E_SIZE */
    size_t said;           /* bytes of words[] in use: the texts of this step's notes */
    char words[16384];
    struct core_status counts;

    struct {
        bool open, refused;
        uint64_t client, from; /* its first ordinal */
    } batch;
    struct entry skipped[POISONS_MAX]; /* what stands for each of the poison list */
    struct warm warm;
    struct holes holes;
    struct doubts doubts;
    struct letters letters;
    uint64_t forgotten; /* ordinals below need no journal any more */
    uint64_t answered;  /* who waited for ordinals below was answered */
    struct policy policy;
    struct fences fences;
    struct fence_saved fences_saved[NAMESPACES_MAX];
    struct members members;
    struct outbox outbox;
    struct sent sent;
    struct retries retries;
    struct waits waits;
    struct loads loads;
    struct id128 forget[OUTBOX_CHANGES_MAX];
    size_t effect_count;
    struct effect effects[EFFECTS_MAX];
    struct entry here; /* what REMOVE_HERE removed, for watchers */
};

/* ---- core.c --------------------------------------------------------------------------------
 */

struct effect *core_say(struct core *c, enum effect_type type);
/* An answer with this status; the caller fills in the rest. */
struct reply *core_reply(struct core *c, uint64_t client, uint64_t id, int status);
void core_note(struct core *c, enum core_note note, const char *who, const char *why,
               uint64_t number);
static inline bool core_is_fresh(const struct core *c)
{
    return lease_is_valid(&c->lease, c->now_ns);
}
/* The same for a key, whose namespace may have a tighter bound. */
bool core_is_fresh_for(const struct core *c, struct bytes key);
bool core_is_fresh_in(const struct core *c, size_t space); /* the number of its namespace */
struct position core_position(const struct core *c);
uint64_t core_backoff_ns(struct core *c, uint32_t failures); /* with jitter */
void core_fatal(struct core *c, const char *why);            /* why: text of the core */
/* A copy that lasts as long as this step's effects; NULL: no room, or `text` is NULL. */
const char *core_words(struct core *c, const char *text);

/* ---- coherence.c ---------------------------------------------------------------------------
 */

void coherence_attached(struct core *c, const struct event *e);
extern const char coherence_shorter[]; /* why a log that lost its newest part is left */
void coherence_gone(struct core *c, enum drop cause, const char *why);
void coherence_lost(struct core *c, const char *why);
void coherence_head(struct core *c, const struct event *e);
/* Ends the lease, if there is one; tokens given so far are void. */
void coherence_lose(struct core *c, const char *why);
/* Drops the cache and all that was proven; the cursor stays. */
void coherence_cold_boot(struct core *c, enum drop cause, const char *why);
/* The same, and reads the log anew: what was missed may have been more than removals. */
void coherence_begin_anew(struct core *c, enum drop cause, const char *why);
/* Reads the log again from that place on; the cache stays. */
void coherence_read_again(struct core *c, const struct place *from);
/* Renews the lease if what is known by now allows it, and answers who waited for that. */
void coherence_renew(struct core *c);
/* How far questions are apart: often enough for the tightest of the namespaces. */
uint64_t coherence_ask_every_ns(const struct core *c);
/* The number of a question that will be sent after now. */
uint64_t coherence_want(struct core *c);
/* Lapse and settling, which come before any event is looked at. */
void coherence_lapse(struct core *c);
/* Attaches and asks, where that is due. */
void coherence_drive(struct core *c);
uint64_t coherence_deadline_ns(const struct core *c);

/* ---- apply.c -------------------------------------------------------------------------------
 */

void apply_entries(struct core *c, const struct entry *entries, size_t count);
/* What a change does to the cache, whoever made it. */
void apply_change(struct core *c, const struct change *change);

/* ---- hole.c --------------------------------------------------------------------------------
 */

static inline bool hole_is_open(const struct core *c)
{
    return c->holes.count > 0;
}
/* Nothing is missing up to here. */
uint64_t hole_floor(const struct core *c);
/* The next entry, of that sender. False: not now; it will come again. */
bool hole_admits(struct core *c, const struct entry *e, struct member *member);
/* Entries that come from before our place may be new. */
bool hole_is_replayed(const struct core *c);
/* This entry of before our place was not met there; or nobody knows, and then it does no harm
 * to apply it once more. */
bool hole_was_missed(struct core *c, const struct entry *e);
/* One that was missed, of that sender (NULL: of none). False: it may not be
 * applied any more, and the cache was dropped for it. */
bool hole_takes_late(struct core *c, const struct entry *e, struct member *member);
/* The bus cannot prove the place before the hole. False: it was not asked to. */
bool hole_cannot_be_replayed(struct core *c);
/* A change was applied: perhaps somebody misses some of ours, or has answered. */
void hole_heard(struct core *c, const struct entry *e);
/* What the next beat is to say; empty: nothing. Valid until the one after it. */
struct bytes hole_word(struct core *c);
/* There is nothing left here that something missing could remove. */
void hole_forget(struct core *c);
/* Another log, or another epoch: what was said in the last one is not in it. */
void hole_forget_answers(struct core *c);
void hole_drive(struct core *c);
uint64_t hole_deadline_ns(const struct core *c);

/* ---- trust.c -------------------------------------------------------------------------------
 */

/* Entries are about to be judged; what stood for earlier ones is not needed any more. */
void trust_step(struct core *c);
/* The entry as it is to be applied: itself, or what stands for it until the next step. */
const struct entry *trust_judge(struct core *c, const struct entry *e);
static inline bool trust_refused(const struct entry *e)
{
    return e->trust != TRUST_FULL && e->change.op == CHANGE_BEAT;
}
void trust_attached(struct core *c, uint64_t head);
/* Our key is the fleet's, as far as is known. */
bool trust_lets_publish(const struct core *c);
bool trust_lets_renew(const struct core *c);
/* It is not: why; else NULL. */
bool trust_is_silent(const struct core *c);
const char *trust_why(const struct core *c);
uint64_t trust_deadline_ns(const struct core *c);

/* ---- letters.c -----------------------------------------------------------------------------
 */

/* What was replied to in the last step is forgotten. */
void letters_step(struct core *c);
void letters_ask(struct core *c, const struct request *r);
/* A change was applied: perhaps somebody asks us, or answers. */
void letters_heard(struct core *c, const struct entry *e);
/* What the next beat is to say; empty: nothing. Valid until the one after it. */
struct bytes letters_word(struct core *c);
void letters_drive(struct core *c);
void letters_client_gone(struct core *c, uint64_t client);
void letters_stop(struct core *c);
uint64_t letters_deadline_ns(const struct core *c);

/* ---- publish.c -----------------------------------------------------------------------------
 */

/* A change of this node, not yet accepted. */
struct change publish_make(struct core *c, enum change_op op, struct bytes key);
/* Opens and closes a batch: changes accepted meanwhile travel together. */
void publish_begin(struct core *c, const struct request *r);
void publish_end(struct core *c);
/* The changes from `from` on travel together, unless a batch is open: then they do anyway. */
void publish_join(struct core *c, uint64_t from);
/* Accepts it; room was checked. Returns its ordinal. */
uint64_t publish_accept(struct core *c, const struct change *change);
/* Whether so many changes, and one who waits for them, can be taken in. */
bool publish_has_room(struct core *c, size_t count, size_t key_bytes);
/* Answers `r` when its changes [from, ordinal] are in the log, or as settings say. */
void publish_await(struct core *c, const struct request *r, uint64_t from, uint64_t ordinal,
                   uint64_t count);
/* True: the removal was asked for before, under the same id, and its answer is this one's too.
 */
bool publish_again(struct core *c, const struct request *r);
/* The removal, whose changes begin at ordinal `from` and end with `change`, bears its id. */
void publish_name(struct core *c, const struct request *r, uint64_t from,
                  struct change *change);
/* A beat, as soon as one can tell more than those on their way. */
void publish_beat_soon(struct core *c);
/* An own beat was applied. */
void publish_beat_back(struct core *c);
void publish_resend(struct core *c, const struct change *changes, size_t count);
void publish_done(struct core *c, const struct event *e);
/* The publish waits that expired: kept, then answered. */
void publish_expire(struct core *c);
/* Answers who waited for what is now in the log. */
void publish_settle(struct core *c);
/* Sends the next batch. */
void publish_drive(struct core *c);
void publish_stop(struct core *c);
uint64_t publish_deadline_ns(const struct core *c);

/* ---- request.c -----------------------------------------------------------------------------
 */

void request_handle(struct core *c, const struct request *r);
/* Answers who waited for a position, or for a question, that has come. */
void request_answer_waits(struct core *c);
/* Another log or epoch: positions waited for mean nothing any more (see the .c). */
void request_epoch_changed(struct core *c);
void request_expire(struct core *c, struct wait *wait);
void request_client_gone(struct core *c, uint64_t client);
void request_stop(struct core *c);

/* ---- single.c ------------------------------------------------------------------------------
 */

void single_load(struct core *c, const struct request *r);
/* `item` of a fill or set has come, read from the origin after `token`; whether it was stored
 * or not, as `status` says, it may be what others wait for. */
void single_filled(struct core *c, uint64_t client, const struct item *item,
                   const struct token *token, int status);
/* Rights that ran out, or whose owner is gone, pass on. */
void single_expire(struct core *c);
void single_client_gone(struct core *c, uint64_t client);

/* ---- stage.c -------------------------------------------------------------------------------
 */

/* Attached: L, and the larger one that some may still go by. Leases begin anew. */
void stage_begin(struct core *c, uint64_t cluster_ns, uint64_t before_ns);
/* A change of L was applied in its place in the log. */
void stage_apply(struct core *c, const struct change *change);
void stage_request(struct core *c, const struct request *r);
/* The end of a stage, where it has come. */
void stage_drive(struct core *c);

/* ---- fencing.c -----------------------------------------------------------------------------
 */

/* The change takes hold here, whoever made it. */
void fencing_removed(struct core *c, const struct change *change);
/* ACCORD_OK: the item, of that namespace, may be stored, as far as fences say.
 * ACCORD_E_VERSION, ACCORD_E_HELD. `is_set`: it was not read from the origin, but is what a
 * client says it is. */
MUST_CHECK int fencing_check(struct core *c, const struct item *item, size_t space,
                             bool is_set);
void fencing_attached(struct core *c, const struct event *e); /* before attached_once is set */
void fencing_save(struct core *c);
void fencing_floor(struct core *c, const struct request *r);
const char *fencing_clear_problem(const struct core *c, const struct request *r);
/* ---- warm.c --------------------------------------------------------------------------------
 */

void warm_init(struct core *c);
void warm_inherit(struct core *c, const struct event *e);
/* Nothing is, or was, inherited any more: after a cold boot. */
void warm_end(struct core *c, const char *why);
/* The bus was attached, its head there. May be a cold boot. */
void warm_attached(struct core *c, uint64_t head);
/* The first attach has to wait. */
bool warm_holds(const struct core *c);
void warm_drive(struct core *c);
/* Somebody is about to ask the origin for this key: what the earlier segment has of it comes
 * now. */
void warm_wanted(struct core *c, struct bytes key);
/* The cache is empty from now on; said once the position is known. `why` is copied. */
void warm_cold(struct core *c, enum drop cause, const char *why);
void warm_say_cold(struct core *c);
uint64_t warm_deadline_ns(const struct core *c);

/* ---- strict.c ------------------------------------------------------------------------------
 */

/* Answers the strict removals that are done, and those of which nobody can know any more. */
void strict_answer(struct core *c);
/* One more waits for a removal that is confirmed already. */
void strict_add(struct core *c, const struct wait *wait);
/* Its time is over: says who has not confirmed. The caller removes the wait. */
void strict_expire(struct core *c, const struct wait *wait);
uint64_t strict_deadline_ns(const struct core *c);

#endif
