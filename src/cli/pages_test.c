/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* pages_test.c - what is listed once, in defs/, and explained on a page: none may be missing
 * there. Run in the folder with docs/, as tools/check.sh does. */
#include "base/base.h"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const drops[] = {
#define DROP(NAME, name, text) "`drops_" #name "`",
#include "defs/drop.def"
};

static const char *const whys[] = {
#define WHY(NAME, value, word) word,
#include "defs/why.def"
#undef WHY
};

static char *read_page(const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = calloc(1, 1 << 18);

    CHECK(f);
    CHECK(text);
    CHECK(fread(text, 1, (1 << 18) - 1, f) > 0);
    fclose(f);
    return text;
}

static void check_has(const char *page, const char *word, const char *path)
{
    if (!strstr(page, word))
        fprintf(stderr, "%s does not explain %s\n", path, word);
    CHECK(strstr(page, word));
}

TEST(the_pages_explain_every_cause_of_a_drop)
{
    static const char *const paths[] = {"docs/operating/drops.md",
                                        "docs/operating/max-stale.md"};

    for (size_t p = 0; p < COUNT_OF(paths); p++) {
        char *page = read_page(paths[p]);
        for (size_t i = 0; i < COUNT_OF(drops); i++)
            check_has(page, drops[i], paths[p]);
        free(page);
    }
}

TEST(the_page_explains_every_why_of_a_read)
{
    char *page = read_page("docs/operating/max-stale.md");
    char row[64];

    for (size_t i = 0; i < COUNT_OF(whys); i++) {
        snprintf(row, sizeof row, "| `%s` |", whys[i]);
        if (whys[i][0])
            check_has(page, row, "docs/operating/max-stale.md");
    }
    free(page);
}
