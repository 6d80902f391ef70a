/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* coupled.pml - P1 and P3 across two logs that relays couple: what A acknowledged, nodes of B do
 * not miss, although nobody there reads A.
 *
 * The design of what is not built yet (docs/decision/relay.md); the names are its. W removes one
 * key on log A. Y is a node of log B that holds the old copy. R carries both ways: what A removes,
 * and the signs of life of B's members. It also says marks. A mark in one log says "the other log
 * is carried up to c"; and "a mark that stands there at c or before said that this log was carried
 * up to r". Y's question is an entry of its own in B, and a mark answers it that says r at or
 * beyond it: so that a relay has read A, after the question, to its end.
 *
 * Everything interleaves freely. A relay that stops between two steps and never goes on is dead;
 * one that goes on later was stalled. The second relay starts at any time: from cursors that the
 * first had at any time, or from nothing. So what a restart, a stall and two relays side by side
 * can do is one world. Ticks interleave too; Y's clock may lose D of them.
 *
 * Rules. -DNO_rule leaves one out:
 *
 *   ask_own        a question is answered by a mark that counts it, no other
 *   ask_time       and the lease counts from the asking
 *   read_back      a relay tells Y's side what it has read back of its own mark in A, not what
 *                  it has put there
 *   carried_first  a mark counts what is acknowledged in its own log, not what was read
 *   acked          so does a cursor that is kept for the next run
 *   clear_first    a relay without a proven cursor has cleared before its first mark
 *   kept_paid      and until then no cursor is kept
 *   gone_clear     so does one whose log has another epoch
 *   mark_epoch     a position in a mark names its epoch
 *   round_down     what a member of B says to have applied is worth, in A, what stood in B by
 *                  then; not what has been carried since
 *   life           a question is a sign of life of its sender, and is carried as one
 *   life_first     before the mark that counts it
 *   life_view      so who begins from nothing reads of B from before each question that may still
 *                  grant a lease
 *   lapse_margin   who does not confirm is done 1.5 x L after the acknowledgement
 *   back           W has met its own entry
 *   couple_read    an answer without a mark counts when all up to it is read, and nothing of that
 *                  couples the log
 *   couple_wait    the promise begins when every such lease has ended
 *   couple_clear   who couples logs has cleared, unless A never said anything
 *
 * Worlds: RELAYS=2; STRICT (P3 too); W_FAILOVER (once A loses any tail and has another epoch);
 * W_REGROWS (B does); RELOADS (what Y dropped before the commit it may load again); W_COUPLE (the
 * logs are coupled under way). TIMELESS: without ticks, so no lease ends, nobody lapses, and P1
 * says that no question made after the acknowledgement may grant one while the old copy is there:
 * the rest of it is the sum of ticks of the other worlds. STEPS: a question is made in one step and
 * put into the log in another. FRESH: the first relay may begin from nothing, too.
 */
#ifndef L
#define L 1
#endif
#ifndef D
#define D 1
#endif
#ifndef ASKS
#define ASKS 2
#endif
#ifndef RELAYS
#define RELAYS 1
#endif
#ifdef W_REGROWS
#define TWICE 2 /* what was said of the first B may be said of the second, too */
#else
#define TWICE 1
#endif
#define MAXA (2 + TWICE * ASKS * RELAYS + 2 * TWICE * ASKS * RELAYS)
#define MAXB (3 + ASKS + RELAYS + 2 * TWICE * ASKS * RELAYS)
#define LAPSES (L + D)

/* Log A. */
#define REM  1
#define LIFE 2 /* of Y, by its question's number; worth av in A */
#define MARK 3 /* B is carried up to av */
byte ak[MAXA], av[MAXA];
bit ae[MAXA]; /* the epoch of B that av is of */
byte lna;
bit epa;

/* Log B. */
#define ASK     4 /* Y's; bv: what it had applied by then */
#define COPY    5 /* of REM, which stands in A at bv - 1 */
#define CLEAR   6
#define MARKED  7 /* A is carried up to bv; there a mark said so of B up to br */
#define COUPLED 8
byte bk[MAXB], bv[MAXB], br[MAXB];
bit be[MAXB]; /* the epoch of B that br is of */
byte lnb;
bit epb;

/* W. */
byte wst; /* 1 committed, 2 published */
byte p;   /* where REM stands in A, counted from 1 */
bit pep;
bit acked, done;
byte age; /* ticks since the acknowledgement */
byte wpos;
bit heard, confirmed;
byte wage; /* since Y was heard last */

/* Y. */
byte ypos, yq, ya, yage, yap, ymade, hl, drift = D;
bit yep, old = 1, ycoupled;
bit ylate; /* the question was made after the acknowledgement */

typedef Relay {
    bit on;
    byte pa, pb;         /* carried up to here */
    bit ea, eb;          /* the epochs these are of */
    bit owes;            /* B a clear */
    byte r;              /* of B: the newest that was read back in A */
    bit re;
    byte ha, mp, mr;     /* to be put into B: 1 COPY, 2 MARKED */
    bit mre;
    byte hb, hv;         /* into A: 1 LIFE */
};
Relay R[RELAYS];

#ifdef W_COUPLE
bit coupled_acked, ready;
byte csince;
#define READY ready
#else
#define READY true
#endif

/* Where nobody can serve anything old any more, all has been seen. */
#ifdef RELOADS
#define GOING (old || wst == 0)
#else
#define GOING old
#endif

inline cut_b() { lnb--; bk[lnb] = 0; bv[lnb] = 0; br[lnb] = 0; be[lnb] = 0 }
inline put_a(kind, value, epoch) { ak[lna] = kind; av[lna] = value; ae[lna] = epoch; lna++ }
inline put_b(kind, value, back, epoch)
{
    bk[lnb] = kind; bv[lnb] = value; br[lnb] = back; be[lnb] = epoch; lnb++
}

/* found: such an entry is there (B12: it is taken once). */
inline find_b(kind)
{
    x = 0; found = 0;
    do
    :: x < lnb -> found = (found || bk[x] == kind); x++
    :: else -> break
    od;
    x = 0
}

/* ---- the node ----------------------------------------------------------------------------- */

inline renew(left)
{
#ifdef TIMELESS
    assert(!(old && ylate)); /* P1: it would serve what was removed before it asked */
#endif
    if
    :: left > hl -> hl = left
    :: else
    fi
}
inline unask() { yq = 0; ya = 0; yage = 0; yap = 0; ylate = 0 }

/* Not coupled, as far as it has read: it asks for the head, and needs no mark. */
inline ask()
{
    if
    :: ycoupled -> put_b(ASK, yap, 0, 0); yap = 0; yq = 2; ya = lnb
    :: else -> yap = 0; yq = 3; ya = lnb
    fi
}

#ifdef NO_couple_read
#define COUNTS true
#else
#define COUNTS (!ycoupled)
#endif
inline answered_by_head()
{
    if
    :: COUNTS -> renew(L - yage)
    :: else
    fi;
    unask()
}

#ifdef NO_ask_own
#define ANSWERS(x) (x >= ya)
#else
#ifdef NO_mark_epoch
#define ANSWERS(x) (br[x] >= ya)
#else
#define ANSWERS(x) (br[x] >= ya && be[x] == yep)
#endif
#endif
#ifdef NO_ask_time
#define LEFT L
#else
#define LEFT (L - yage)
#endif
inline apply(at)
{
    if
    :: bk[at] == COPY || bk[at] == CLEAR -> old = 0
    :: bk[at] == COUPLED -> ycoupled = 1
    :: bk[at] == MARKED && yq == 2 && ANSWERS(at) -> renew(LEFT); unask()
    :: else
    fi
}

/* Who reads on reads to the end: who has read less is one who read when the log was shorter. */
#define HERE (yep == epb)
proctype Y() provided (GOING)
{
end:
    do
#ifdef W_REGROWS
    :: atomic { !HERE ->
           yep = epb; ypos = lnb; old = 0; hl = 0; unask() }
#endif
#ifdef RELOADS
    :: atomic { wst == 0 && !old && HERE -> old = 1 }
#endif
#ifdef STEPS
    :: atomic { yq == 0 && ymade < ASKS -> yq = 1; yap = ypos; ylate = acked; ymade++ }
    :: atomic { yq == 1 && HERE -> ask() }
#else
    :: atomic { yq == 0 && ymade < ASKS && HERE -> yap = ypos; ylate = acked; ymade++; ask() }
#endif
    :: atomic { yq >= 2 -> unask() } /* patience ends */
    :: atomic { HERE && ypos < lnb ->
           do
           :: ypos < lnb -> apply(ypos); ypos++
           :: else -> break
           od }
#ifdef W_COUPLE
    :: atomic { yq == 3 && ypos >= ya -> answered_by_head() }
#endif
    /* A reader of its segment. */
    :: atomic { old && hl > 0 && READY && (done || (acked && age >= L + D)) ->
           assert(!(acked && age >= L + D)); /* P1 */
           assert(!done)                     /* P3 */ }
    od
}

/* ---- the relays --------------------------------------------------------------------------- */

/* What Y had applied is worth in A. */
inline worth(applied, upto)
{
    x = 0; v = 0;
    do
    :: x < upto && x < lnb ->
#ifndef NO_round_down
        if
        :: x < applied && (bk[x] == COPY || bk[x] == MARKED) && bv[x] > v -> v = bv[x]
        :: else
        fi;
#else
        if
        :: (bk[x] == COPY || bk[x] == MARKED) && bv[x] > v -> v = bv[x]
        :: else
        fi;
#endif
        x++
    :: else -> break
    od;
    x = 0
}

/* The newest of B that a mark in A has counted yet; the newest question up to `upto`. */
inline counted_in_a()
{
    x = 0; v = 0;
    do
    :: x < lna ->
        if
        :: ak[x] == MARK && ae[x] == epb && av[x] > v -> v = av[x]
        :: else
        fi;
        x++
    :: else -> break
    od;
    x = 0
}
inline asked_up_to(upto)
{
    x = 0; u = 0;
    do
    :: x < upto && x < lnb ->
        if
        :: bk[x] == ASK -> u = x + 1
        :: else
        fi;
        x++
    :: else -> break
    od;
    x = 0
}
inline counted_in_b(epoch)
{
    x = 0; v = 0;
    do
    :: x < lnb ->
        if
        :: bk[x] == MARKED && be[x] == epoch && br[x] > v -> v = br[x]
        :: else
        fi;
        x++
    :: else -> break
    od;
    x = 0
}

#ifdef NO_clear_first
#define PAID(i) true
#else
#define PAID(i) (!R[i].owes)
#endif
#ifdef NO_carried_first
#define IDLE_A(i) (R[i].ha < 2)
#else
#define IDLE_A(i) (R[i].ha == 0)
#endif
#ifdef NO_life_first
#define IDLE_B(i) true
#else
#define IDLE_B(i) (R[i].hb == 0)
#endif
#if defined(NO_acked) || defined(NO_carried_first)
#define AT_READ
#endif

#ifdef NO_kept_paid
#define KEPT R[0].on
#else
#define KEPT (R[0].on && !R[0].owes)
#endif
#if defined(STRICT) && !defined(NO_life_view)
#define VIEW 0 /* a question out of view is too old to grant anything */
#else
#define VIEW lnb
#endif
proctype Carries(byte i) provided (GOING)
{
    byte x, v, u;
    bit found;
#ifdef W_COUPLE
    atomic {
        R[i].on = 1; R[i].pa = lna; R[i].pb = lnb;
#ifndef NO_couple_clear
        R[i].owes = (lna > 0)
#endif
    };
    atomic { put_b(COUPLED, 0, 0, 0); coupled_acked = 1 };
#else
    if
    :: i == 0 -> R[i].on = 1
    :: atomic { i > 0 && KEPT -> /* as another has kept it, at some time */
           R[i].on = 1;
           R[i].pa = R[0].pa; R[i].pb = R[0].pb; R[i].ea = R[0].ea; R[i].eb = R[0].eb }
#ifdef FRESH
    :: atomic { true -> /* from nothing */
#else
    :: atomic { i > 0 -> /* from nothing */
#endif
           R[i].on = 1;
           R[i].pa = lna; R[i].pb = VIEW; R[i].ea = epa; R[i].eb = epb; R[i].owes = 1 }
    fi;
#endif
end:
    do
    /* ---- from A to B ---- */
    /* Reads on, to what is to be carried. */
    :: atomic { R[i].ha == 0 && PAID(i) && R[i].ea == epa && R[i].pa < lna ->
           do
           :: R[i].pa < lna && ak[R[i].pa] == MARK ->
               if
               :: R[i].re != ae[R[i].pa] || av[R[i].pa] > R[i].r ->
                   R[i].r = av[R[i].pa]; R[i].re = ae[R[i].pa]
               :: else
               fi;
               R[i].pa++
           :: R[i].pa < lna && ak[R[i].pa] == LIFE -> R[i].pa++
           :: R[i].pa < lna && ak[R[i].pa] == REM ->
               R[i].ha = 1;
#ifdef AT_READ
               R[i].pa++;
#endif
               break
           :: R[i].pa == lna -> break
           od }
    :: atomic { R[i].ha == 1 ->
           find_b(COPY);
           if
           :: !found -> put_b(COPY, p, 0, 0)
           :: else
           fi;
           found = 0;
#ifndef AT_READ
           if /* another epoch meanwhile: the cursor is void anyway */
           :: R[i].ea == epa -> R[i].pa++
           :: else
           fi;
#endif
           R[i].ha = 0 }
    :: atomic { R[i].ha == 0 && R[i].owes -> put_b(CLEAR, 0, 0, 0); R[i].owes = 0 }
#ifdef W_FAILOVER
    :: atomic { R[i].ea != epa && R[i].ha == 0 ->
           R[i].ea = epa; R[i].pa = lna;
#ifndef NO_gone_clear
           R[i].owes = 1
#endif
       }
#endif
    /* A mark is made where it may answer somebody. */
    :: atomic { IDLE_A(i) && PAID(i) && R[i].ea == epa && R[i].r > 0 ->
           counted_in_b(R[i].re);
           if
           :: R[i].r > v ->
#ifdef NO_carried_first
               if
               :: R[i].ha == 1 -> put_b(MARKED, R[i].pa, R[i].r, R[i].re)
               :: else -> R[i].ha = 2; R[i].mp = R[i].pa; R[i].mr = R[i].r; R[i].mre = R[i].re
               fi
#else
               R[i].ha = 2; R[i].mp = R[i].pa; R[i].mr = R[i].r; R[i].mre = R[i].re
#endif
           :: else
           fi;
           v = 0 }
    :: atomic { R[i].ha == 2 ->
           put_b(MARKED, R[i].mp, R[i].mr, R[i].mre);
           R[i].ha = 0; R[i].mp = 0; R[i].mr = 0; R[i].mre = 0 }

    /* ---- from B to A ---- */
    :: atomic { R[i].hb == 0 && R[i].eb == epb && R[i].pb < lnb ->
#ifdef STRICT
           do
           :: R[i].pb < lnb && bk[R[i].pb] != ASK -> R[i].pb++
           :: R[i].pb < lnb && bk[R[i].pb] == ASK ->
               worth(bv[R[i].pb], R[i].pb);
               R[i].hb = 1; R[i].hv = v; v = 0;
#ifdef NO_life_first
               R[i].pb++;
#endif
               break
           :: R[i].pb == lnb -> break
           od
#else
           R[i].pb = lnb
#endif
       }
    :: atomic { R[i].hb == 1 ->
#ifndef NO_life
           put_a(LIFE, R[i].hv, 0);
#endif
           R[i].hb = 0; R[i].hv = 0;
#ifndef NO_life_first
           R[i].pb++
#endif
       }
#ifdef W_REGROWS
    :: atomic { R[i].eb != epb && R[i].hb == 0 -> R[i].eb = epb; R[i].pb = VIEW }
#endif
    :: atomic { IDLE_B(i) && R[i].eb == epb ->
           asked_up_to(R[i].pb); counted_in_a();
           if
           :: u > v ->
#ifdef NO_read_back
               R[i].r = R[i].pb; R[i].re = R[i].eb;
#endif
               put_a(MARK, R[i].pb, R[i].eb)
           :: else
           fi;
           u = 0; v = 0 }
    od
}

/* ---- who removes -------------------------------------------------------------------------- */

#ifdef NO_back
#define MET true
#else
#define MET (wpos >= p)
#endif

proctype W() provided (GOING)
{
#if defined(W_COUPLE) && defined(STRICT)
    ready;
#endif
#ifdef TIMELESS
    atomic { put_a(REM, 0, 0); p = lna; wst = 2; acked = 1 }; /* the least time between them */
#else
    wst = 1;
    atomic { put_a(REM, 0, 0); p = lna; wst = 2 };
    acked = 1;
#endif
#ifdef STRICT
end:
    do
    :: atomic { wpos < lna ->
           do
           :: wpos < lna ->
               if
               :: ak[wpos] == LIFE && wpos < p -> heard = 1; wage = 0
               :: ak[wpos] == LIFE && wpos >= p && heard ->
                   wage = 0; confirmed = (av[wpos] >= p)
               :: else /* who joined after REM has applied that before its first lease */
               fi;
               wpos++
           :: else -> break
           od }
    :: atomic { !done && MET && (!heard || confirmed || wage >= LAPSES) -> done = 1 }
#ifdef NO_lapse_margin
    :: atomic { !done && MET && age >= L -> done = 1 }
#else
    :: atomic { !done && MET && age >= LAPSES -> done = 1 }
#endif
    od
#endif
}

#ifdef W_FAILOVER
proctype Fault() provided (GOING)
{
    atomic {
        lna > 0 -> epa = 1;
        do
        :: lna > 0 -> lna--; ak[lna] = 0; av[lna] = 0; ae[lna] = 0
        :: break
        od
    }
}
#endif
#ifdef W_REGROWS
proctype Fault() provided (GOING)
{
    atomic {
        lnb > 0 -> epb = 1;
        do
        :: lnb > 0 -> cut_b()
        :: break
        od
    }
}
#endif

proctype T() provided (GOING)
{
end:
    do
    :: atomic {
           true ->
           if
           :: drift > 0 && (hl > 0 || yq > 0) -> drift--
           :: true ->
               if :: hl > 0 -> hl-- :: else fi;
               if :: yq > 0 && yage < L -> yage++ :: else fi
           fi;
           if :: acked && age < L + D -> age++ :: else fi;
           if :: heard && !done && wage < LAPSES -> wage++ :: else fi
#ifdef W_COUPLE
           ;
           if :: coupled_acked && csince < LAPSES -> csince++ :: else fi
#endif
       }
#ifdef W_COUPLE
#ifdef NO_couple_wait
    :: atomic { coupled_acked && !ready -> ready = 1 }
#else
    :: atomic { coupled_acked && !ready && csince >= LAPSES -> ready = 1 }
#endif
#endif
    od
}

init
{
    atomic {
        byte m = 0;
#ifdef W_COUPLE
        ycoupled = 0;
#else
        ycoupled = 1;
#endif
        do
        :: m < RELAYS -> run Carries(m); m++
        :: else -> break
        od;
        m = 0;
        run Y(); run W();
#ifndef TIMELESS
        run T();
#endif
#if defined(W_FAILOVER) || defined(W_REGROWS)
        run Fault()
#endif
    }
}
