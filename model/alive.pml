/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* alive.pml - two claims that something does happen.
 *
 *   comes_back   once the bus stays up, leases come back, again and again, also while changes never
 *                stop coming
 *   answered     a strict removal is answered once it is confirmed and back, if ticks go on,
 *                whatever the other nodes do
 *
 * Here, unlike in the other models, time waits for what is due: between two ticks the bus answers
 * and a node applies RATE entries. (Without such a bound nothing can be promised: a node that is
 * always too late is unsure for ever, and rightly.)
 *
 * Rules, each with its place in the code. -DNO_rule leaves one out:
 *
 *   ask_again     a question that got no answer is given up, and asked anew   coherence_drive(),
 *                                                           coherence_lost()
 *   one_question  a newer question does not replace one that is still being caught up with
 *                                                           lease_ask(), coherence_drive()
 *   lapses        a strict removal does not wait for confirmations alone      is_done()
 */
#ifndef L
#define L 4
#endif
#define RATE 1
#define BEHIND 2 /* entries not applied yet, at most; and steadily, where changes never stop */
#define LAPSES (L + 1)

bit up, healed, due = 1; /* due: a question is, one a tick */
byte q, qage, togo; /* 0 none, 1 asked, 2 answered; entries to be applied yet */
bit changed;        /* the bus went up or down since the last tick */
bit unheard;        /* it was asked, or answered, while the bus was down */
byte hl, behind = BEHIND, credit;
bit acked, done, confirmed;
byte since;

#ifdef NO_ask_again
#define GIVE_UP false
#else
#define GIVE_UP (q == 1 && qage >= L)
#endif
#define DUE ((up && ((q == 1 && !unheard) || (q == 0 && due) || (credit > 0 && behind > 0))) || \
             (q == 2 && togo == 0) || GIVE_UP || (acked && !done && since >= LAPSES))

inline unask() { q = 0; qage = 0; togo = 0; unheard = 0 }

active proctype Node()
{
end:
    do
    :: atomic { up && q == 0 && due -> q = 1; qage = 0; due = 0 }
    :: atomic { up && q == 1 && !unheard -> q = 2; togo = behind }
    :: atomic { up && behind > 0 && credit > 0 ->
           behind--; credit--;
           if
           :: q == 2 && togo > 0 -> togo--
           :: else
           fi }
    :: atomic { q == 2 && togo == 0 ->
           if
           :: L > qage && L - qage > hl -> hl = L - qage
           :: else
           fi;
           unask() }
    :: atomic { GIVE_UP -> unask() }
#ifdef NO_one_question
    :: atomic { up && q == 2 && togo > 0 && due -> q = 1; qage = 0; togo = 0; due = 0 }
#endif
    od
}

active proctype Bus()
{
    do
    :: atomic { !healed && up && !changed -> up = 0; changed = 1;
           if
           :: q == 1 -> unheard = 1
           :: else
           fi }
    :: atomic { !healed && !up && !changed -> up = 1; changed = 1 }
    :: atomic { healed = 1; up = 1; break }
    od
}

active proctype Waiter()
{
    acked = 1;
    do
#ifndef NO_lapses
    :: atomic { since >= LAPSES -> done = 1; break }
#endif
    :: atomic { confirmed -> done = 1; break }
    od
}

/* Another node: it may confirm, and it may be dead. */
active proctype Other()
{
    if
    :: confirmed = 1
    :: true
    fi
}

active proctype T()
{
end:
    do
    :: atomic { !DUE ->
           credit = RATE; due = 1; changed = 0;
           if :: behind < BEHIND -> behind++ :: else fi;
           if :: hl > 0 -> hl-- :: else fi;
           if :: q > 0 && qage < L -> qage++ :: else fi;
           if :: acked && !done && since < LAPSES -> since++ :: else fi }
    od
}

ltl comes_back { [](healed -> []<>(hl > 0)) }
ltl answered { [](acked -> <>done) }
