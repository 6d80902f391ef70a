/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* change_fuzz.c - any bytes as a record, a position, an op, and what a beat says of changes
 * that did not arrive: what decodes, encodes again. */
#include "wire/change.h"
#include "wire/resend.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t record[CHANGE_RECORD_BYTES_MAX];
    char text[POSITION_TEXT_BYTES_MAX], said[RESEND_TEXT_BYTES_MAX];
    struct bytes in = bytes_of(data, size), namespace = bytes_of(NULL, 0);
    struct change c, again;
    struct position p;
    struct resend resend;
    enum change_op op;
    size_t written;

    int status = change_decode(in, &c, &namespace);
    if (status == ACCORD_OK) {
        ASSERT(change_encode(&c, record, sizeof record, &written) == ACCORD_OK);
        ASSERT(change_decode(bytes_of(record, written), &again, &namespace) == ACCORD_OK);
        ASSERT(bytes_equal(c.key, again.key));
        ASSERT(bytes_equal(c.origin, again.origin));
        ASSERT(bytes_equal(c.about, again.about));
        (void)change_problem(&c);
    }
    ASSERT(status != ACCORD_E_UNSUPPORTED || !change_problem(&c));
    if (status == ACCORD_E_UNSUPPORTED && namespace.size_bytes > 0)
        ASSERT(namespace.data >= data && namespace.data + namespace.size_bytes <= data + size);
    if (position_parse(in, &p) == ACCORD_OK) {
        position_print(p, text);
        ASSERT(bytes_equal(in, bytes_of_text(text)));
    }
    if (change_op_parse(in, &op) == ACCORD_OK)
        ASSERT(bytes_equal(in, bytes_of_text(change_op_word(op))));
    if (resend_parse(in, &resend) == ACCORD_OK) {
        resend_print(&resend, said);
        ASSERT(bytes_equal(in, bytes_of_text(said)));
    }
    return 0;
}
