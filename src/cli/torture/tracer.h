/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* tracer.h - kills a process right before a chosen one of its system calls. */
#ifndef ACCORD_CLI_TORTURE_TRACER_H
#define ACCORD_CLI_TORTURE_TRACER_H

#include "base/base.h"

#include <sys/types.h>

/* Traces a child of ours that leads a process group of its own, and kills it with SIGKILL
 * before its `calls`-th system call from now, counted over all threads: that one is not made.
 * Returns when it is dead; the process itself is the caller's to collect, in every case.
 * ACCORD_E_TIMEOUT: it had not come so far within `for_ns`, and was killed all the same.
 * ACCORD_E_GONE: it ended by itself before. ACCORD_E_DENIED: it may not be traced, errno says
 * why, and it was killed at once. */
MUST_CHECK int tracer_kill_in(pid_t process, uint32_t calls, uint64_t for_ns);

/* 0; or the errno with which no child of ours can be traced here. */
MUST_CHECK int tracer_try(void);

#endif
