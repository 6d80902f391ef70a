/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* namespace.h - namespaces of the kernel that a run makes for itself: of mounts, of time. */
#ifndef ACCORD_CLI_DEMO_NAMESPACE_H
#define ACCORD_CLI_DEMO_NAMESPACE_H

#include "base/base.h"

/* unshare(flags); without the right to, inside a user namespace of our own, in which we are
 * still who we were. The process has one thread. ACCORD_E_DENIED: errno says why. */
MUST_CHECK int namespace_unshare(int flags);

/* From here on this process's clocks run ahead of the machine's by `ahead_ns`; not its wall
 * clock. ACCORD_E_DENIED: errno says why; the clocks are as they were. */
MUST_CHECK int namespace_shift_clocks(int64_t ahead_ns);

/* 0; or the errno with which namespace_shift_clocks() fails here. In a process of its own. */
MUST_CHECK int namespace_try_shift(int64_t ahead_ns);

#endif
