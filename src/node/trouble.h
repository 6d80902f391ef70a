/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* trouble.h - when to say again that something still fails which is tried again and again.
 *
 * The first failure is told by who decides about it (the core's notes). What lasts is told
 * once in TROUBLE_TELL_EVERY_NS: else who looks at the end of the log sees nothing. Pure. */
#ifndef ACCORD_NODE_TROUBLE_H
#define ACCORD_NODE_TROUBLE_H

#include "base/base.h"

#define TROUBLE_TELL_EVERY_NS (60 * NS_PER_S)

struct trouble {
    uint64_t tries;    /* that failed since it last went well; 0: all is well */
    uint64_t since_ns; /* the first of them */
    uint64_t told_ns;  /* the newest that was told of */
};

/* One more try has failed. True: time to say so. */
bool trouble_met(struct trouble *t, uint64_t now_ns);
void trouble_over(struct trouble *t);

#endif
