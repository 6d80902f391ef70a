/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* strict.pml - P3: once a strict removal is answered OK, no read that starts later returns the old
 * value as fresh, on any host.
 *
 * One key, one removal REM, made at node W, which holds no copy of its own. N nodes join, beat,
 * ask, apply, leave, die; their segments are read in steps, also after their deaths. Ticks
 * interleave freely; each node's clock may lose D ticks against W's. Times: L is the lease's
 * term, M is member_ttl; what the code multiplies (1.5 x L; 1.25 x member_ttl + L/2) is here L + D
 * and M + D: just what D lost ticks can cost.
 *
 * Rules, each with its place in the code. -DNO_rule leaves one out:
 *
 *   back            W has applied REM itself, so it knows who came before   is_back()
 *   seen            itself, not another entry at its position  outbox_saw(), outbox_trim()
 *   members         every member is waited for              is_done()
 *   beats_members   a beat makes a member, not only a join  apply_beat(), members_beat()
 *   again           who was silent and beats is one again   members_beat()
 *   confirmed       done is who says that it has applied REM; a later beat alone is none
 *                                                           standing_of(), make_beat()
 *   incarnation     of each incarnation; none answers for its predecessor   members_find()
 *   lapse_margin    all are done 1.5 x L                    lapses_ns()
 *   lapse_since     after the publish was acknowledged      answer_published()
 *   silence_margin  done is who was silent for longer than its beats can cover it
 *                                                           standing_of(), set_waited()
 *   ripe            only who has watched the log for so long knows all members    view_ripens_ns()
 *   ripe_epoch      counted from each new epoch             start_anew()
 *   ripe_overflow   and from each member that had to be forgotten    apply_entries()
 *   void            an answer needs the log that took it    is_void()
 *   proof           and one question more, which finds the log as it was read here   strict_answer()
 *   leave_last      who leaves has ended its lease          publish_stop(), compose()
 *   beat_bound      own beats bound the lease               lease_renew()
 *   beat_recheck    at each renewal, by their time, not only by their being there   lease_renew()
 *   beat_time       from their making                       lease_beat_sent()
 *   beat_applied    once applied in the log's order         meet_self()
 *   caught_up       a question counts when all up to the answer is applied  lease_applied()
 *   unlink_first    unlinked, then the position that a beat tells      apply_entry()
 *   deadline_first  a reader loads the deadline before all  begin()            of reader.c
 *   epoch_drop      a new epoch drops the cache before any renewal (L5)     start_anew()
 *
 * Worlds: W_RESTART (node 1 is node 0's successor); W_FAILOVER (once: any tail is lost, another
 * epoch); W_RESTORE (once,
 * between publish and answer: any tail is lost, the same epoch; where beats from before the publish
 * are lost so, their sender's silence is misjudged, and nothing here would help); W_FORGET (W's table of members may be full); LEAVES; FROM_START (W saw every join).
 */
#ifndef N
#define N 1
#endif
#ifndef L
#define L 2
#endif
#ifndef M
#define M 3
#endif
#ifndef D
#define D 1
#endif
#ifndef BEATS
#define BEATS 2 /* joins and beats of each node */
#endif
#ifdef LEAVES
#define MAXLOG (N * (BEATS + 1) + 1)
#else
#define MAXLOG (N * BEATS + 1)
#endif

#ifdef NO_lapse_margin
#define LAPSES L
#else
#define LAPSES (L + D)
#endif
#ifdef NO_silence_margin
#define SILENCE M
#else
#define SILENCE (M + D)
#endif

#define JOIN  1
#define BEAT  2
#define LEAVE 3
#define REM   4
#define E(kind, i) ((kind)*4 + (i))

byte lg[MAXLOG];
byte lapplied[MAXLOG]; /* what a beat says */
bit lepoch[MAXLOG];
bit lregrown[MAXLOG]; /* appended after the log was cut */
byte ln;
bit epoch, lost;

typedef Node {
    bit on, dead, joined;
    byte left; /* 1: lease ended; 2: the leave is in the log */
    byte pos;
    bit ep, regrown; /* the epoch, and the entry, under the cursor */
    byte hb, hbage, hbleft, hbapplied; /* a beat: 1 made, 2 in the log; its age; what it says */
    bit hbep;
    byte q, qage, tgt; /* a question: 1 asked, 2 answered */
    byte hl, bl;       /* what is left: of the question's cover, of the beat's */
    bit old, unlink;
    byte drift;
    byte rst, rdl;
    bit rs;
};
Node n[N];

/* The waiter. */
byte wst;         /* 1 attached, 2 committed, 3 published */
byte wpos, p;     /* its cursor; where REM stands */
bit wep, pep;     /* the epochs of both */
bit wregrown, seen, acked, ready, done, forgot, noticed;
byte vage, since; /* age of its view; since the publish was acknowledged */
bit known[N];
byte wage[N], wapplied[N];

#ifdef NO_incarnation
#define WHO(i) 0
#else
#define WHO(i) (i)
#endif

#if defined(NO_beat_bound) || defined(NO_beat_recheck)
#define LEASE(i) n[i].hl
#else
#define LEASE(i) (n[i].hl < n[i].bl -> n[i].hl : n[i].bl)
#endif
#ifdef NO_beat_recheck
#define MAY_RENEW(i) (n[i].bl > 0)
#else
#define MAY_RENEW(i) true
#endif

#ifdef W_RESTART
#define MAY_START(i) (i == 0 || n[0].dead)
#define OLD(i) (i == 0) /* that it may be otherwise is checked in the other worlds */
#define MAY_BEAT(i) (i == 0 -> 1 : BEATS)
#else
#define MAY_START(i) true
#define OLD(i) 1
#define MAY_BEAT(i) BEATS
#endif

/* Only whether it is beyond p matters, but where positions may mean other entries later. */
#ifdef W_FAILOVER
#define SAYS(applied) (applied)
#else
#define SAYS(applied) (wst == 3 && (applied) > p -> p + 1 : 0)
#endif

#ifdef W_RESTORE
#define HERE(i)   (n[i].pos == 0 || (n[i].pos <= ln && lregrown[n[i].pos - 1] == n[i].regrown))
#define W_HERE    (wpos == 0 || (wpos <= ln && lregrown[wpos - 1] == wregrown))
#else
#define HERE(i)   (n[i].ep == epoch)
#define W_HERE    (wep == epoch)
#endif
#define NEWEST    (ln > 0 -> lregrown[ln - 1] : 0)
#define DANGER(i) (n[i].old || n[i].rst > 0)
#if N == 1
#define SOME DANGER(0)
#else
#define SOME (DANGER(0) || DANGER(1))
#endif
/* Where nobody can serve anything old any more, all has been seen. */
#define GOING     (wst < 2 || SOME)
#define RUNS(i)   (n[i].on && !n[i].dead && n[i].left == 0)

inline append(kind, i, applied, ep)
{
    lg[ln] = E(kind, i); lapplied[ln] = applied; lepoch[ln] = ep; lregrown[ln] = lost; ln++
}

inline unask(i) { n[i].q = 0; n[i].qage = 0; n[i].tgt = 0 }

inline unbeat(i) { n[i].hb = 0; n[i].hbage = 0; n[i].hbapplied = 0; n[i].hbep = 0 }

inline apply_rem(i)
{
#ifdef NO_unlink_first
    n[i].unlink = n[i].old
#else
    n[i].old = 0
#endif
}

proctype P(byte i) provided (GOING)
{
    byte e;
end:
    do
    /* Attaches; what it loads before the commit is old after it (a superset of what tokens let
     * happen). */
    :: atomic { !n[i].on && wst < 2 && HERE(i) && MAY_START(i) ->
           n[i].on = 1; n[i].pos = ln; n[i].regrown = NEWEST; n[i].old = OLD(i) }
    :: atomic { !n[i].on && wst < 2 && !HERE(i) && MAY_START(i) ->
           n[i].on = 1; n[i].ep = epoch; n[i].pos = ln; n[i].regrown = NEWEST; n[i].old = OLD(i) }

    /* make_beat(): it says what was applied when it was made. */
    :: atomic { RUNS(i) && n[i].hb == 0 && n[i].hbleft > 0 && (DANGER(i) || wst == 3) ->
           n[i].hb = 1; n[i].hbage = 0; n[i].hbleft--;
           n[i].hbapplied = SAYS(n[i].pos); n[i].hbep = n[i].ep }
    :: atomic { n[i].hb == 1 ->
           if
           :: n[i].joined -> append(BEAT, i, n[i].hbapplied, n[i].hbep)
           :: else -> append(JOIN, i, n[i].hbapplied, n[i].hbep); n[i].joined = 1
           fi;
           n[i].hb = 2;
#ifdef NO_beat_applied
           n[i].bl = M - n[i].hbage
#endif
       }

    /* The head is read where the log has the node's epoch. */
    :: atomic { RUNS(i) && n[i].q == 0 && DANGER(i) -> n[i].q = 1; n[i].qage = 0 }
    :: atomic { RUNS(i) && n[i].q == 1 && DANGER(i) && HERE(i) -> n[i].q = 2; n[i].tgt = ln }
#ifdef NO_caught_up
    :: atomic { RUNS(i) && n[i].q == 2 && DANGER(i) ->
#else
    :: atomic { RUNS(i) && n[i].q == 2 && DANGER(i) && n[i].pos >= n[i].tgt ->
#endif
           if
           :: MAY_RENEW(i) && L - n[i].qage > n[i].hl -> n[i].hl = L - n[i].qage
           :: else
           fi;
           unask(i) }

    /* The next entry, or a new epoch. */
    :: atomic { RUNS(i) && !HERE(i) ->
#ifdef NO_epoch_drop
           n[i].pos = (n[i].pos < ln -> n[i].pos : ln);
#else
           n[i].old = 0; n[i].unlink = 0; n[i].hl = 0; n[i].bl = 0; n[i].pos = ln;
#endif
           unask(i); 
           if
           :: n[i].hb == 2 -> unbeat(i)
           :: else
           fi;
           n[i].ep = epoch; n[i].regrown = NEWEST }
    :: atomic { RUNS(i) && HERE(i) && n[i].pos < ln && !n[i].unlink ->
           e = lg[n[i].pos];
           if
           :: e == E(REM, 0) -> apply_rem(i)
           :: (e == E(JOIN, i) || e == E(BEAT, i)) && n[i].hb == 2 ->
#ifdef NO_beat_time
               n[i].bl = M;
#else
               n[i].bl = (M - n[i].hbage > n[i].bl -> M - n[i].hbage : n[i].bl);
#endif
               unbeat(i)
           :: else
           fi;
           n[i].regrown = lregrown[n[i].pos]; n[i].pos++; e = 0 }
    :: atomic { n[i].unlink -> n[i].unlink = 0; n[i].old = 0 }

#ifdef LEAVES
    :: atomic { RUNS(i) && n[i].joined && n[i].hb != 1 ->
           n[i].left = 1; unask(i); unbeat(i);
#ifndef NO_leave_last
           n[i].hl = 0; n[i].bl = 0
#endif
       }
    :: atomic { n[i].left == 1 && HERE(i) -> append(LEAVE, i, 0, 0); n[i].left = 2 }
#endif
#ifdef W_RESTART
    /* Killed: its segment stays mapped. */
    :: atomic { i == 0 && RUNS(i) && n[i].hb != 1 -> n[i].dead = 1; unask(i); unbeat(i) }
#endif
    od
}

/* reader_get(), with the loads of begin(), look() and the clock apart where STEPS asks for it. */
proctype R(byte i) provided (GOING)
{
end:
    do
#ifndef STEPS
    :: atomic { done && n[i].old && LEASE(i) > 0 -> assert(false) } /* P3 */
#else
#ifdef NO_deadline_first
    :: atomic { n[i].rst == 0 && wst == 3 && n[i].old -> n[i].rs = done; n[i].rst = 1 }
    :: atomic { n[i].rst == 1 && LEASE(i) > 0 -> n[i].rdl = LEASE(i); n[i].rst = 2 }
#else
    :: atomic { n[i].rst == 0 && wst == 3 && n[i].old && LEASE(i) > 0 ->
           n[i].rs = done; n[i].rdl = LEASE(i); n[i].rst = 1 }
    :: atomic { n[i].rst == 1 ->
           if
           :: n[i].old -> n[i].rst = 2
           :: else -> n[i].rst = 0; n[i].rdl = 0; n[i].rs = 0
           fi }
#endif
    :: atomic { n[i].rst == 2 ->
           if
           :: n[i].rdl > 0 -> assert(!n[i].rs) /* P3 */
           :: else
           fi;
           n[i].rst = 0; n[i].rdl = 0; n[i].rs = 0 }
#endif
    od
}

#ifdef NO_ripe
#define RIPE true
#else
#define RIPE (vage >= SILENCE)
#endif
#ifdef NO_void
#define VOID false
#else
#define VOID (wep != pep || noticed)
#endif
#ifdef NO_back
#define BACK (wst == 3)
#else
#ifdef NO_seen
#define BACK (wpos > p)
#else
#define BACK seen
#endif
#endif
#ifdef NO_confirmed
#define CONFIRMED(m) (wapplied[m] > 0)
#else
#define CONFIRMED(m) (wapplied[m] > p)
#endif
/* One question more: the log must be found as it was read here, REM in it. */
#if defined(W_RESTORE) && !defined(NO_proof)
#define DONE ready = 1
#else
#define DONE done = 1
#endif
#define MISSING(m) (known[m] && !CONFIRMED(m) && wage[m] < SILENCE)

inline w_beat(e, m)
{
    wage[m] = 0;
    if
#if defined(NO_beats_members) || defined(NO_again)
    :: e / 4 == BEAT
#endif
    /* Who comes after REM has applied it before its first lease. */
    :: wst < 3 || wep != pep || wpos < p -> known[m] = 1
    :: else
    fi;
#ifdef NO_confirmed
    wapplied[m] = (wst == 3 && wpos > p -> 1 : 0)
#else
    wapplied[m] = (lepoch[wpos] == wep -> lapplied[wpos] : wapplied[m])
#endif
}

proctype W() provided (GOING)
{
    byte m, e;
end:
    do
#ifdef FROM_START
    :: atomic { wst == 0 && ln == 0 -> wst = 1 }
#else
    :: atomic { wst == 0 -> wst = 1; wpos = ln; wep = epoch; wregrown = NEWEST }
#endif
    :: atomic { wst == 1 -> wst = 2;
#ifdef NO_lapse_since
           acked = 1
#endif
       }
    /* The log that takes it may be one that W has not noticed yet. */
    :: atomic { wst == 2 -> p = ln; pep = epoch; append(REM, 0, 0, 0); wst = 3 }
    :: atomic { wst == 3 && !acked -> acked = 1 }

    :: atomic { wst >= 1 && !done && W_HERE && wpos < ln ->
           e = lg[wpos]; m = WHO(e % 4);
           if
           :: e == E(REM, 0) -> seen = 1
           :: e / 4 == LEAVE -> known[m] = 0; wage[m] = 0; wapplied[m] = 0
           :: e / 4 == JOIN || e / 4 == BEAT -> w_beat(e, m)
           fi;
           wregrown = lregrown[wpos]; wpos++; e = 0; m = 0 }
    :: atomic { wst >= 1 && !done && !W_HERE ->
           wep = epoch; wpos = ln; wregrown = NEWEST; m = 0;
           noticed = (wst == 3 -> 1 : noticed);
#ifndef NO_ripe_epoch
           vage = 0;
#endif
           do
           :: m < N -> wapplied[m] = 0; m++
           :: else -> break
           od;
           m = 0 }
#ifdef W_FORGET
    :: atomic { wst >= 1 && !done && !forgot && known[0] ->
           forgot = 1; known[0] = 0; wage[0] = 0; wapplied[0] = 0;
#ifndef NO_ripe_overflow
           vage = 0
#endif
       }
#endif

    :: atomic { !done && wst == 3 && acked && BACK && since >= LAPSES && !VOID -> DONE }
    :: atomic { !done && wst == 3 && acked && BACK && RIPE && !VOID ->
           m = 0;
#ifdef NO_members
           DONE;
#else
           do
           :: m < N && MISSING(m) -> break
           :: m < N && !MISSING(m) -> m++
           :: m >= N -> DONE; break
           od;
#endif
           m = 0 }
    :: atomic { ready && !done && W_HERE && !VOID -> done = 1 }
    od
}

#if defined(W_FAILOVER) || defined(W_RESTORE)
proctype Fault()
{
    atomic {
#ifdef W_RESTORE
        ln > 0 && !done && wst == 3;
#else
        ln > 0 && !done -> epoch = 1;
#endif
        lost = 1;
        do
        :: ln > 0 -> ln--; lg[ln] = 0; lapplied[ln] = 0; lepoch[ln] = 0; lregrown[ln] = 0
        :: break
        od
    }
}
#endif

proctype T() provided (GOING)
{
    byte m;
end:
    do
    :: atomic {
           true -> m = 0;
           do
           :: m < N ->
               if
               :: n[m].drift > 0 &&
                  (n[m].hl > 0 || n[m].bl > 0 || n[m].hb > 0 || n[m].q > 0 || n[m].rdl > 0) -> n[m].drift--
               :: true ->
                   if :: n[m].hl > 0 -> n[m].hl-- :: else fi;
                   if :: n[m].bl > 0 -> n[m].bl-- :: else fi;
                   if :: n[m].rdl > 0 -> n[m].rdl-- :: else fi;
                   if :: n[m].hb > 0 && n[m].hbage < M -> n[m].hbage++ :: else fi;
                   if :: n[m].q > 0 && n[m].qage < L -> n[m].qage++ :: else fi
               fi;
               if
               :: known[m] && wage[m] < SILENCE && !done -> wage[m]++;
#ifdef NO_again
                   if
                   :: wage[m] >= SILENCE -> known[m] = 0; wage[m] = 0
                   :: else
                   fi
#endif
               :: else
               fi;
               m++
           :: else -> break
           od;
           m = 0;
           if :: wst >= 1 && vage < SILENCE && !done -> vage++ :: else fi;
           if :: acked && since < LAPSES && !done -> since++ :: else fi
       }
    od
}

init
{
    atomic {
        byte m = 0;
        do
        :: m < N -> n[m].hbleft = MAY_BEAT(m); n[m].drift = D; run P(m); run R(m); m++
        :: else -> break
        od;
        m = 0;
        run W(); run T();
#if defined(W_FAILOVER) || defined(W_RESTORE)
        run Fault()
#endif
    }
}
