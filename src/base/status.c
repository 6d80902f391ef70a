/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "base/base.h"

const char *status_text(int status)
{
    switch (status) {
#define STATUS(name, value, text)                                                              \
    case name:                                                                                 \
        return text;
#include "defs/status.def"
#undef STATUS
    default:
        return "unknown status";
    }
}
