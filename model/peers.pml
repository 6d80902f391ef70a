/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* peers.pml - P1 and P3 among HTTP peers, which have no common order: leases by pairs.
 *
 * The design of a bus that is not built yet; the names are its. Node W changes the row and sends
 * REM to each peer that it knows; each sender counts its messages, and a link may lose one. Node K
 * holds the old copy. Node X is a peer that never changes anything; it keeps the list of members
 * that whoever joins is given. K asks each peer for a lease of its own: "all that I published up
 * to number c was sent to you"; it serves as fresh while it has one of each.
 *
 * Rules. -DNO_rule leaves one out:
 *
 *   pair_min          fresh until the earliest of the peers' leases
 *   pair_question     a lease counts from the asking
 *   pair_caught       and begins when all up to the answer's number is applied
 *   pair_gap          a hole in a sender's numbers drops the cache
 *   pair_confirm      W is done with who confirmed that it has applied REM
 *   pair_lapse        or whose lease of W has run out: 1.5 x L after REM was published
 *   peer_incarnation  another incarnation of a peer drops the cache: its numbers begin anew
 *   join_all          who joins publishes, and serves, when every member has acknowledged it
 *   join_adds         and who acknowledges counts it among its own peers from then on
 *   join_list         X gives whoever joins a list of all that joined before
 */
#ifndef L
#define L 2
#endif
#ifndef D
#define D 1
#endif

byte wst;             /* 1 committed, 2 published, 3 and its next message */
bit done, acked;
byte age, since;
bit wjoined, kjoined; /* X has listed them */
bit wasksk, kasksw;   /* their lists name the other, which has not acknowledged yet */
bit wknowsk, kknowsw;
bit old, applied, lostrem, gap, confirmed;
byte qw, qwage, tgt, hw; /* of W: question, its age, the number in the answer, the lease */
byte qx, qxage, hx;      /* of X */
byte drift;
bit reborn;              /* W is another incarnation */
bit kreborn;             /* the one that K has met */

#define COUNT (reborn -> 0 : (wst >= 3 -> 2 : (wst >= 2 -> 1 : 0)))
byte seen;               /* of W's messages, applied by K */

#ifdef NO_join_all
#define KMAY kjoined
#define WMAY wjoined
#else
#define KMAY (kjoined && !kasksw)
#define WMAY (wjoined && !wasksk)
#endif
#ifdef NO_pair_min
#define LEASE (hw > hx -> hw : hx)
#else
#define LEASE (kknowsw && hw < hx -> hw : hx)
#endif
#define GOING (wst == 0 || old)

inline unask() { qw = 0; qwage = 0; tgt = 0 }

proctype K() provided (GOING)
{
end:
    do
    :: atomic { !kjoined ->
           kjoined = 1;
#ifndef NO_join_list
           if
           :: wjoined -> kknowsw = 1; kasksw = 1
           :: else
           fi
#endif
       }
    /* W acknowledges K's join. */
    :: atomic { kasksw -> kasksw = 0;
#ifndef NO_join_adds
           wknowsk = 1
#endif
       }
    :: atomic { kjoined && wst == 0 && !old -> old = 1 }

    :: atomic { KMAY && qx == 0 -> qx = 1; qxage = 0 }
    :: atomic { qx == 1 -> qx = 0;
           if
           :: L - qxage > hx -> hx = L - qxage
           :: else
           fi;
           qxage = 0 }
    :: atomic { KMAY && kknowsw && qw == 0 -> qw = 1; qwage = 0 }
    :: atomic { qw == 1 && reborn == kreborn -> qw = 2; tgt = COUNT }
    :: atomic { qw == 1 && reborn != kreborn ->
#ifdef NO_peer_incarnation
           qw = 2; tgt = COUNT;
#else
           old = 0; unask();
#endif
           kreborn = reborn }
#ifdef NO_pair_caught
    :: atomic { qw == 2 ->
#else
    :: atomic { qw == 2 && seen >= tgt ->
#endif
#ifdef NO_pair_question
           qwage = 0;
#endif
           if
           :: L - qwage > hw -> hw = L - qwage
           :: else
           fi;
           unask() }
    :: atomic { qw > 0 -> unask() }

    /* W's messages; those of an earlier incarnation may come yet. */
    :: atomic { kknowsw && wst >= 2 && seen == 0 && !lostrem -> seen = 1; old = 0; applied = 1 }
    :: atomic { kknowsw && wst >= 2 && seen == 0 && !lostrem -> lostrem = 1 }
    :: atomic { kknowsw && wst >= 3 && seen < 2 && (seen == 1 || lostrem) ->
           seen = 2;
#ifndef NO_pair_gap
           if
           :: !applied -> old = 0; hw = 0; unask()
           :: else
           fi
#endif
       }
    od
}

proctype W() provided (GOING)
{
end:
    do
    :: atomic { !wjoined ->
           wjoined = 1;
#ifndef NO_join_list
           if
           :: kjoined -> wknowsk = 1; wasksk = 1
           :: else
           fi
#endif
       }
    /* K acknowledges W's join: without a lease of W it does not serve from now on. */
    :: atomic { wasksk -> wasksk = 0;
#ifndef NO_join_adds
           kknowsw = 1
#endif
       }
    :: atomic { wst == 0 && WMAY -> wst = 1 }
    :: atomic { wst == 1 -> wst = 2; acked = 1 }
    :: atomic { wst == 2 -> wst = 3 }
    /* Killed before REM went out, and started anew: it knows nothing of it, and is no one to
     * answer it. */
    :: atomic { wst >= 2 && !reborn && !done && seen == 0 -> reborn = 1; lostrem = 1 }
    :: atomic { wst >= 2 && !done && !reborn &&
#ifdef NO_pair_confirm
           true
#else
#ifdef NO_pair_lapse
           (!wknowsk || applied || since >= L)
#else
           (!wknowsk || applied || since >= L + D)
#endif
#endif
           -> done = 1 }
    od
}

active proctype Reader() provided (GOING)
{
end:
    do
    :: atomic { wst > 0 && old && KMAY && LEASE > 0 ->
           assert(!done); /* P3 */
           /* P1; a message that its link lost is noticed at the next. */
           assert(age < L + D) }
    od
}

active proctype T() provided (GOING)
{
end:
    do
    :: atomic {
           if
           :: drift > 0 && (hw > 0 || hx > 0 || qw > 0 || qx > 0) -> drift--
           :: true ->
               if :: hw > 0 -> hw-- :: else fi;
               if :: hx > 0 -> hx-- :: else fi;
               if :: qw > 0 && qwage < L -> qwage++ :: else fi;
               if :: qx > 0 && qxage < L -> qxage++ :: else fi
           fi;
           if :: acked && age < L + D -> age++ :: else fi;
           if :: acked && since < L + D && !done -> since++ :: else fi
       }
    od
}

init { atomic { drift = D; run K(); run W() } }
