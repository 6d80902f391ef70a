/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* hole.pml - P1 where the bus does not deliver an entry: the hole in its origin's numbers is read
 * again, then said again by its origin, else drops the cache.
 *
 * One caching node; origin A, which has been heard of, and numbers its changes: REM, the removal
 * of the one commit, then NEXT. Of what else A says, the bus fails to deliver SKIPS at will, also
 * when it is asked again. The bound counts from NEXT, at which a hole is noticed. Time as in lease.pml.
 * The node may be killed once; its next run inherits, and first reads what it needs to know of A.
 * A may be slow without end, and forget what it has published.
 *
 * Rules. -DNO_rule leaves one out:
 *
 *   hole_unsure   no lease is renewed while a hole is open (L5)          coherence_renew()
 *   hole_noticed  what comes after a hole is not applied as if there were none     gap()
 *   hole_late     what the second reading finds is applied, not passed over
 *                                                                   hole_takes_late()
 *   hole_word     the origin says "published again" after it has published them
 *                                                                      may_be_said()
 *   hole_own      that word counts from the incarnation that made the changes
 *                                                                      take_answer()
 *   hole_range    and only where it speaks of all that is missing      take_answer()
 *   hole_gone     "I have them no more" drops the cache                take_answer()
 *   hole_drop     so does an answer that does not come                     give_up()
 *   hole_saved    no place beyond an open hole is saved for a later run   hole_floor()
 *
 * An assumption; -DNO_assumption shows what hangs on it:
 *
 *   noticed       nothing is saved between the entry that did not come and its origin's next one:
 *                 a later run knows no numbers, and would not notice any more.
 *
 * World: W_OTHER (another incarnation speaks, too).
 */
#ifndef L
#define L 2
#endif
#ifndef D
#define D 1
#endif
#ifndef SKIPS
#define SKIPS 2
#endif
#ifndef NOISE
#define NOISE 1
#endif
#define MAXLOG 12
#define HOLES  2
#define WANTS  2

mtype = { NONE, REM, NEXT, NOISY, WANT, DONE, GONE, OTHER };
mtype = { CLOSED, REPLAY, ASK, ASKED };

mtype kind[MAXLOG]; /* the log */
byte seq[MAXLOG];   /* A's number of it, or 0 */
byte from[MAXLOG], until[MAXLOG]; /* of what the words WANT, DONE, GONE and OTHER speak */
byte ln, noise, wst, age, skips;
bit acked;
byte rempos, nextpos;

/* A. */
byte next, read, due; /* due: 1 its changes again, 2 the word, 3 that they are gone */
byte duefrom, dueuntil;
bit forgot;

/* The node: its place, where it reads, what it has heard of A, and its holes. */
bit old, alive, killed;
byte hl, drift, q, qage, tgt;
byte pos, rd, have, heard, floor, savedpos, wanted;
short seen; /* a bit for each entry that was applied */
mtype state[HOLES];
byte hf[HOLES], hu[HOLES], hb[HOLES];
byte h, e, found; /* scratch */

#define OPEN        (state[0] != CLOSED || state[1] != CLOSED)
#define GOING       (wst == 0 || old)
#define SEEN(p_)    (seen >> (p_) & 1)
#define IS_OF_A(p_) (seq[p_] > 0)
#ifdef NO_hole_unsure
#define MAY_RENEW true
#else
#define MAY_RENEW (!OPEN)
#endif
#ifdef NO_hole_range
#define SPEAKS_OF(p_, h_) true
#else
#define SPEAKS_OF(p_, h_) (from[p_] <= hf[h_] && hu[h_] <= until[p_])
#endif
#ifdef NO_hole_gone
#define DROPS(p_) false
#else
#define DROPS(p_) (kind[p_] == GONE)
#endif
#ifdef NO_hole_saved
#define MAY_SAVE true
#else
#define MAY_SAVE (!OPEN)
#endif
#ifdef NO_noticed
#define NOTICED true
#else
#define NOTICED (OPEN || !(wst > 0 && rempos < pos && old))
#endif

inline append(k_, s_, f_, u_)
{
    assert(ln < MAXLOG);
    kind[ln] = k_; seq[ln] = s_; from[ln] = f_; until[ln] = u_;
    ln++
}

inline forget()
{
    state[0] = CLOSED; state[1] = CLOSED;
    hf[0] = 0; hu[0] = 0; hb[0] = 0; hf[1] = 0; hu[1] = 0; hb[1] = 0
}

inline drop()
{
    old = 0; hl = 0; q = 0; qage = 0; tgt = 0; pos = ln; rd = 0; have = 0; heard = 0;
    floor = ln; seen = 0; forget()
}

inline close(i_)
{
    state[i_] = CLOSED; hf[i_] = 0; hu[i_] = 0; hb[i_] = 0
}

inline apply_change(p_)
{
    if
    :: kind[p_] == REM -> old = 0
    :: else
    fi
}

/* The change with that number is here. */
inline fill(s_)
{
    h = 0;
    do
    :: h < HOLES ->
        if
        :: state[h] != CLOSED && s_ >= hf[h] && s_ < hu[h] ->
            if
            :: s_ > hf[h] -> skip /* out of order: it stays missing */
            :: s_ == hf[h] && s_ + 1 < hu[h] -> hf[h]++
            :: else -> close(h)
            fi
        :: else
        fi;
        h++
    :: else -> break
    od;
    h = 0
}

/* The origin's word: what it covers is closed, or drops the cache. */
inline take_word(p_)
{
    h = 0;
    do
    :: h < HOLES && kind[p_] != NONE ->
        if
        :: state[h] != CLOSED && state[h] != REPLAY && SPEAKS_OF(p_, h) ->
            if
            :: DROPS(p_) -> drop(); h = HOLES - 1
            :: else -> close(h)
            fi
        :: else
        fi;
        h++
    :: else -> break
    od;
    h = 0
}

inline apply(p_)
{
    apply_change(p_);
    seen = seen | (1 << (p_)); pos = p_ + 1; rd = p_ + 1;
    if
    :: IS_OF_A(p_) -> fill(seq[p_]); have = seq[p_]; heard = p_ + 1
    :: else
    fi;
    if
    :: kind[p_] == DONE || kind[p_] == GONE -> take_word(p_)
#ifdef NO_hole_own
    :: kind[p_] == OTHER -> take_word(p_)
#endif
    :: else
    fi
}

/* One of before we began, or that the run before has applied: it tells only where A stood. */
inline count(p_)
{
    if
    :: IS_OF_A(p_) -> have = seq[p_]; heard = p_ + 1
    :: else
    fi;
    rd++
}

/* An entry beyond our place. */
inline deliver(p_)
{
    if
#ifndef NO_hole_noticed
    :: IS_OF_A(p_) && have > 0 && seq[p_] > have + 1 ->
        found = HOLES; h = 0;
        do
        :: h < HOLES ->
            if
            :: state[h] != CLOSED && hf[h] == have + 1 -> found = h
            :: else
            fi;
            h++
        :: else -> break
        od;
        h = 0;
        if
        :: found < HOLES -> /* the second reading has come to its end */
            hu[found] = seq[p_];
            if
            :: state[found] == REPLAY -> state[found] = ASK
            :: else
            fi;
            apply(p_)
        :: found == HOLES && state[0] != CLOSED && state[1] != CLOSED -> drop()
        :: found == HOLES && (state[0] == CLOSED || state[1] == CLOSED) ->
            found = (state[0] == CLOSED -> 0 : 1);
            state[found] = REPLAY; hf[found] = have + 1; hu[found] = seq[p_] + 1;
            hb[found] = heard; hl = 0; q = 0; qage = 0; tgt = 0; rd = heard
        fi;
        found = 0
#endif
    :: else -> apply(p_)
    fi
}

/* One that lies before it: read again. */
inline deliver_late(p_)
{
    if
    :: SEEN(p_) -> skip
    :: else ->
#ifndef NO_hole_late
        apply_change(p_);
#endif
        seen = seen | (1 << (p_));
        if
        :: IS_OF_A(p_) ->
            fill(seq[p_]);
            if
            :: seq[p_] == have + 1 -> have = seq[p_]; heard = p_ + 1
            :: else
            fi
        :: else
        fi
    fi;
    rd++
}

active proctype Node() provided (GOING)
{
    atomic { drift = D; alive = 1; skips = SKIPS; forget() }
end:
    do
    :: atomic { alive && wst == 0 && !old -> old = 1 }
    :: atomic { alive && q == 0 -> q = 2; qage = 0; tgt = ln }
    :: atomic { alive && q == 2 && pos >= tgt && MAY_RENEW ->
           if
           :: qage < L && L - qage > hl -> hl = L - qage
           :: else
           fi;
           q = 0; qage = 0; tgt = 0 }
    :: atomic { alive && rd < ln ->
           e = rd;
           if
           :: skips > 0 && IS_OF_A(e) && e != 0 && e != nextpos -> skips--; rd++
           :: e < floor -> count(e)
           :: e >= floor && e < pos -> deliver_late(e)
           :: e >= floor && e >= pos -> deliver(e)
           fi;
           e = 0 }
    :: atomic { alive && state[0] == ASK && wanted < WANTS ->
           append(WANT, 0, hf[0], hu[0]); state[0] = ASKED; wanted++ }
    :: atomic { alive && state[1] == ASK && wanted < WANTS ->
           append(WANT, 0, hf[1], hu[1]); state[1] = ASKED; wanted++ }
    :: atomic { alive && OPEN ->
#ifdef NO_hole_drop
           forget()
#else
           drop()
#endif
       }
    :: atomic { alive && savedpos != pos && MAY_SAVE && NOTICED -> savedpos = pos }
    :: atomic { alive && !killed -> alive = 0; killed = 1; hl = 0; q = 0; qage = 0; tgt = 0 }
    :: atomic { !alive ->
           alive = 1; pos = savedpos; floor = pos; rd = 0; have = 0; heard = 0; seen = 0;
           forget() }
    od
}

active proctype Reader() provided (GOING)
{
end:
    do
    :: atomic { wst > 0 && old && hl > 0 -> assert(age < L + D) } /* P1 */
    od
}

active proctype A() provided (GOING)
{
    next = 2;
    atomic { append(NEXT, 1, 0, 0); read = 1 } /* it has been heard of before */
    wst = 1;
    atomic { rempos = ln; append(REM, next, 0, 0); next++ }
    atomic { nextpos = ln; append(NEXT, next, 0, 0); next++ }
    acked = 1;
end:
    do
    :: atomic { read < ln && due == 0 ->
           if
           :: kind[read] == WANT ->
               duefrom = from[read]; dueuntil = until[read];
               due = (forgot -> 3 : 1)
           :: else
           fi;
           read++ }
#ifdef NO_hole_word
    :: atomic { due == 1 -> append(DONE, next, duefrom, dueuntil); next++; due = 2 }
    :: atomic { due == 2 -> append(REM, next, 0, 0); next++; due = 0 }
#else
    :: atomic { due == 1 -> append(REM, next, 0, 0); next++; due = 2 }
    :: atomic { due == 2 -> append(DONE, next, duefrom, dueuntil); next++; due = 0 }
#endif
    :: atomic { due == 3 -> append(GONE, next, duefrom, dueuntil); next++; due = 0 }
    :: atomic { !forgot && due == 0 -> forgot = 1 }
    od
}

active proctype Noise() provided (GOING)
{
    do
    :: atomic { noise < NOISE && ln > 0 -> append(NOISY, 0, 0, 0); noise++ }
    :: break
    od
}

#ifdef W_OTHER
/* A later run of A, with its name, but without what it had published. */
active proctype Other() provided (GOING)
{
    atomic { wanted > 0 -> append(OTHER, 0, 1, 8) }
}
#endif

active proctype T() provided (GOING)
{
end:
    do
    :: atomic {
           if
           :: drift > 0 && hl > 0 -> drift--
           :: true ->
               if :: hl > 0 -> hl-- :: else fi;
               if :: q > 0 && qage < L -> qage++ :: else fi
           fi;
           if
           :: acked && age < L + D -> age++
           :: else
           fi
       }
    od
}
