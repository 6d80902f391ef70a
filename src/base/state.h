/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* state.h - what a get can answer, and why; the words are the ones users see everywhere. */
#ifndef ACCORD_BASE_STATE_H
#define ACCORD_BASE_STATE_H

#include "base/base.h"

#ifndef ACCORD_H
enum accord_state {
#define STATE(name, value, word) name = value,
#include "defs/state.def"
#undef STATE
};

enum accord_why {
#define WHY(name, value, word) name = value,
#include "defs/why.def"
#undef WHY
};
#endif

const char *state_word(int state); /* "hit", "stale", …; static */
const char *why_word(int why);     /* "expired", "unsure", …; "" for none; static */

#endif
