/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* demo.c - the verb: three nodes, real data, one of them killed; never stale beyond the bound.
 */
#include "cli/demo/conductor.h"

#include "cli/verb.h"

static void say_hello(struct demo_conductor *c)
{
    const struct demo_world *w = &c->world;
    const struct demo_options *o = &w->options;

    demo_display_say(&c->display,
                     "%s packages of %s in a SQLite origin; %llu nodes, %llu readers, "
                     "%llu changes a second; bus %s",
                     demo_text_count(w->table.count), o->input, (unsigned long long)o->nodes,
                     (unsigned long long)o->readers, (unsigned long long)o->rate, w->bus_shown);
    if (o->trace)
        demo_display_say(&c->display, "keys: %s requests of %s different keys, from %s",
                         demo_text_count(w->keys.count), demo_text_count(w->keys.distinct),
                         o->trace);
    if (o->broken)
        demo_display_say(&c->display,
                         "--break removal: every eighth row is never removed; this "
                         "run is to report broken promises");
    if (o->keep)
        demo_display_say(&c->display, "the folder stays: %s", w->folder);
}

static int report(struct demo_conductor *c)
{
    static const int codes[] = {[DEMO_OUTCOME_BROKEN] = EXIT_BROKEN,
                                [DEMO_OUTCOME_FAILED] = EXIT_FAILED,
                                [DEMO_OUTCOME_INTERRUPTED] = EXIT_FAILED,
                                [DEMO_OUTCOME_NOT_JUDGED] = EXIT_NOT_JUDGED,
                                [DEMO_OUTCOME_HELD] = EXIT_OK};
    struct demo_result *r = &c->result;
    int status = ACCORD_OK;

    if (c->world.options.json)
        status = demo_report_json(&c->world, r, stdout);
    else
        demo_report_table(&c->world, r, stdout);
    if (status != ACCORD_OK)
        return fail(EXIT_FAILED, "demo: the result could not be printed: %s",
                    status_text(status));
    return codes[demo_outcome(&c->world, r)];
}

int verb_demo(int argc, char **argv)
{
    static struct demo_conductor c; /* too large for a stack */
    char why[OPTIONS_WHY_BYTES_MAX];

    memset(&c, 0, sizeof c);
    c.world.verb = "demo";
    if (demo_options_parse(&c.world.options, argc, argv, why) != ACCORD_OK)
        return usage_error("demo", "%s", why);
    demo_display_init(&c.display, c.world.options.json ? stderr : stdout);
    if (demo_stage_open(&c.stage, &c.world) != ACCORD_OK)
        return EXIT_FAILED;
    int code = demo_world_make(&c.world) == ACCORD_OK ? EXIT_OK : EXIT_FAILED;
    if (code == EXIT_OK) {
        say_hello(&c);
        demo_conduct(&c);
        code = report(&c);
    }
    demo_stage_close(&c.stage);
    demo_world_free(&c.world);
    return code;
}
