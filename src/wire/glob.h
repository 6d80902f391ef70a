/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* glob.h - Redis's patterns, for SCAN MATCH, CONFIG GET and watches: * ? [a-z] [^a-z] \x
 *
 * Agrees with Redis on every pattern and text but two, where Redis is odd: bytes above 127 in
 * ranges count as unsigned here, and "*" matches the empty text. Where Redis tries every way to
 * place every star, this goes back to the last star only: what a pattern may cost is its length
 * times the text's, whatever it holds.
 *
 * Pure. Any thread. Pattern and text are hostile bytes.
 */
#ifndef ACCORD_WIRE_GLOB_H
#define ACCORD_WIRE_GLOB_H

#include "base/base.h"

bool glob_match(struct bytes pattern, struct bytes text);

#endif
