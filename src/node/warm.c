/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* warm.c - the shell's side of a warm restart: what is saved, where the earlier segment comes
 * from, when it is let go. What is copied, and whether at all, is the core's (core/warm.h). */
#include "node/node_private.h"

#include "cache/inherit.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

void warm_read(struct node *n, struct core_settings *c)
{
    struct segment_identity *s = &n->saved.segment;
    const char *why = NULL;

    if (!n->journal)
        why = "without --state nothing is kept";
    else if (journal_place(n->journal, &n->saved) != ACCORD_OK)
        why = n->state_why[0] ? n->state_why : "this is the first start with this state folder";
    else if (!n->boot_known || !id128_equal(s->boot, n->identity.boot))
        why = "the host was restarted since";
    c->resume = why == NULL;
    if (why) {
        snprintf(c->cold_why, sizeof c->cold_why, "%s", why);
        return;
    }
    c->cursor = n->saved.cursor;
    n->wanted = s->incarnation;
}

/* The new segment's first blocks, as many as the earlier one had in use: they are written in
 * that order (an empty segment gives its blocks out from the first on). */
static void populate(struct node *n)
{
    uint64_t used = inherit_used_bytes(&n->earlier.reader);
    uint64_t room = (uint64_t)n->reader.block_count << n->reader.block_shift;
    size_t at = (size_t)(n->reader.blocks - (const uint8_t *)n->reader.header);

    n->ahead = populate_start((uint8_t *)n->mapping.segment + at, u64_min(used, room));
}

/* Takes the segment behind `fd`, which stays the caller's. */
static int inherit(struct node *n, int fd, const char **why)
{
    struct event e = {.type = EVENT_INHERIT};
    int status;

    *why = "an earlier segment is not wanted, or not any more";
    if (id128_is_none(n->wanted))
        return ACCORD_E_CONFLICT;
    status = earlier_open(&n->earlier, fd, &n->saved.segment, why);
    if (status != ACCORD_OK)
        return status;
    n->wanted = (struct id128){0, 0};
    populate(n);
    e.inherit.old = &n->earlier.reader;
    e.inherit.memory = n->earlier.memory;
    e.inherit.old_now_ns = reader_now_ns(&n->earlier.reader);
    step_event(n, &e);
    return ACCORD_OK;
}

void warm_start(struct node *n)
{
    int fd = notify_stored("accord-segment");
    const char *why = "";

    if (fd < 0)
        return;
    if (inherit(n, fd, &why) != ACCORD_OK)
        LOG(&n->log, clock_wall_ms(), LOG_WARN, "stored-segment-refused", log_text("why", why));
    close(fd);
}

int warm_offered(void *node, int fd, const char **why)
{
    struct node *n = node;

    if (n->carrying) { /* from within a reply: the client may offer it again */
        *why = "the daemon is busy";
        return ACCORD_E_BUSY;
    }
    int status = inherit(n, fd, why);
    if (status == ACCORD_OK)
        LOG(&n->log, clock_wall_ms(), LOG_INFO, "segment-offered",
            log_text("by", "a process that maps it"));
    else
        LOG(&n->log, clock_wall_ms(), LOG_WARN, "segment-offered", log_text("why", *why));
    return status;
}

void warm_released(struct node *n, const char *refused)
{
    if (refused)
        LOG(&n->log, clock_wall_ms(), LOG_WARN, "segment-refused", log_text("why", refused));
    populate_stop(n->ahead);
    n->ahead = NULL;
    earlier_done(&n->earlier);
    n->wanted = (struct id128){0, 0};
}

/* ---- cold boots ---------------------------------------------------------------------------
 */

static void command_ended(void *context, const struct command_outcome *o)
{
    struct node *n = context;

    n->counts.cold_commands++;
    n->counts.cold_commands_failed += !o->ok;
    LOG(&n->log, clock_wall_ms(), o->ok ? LOG_INFO : LOG_WARN, "on-cold-boot",
        log_text("ended", o->text), log_number("ms", o->took_ms));
}

int warm_command(struct node *n, char *why)
{
    const struct settings *s = n->settings;

    if (!s->on_cold_boot[0])
        return ACCORD_OK;
    if (command_start(&n->on_cold, &n->loop, s->on_cold_boot,
                      s->on_cold_boot_timeout_ns / NS_PER_MS, command_ended, n) == ACCORD_OK)
        return ACCORD_OK;
    return node_fail(why, ACCORD_E_NOMEM, "no thread for on-cold-boot can be started");
}

void warm_told(struct node *n, const struct effect *e)
{
    struct core_status s;

    resp_door_cold(n->door, e->cold.why, e->cold.position);
    if (!n->on_cold)
        return;
    core_status(n->core, n->now_ns, &s);
    cold_boot(&n->cold, n->now_ns, s.max_stale_ns, core_drop_word(e->cold.cause), e->cold.why,
              e->cold.position);
}

uint64_t warm_look(struct node *n)
{
    char position[POSITION_TEXT_BYTES_MAX];
    struct core_status s;

    if (!n->cold.waits || n->stop_given)
        return UINT64_MAX;
    core_status(n->core, n->now_ns, &s);
    enum cold_run run = cold_due(&n->cold, n->now_ns, s.fresh);
    if (run != COLD_NOTHING) {
        position_print(n->cold.position, position);
        command_run(n->on_cold, n->cold.cause, n->cold.why, position,
                    run == COLD_FRESH ? "fresh" : "unsure");
    }
    return cold_deadline_ns(&n->cold);
}

/* From now on a successor starts from this place, and from this segment. */
void warm_save(struct node *n, const struct cursor *cursor)
{
    struct journal_place place = {*cursor, n->identity};

    if (!n->journal_thread || !n->boot_known)
        return;
    int status = journal_thread_save(n->journal_thread, &place);
    if (status != ACCORD_OK) {
        step_journal_answer(n, JOURNAL_SAVE, 0, status, 1, status_text(status));
        return;
    }
    if (!n->stored) {
        notify_store(n->mapping.segment_fd, "accord-segment");
        n->stored = true;
    }
}
