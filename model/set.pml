/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* set.pml - SET: stored here, told to the others as a removal with the bytes' fingerprint.
 *
 * Two nodes, one key, one log. At node 0 one program changes the row and SETs it, CHANGES
 * times; another, at node 1, changes it and removes the key. Loaders of both nodes load and
 * fill. Version v of the row has the bytes v % 2: two versions apart, the same bytes come again.
 *
 * Checked: what a node serves is no older than any change of which the removal was applied there
 * (own ones when they were accepted); bytes count, so a copy that is kept counts as what they are.
 *
 * Rules, each with its place in the code. -DNO_rule leaves one out:
 *
 *   fingerprint     a node keeps its copy only where the bytes are those   writer_remove_unless()
 *   keep_bump       and bumps the slot even so              writer_remove_unless(): bump_slot()
 *   set_bump        SET bumps its own slot, so that loads under way are refused  set_with_token()
 *   set_token       a SET whose token is outdated stores nothing    set_with_token()
 *   set_removes     and removes what is here                set_with_token()
 *   refused_removes what is refused travels as a removal, without its fingerprint  set_change()
 *                   (a precaution: no promise hangs on it, so it is in no list)
 *   own_by_message  only an own change moves the position and nothing else (L3)   outbox_saw()
 */
#ifndef CHANGES
#define CHANGES 1
#endif
#define MAXLOG (CHANGES + 1)
#define BYTES(v) ((v) % 2)

typedef Entry { byte v; byte by; bit has_fingerprint };
Entry lg[MAXLOG];
byte ln, db;

typedef Node { byte pos, slot, version, applied; bit has };
Node n[2];

inline newest(i, w)
{
    if
    :: w > n[i].applied -> n[i].applied = w
    :: else
    fi
}

inline drop(i) { n[i].has = 0; n[i].version = 0 }

inline publish(v_, by_, fp_)
{
    lg[ln].v = v_; lg[ln].by = by_; lg[ln].has_fingerprint = fp_; ln++
}

/* set_with_token() */
proctype Set()
{
    byte t, v, k;
    do
    :: k < CHANGES ->
        k++;
        t = n[0].slot;
        atomic { db++; v = db };
        bit stored = 0;
        atomic {
            if
#ifdef NO_set_token
            :: true ->
#else
            :: t == n[0].slot ->
#endif
                n[0].has = 1; n[0].version = v; stored = 1;
#ifndef NO_set_bump
                n[0].slot++
#endif
            :: t != n[0].slot ->
#ifndef NO_set_removes
                n[0].slot++; drop(0)
#endif
            fi;
            newest(0, v) };
#ifdef NO_refused_removes
        stored = 1;
#endif
        atomic { publish(v, 0, stored) }
    :: else -> break
    od
}

/* remove_keys() */
proctype Remove()
{
    byte v;
    atomic { db++; v = db };
    atomic { n[1].slot++; drop(1); newest(1, v) };
    atomic { publish(v, 1, 0) }
}

proctype Loader(byte i)
{
    byte t, v;
end:
    do
    :: t = n[i].slot;
       v = db;
       atomic {
           if
           :: t == n[i].slot -> n[i].has = 1; n[i].version = v
           :: else
           fi;
           t = 0; v = 0 }
    od
}

#ifdef NO_own_by_message
#define OWN(i) true
#else
#define OWN(i) (lg[n[i].pos].by == i)
#endif
#ifdef NO_fingerprint
#define SAME(i) true
#else
#define SAME(i) (BYTES(n[i].version) == BYTES(lg[n[i].pos].v))
#endif

/* apply_entry() */
proctype Apply(byte i)
{
end:
    do
    :: atomic {
           n[i].pos < ln ->
           if
           :: OWN(i)
           :: !OWN(i) && lg[n[i].pos].has_fingerprint && n[i].has && SAME(i) ->
#ifndef NO_keep_bump
               n[i].slot++;
#endif
#ifndef NO_fingerprint
               if
               :: n[i].version < lg[n[i].pos].v -> n[i].version = lg[n[i].pos].v
               :: else
               fi
#endif
           :: else -> n[i].slot++; drop(i)
           fi;
           newest(i, lg[n[i].pos].v);
           n[i].pos++ }
    od
}

active proctype Reader()
{
end:
    do
    :: atomic { n[0].has -> assert(n[0].version >= n[0].applied) }
    :: atomic { n[1].has -> assert(n[1].version >= n[1].applied) }
    od
}

init
{
    atomic {
        run Set(); run Apply(0); run Apply(1); run Loader(1);
        run Remove(); run Loader(0); run Loader(1)
    }
}
