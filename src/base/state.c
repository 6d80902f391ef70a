/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "base/state.h"

const char *state_word(int state)
{
    switch (state) {
#define STATE(name, value, word)                                                               \
    case name:                                                                                 \
        return word;
#include "defs/state.def"
#undef STATE
    default:
        return "unknown";
    }
}

const char *why_word(int why)
{
    switch (why) {
#define WHY(name, value, word)                                                                 \
    case name:                                                                                 \
        return word;
#include "defs/why.def"
#undef WHY
    default:
        return "unknown";
    }
}
