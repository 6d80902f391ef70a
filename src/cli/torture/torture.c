/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* torture.c - the verb: a fleet of real processes under faults, and a verdict. */
#include "cli/torture/torture.h"

#include "cli/verb.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#define AT(field)    offsetof(struct torture_options, field)
#define WORLD(field) offsetof(struct torture_options, world.field)

static const struct option_field fields[] = {
    {"--seconds", OPTION_COUNT, WORLD(seconds), 4, 604800, NULL},
    {"--nodes", OPTION_COUNT, WORLD(nodes), 1, DEMO_NODES_MAX, NULL},
    {"--readers", OPTION_COUNT, WORLD(readers), 1, DEMO_READERS_MAX, NULL},
    {"--rate", OPTION_COUNT, WORLD(rate), 1, 5000, NULL},
    {"--max-stale", OPTION_DURATION, WORLD(max_stale_ns), 500 * NS_PER_MS, 3600 * NS_PER_S,
     NULL},
    {"--input", OPTION_TEXT, WORLD(input), 0, 0, "the path of a Debian control file"},
    {"--bus", OPTION_TEXT, WORLD(bus), 0, 0, "the URL of a bus, as accord serve takes it"},
    {"--allow-old-server", OPTION_SWITCH, WORLD(allow_old_server), 0, 0, NULL},
    {"--memory", OPTION_TEXT, WORLD(memory), 0, 0, "a size such as 16M"},
    {"--break", OPTION_TEXT, WORLD(broken), 0, 0, "\"removal\""},
    {"--faults", OPTION_TEXT, AT(faults), 0, 0, "names with commas between, or \"all\""},
    {"--every", OPTION_DURATION, AT(every_ns), 50 * NS_PER_MS, 3600 * NS_PER_S, NULL},
    {"--seed", OPTION_COUNT, AT(seed), 1, INT64_MAX, NULL},
    {"--hits-min", OPTION_COUNT, AT(hits_min), 1, INT64_MAX, NULL},
    {"--scenario", OPTION_TEXT, AT(scenario), 0, 0, "the path of a scenario file"},
    {"--wallclock", OPTION_TEXT, AT(wallclock), 0, 0, "the path of a library"},
    {"--json", OPTION_SWITCH, WORLD(json), 0, 0, NULL},
    {"--keep", OPTION_SWITCH, WORLD(keep), 0, 0, NULL},
};

static bool is_sqlite(const struct torture *t)
{
    const char *bus = t->options.world.bus;

    return !bus || strncmp(bus, "sqlite:", 7) == 0;
}

/* START is no fault to draw: nodes that died are started anyway. What follows it is for
 * scenarios: it asks for rights, or for more than a kind and a time. */
static void enable_all(struct torture *t)
{
    for (size_t i = 0; i < SCENARIO_START; i++)
        t->enabled[i] = is_sqlite(t) || !scenario_is_of_bus((enum scenario_fault)i);
}

static int enable_one(struct torture *t, const char *name, size_t bytes, char *why)
{
    size_t used = 0;

    for (size_t i = 0; i < SCENARIO_START; i++) {
        const char *flag = scenario_fault_flag((enum scenario_fault)i);
        if (strlen(flag) != bytes || memcmp(flag, name, bytes) != 0)
            continue;
        if (scenario_is_of_bus((enum scenario_fault)i) && !is_sqlite(t))
            return options_expect(why, "--faults", flag, "one that needs no sqlite bus");
        t->enabled[i] = true;
        return ACCORD_OK;
    }
    used += (size_t)snprintf(why, OPTIONS_WHY_BYTES_MAX,
                             "--faults: there is no \"%.*s\"; there are all",
                             (int)(bytes < 40 ? bytes : 40), name);
    for (size_t i = 0; i < SCENARIO_START; i++)
        used += (size_t)snprintf(why + used, OPTIONS_WHY_BYTES_MAX - used, ", %s",
                                 scenario_fault_flag((enum scenario_fault)i));
    return ACCORD_E_INVALID;
}

static int enable(struct torture *t, char *why)
{
    const char *at = t->options.faults;
    int status = ACCORD_OK;

    if (strcmp(at, "all") == 0) {
        enable_all(t);
        return ACCORD_OK;
    }
    while (*at && status == ACCORD_OK) {
        size_t bytes = strcspn(at, ",");
        status = enable_one(t, at, bytes, why);
        at += bytes + (at[bytes] == ',');
    }
    return status;
}

static int read_scenario(struct torture *t, char *why)
{
    static char text[SCENARIO_BYTES_MAX + 2]; /* one more shows that it is longer */
    struct scenario *s = &t->scenario;
    struct demo_options *o = &t->options.world;
    char line[SCENARIO_WHY_BYTES_MAX];
    FILE *f = fopen(t->options.scenario, "re");

    if (!f) {
        snprintf(why, OPTIONS_WHY_BYTES_MAX, "%s: %s", t->options.scenario, strerror(errno));
        return ACCORD_E_INVALID;
    }
    size_t bytes = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[bytes] = 0;
    if (bytes > SCENARIO_BYTES_MAX) {
        snprintf(why, OPTIONS_WHY_BYTES_MAX, "%s: a scenario has at most %d bytes",
                 t->options.scenario, SCENARIO_BYTES_MAX);
        return ACCORD_E_INVALID;
    }
    *s = (struct scenario){o->nodes, o->readers, o->seconds, o->max_stale_ns, 0, {{0}}};
    if (scenario_parse(s, text, line) != ACCORD_OK) {
        snprintf(why, OPTIONS_WHY_BYTES_MAX, "%s: %s", t->options.scenario, line);
        return ACCORD_E_INVALID;
    }
    o->nodes = s->nodes;
    o->readers = s->readers;
    o->seconds = s->seconds;
    o->max_stale_ns = s->max_stale_ns;
    return ACCORD_OK;
}

/* A step may name nodes that join, but no reader beyond the last. */
static int check_scenario(const struct torture *t, char *why)
{
    const struct demo_options *o = &t->options.world;
    char what[64];

    if (o->nodes > DEMO_NODES_MAX || o->readers > DEMO_READERS_MAX || o->seconds < 1) {
        snprintf(why, OPTIONS_WHY_BYTES_MAX, "%s: at most %d nodes and %d readers",
                 t->options.scenario, DEMO_NODES_MAX, DEMO_READERS_MAX);
        return ACCORD_E_INVALID;
    }
    for (size_t i = 0; i < t->scenario.count; i++) {
        const struct scenario_step *s = &t->scenario.steps[i];
        bool bus = scenario_is_of_bus(s->fault);
        uint64_t max = scenario_is_of_reader(s->fault) ? o->readers : DEMO_NODES_MAX;
        if (s->who < max && (!bus || is_sqlite(t)))
            continue;
        scenario_step_text(s, what, sizeof what);
        snprintf(why, OPTIONS_WHY_BYTES_MAX, "%s: \"%s\": there is no such %s",
                 t->options.scenario, what, bus ? "file: the bus is not sqlite" : "one");
        return ACCORD_E_INVALID;
    }
    return ACCORD_OK;
}

static int parse(struct torture *t, int argc, char **argv, char why[OPTIONS_WHY_BYTES_MAX])
{
    t->options = (struct torture_options){
        .world = {.input = "/var/lib/dpkg/status",
                  .memory = "16M",
                  .seconds = 60,
                  .nodes = 5,
                  .readers = 8,
                  .rate = 100,
                  .max_stale_ns = NS_PER_S},
        .faults = "all",
        .every_ns = NS_PER_S,
        .hits_min = DEMO_HITS_MIN,
    };
    int status = options_parse(&t->options, fields, COUNT_OF(fields), argc, argv, why);
    if (status == ACCORD_OK && t->options.scenario)
        status = read_scenario(t, why);
    if (status == ACCORD_OK && t->options.scenario)
        status = check_scenario(t, why);
    if (status == ACCORD_OK)
        status = demo_options_check(&t->options.world, why);
    if (status == ACCORD_OK)
        status = enable(t, why);
    return status;
}

static void say_hello(struct torture *t)
{
    const struct demo_options *o = &t->c.world.options;

    demo_display_say(
        &t->c.display, "%llu nodes, %llu readers, %llu changes a second, max_stale %s; bus %s",
        (unsigned long long)o->nodes, (unsigned long long)o->readers,
        (unsigned long long)o->rate, demo_text_time(o->max_stale_ns), t->c.world.bus_shown);
    if (t->options.scenario)
        demo_display_say(&t->c.display, "scenario %s", t->options.scenario);
    else
        demo_display_say(&t->c.display, "faults: %s, about every %s; --seed %llu",
                         t->options.faults, demo_text_time(t->options.every_ns),
                         (unsigned long long)t->options.seed);
    if (o->keep)
        demo_display_say(&t->c.display, "the folder stays: %s", t->c.world.folder);
}

static int report(const struct torture *t)
{
    static const int codes[] = {[TORTURE_BROKEN] = EXIT_BROKEN,
                                [TORTURE_FAILED] = EXIT_FAILED,
                                [TORTURE_INTERRUPTED] = EXIT_FAILED,
                                [TORTURE_NOT_JUDGED] = EXIT_NOT_JUDGED,
                                [TORTURE_HELD] = EXIT_OK};
    int status = ACCORD_OK;

    if (t->c.world.options.json)
        status = torture_report_json(t, stdout);
    else
        torture_report_table(t, stdout);
    if (status != ACCORD_OK)
        return fail(EXIT_FAILED, "torture: the result could not be printed: %s",
                    status_text(status));
    return codes[torture_verdict(t)];
}

int verb_torture(int argc, char **argv)
{
    static struct torture t; /* too large for a stack */
    char why[OPTIONS_WHY_BYTES_MAX];

    memset(&t, 0, sizeof t);
    if (parse(&t, argc, argv, why) != ACCORD_OK)
        return usage_error("torture", "%s", why);
    while (t.options.seed == 0 || t.options.seed > INT64_MAX)
        if (getrandom(&t.options.seed, 4, 0) != 4)
            return fail(EXIT_FAILED, "torture: no random numbers: %s", strerror(errno));
    t.random = t.options.seed;
    t.c.world.options = t.options.world;
    t.c.world.verb = "torture";
    t.c.world.patient = true;
    t.c.world.judges_under_load = true;
    demo_display_init(&t.c.display, t.c.world.options.json ? stderr : stdout);
    if (demo_stage_open(&t.c.stage, &t.c.world) != ACCORD_OK)
        return EXIT_FAILED;
    int code = demo_world_make(&t.c.world) == ACCORD_OK ? EXIT_OK : EXIT_FAILED;
    if (code == EXIT_OK && harm_begin(&t, why) != ACCORD_OK)
        code = fail(EXIT_NOT_HERE, "torture: %s: %s", t.options.scenario, why);
    if (code == EXIT_OK) {
        bus_file_init(&t.bus, t.c.world.bus);
        say_hello(&t);
        torture_run(&t);
        code = report(&t);
    }
    demo_stage_close(&t.c.stage);
    demo_world_free(&t.c.world);
    return code;
}
