/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* restart.pml - P6: what a restarted daemon takes over is as fresh as if it had never died.
 *
 * One host; daemon 0 is killed anywhere, and daemon 1 takes over what it left: the segment, which
 * is memory that outlived it, and the cursor in the state folder, which is saved now and then. The
 * readers of segment 0 go on until its lease is over. One commit; its removal, REM, is by key or
 * by tag. Time as in lease.pml.
 *
 * Rules. -DNO_rule leaves one out:
 *
 *   inherit_proof     items are taken over only where the saved cursor is proven (B7); else the
 *                     segment starts empty                  continues()
 *   inherit_replay    reading goes on after that proven place, not after the newest entry
 *   inherit_from      nor after the position that the segment names: that one was not proven
 *   inherit_position  the segment is never behind its position: unlinked first, then moved (L2)
 *                                                           apply_entry()
 *   inherit_saved     nor behind the saved cursor: applied first, then saved      save()
 *   inherit_question  no lease before a question of its own is caught up with     lease_applied()
 *
 * An assumption; -DNO_assumption shows what hangs on it:
 *
 *   none_in_hand      a log that loses its tail and keeps its epoch does so while no entry of that
 *                     tail is on its way here: else a question may prove the place before that
 *                     entry, and be caught up with by it; the next question then notices. (A bus
 *                     that loses what it acknowledged owes a new epoch, and then this cannot be.)
 *
 * Worlds: W_RESTORE (once, before REM: any tail is lost, the same epoch), W_FAILOVER (once: any
 * tail is lost, another epoch).
 */
#ifndef L
#define L 2
#endif
#ifndef D
#define D 1
#endif
#ifndef NOISE
#define NOISE 1
#endif
#define MAXLOG (NOISE + 2)
#define REM    1
#define REMTAG 2
#define NOISY(k) (3 + (k))

byte lg[MAXLOG], ln, noise, wst, age;
bit epoch, lost, acked;

/* The segments. */
bit old[2], tag[2];   /* the item; whether its tag was removed after it was stored */
byte hl[2], drift[2]; /* what is left of the lease; ticks the clock may lose */
byte position;        /* as segment 0 names it */
bit unlink, move;     /* daemon 0 is between the two writes of L2 */

/* The daemon that runs, and what it saved. */
byte who, pos, last, savedpos, savedlast;
byte e; /* the entry that is being applied */
bit ep, savedep, saved, alive;
byte q, qage, tgt;

#define SERVES(i)  (old[i] && !tag[i])
#define GOING      (wst == 0 || (who == 0 && old[0]) || SERVES(0) || SERVES(1))
#define PROVEN(e_, p_, l_) (e_ == epoch && (p_ == 0 || (p_ <= ln && lg[p_ - 1] == l_)))

inline unask() { q = 0; qage = 0; tgt = 0 }

inline start_anew()
{
    old[who] = 0; tag[who] = 0; hl[who] = 0; unlink = 0; move = 0; e = 0; unask();
    ep = epoch; pos = ln; last = (ln > 0 -> lg[ln - 1] : 0);
    if
    :: who == 0 -> position = pos
    :: else
    fi
}

inline apply_change()
{
    if
    :: e == REM -> old[who] = 0
    :: e == REMTAG -> tag[who] = 1
    :: else
    fi
}

inline inherit()
{
    who = 1; alive = 1; drift[1] = D;
    if
#ifdef NO_inherit_proof
    :: saved ->
#else
    :: saved && PROVEN(savedep, savedpos, savedlast) ->
#endif
        old[1] = old[0];
        tag[1] = tag[0]; /* the numbers of removed tags come over with the items */
        ep = epoch; pos = savedpos; last = savedlast;
#ifdef NO_inherit_proof
        /* The number alone, and whatever is there. */
        if
        :: pos > ln -> pos = ln
        :: else
        fi;
        last = (pos > 0 -> lg[pos - 1] : 0);
#endif
#ifdef NO_inherit_replay
        pos = ln; last = (ln > 0 -> lg[ln - 1] : 0);
#endif
#ifdef NO_inherit_from
        if
        :: position <= ln && position > 0 -> pos = position; last = lg[position - 1]
        :: else
        fi;
#endif
#ifdef NO_inherit_question
        hl[1] = hl[0];
#endif
        if
        :: pos > ln -> pos = ln
        :: else
        fi
    :: else -> start_anew()
    fi
}

proctype P() provided (GOING)
{
end:
    do
    :: atomic { alive && wst == 0 && !old[who] && ep == epoch && who == 0 -> old[who] = 1 }
    :: atomic { alive && q == 0 -> q = 1; qage = 0 }
    :: atomic { alive && q == 1 && PROVEN(ep, pos, last) -> q = 2; tgt = ln }
    :: atomic { alive && q == 2 && pos >= tgt && !unlink && !move ->
           if
           :: qage < L && L - qage > hl[who] -> hl[who] = L - qage
           :: else
           fi;
           unask() }
    :: atomic { alive && q > 0 -> unask() }
    :: atomic { alive && !PROVEN(ep, pos, last) -> start_anew() }
    :: atomic { alive && PROVEN(ep, pos, last) && pos < ln && !unlink && !move ->
           e = lg[pos];
#ifdef NO_inherit_position
           unlink = 1;
           if
           :: who == 0 -> position = pos + 1
           :: else
           fi
#else
           apply_change();
           move = 1
#endif
       }
    :: atomic { move -> move = 0; last = e; e = 0; pos++;
           if
           :: who == 0 -> position = pos
           :: else
           fi }
    :: atomic { unlink -> unlink = 0; apply_change(); last = e; pos++; e = 0 }
#ifdef NO_inherit_saved
    :: atomic { alive && who == 0 && PROVEN(ep, pos, last) && pos < ln ->
           saved = 1; savedep = ep; savedpos = pos + 1; savedlast = lg[pos] }
#else
    :: atomic { alive && who == 0 && !unlink && !move ->
           saved = 1; savedep = ep; savedpos = pos; savedlast = last }
#endif
#ifdef NO_inherit_position
    /* As if the cursor were the segment's own. */
    :: atomic { alive && who == 0 && unlink ->
           saved = 1; savedep = ep; savedpos = pos + 1; savedlast = e }
#endif
    :: atomic { alive && who == 0 -> alive = 0; unask(); unlink = 0; move = 0; e = 0 }
    :: atomic { !alive && who == 0 -> inherit() }
    od
}

active proctype Reader() provided (GOING)
{
end:
    do
    :: atomic { wst > 0 && SERVES(0) && hl[0] > 0 -> assert(age < L + D) } /* P1 */
    :: atomic { wst > 0 && SERVES(1) && hl[1] > 0 -> assert(age < L + D) }
    od
}

active proctype W() provided (GOING)
{
    wst = 1;
    atomic {
        if
        :: lg[ln] = REM
        :: lg[ln] = REMTAG
        fi;
        ln++; wst = 2 };
    acked = 1
}

active proctype Noise() provided (GOING)
{
    do
    :: atomic { noise < NOISE -> lg[ln] = NOISY(noise); ln++; noise++ }
    :: break
    od
}

#if defined(W_RESTORE) || defined(W_FAILOVER)
active proctype Fault() provided (GOING)
{
    atomic {
#ifdef W_RESTORE
#ifdef NO_none_in_hand
        ln > 0 && wst < 2 ->
#else
        ln > 0 && wst < 2 && !move && !unlink ->
#endif
#else
        ln > 0 -> epoch = 1;
#endif
        lost = 1;
        do
        :: ln > 0 -> ln--; lg[ln] = 0
        :: break
        od
    }
}
#endif

active proctype T() provided (GOING)
{
    byte m;
end:
    do
    :: atomic {
           m = 0;
           do
           :: m < 2 ->
               if
               :: drift[m] > 0 && hl[m] > 0 -> drift[m]--;
                   /* One clock: what daemon 1 asks is counted by it too. */
                   if :: m != who && q > 0 && qage < L -> qage++ :: else fi
               :: true ->
                   if :: hl[m] > 0 -> hl[m]-- :: else fi;
                   if :: m == who && q > 0 && qage < L -> qage++ :: else fi
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

init { atomic { alive = 1; drift[0] = D; run P() } }
