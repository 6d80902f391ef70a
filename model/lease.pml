/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* lease.pml - P1: what is served as fresh misses no change acknowledged more than L ago.
 *
 * One key. `old` is its copy from before the one commit that matters; that commit's removal,
 * REM, is published once. Each of N nodes asks, applies and serves; a reader of its segment goes
 * in steps. Ticks interleave freely with everything: any delay and any pause is in it. A node's
 * clock may lose D ticks in all.
 *
 * Rules, each with its place in the code. -DNO_rule leaves one out:
 *
 *   question_time   a lease counts from the asking          lease_ask(), lease_renew()
 *   caught_up       and begins when all up to the answer is applied    lease_applied()
 *   answer_nonce    a late answer is none                   lease_answered(), coherence_head()
 *   beat_time       a beat counts from its making           lease_beat_sent()
 *   beat_nonce      and is known again by its nonce         lease_beat_applied()
 *   beat_applied    where it stands in the log, not before  apply_beat(), meet_self()
 *   unlink_first    unlinked, then the position, then the lease (L2)   apply_entry()
 *   deadline_first  a reader loads the deadline before all  begin()            of reader.c
 *   clock_last      and reads the clock after all           reader_get()
 *   lapse           a reader judges the deadline by itself  decide()           of reader.c
 *   cursor_proof    head and read prove the entry at the cursor (B7)   coherence_head(),
 *                                                           coherence_gone()
 *   epoch_drop      a new epoch drops the cache first (L5)  start_anew(), continues()
 *   hole_drop       so does a hole in an origin's sequence that nothing closes  give_up()
 *   apply_here      an own change is applied when accepted (L1)        remove_keys()
 *   own_by_message  own is what waits to be confirmed, not what bears our name (L3)
 *                                                           outbox_saw()
 *   want            MAXSTALE 0 and SYNC wait for a question sent after them
 *                                                           coherence_want(), freshen()
 *   sync_epoch      a position of another epoch is no position here    sync_position()
 *   sync_applied    SYNC waits until it is applied          request_answer_waits()
 *
 * Assumptions about the bus; -DNO_assumption shows what hangs on each:
 *
 *   head_linear     head() is not behind what was acknowledged (B13)
 *   deposed_mute    a deposed primary answers nobody
 *   real_time       what is appended after an acknowledgement lies behind it (B3)
 *
 * Worlds: ECHO (the question is an own beat; else a read of the head); W_OWN (node 0 makes the
 * removal itself); W_NAMESAKE (another bears node 0's name); W_FAILOVER (once: any tail is lost,
 * another epoch); W_RESTORE (once, before REM: any tail is lost, the same epoch); W_HOLE (the bus
 * drops REM for a node; the bound then counts from the next entry of its origin); W_CLIENT
 * (SYNC and MAXSTALE 0).
 */
#ifndef N
#define N 1
#endif
#ifndef L
#define L 2
#endif
#ifndef D
#define D 1
#endif
#ifndef NOISE
#define NOISE 1 /* entries that mean nothing here */
#endif
#ifdef ECHO
#ifndef BEATS
#define BEATS 3 /* own beats of each node */
#endif
#else
#define BEATS 0
#endif
#define MAXLOG (NOISE + 2 + N * BEATS)

/* An entry: what it is, and a number that makes it differ from any other. */
#define REM        1
#define NEXT       2 /* the next entry of REM's origin */
#define NOISY(k)   (3 + (k))
#define BEAT(i, k) (3 + 2 * NOISE + (i)*BEATS + (k))

byte lg[MAXLOG];
byte ln;
bit epoch, lost, dropped; /* dropped: the bus has dropped REM for somebody */
byte noise;
byte wst;    /* 0: old in the origin; 1: committed; 2: published; 3: NEXT too */
bit acked;   /* the publish that the bound counts from was acknowledged */
byte age;    /* ticks since */
byte rempos; /* where REM stands; 255: lost */
bit remep;

typedef Node {
    byte pos, last; /* cursor: entries applied, and the newest of them */
    bit ep;         /* and the epoch it was read in */
    byte q, qage, tgt; /* 0 none, 1 asked, 2 answered by the bus, 3 received */
    bit late;       /* the answer to an abandoned question is on its way */
    byte latetgt;
    byte hl;        /* what is left of the lease */
    bit old;        /* linked */
    bit unlink;     /* to be unlinked yet; see unlink_first */
    bit skipped;    /* REM was dropped on its way here */
    byte made, bst, bage, prevage; /* own beats: made, on the way, age of the newest, the one before */
    byte drift;
    byte rst, rdl;  /* reader: step, deadline loaded */
    bit rold, rsync;
    byte want;      /* MAXSTALE 0: 1 to be asked yet, 2 its question is out, 3 answered */
    bit synced;     /* a client was told that REM is applied here */
};
Node n[N];

#define DANGER(i) (n[i].old || n[i].rst > 0)
#if N == 1
#define SOME DANGER(0)
#else
#define SOME (DANGER(0) || DANGER(1))
#endif
/* Where nobody can serve anything old any more, all has been seen. */
#define GOING     (wst < 1 || SOME)
#define HERE(i)   (n[i].ep == epoch)
#define PROVEN(i) (n[i].pos == 0 || (n[i].pos <= ln && lg[n[i].pos - 1] == n[i].last))

inline append(e) { lg[ln] = e; ln++ }

inline unask(i)
{
    n[i].q = 0; n[i].qage = 0; n[i].tgt = 0;
    if
    :: n[i].want == 2 -> n[i].want = 1
    :: else
    fi
}

/* lease_drop(), writer_clear(), trail_start(); the place taken is the newest: nothing is read again. */
inline cold(i)
{
    n[i].old = 0; n[i].unlink = 0; n[i].hl = 0; n[i].late = 0; n[i].latetgt = 0; n[i].skipped = 0;
    unask(i);
    n[i].bst = 0; n[i].bage = 0; n[i].prevage = 0
}

inline start_anew(i)
{
    cold(i);
    n[i].ep = epoch; n[i].pos = ln;
    if
    :: ln > 0 -> n[i].last = lg[ln - 1]
    :: else -> n[i].last = 0
    fi
}

/* The epoch under the cursor has changed, or the entry there has. */
inline gone(i)
{
#ifdef NO_epoch_drop
    if
    :: !HERE(i) && PROVEN(i) -> n[i].ep = epoch; unask(i)
    :: else -> start_anew(i)
    fi
#else
    start_anew(i)
#endif
}

#ifdef NO_cursor_proof
#define GONE(i) (!HERE(i))
#else
#define GONE(i) (!HERE(i) || !PROVEN(i))
#endif

inline renew(i, left)
{
    if
    :: left > n[i].hl -> n[i].hl = left
    :: else
    fi
}

/* An answer to a question that a waiting MAXSTALE 0 may take. */
inline caught(i)
{
    if
    :: n[i].want == 2 ->
        if
        :: n[i].hl > 0 -> n[i].want = 3; n[i].synced = 1
        :: else -> n[i].want = 1 /* too old to grant anything: the next one */
        fi
    :: else
    fi
}

inline beat_came_back(i, k)
{
    if
    :: n[i].bst > 0 && k == n[i].made - 1 -> renew(i, L - n[i].bage); n[i].bst = 0; caught(i)
    :: n[i].bst > 0 && k + 1 == n[i].made - 1 ->
#ifdef NO_beat_nonce
        renew(i, L - n[i].bage)
#else
        renew(i, (n[i].prevage < L -> L - n[i].prevage : 0))
#endif
    :: else
    fi
}

inline apply_rem(i)
{
#ifdef NO_own_by_message
#ifdef W_NAMESAKE
    if
    :: i == 0
    :: else -> n[i].old = 0
    fi
#else
    n[i].old = 0
#endif
#else
#ifdef W_OWN
    if
    :: i == 0 /* own: was applied when it was accepted */
    :: else -> n[i].old = 0
    fi
#else
#ifdef NO_unlink_first
    n[i].unlink = 1
#else
    n[i].old = 0
#endif
#endif
#endif
}

proctype P(byte i) provided (GOING)
{
    byte e;
end:
    do
    /* A load that began and ended before the commit: see token.pml for the others. */
    :: atomic { wst == 0 && !n[i].old && HERE(i) -> n[i].old = 1 }

#ifndef ECHO
    :: atomic { n[i].q == 0 && !n[i].late ->
           n[i].q = 1; n[i].qage = 0;
           if
           :: n[i].want == 1 -> n[i].want = 2
           :: else
           fi }
    :: atomic { n[i].q == 1 ->
           if
#ifdef NO_deposed_mute
           :: !HERE(i) -> n[i].q = 2; n[i].tgt = n[i].pos
#endif
           :: GONE(i) -> gone(i)
           :: !GONE(i) -> n[i].q = 2; n[i].tgt = ln;
#ifdef NO_head_linear
               if
               :: ln > 0 -> n[i].tgt = ln - 1
               :: true
               fi
#endif
           fi }
    :: atomic { n[i].q == 2 -> n[i].q = 3;
#ifdef NO_question_time
           n[i].qage = 0
#endif
       }
#ifdef NO_caught_up
    :: atomic { n[i].q == 3 ->
#else
    :: atomic { n[i].q == 3 && n[i].pos >= n[i].tgt ->
#endif
           renew(i, (n[i].qage < L -> L - n[i].qage : 0));
           caught(i);
           unask(i) }
    /* coherence_lost(), or patience has ended; its answer may come all the same. */
    :: atomic { n[i].q == 1 -> unask(i) }
    :: atomic { n[i].q == 2 -> n[i].late = 1; n[i].latetgt = n[i].tgt; unask(i) }
    :: atomic { n[i].late ->
#ifdef NO_answer_nonce
           if
           :: n[i].q == 1 -> n[i].q = 3; n[i].tgt = n[i].latetgt
           :: else
           fi;
#endif
           n[i].late = 0; n[i].latetgt = 0 }
    :: atomic { n[i].late && n[i].q == 0 ->
           n[i].q = 1; n[i].qage = 0;
           if
           :: n[i].want == 1 -> n[i].want = 2
           :: else
           fi }
#else
    /* A new beat may leave while the one before is on its way. */
    :: atomic { n[i].made < BEATS && n[i].bst != 1 ->
           n[i].prevage = (n[i].bst > 0 -> n[i].bage : L);
           n[i].made++; n[i].bst = 1; n[i].bage = 0;
           if
           :: n[i].want == 1 -> n[i].want = 2
           :: else
           fi }
    :: atomic { n[i].bst == 1 && HERE(i) -> append(BEAT(i, n[i].made - 1)); n[i].bst = 2;
#ifdef NO_beat_applied
           renew(i, L - n[i].bage)
#endif
       }
#endif

    /* The log's next entry, or the news that there is none such. */
    :: atomic { GONE(i) -> gone(i) }
    :: atomic { !GONE(i) && n[i].pos < ln && !n[i].unlink ->
           e = lg[n[i].pos];
           if
           :: e == REM -> apply_rem(i)
#ifdef W_HOLE
           :: e == REM && !dropped -> dropped = 1; n[i].skipped = 1
           :: e == NEXT && n[i].skipped ->
#ifndef NO_hole_drop
               cold(i);
#endif
               n[i].skipped = 0
#endif
#ifdef ECHO
           :: e >= BEAT(i, 0) && e < BEAT(i, 0) + BEATS ->
#ifdef NO_beat_time
               n[i].bage = 0;
#endif
               beat_came_back(i, e - BEAT(i, 0))
#endif
           :: else
           fi;
           n[i].last = e; n[i].pos++; e = 0 }
    :: atomic { n[i].unlink -> n[i].unlink = 0; n[i].old = 0 }
    od
}

/* reader_get(), with the loads of begin(), look() and the clock apart where STEPS asks for it. */
proctype R(byte i) provided (GOING)
{
end:
    do
#ifndef STEPS
    :: atomic { wst > 0 && n[i].old && n[i].hl > 0 ->
           assert(age < L + D); /* P1 */
           assert(!n[i].synced) /* SYNC, MAXSTALE 0 */ }
#else
#ifdef NO_deadline_first
    :: atomic { n[i].rst == 0 && n[i].old && wst > 0 -> n[i].rsync = n[i].synced; n[i].rold = 1; n[i].rst = 1 }
    :: atomic { n[i].rst == 1 -> n[i].rdl = n[i].hl; n[i].rst = 2 }
#else
    :: atomic { n[i].rst == 0 && n[i].old && wst > 0 && n[i].hl > 0 ->
           n[i].rsync = n[i].synced; n[i].rdl = n[i].hl; n[i].rst = 1 }
#ifdef NO_clock_last
    :: atomic { n[i].rst == 1 && n[i].rdl == 0 -> n[i].rst = 0; n[i].rsync = 0 }
    :: atomic { n[i].rst == 1 && n[i].rdl > 0 -> n[i].rdl = L; n[i].rst = 4 }
    :: atomic { n[i].rst == 4 -> n[i].rold = n[i].old; n[i].rst = 2; n[i].rdl = L }
#else
    :: atomic { n[i].rst == 1 -> n[i].rold = n[i].old; n[i].rst = 2 }
#endif
#endif
    :: atomic { n[i].rst == 2 ->
           if
#ifdef NO_lapse
           :: n[i].rold ->
#else
           :: n[i].rold && n[i].rdl > 0 ->
#endif
               assert(age < L + D);      /* P1 */
               assert(!n[i].rsync)       /* SYNC, MAXSTALE 0 */
           :: else
           fi;
           n[i].rst = 0; n[i].rdl = 0; n[i].rold = 0; n[i].rsync = 0 }
#endif
    od
}

proctype W() provided (GOING)
{
    wst = 1;
#ifdef W_OWN
    /* remove_keys(): applied here, then published. */
#ifndef NO_apply_here
    n[0].old = 0;
#endif
#endif
    atomic { rempos = ln; remep = epoch; append(REM); wst = 2 };
#ifdef W_HOLE
    atomic { append(NEXT); wst = 3 };
#endif
    acked = 1
}

proctype Noise() provided (GOING)
{
    do
    :: atomic { noise < NOISE + lost -> append(NOISY(noise)); noise++ }
    :: break
    od
}

#if defined(W_FAILOVER) || defined(W_RESTORE)
proctype Fault() provided (GOING)
{
    atomic {
#ifdef W_RESTORE
        wst < 2 && ln > 0 -> /* what was acknowledged is kept, or the epoch changes */
#else
        ln > 0 -> epoch = 1;
#endif
        lost = 1;
        do
        :: ln > 0 -> ln--; lg[ln] = 0
        :: break
        od;
        if
        :: wst >= 2 && rempos >= ln -> rempos = 255
        :: else
        fi
    }
}
#endif

#ifdef W_CLIENT
/* Asks at node 0 once the removal was acknowledged, at the position that its answer gave. */
proctype C() provided (GOING)
{
    byte p;
    atomic { acked && rempos != 255 -> p = rempos };
    if
    :: atomic { true -> /* MAXSTALE 0 */
#ifdef NO_want
           if
           :: n[0].q > 0 || n[0].bst > 0 -> n[0].want = 2
           :: else -> n[0].want = 1
           fi
#else
           n[0].want = 1
#endif
       }
#ifdef NO_sync_epoch
    :: atomic { n[0].pos > p -> n[0].synced = 1 }
#else
#ifdef NO_sync_applied
    :: atomic { n[0].ep == remep && ln > p -> n[0].synced = 1 }
#else
    /* Of another epoch: refused. Where it changes while SYNC waits, the cache was dropped. */
    :: atomic { n[0].ep == remep -> skip };
       atomic { n[0].ep != remep || n[0].pos > p -> n[0].synced = 1 }
#endif
#endif
    fi
}
#endif

proctype T() provided (GOING)
{
    byte m;
end:
    do
    :: atomic {
           true ->
           m = 0;
           do
           :: m < N ->
               if
               :: n[m].drift > 0 && (n[m].hl > 0 || n[m].q > 0 || n[m].bst > 0 || n[m].rdl > 0) -> n[m].drift--
               :: true ->
                   if :: n[m].hl > 0 -> n[m].hl-- :: else fi;
                   if :: n[m].rdl > 0 -> n[m].rdl-- :: else fi;
                   if :: n[m].q > 0 && n[m].qage < L -> n[m].qage++ :: else fi;
                   if :: n[m].bst > 0 && n[m].bage < L -> n[m].bage++ :: else fi;
                   if :: n[m].bst > 0 && n[m].prevage < L -> n[m].prevage++ :: else fi
               fi;
               m++
           :: else -> break
           od;
           m = 0;
           if
           :: acked && age < L + D -> age++
           :: else
           fi
       }
    od
}

init
{
    atomic {
        byte m = 0;
        do
        :: m < N -> n[m].drift = D; n[m].prevage = L; run P(m); run R(m); m++
        :: else -> break
        od;
        m = 0;
        run W(); run Noise(); run T();
#if defined(W_FAILOVER) || defined(W_RESTORE)
        run Fault();
#endif
#ifdef W_CLIENT
        run C();
#endif
    }
}
