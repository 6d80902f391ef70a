/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* token.pml - P2: what was read before a removal is never stored as fresh after it.
 *
 * One key, of one slot, one tag and one namespace. The origin's row has versions 0, 1, …; each
 * commit is followed by a removal, by key, tag, namespace or everything, that the daemon applies
 * some time later. LOADERS take a token, read the origin and fill; they may take as long as
 * they like. The daemon may lose its place (a hole, a new epoch): then it starts empty at the
 * newest, and never hears of what lay between.
 *
 * Checked: a read that begins after a removal was applied here returns no version older than the
 * removal's commit.
 *
 * Rules, each with its place in the code. -DNO_rule leaves one out:
 *
 *   token_slot      a fill is refused when the key's slot has moved         token_is_outdated()
 *   token_bulk      or its tag's, namespace's, generation's last removal is newer    (the same)
 *   item_bulk       an item knows which bulk removals came before it; a reader compares
 *                                                           removed()          of reader.c
 *   token_self      or when another daemon gave it          token_is_outdated(): incarnation
 *   token_first     the token is taken before the origin is read   begin(), reply_right()
 *   commit_first    the removal comes after the commit (L7)        the application, or a trigger
 *   cold_clear      who lost its place starts empty         coherence_cold_boot(), start_anew()
 *
 * The lease's epoch in a token is a second line, and so not modelled: whoever loses his place
 * clears, and a clear outdates every token by its generation.
 *
 * With FENCE the loaders read a copy that lags, each removal carries the version that it made,
 * and each fill the version that it read (the origin's; the copy cannot know better):
 *
 *   fence           a fill that proves less than the slot's last removal is refused  fences_check()
 *   floor           who starts empty stores nothing before a floor was read from the primary
 *                                                           fences_unknown(), fences_floor()
 */
#ifndef CHANGES
#define CHANGES 2
#endif

byte db, copy;             /* committed; what a lagging copy shows */
byte slot, bulk, tag, space, generation;
bit self;
byte applied;              /* the version whose removal was applied here, the newest */
bit has;
byte version, itembulk;    /* of the item */
byte fence;                /* of the slot: the version that its last removal made */
bit lost, restarted;
byte pending, how;         /* a removal on its way: its version, and by what; 0: none */

/* apply_change(), writer_remove_*(): one thread, so in one step for every fill. */
inline apply_removal()
{
    if
    :: how == 1 -> slot++; has = 0
    :: how == 2 -> bulk++; tag = bulk
    :: how == 3 -> bulk++; space = bulk
    :: how == 4 -> bulk++; generation = bulk
    fi;
    applied = pending;
    fence = pending;
    pending = 0; how = 0
}

inline clear()
{
#ifndef NO_cold_clear
    bulk++; generation = bulk;
#endif
    applied = pending; pending = 0; how = 0;
#ifdef NO_floor
    fence = 0
#else
    fence = db
#endif
}

active proctype Daemon()
{
end:
    do
    :: atomic { pending > 0 -> apply_removal() }
    /* Its place is lost: the lease too, and with it every token. */
    :: atomic { pending > 0 && !lost ->
           lost = 1;
           clear() }
    /* Killed, and started anew: counters from zero, another incarnation. */
    :: atomic { !restarted ->
           restarted = 1;
#ifndef NO_token_self
           self = 1;
#endif
           slot = 0; bulk = 0; tag = 0; space = 0; generation = 0; has = 0;
           itembulk = 0; version = 0;
           if
           :: pending > 0 -> applied = pending; pending = 0; how = 0
           :: else
           fi;
#ifdef NO_floor
           fence = 0
#else
           fence = db
#endif
       }
    od
}

/* Each commit and its removal; the next when that has been applied, so that versions tell. */
active proctype Writer()
{
end:
    do
    :: db < CHANGES && pending == 0 ->
#ifdef NO_commit_first
       atomic {
           pending = db + 1;
           if :: how = 1 :: how = 2 :: how = 3 :: how = 4 fi };
       pending == 0; 
       db++
#else
       db++;
       atomic {
           pending = db;
           if :: how = 1 :: how = 2 :: how = 3 :: how = 4 fi };
       pending == 0
#endif
    od
}

#ifdef FENCE
#define ORIGIN copy
active proctype Copy()
{
end:
    do
    :: copy < db -> copy++
    od
}
#else
#define ORIGIN db
#endif

#ifdef NO_token_slot
#define SLOT_OK true
#else
#define SLOT_OK (tslot == slot)
#endif
#ifdef NO_token_bulk
#define BULK_OK true
#else
#define BULK_OK (tag <= tbulk && space <= tbulk && generation <= tbulk)
#endif
#if defined(FENCE) && !defined(NO_fence)
#define FENCE_OK (v >= fence)
#else
#define FENCE_OK true
#endif

#ifndef LOADERS
#define LOADERS 1
#endif
active [LOADERS] proctype Loader()
{
    byte tslot, tbulk, tself, v;
    bit mapping; /* all loads of one token are of one segment */
end:
    do
    ::
#ifdef NO_token_first
       v = ORIGIN;
       atomic { mapping = restarted; tself = self; tbulk = bulk; tslot = slot };
#else
       /* begin(): its loads lie apart, and anything may come between two of them. */
       atomic { mapping = restarted; tself = self };
      
       tbulk = bulk;
       atomic {
           tslot = slot;
           if
           :: mapping != restarted -> tself = 0; tbulk = 0; tslot = 0; goto end
           :: else
           fi };
       v = ORIGIN;
#endif
       atomic { /* writer_fill() */
           if
           :: tself == self && SLOT_OK && BULK_OK && FENCE_OK ->
               has = 1; version = v; itembulk = bulk
           :: else
           fi;
           tself = 0; tbulk = 0; tslot = 0; v = 0; mapping = 0 }
    od
}

/* look(): generation and namespace first, then the item, then its tag. */
active proctype Reader()
{
    byte since, g, s, v, b;
    bit h, mapping;
end:
    do
    :: atomic { mapping = restarted; since = applied; g = generation; s = space };
       atomic { h = has; v = version; b = itembulk };
       atomic {
           if
           :: mapping != restarted
#ifdef NO_item_bulk
           :: mapping == restarted && h -> assert(v >= since)
#else
           :: mapping == restarted && h && g <= b && s <= b && tag <= b -> assert(v >= since) /* P2 */
#endif
           :: else
           fi;
           since = 0; g = 0; s = 0; v = 0; b = 0; h = 0; mapping = 0 }
    od
}
