/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* harm.c - what scenarios do to nodes with more than a signal: a full disk, a wrong wall clock,
 * a kill at a chosen system call. What the machine or the user's rights do not allow is known,
 * and said, before the run begins. */
#include "cli/torture/torture.h"

#include "cli/demo/namespace.h"
#include "cli/torture/small_disk.h"
#include "cli/torture/tracer.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { PATH_BYTES_MAX = 600, CALLS_S = 30 };

static int cannot(char *why, const struct scenario_step *s, const char *what, const char *how)
{
    char step[64];

    scenario_step_text(s, step, sizeof step);
    snprintf(why, SCENARIO_WHY_BYTES_MAX, "line %u: \"%s\" cannot be done here: %s: %s",
             s->line, step, what, how);
    return ACCORD_E_DENIED;
}

static void path_of(const struct torture *t, const struct scenario_step *s, const char *suffix,
                    char path[PATH_BYTES_MAX])
{
    snprintf(path, PATH_BYTES_MAX, "%s/%s%s", t->c.world.folder, t->c.world.name[s->who],
             suffix);
}

/* A node's wall clock is wrong by as many seconds as its file says (test/system/wallclock.c).
 */
static bool turn(const struct torture *t, const struct scenario_step *s, int64_t by_ns)
{
    char path[PATH_BYTES_MAX];
    int64_t seconds = by_ns / (int64_t)NS_PER_S;

    path_of(t, s, ".clock", path);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool written = pwrite(fd, &seconds, sizeof seconds, 0) == (ssize_t)sizeof seconds;
    close(fd);
    return written;
}

static int begin_clock(struct torture *t, const struct scenario_step *s, char *why)
{
    if (!t->options.wallclock || t->options.wallclock[0] != '/') {
        errno = EINVAL;
        return cannot(why, s, "a wall clock of its own",
                      "give --wallclock /PATH of test/system/wallclock.c, compiled");
    }
    t->c.world.preload = t->options.wallclock;
    return access(t->options.wallclock, R_OK) == 0 && turn(t, s, 0)
               ? ACCORD_OK
               : cannot(why, s, t->options.wallclock, strerror(errno));
}

static bool was_named_before(const struct torture *t, size_t index)
{
    const struct scenario_step *steps = t->scenario.steps;

    for (size_t i = 0; i < index; i++)
        if (steps[i].fault == steps[index].fault && steps[i].who == steps[index].who)
            return true;
    return false;
}

static int begin_disk(const struct torture *t, const struct scenario_step *s, bool *begun,
                      char *why)
{
    char path[PATH_BYTES_MAX];

    if (!*begun && small_disk_begin() != ACCORD_OK)
        return cannot(why, s, "a mount namespace", strerror(errno));
    *begun = true;
    path_of(t, s, "", path);
    return small_disk_mount(path) == ACCORD_OK
               ? ACCORD_OK
               : cannot(why, s, "mounting a small disk", strerror(errno));
}

static int try_shift(const struct scenario_step *s, char *why)
{
    errno = namespace_try_shift(s->by_ns);
    return errno == 0 ? ACCORD_OK : cannot(why, s, "a time namespace", strerror(errno));
}

static int try_calls(const struct scenario_step *s, char *why)
{
    errno = tracer_try();
    return errno == 0 ? ACCORD_OK
                      : cannot(why, s, "tracing a process (ptrace)", strerror(errno));
}

int harm_begin(struct torture *t, char why[SCENARIO_WHY_BYTES_MAX])
{
    bool disks = false, calls = false;
    int status = ACCORD_OK;

    for (size_t i = 0; i < t->scenario.count && status == ACCORD_OK; i++) {
        const struct scenario_step *s = &t->scenario.steps[i];
        if (s->fault == SCENARIO_TURN)
            status = begin_clock(t, s, why);
        else if (s->fault == SCENARIO_FILL && !was_named_before(t, i))
            status = begin_disk(t, s, &disks, why);
        else if (s->fault == SCENARIO_READER_SHIFT)
            status = try_shift(s, why);
        else if (s->calls > 0 && !calls)
            status = try_calls(s, why);
        calls |= s->calls > 0;
    }
    return status;
}

/* It is there in between, and does its work; what is not made is its last call. */
static bool kill_in_calls(struct torture *t, const struct scenario_step *s)
{
    pid_t process = t->c.stage.nodes[s->who].pid;
    int status = tracer_kill_in(process, s->calls, CALLS_S * NS_PER_S);

    demo_node_kill(&t->c.stage, s->who); /* it is dead: collected */
    return status == ACCORD_OK;
}

bool harm_node(struct torture *t, const struct scenario_step *s)
{
    char path[PATH_BYTES_MAX];

    if (s->fault == SCENARIO_TURN)
        return turn(t, s, s->by_ns);
    if (s->calls > 0)
        return kill_in_calls(t, s);
    path_of(t, s, "", path);
    return small_disk_fill(path) == ACCORD_OK;
}

void harm_ends(struct torture *t, const struct scenario_step *s)
{
    char path[PATH_BYTES_MAX];

    path_of(t, s, "", path);
    if (s->fault == SCENARIO_FILL)
        small_disk_make_room(path);
    else if (!turn(t, s, 0))
        demo_result_problem(&t->c.result, "%s's clock could not be set right again",
                            t->c.world.name[s->who]);
}
