/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* orders.pml - P1 and P3 among HTTP peers, each of which has a log of its own: what a place of one
 * node's log is in another's.
 *
 * The design of a bus that is not built yet (docs/decision/http-peers.md); the names are its.
 * peers.pml has how such peers join; here all have joined. W and V write: W publishes the removal
 * REM and waits for it strictly, V publishes E changes of other keys. Each numbers what it
 * publishes. N nodes hold the old copy. Every node has a local log: what arrives, in the order in
 * which it does, each sender's in its order; links hold back what they like. A node's core applies
 * its local log, and its beats say how far; on their way the bus makes of that place a vector, the
 * number of each sender's newest change up to there, and W's bus makes of that the place in W's
 * log. Ticks interleave freely; a node's clock may lose D of them in all.
 *
 * Rules. -DNO_rule leaves one out:
 *
 *   head_all            a question goes to every writer
 *   head_time           a lease counts from the asking
 *   head_arrived        the head is a place at which all that was answered for has arrived
 *   head_applied        and the lease begins when it is applied
 *   vector_applied      a beat's vector is of what was applied, not of what has arrived
 *   vector_prefix       its place in another log is the last before what it does not cover
 *   vector_incarnation  numbers of another incarnation cover nothing
 *   epoch_forgotten     a change that its sender's journal no longer holds is a new epoch of the
 *                       local log; so is another incarnation (peer_incarnation of peers.pml)
 *   epoch_drop          a new epoch drops the cache before anything of it is said or asked
 *   lapse               W is done with who has not confirmed when its lease has run out
 *
 * Worlds: W_RESTART (W published under an earlier incarnation, which may not have arrived, and
 * was killed; it removes under its next); W_FORGET (W's journal may forget REM).
 */
#ifndef N
#define N 1
#endif
#ifndef E
#define E 2
#endif
#ifndef L
#define L 2
#endif
#ifndef D
#define D 1
#endif
#ifndef BEATS
#define BEATS 2
#endif
#define MAXLOG (E + 2)
#define REM   1
#define EARLY 2
#define OF_V  3 /* OF_V + number - 1 */

typedef node {
    bit old;         /* it holds the copy from before */
    bit gone;        /* its bus has a new epoch, and its core has not heard */
    bit inc;         /* the incarnation of W that it knows */
    byte w, v;       /* their numbers that have arrived */
    byte lg[MAXLOG]; /* its local log */
    byte ln, pos;    /* the end of that, and applied */
    byte beats;
    bit sent, binc;  /* a beat under way, with its vector */
    byte bw, bv;
    byte cw, cv;     /* the newest vector that W has of it */
    bit cinc;
    bit q, gotw, gotv; /* a question, and who has answered it */
    byte aw, av, qage; /* for which numbers */
    bit headed;        /* the head is known */
    byte tgt, hl;      /* it; the lease */
    byte drift
}
node n[N];

byte wst;                /* 1 committed, 2 REM published, 3 its answer is given */
bit inc;                 /* of W */
bit forgot;              /* W's journal holds REM no more */
byte made;               /* by V */
byte wl[MAXLOG], wn, vw; /* W's local log, its end, V's numbers in it */
byte age, since;
#define done (wst == 3)

#ifdef W_RESTART
#define COUNT (inc == 0 || wst >= 2 -> 1 : 0) /* of W's newest change, by its incarnation */
#else
#define COUNT (wst >= 2 -> 1 : 0)
#endif
#define GOING (wst == 0 || n[0].old || (N > 1 && n[N - 1].old))

inline unask(i)
{
    n[i].q = 0; n[i].gotw = 0; n[i].gotv = 0; n[i].aw = 0; n[i].av = 0;
    n[i].qage = 0; n[i].headed = 0; n[i].tgt = 0
}

/* Another log, and what had arrived is behind it. The core hears of it later. */
inline new_epoch(i)
{
    k = 0;
    do
    :: k < MAXLOG -> n[i].lg[k] = 0; k++
    :: else -> break
    od;
    k = 0;
    n[i].ln = 0; n[i].pos = 0; n[i].gone = 1; unask(i)
}

inline arrive(i, e) { n[i].lg[n[i].ln] = e; n[i].ln++ }

inline met(i)
{
    if
    :: n[i].inc != inc ->
        n[i].inc = inc; n[i].w = 0; new_epoch(i)
    :: else
    fi
}

/* The place in W's log up to which a vector covers everything. */
inline place_of(i)
{
    k = 0; reached = 0; open = 1;
    do
    :: k < wn ->
        if
#ifdef NO_vector_incarnation
        :: wl[k] == REM -> covered = n[i].cw >= 1
#else
        :: wl[k] == REM -> covered = n[i].cw >= 1 && n[i].cinc == inc
#endif
        :: wl[k] >= OF_V -> covered = n[i].cv > wl[k] - OF_V
        :: else -> covered = 1
        fi;
        k++;
#ifdef NO_vector_prefix
        if
        :: covered -> reached = k
        :: else
        fi
#else
        if
        :: !covered -> open = 0
        :: covered && open -> reached = k
        :: else
        fi
#endif
    :: else -> break
    od;
    k = 0; covered = 0; open = 0
}

proctype K(byte i) provided (GOING)
{
    byte k;
end:
    do
    :: atomic { wst == 0 && !n[i].old && !n[i].gone && n[i].pos == n[i].ln -> n[i].old = 1 }

    /* What W and V send. */
#ifdef W_RESTART
    :: atomic { inc == 0 && n[i].inc == 0 && n[i].w == 0 -> n[i].w = 1; arrive(i, EARLY) }
#endif
    :: atomic { wst >= 2 && n[i].inc == inc && n[i].w == 0 && !forgot ->
           n[i].w = 1; arrive(i, REM) }
    :: atomic { wst >= 2 && n[i].inc == inc && n[i].w == 0 && forgot ->
           n[i].w = 1;
#ifndef NO_epoch_forgotten
           new_epoch(i)
#endif
       }
    :: atomic { n[i].inc != inc -> met(i) } /* it says so with whatever it sends */
    :: atomic { n[i].v < made -> arrive(i, OF_V + n[i].v); n[i].v++ }

    /* The core. */
    :: atomic { n[i].gone -> n[i].gone = 0; n[i].old = 0; n[i].hl = 0 }
    :: atomic { !n[i].gone && n[i].pos < n[i].ln ->
           if
           :: n[i].lg[n[i].pos] == REM -> n[i].old = 0
           :: else
           fi;
           n[i].pos++ }
#ifdef NO_epoch_drop
    :: atomic { !n[i].sent && n[i].beats < BEATS && wst < 3 ->
#else
    :: atomic { !n[i].gone && !n[i].sent && n[i].beats < BEATS && wst < 3 ->
#endif
           n[i].beats++; n[i].sent = 1; n[i].binc = n[i].inc;
           n[i].bw = n[i].w; n[i].bv = n[i].v;
#ifndef NO_vector_applied
           k = n[i].pos; /* what has arrived, without what is not applied */
           do
           :: k < n[i].ln ->
               if
               :: n[i].lg[k] == REM || n[i].lg[k] == EARLY -> n[i].bw = 0
               :: else -> n[i].bv--
               fi;
               k++
           :: else -> break
           od;
           k = 0
#endif
       }
    :: atomic { n[i].sent -> n[i].sent = 0;
           n[i].cw = n[i].bw; n[i].cv = n[i].bv; n[i].cinc = n[i].binc;
           n[i].bw = 0; n[i].bv = 0; n[i].binc = 0 }

    /* The question, and the lease. */
#ifdef NO_epoch_drop
    :: atomic { !n[i].q -> n[i].q = 1 }
#else
    :: atomic { !n[i].q && !n[i].gone -> n[i].q = 1 }
#endif
    :: atomic { n[i].q && !n[i].gotw && !n[i].headed ->
           n[i].gotw = 1; n[i].aw = COUNT;
           met(i) /* which ends the question */ }
    :: atomic { n[i].q && !n[i].gotv && !n[i].headed -> n[i].gotv = 1; n[i].av = made }
#ifdef NO_head_all
    :: atomic { n[i].gotv && !n[i].headed && n[i].v >= n[i].av ->
#else
#ifdef NO_head_arrived
    :: atomic { n[i].gotw && n[i].gotv && !n[i].headed ->
#else
    :: atomic { n[i].gotw && n[i].gotv && !n[i].headed && n[i].w >= n[i].aw && n[i].v >= n[i].av ->
#endif
#endif
           n[i].headed = 1; n[i].tgt = n[i].ln;
           n[i].gotw = 0; n[i].gotv = 0; n[i].aw = 0; n[i].av = 0 }
#ifdef NO_head_applied
    :: atomic { n[i].headed ->
#else
    :: atomic { n[i].headed && n[i].pos >= n[i].tgt ->
#endif
#ifdef NO_head_time
           n[i].qage = 0;
#endif
           if
           :: L - n[i].qage > n[i].hl -> n[i].hl = L - n[i].qage
           :: else
           fi;
           unask(i) }
    :: atomic { n[i].q -> unask(i) }
    od
}

proctype W() provided (GOING)
{
    byte k, reached, m;
    bit open, covered;
end:
    do
#ifdef W_RESTART
    :: atomic { inc == 0 -> inc = 1 }
    :: atomic { wst == 0 && inc == 1 -> wst = 1 }
#else
    :: atomic { wst == 0 -> wst = 1 }
#endif
    :: atomic { wst == 1 -> wst = 2; wl[wn] = REM; wn++ }
    :: atomic { vw < made && wst < 3 -> wl[wn] = OF_V + vw; wn++; vw++ }
#ifdef W_FORGET
    :: atomic { wst == 2 && !forgot -> forgot = 1 }
#endif
    /* The strict removal's answer, once all have confirmed or lapsed. */
    :: atomic { wst == 2 && m < N ->
           place_of(m);
           k = 0;
           do
           :: wl[k] != REM -> k++
           :: else -> break
           od;
           if
           :: reached > k -> m++
#ifdef NO_lapse
           :: reached <= k && since >= L -> m++
#else
           :: reached <= k && since >= L + D -> m++
#endif
           :: else
           fi;
           k = 0; reached = 0 }
    :: atomic { wst == 2 && m == N -> wst = 3; m = 0 }
    od
}

proctype V() provided (GOING)
{
end:
    do
    :: atomic { made < E -> made++ }
    od
}

proctype R(byte i) provided (GOING)
{
end:
    do
    :: atomic { wst > 0 && n[i].old && n[i].hl > 0 ->
           assert(!done);       /* P3 */
           assert(age < L + D) /* P1 */ }
    od
}

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
               :: n[m].drift > 0 && (n[m].hl > 0 || n[m].q) -> n[m].drift--
               :: true ->
                   if :: n[m].hl > 0 -> n[m].hl-- :: else fi;
                   if :: n[m].q && n[m].qage < L -> n[m].qage++ :: else fi
               fi;
               m++
           :: else -> break
           od;
           m = 0;
           if :: wst >= 2 && age < L + D -> age++ :: else fi;
           if :: wst == 2 && since < L + D -> since++ :: else fi
       }
    od
}

init
{
    atomic {
        byte m = 0;
        do
        :: m < N -> n[m].drift = D; run K(m); run R(m); m++
        :: else -> break
        od;
        m = 0;
        run W(); run V(); run T()
    }
}
