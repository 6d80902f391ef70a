/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/redis/script.h"

#include <openssl/sha.h>
#include <pthread.h>
#include <stdio.h>

#include "base/hex.h"
#include "bus/redis/row.h"

enum { SCRIPT_BYTES_MAX = 8192, SHA_BYTES = 40 };

/* The beginning of every script. */
static const char helpers[] =
    "local CH, LOG, MSG = KEYS[1], KEYS[2], KEYS[3]\n"
    "local function split(id)\n"
    "  local ms, n = string.match(id, '^(%d+)-(%d+)$')\n"
    "  return tonumber(ms), tonumber(n)\n"
    "end\n"
    "local function less(a, b)\n"
    "  local am, an = split(a)\n"
    "  local bm, bn = split(b)\n"
    "  return am < bm or (am == bm and an < bn)\n"
    "end\n"
    "local function text(n) return string.format('%.0f', n) end\n"
    "local function field(pairs, name)\n"
    "  for i = 1, #pairs - 1, 2 do\n"
    "    if pairs[i] == name then return pairs[i + 1] end\n"
    "  end\n"
    "  return false\n"
    "end\n"
    "local function replid()\n"
    "  return string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')\n"
    "end\n"
    /* Whether what somebody has seen there is another now: pruned is no loss, and what a person
     * wrote has no message to compare. */
    "local function differs(e, message)\n"
    "  local m = message ~= '' and #e == 1 and field(e[1][2], 'message')\n"
    "  return m and #m == 32 and not string.find(m, '[^0-9a-f]') and m ~= message\n"
    "end\n";

/* And of all but publishing, which is too frequent for that. What tells that entries may be
 * missing:
 *  - another replication id than when the epoch began: the server was restarted or restored, or
 *    is a replica that was promoted, and none of them need have the newest entries;
 *  - entries that are gone, and were not pruned by us (added - length against dropped);
 *  - a newest id below one that was ours.
 * Redis counts entries-added and keeps last-generated-id also across XDEL and XTRIM. */
static const char common[] =
    "local function state()\n"
    "  local m = redis.call('HMGET', LOG, 'format', 'log', 'epoch', 'replid', 'dropped', "
    "'last',\n"
    "    'pruned_to', 'max_stale_ms', 'max_stale_before_ms', 'term', 'members')\n"
    "  local s = {format = m[1], log = m[2], epoch = m[3], pruned_to = m[7] or '0-0',\n"
    "    max = m[8], before = m[9], term = m[10] or '0', members = tonumber(m[11] or 0),\n"
    "    dropped = tonumber(m[5] or 0), last = m[6] or '0-0', length = 0, added = 0, head = "
    "'0-0'}\n"
    "  s.replid = replid()\n"
    "  if redis.call('EXISTS', CH) == 1 then\n"
    "    local x = redis.call('XINFO', 'STREAM', CH)\n"
    "    s.length, s.added = field(x, 'length'), field(x, 'entries-added')\n"
    "    s.head = field(x, 'last-generated-id')\n"
    "  end\n"
    "  s.lost = m[4] ~= s.replid or s.added - s.length ~= s.dropped or less(s.head, s.last)\n"
    "  s.broken = split(s.head) >= 8796093022208\n" /* 2^43 */
    "  return s\n"
    "end\n"
    "local function mark_is_lost(s, id, message)\n"
    "  return less(s.head, id) or differs(redis.call('XRANGE', CH, id, id), message)\n"
    "end\n"
    "local function is_member(pairs)\n"
    "  local op = field(pairs, 'op')\n"
    "  return op == 'beat' or op == 'join' or op == 'leave'\n"
    "end\n";

static const char look[] =
    "local s = state()\n"
    "local function at(id)\n"
    "  if id == '0-0' then return {} end\n"
    "  return redis.call('XRANGE', CH, id, id)\n"
    "end\n"
    "local t = redis.call('TIME')\n"
    "return {s.format, s.log, s.epoch, s.lost and '1' or '0', s.head, s.pruned_to, s.max, "
    "s.before,\n"
    "  s.term, text(t[1] * 1000 + math.floor(t[2] / 1000)), at(ARGV[1]), at(ARGV[2])}\n";

/* The ids of messages of an epoch that ended may be of entries that were lost. Publishing looks
 * whether the entry is there; here they are only forgotten with the whole log. */
static const char attach[] =
    "local s = state()\n"
    "if s.broken then return 'broken' end\n"
    "if not s.log or not s.epoch or not s.format then\n"
    "  redis.call('DEL', MSG, LOG)\n"
    "  redis.call('HSET', LOG, 'format', '1', 'log', ARGV[1], 'epoch', ARGV[2], 'replid', "
    "s.replid,\n"
    "    'term', '1', 'dropped', text(s.added - s.length), 'last', s.head,\n"
    "    'max_stale_ms', ARGV[3], 'max_stale_before_ms', ARGV[3])\n"
    "elseif s.format == '1' and (s.lost or (ARGV[6] == s.epoch and mark_is_lost(s, ARGV[4], "
    "ARGV[5])))\n"
    "then\n"
    "  redis.call('HSET', LOG, 'epoch', ARGV[2], 'replid', s.replid, 'term', text(s.term + "
    "1),\n"
    "    'dropped', text(s.added - s.length), 'last', s.head)\n"
    "end\n"
    "return 'ok'\n";

/* Everything that may fail comes before the first write: a script that fails half way has
 * written half. Where a clock that went back has filled a millisecond with entries, the next is
 * begun by hand, so that an id stays a position.
 *
 * Looking at the newest entry is half as much work as XINFO, which shows the oldest, too. What
 * it cannot tell, that entries were deleted by hand, whoever asks for the head hears soon
 * enough. And what is done for each row is written for speed: locals, no look at an id that
 * cannot have come near the bound, and of the commonest row ('r') only the words that are its
 * own: Lua makes a string of each, and a word of each string. */
static const char publish[] =
    "local m = redis.call('HMGET', LOG, 'format', 'log', 'epoch', 'replid', 'last')\n"
    "if not m[2] or not m[3] or m[1] ~= '1' then return {'none'} end\n"
    "if ARGV[2] ~= '' and (m[2] ~= ARGV[1] or m[3] ~= ARGV[2]) then return {'other'} end\n"
    "local e = redis.call('XREVRANGE', CH, '+', '-', 'COUNT', 1)\n"
    "local head, last = #e == 1 and e[1][1] or '0-0', m[5] or '0-0'\n"
    "if split(head) >= 8796093022208 then return {'broken'} end\n" /* 2^43 */
    "if head ~= ARGV[3] then e = redis.call('XRANGE', CH, ARGV[3], ARGV[3]) end\n"
    "if m[4] ~= replid() or (head ~= last and less(head, last)) or\n"
    "  (head ~= ARGV[3] and less(head, ARGV[3])) or differs(e, ARGV[4]) then return {'lost'} "
    "end\n"
    "local call, unpack, args = redis.call, unpack, ARGV\n"
    "local ids, kinds, starts, ends, at, rows = {}, {}, {}, {}, 7, 0\n"
    "local count, origin, incarnation = #args, args[5], args[6]\n"
    "while at <= count do\n"
    "  rows = rows + 1\n"
    "  local kind = args[at + 1]\n"
    "  ids[rows], kinds[rows] = args[at], kind\n"
    "  if kind == 'r' then\n"
    "    starts[rows], at = at + 2, at + 6\n"
    "  else\n"
    "    at = at + (kind == 's' and 5 or 3)\n"
    "    starts[rows] = at\n"
    "    at = at + tonumber(args[at - 1])\n"
    "    ends[rows] = at - 1\n"
    "  end\n"
    "end\n"
    "local known = call('HMGET', MSG, unpack(ids))\n"
    "local seen, new, n, members, id = {}, {}, 0, 0, '0-0'\n"
    "local chain, newest = head .. '@' .. m[3], head\n"
    "local _, number = split(head)\n"
    "local filling = number + rows >= 524288\n"
    "for i = 1, rows do\n"
    "  local message, from, to, kind = ids[i], starts[i], ends[i], kinds[i]\n"
    "  id = seen[message]\n"
    "  if not id and known[i] then\n"
    "    local e = call('XRANGE', CH, known[i], known[i])\n"
    "    if #e == 1 and field(e[1][2], 'message') == args[kind == 'r' and from or from + 1]\n"
    "    then id = known[i] end\n"
    "  end\n"
    "  if not id then\n"
    "    local as = '*'\n"
    "    if filling then\n"
    "      _, number = split(newest)\n"
    "      if number >= 524288 then as = text(split(newest) + 1) .. '-0' end\n"
    "    end\n"
    "    if kind == 'r' and chain then\n"
    "      id = call('XADD', CH, as, 'after', chain, 'message', args[from], 'op', 'remove',\n"
    "        'key', args[from + 1], 'wall_ms', args[from + 2], 'origin', origin,\n"
    "        'incarnation', incarnation, 'sequence', args[from + 3])\n"
    "    elseif kind == 'r' then\n"
    "      id = call('XADD', CH, as, 'message', args[from], 'op', 'remove',\n"
    "        'key', args[from + 1], 'wall_ms', args[from + 2], 'origin', origin,\n"
    "        'incarnation', incarnation, 'sequence', args[from + 3])\n"
    "    elseif chain then\n"
    "      id = call('XADD', CH, as, 'after', chain, unpack(args, from, to))\n"
    "    else\n"
    "      id = call('XADD', CH, as, unpack(args, from, to))\n"
    "    end\n"
    "    newest, chain = id, nil\n"
    "    new[n + 1], new[n + 2] = message, id\n"
    "    n = n + 2\n"
    "    if kind == 'm' or kind == 's' then members = members + 1 end\n"
    "    if kind == 's' then\n"
    "      call('HSET', LOG, 'max_stale_ms', args[from - 3], 'max_stale_before_ms', args[from "
    "- 2])\n"
    "    end\n"
    "  end\n"
    "  seen[message] = id\n"
    "end\n"
    "if #new > 0 then\n"
    "  redis.call('HSET', MSG, unpack(new))\n"
    "  redis.call('HSET', LOG, 'last', newest)\n"
    "  if members > 0 then redis.call('HINCRBY', LOG, 'members', members) end\n"
    "else\n" /* a write, too: WAIT waits for the last one of its connection */
    "  redis.call('HSET', LOG, 'last', last)\n"
    "end\n"
    "return {'ok', m[3], id, newest}\n";

/* Changes go by age and by count, oldest first, with the members' entries between them; other
 * members' entries by an age of their own, so that a quiet fleet's beats never push its changes
 * out. Never the newest (B8). */
static const char prune[] =
    "local s = state()\n"
    "if s.lost or s.log ~= ARGV[1] or s.epoch ~= ARGV[2] or s.length < 2 then return 0 end\n"
    "local t = redis.call('TIME')\n"
    "local now, limit = t[1] * 1000 + math.floor(t[2] / 1000), tonumber(ARGV[6])\n"
    "local surplus = s.length - s.members - tonumber(ARGV[4])\n"
    "local members, to, gone, more = s.members, 0, {}, 0\n"
    "local e = redis.call('XRANGE', CH, '-', '+', 'COUNT', limit)\n"
    "local dropped = 0\n"
    "for i = 1, #e do\n"
    "  if e[i][1] == s.head then break end\n"
    "  if not is_member(e[i][2]) then\n"
    "    if surplus <= 0 and split(e[i][1]) >= now - tonumber(ARGV[3]) then break end\n"
    "    to, surplus = i, surplus - 1\n"
    "  end\n"
    "end\n"
    "local function forget(pairs)\n"
    "  local m = field(pairs, 'message')\n"
    "  if m and #m == 32 then\n"
    "    gone[#gone + 1] = string.gsub(m, '%x%x', function(x) return string.char(tonumber(x, "
    "16)) end)\n"
    "  end\n"
    "  if is_member(pairs) then members = members - 1 end\n"
    "end\n"
    "local set = {}\n"
    "if to > 0 then\n"
    "  for i = 1, to do forget(e[i][2]) end\n"
    "  local ms, n = split(e[to][1])\n"
    "  dropped = redis.call('XTRIM', CH, 'MINID', '=', text(ms) .. '-' .. text(n + 1))\n"
    "  set = {'pruned_to', e[to][1]}\n"
    "  if to == limit then more = 1 end\n"
    "end\n"
    "local from = redis.call('HGET', LOG, 'members_to') or '0-0'\n"
    "local till = now - tonumber(ARGV[5])\n"
    "local old, ids = {}, {}\n"
    "if till > 0 then\n"
    "  old = redis.call('XRANGE', CH, '(' .. from, text(till), 'COUNT', limit)\n"
    "end\n"
    "for i = 1, #old do\n"
    "  if is_member(old[i][2]) and old[i][1] ~= s.head then\n"
    "    forget(old[i][2])\n"
    "    ids[#ids + 1] = old[i][1]\n"
    "  end\n"
    "end\n"
    "if #ids > 0 then dropped = dropped + redis.call('XDEL', CH, unpack(ids)) end\n"
    "if #old > 0 and old[#old][1] ~= s.head then\n"
    "  set[#set + 1], set[#set + 2] = 'members_to', old[#old][1]\n"
    "  if #old == limit then more = 1 end\n"
    "end\n"
    "if #gone > 0 then redis.call('HDEL', MSG, unpack(gone)) end\n"
    "if #set > 0 then\n"
    "  set[#set + 1], set[#set + 2] = 'dropped', text(s.dropped + dropped)\n"
    "  set[#set + 1], set[#set + 2] = 'members', text(members)\n"
    "  redis.call('HSET', LOG, unpack(set))\n"
    "end\n"
    "return more\n";

static struct {
    char text[SCRIPT_BYTES_MAX];
    char sha[SHA_BYTES + 1];
} scripts[REDIS_SCRIPTS];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void prepare(void)
{
    static const char *const own[REDIS_SCRIPTS] = {look, attach, publish, prune};

    for (int i = 0; i < REDIS_SCRIPTS; i++) {
        uint8_t digest[SHA_DIGEST_LENGTH];
        int size = snprintf(scripts[i].text, sizeof scripts[i].text, "%s%s%s", helpers,
                            i == REDIS_SCRIPT_PUBLISH ? "" : common, own[i]);
        ASSERT(size > 0 && (size_t)size < sizeof scripts[i].text);
        SHA1((const uint8_t *)scripts[i].text, (size_t)size, digest);
        for (int j = 0; j < SHA_DIGEST_LENGTH; j++)
            snprintf(scripts[i].sha + 2 * j, 3, "%02x", digest[j]);
    }
}

void redis_script_begin(struct redis_words *call, enum redis_script s,
                        const struct redis_place *p)
{
    (void)pthread_once(&once, prepare);
    redis_words_clear(call);
    redis_words_add_text(call, "EVALSHA");
    redis_words_add_text(call, scripts[s].sha);
    redis_words_add_text(call, "3");
    redis_words_add_text(call, p->changes);
    redis_words_add_text(call, p->log);
    redis_words_add_text(call, p->messages);
}

int redis_script_load(struct redis_link *l, uint64_t deadline_ns, char why[BUS_WHY_BYTES_MAX])
{
    int status = ACCORD_OK;

    (void)pthread_once(&once, prepare);
    for (int i = 0; i < REDIS_SCRIPTS && status == ACCORD_OK; i++)
        status = redis_link_say(l, deadline_ns, why, "SCRIPT", "LOAD", scripts[i].text, NULL);
    return status;
}
