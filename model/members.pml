/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* members.pml - what P1 needs of the list of HTTP peers: whoever calls a copy fresh has asked
 * everybody who may publish.
 *
 * The design of a bus that is not built yet (docs/decision/http-peers.md); the names are its.
 * peers.pml has the leases of a pair; here are only lists. Two nodes, A and B, are members; two
 * more join, one through A and one through B; anyone may leave. A list is a set of addresses, each
 * with a counter, odd while it is in: 0 unknown, 1 in, 2 left. A question carries the asker's
 * list, its answer the answerer's; an answer may be late. A node is in, and may publish, once all
 * that its list names have answered with the same list; its head holds when they have since it
 * began to ask. Only those of ASKERS (a bit each) ask; whoever is asked answers.
 *
 * Rules. -DNO_rule leaves one out:
 *
 *   list_adds      who is asked keeps what the asker's list has, and answers with the whole
 *   list_learns    who asked keeps what the answer has; an answer that has more, or less, is none
 *   list_all       a node is in when everybody on its list has answered
 *   head_list      a head asks everybody on the list, after it began (and what was answered
 *                  before does not count: pair_question of peers.pml)
 *
 * Worlds: LEAVES (so many may leave: they say so to others, or not); W_FORGET (A is killed, and B
 * is told to forget it: what A alone knew is lost).
 *
 * A node that dies is one that does nothing any more, which any of them may at any time.
 */
#define A 0
#define B 1
#define N 4 /* and 2, which knows A, and 3, which knows B */

typedef node {
    byte at[N];      /* its list */
    bit answered[N]; /* with the same list, since `asking` or the list's last change */
    byte late;       /* an answer is under way, of late - 1, with this list: */
    byte list[N];
    bit early;       /* it was asked for before `asking` */
    bit in, asking;
    byte had         /* who was in when it began to ask: a bit each */
}
node n[N];
byte left;           /* how many have left */
bit killed;          /* A is */
#ifndef LEAVES
#define LEAVES 0
#endif
#ifndef ASKERS
#define ASKERS 12 /* the two who join */
#endif
#define JOINS(i) ((ASKERS >> (i)) & 1)

#define MEMBER(i, j) (n[i].at[j] == 1 && (j) != (i))

inline changed(i)
{
    n[i].answered[0] = 0; n[i].answered[1] = 0; n[i].answered[2] = 0; n[i].answered[3] = 0
}

proctype Node(byte i)
{
    byte j, k;
    bit same;
end:
    do
    /* A question, taken at once; the answer is on its way. Who is neither in nor joining asks
     * nobody; who has left tells it. */
    :: atomic { n[i].at[i] > 0 ->
           select (j : 0 .. 3);
           if
           :: MEMBER(i, j) && !n[i].late && !(killed && j == A) ->
               k = 0; same = 0;
               do
               :: k < N ->
                   n[i].list[k] = (n[i].at[k] > n[j].at[k] -> n[i].at[k] : n[j].at[k]);
                   if
                   :: n[i].list[k] > n[j].at[k] ->
#ifndef NO_list_adds
                       n[j].at[k] = n[i].list[k];
#endif
                       same = 1
                   :: else
                   fi;
                   k++
               :: else -> break
               od;
               if
               :: same -> changed(j)
               :: else
               fi;
               n[i].late = j + 1
           :: else
           fi;
           j = 0; k = 0; same = 0 }
    /* An answer comes. */
    :: atomic { n[i].at[i] == 1 && n[i].late ->
           j = n[i].late - 1; k = 0; same = 0;
#ifndef NO_list_learns
           do
           :: k < N ->
               if
               :: n[i].list[k] > n[i].at[k] -> n[i].at[k] = n[i].list[k]; same = 1
               :: else
               fi;
               k++
           :: else -> break
           od;
#endif
           if
           :: same -> changed(i)
           :: else
           fi;
           k = 0; same = 1;
           do
           :: k < N ->
               if
               :: n[i].list[k] != n[i].at[k] -> same = 0
               :: else
               fi;
               n[i].list[k] = 0;
               k++
           :: else -> break
           od;
#ifdef NO_list_learns
           same = 1;
#endif
           if
           :: same && !n[i].early -> n[i].answered[j] = 1
           :: else
           fi;
           n[i].late = 0; n[i].early = 0; j = 0; k = 0; same = 0 }
    :: atomic { n[i].at[i] == 1 && !n[i].in &&
#ifdef NO_list_all
           (n[i].answered[0] || n[i].answered[1] || n[i].answered[2] || n[i].answered[3])
#else
           (!MEMBER(i, 0) || n[i].answered[0]) && (!MEMBER(i, 1) || n[i].answered[1]) &&
           (!MEMBER(i, 2) || n[i].answered[2]) && (!MEMBER(i, 3) || n[i].answered[3])
#endif
           -> n[i].in = 1; changed(i) }

    /* The head. */
    :: atomic { n[i].in && n[i].at[i] == 1 && !n[i].asking ->
           n[i].asking = 1; changed(i);
           n[i].early = (n[i].late > 0);
           n[i].had = n[0].in + 2 * n[1].in + 4 * n[2].in + 8 * n[3].in }
    :: atomic { n[i].asking && n[i].at[i] == 1 &&
#ifdef NO_head_list
           (n[i].answered[0] || n[i].answered[1] || n[i].answered[2] || n[i].answered[3])
#else
           (!MEMBER(i, 0) || n[i].answered[0]) && (!MEMBER(i, 1) || n[i].answered[1]) &&
           (!MEMBER(i, 2) || n[i].answered[2]) && (!MEMBER(i, 3) || n[i].answered[3])
#endif
           ->
           j = 0;
           do
           :: j < N ->
               /* Who may publish since before it began was asked, unless it has left. */
               assert(!((n[i].had >> j) & 1) || !n[j].in || j == i || n[i].answered[j]);
               j++
           :: else -> break
           od;
           j = 0; n[i].asking = 0; n[i].had = 0 }

    :: atomic { n[i].in && n[i].at[i] == 1 && left < LEAVES ->
           left++; n[i].at[i] = 2; n[i].in = 0; n[i].asking = 0; n[i].had = 0;
           n[i].late = 0; n[i].early = 0; changed(i);
           n[i].list[0] = 0; n[i].list[1] = 0; n[i].list[2] = 0; n[i].list[3] = 0 }
    od
}

#ifdef W_FORGET
proctype Operator()
{
    atomic { !killed -> killed = 1; n[A].in = 0 };
    atomic { true -> n[B].at[A] = 2; changed(B); n[B].asking = 0; n[B].had = 0 }
}
#endif

init
{
    atomic {
#ifdef W_FORGET
        run Operator();
#endif
        n[A].at[A] = 1; n[A].at[B] = 1; n[A].in = 1;
        n[B].at[A] = 1; n[B].at[B] = 1; n[B].in = 1;
        if :: JOINS(2) -> n[2].at[2] = 1; n[2].at[A] = 1; run Node(2) :: else fi;
        if :: JOINS(3) -> n[3].at[3] = 1; n[3].at[B] = 1; run Node(3) :: else fi;
        if :: JOINS(0) -> run Node(0) :: else fi;
        if :: JOINS(1) -> run Node(1) :: else fi
    }
}
