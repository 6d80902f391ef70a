/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/verb.h"

#include <stdio.h>

int verb_version(int argc, char **argv)
{
    if (argc == 1)
        printf("accord %s\n", ACCORD_VERSION);
    else if (argc == 2 && strcmp(argv[1], "--json") == 0)
        printf("{\"version\":\"%s\"}\n", ACCORD_VERSION);
    else
        return usage_error("version", "\"%.64s\" is not expected", argv[1]);
    return EXIT_OK;
}
