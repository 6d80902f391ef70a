/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* tcl.h - lists as Tcl 8.6 writes and reads them: what OpenACS signs, and the commands it
 * sends.
 *
 * Nothing is ever evaluated: "[", "$" and ";" are bytes like others. Pure; any thread; the
 * bytes read are hostile.
 */
#ifndef ACCORD_WIRE_TCL_H
#define ACCORD_WIRE_TCL_H

#include "base/base.h"

/* Writes `element` as the command list would, byte for byte; `first`: as the first of its list,
 * where a "#" at its beginning needs quotes. Returns the bytes that it takes, at most
 * 2 × element + 2; nothing beyond out_bytes is written. */
size_t tcl_quote(struct bytes element, bool first, uint8_t *out, size_t out_bytes);

/* Splits a list into at most elements_max elements, which point into the list or, where it had
 * backslashes, into `scratch` (as large as the list). ACCORD_E_FORMAT: it is no list;
 * ACCORD_E_FULL: it has more elements. *count_out is untouched on failure. */
MUST_CHECK int tcl_split(struct bytes list, struct bytes *elements, size_t elements_max,
                         uint8_t *scratch, size_t *count_out);

#endif
