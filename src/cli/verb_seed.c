/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/set.h"

#include "cli/verb.h"

int verb_seed(int argc, char **argv)
{
    return set_verb("seeded", argc, argv);
}
