/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* chp_bus_fuzz.c - whatever comes to a hub, as a question, from a node or from a person. */
#include "bus/chp/hub.h"

#include "bus/chp/talk.h"

static uint64_t next(void *context)
{
    return ++*(uint64_t *)context;
}

static int check(void *context, struct bytes client, const struct bytes *frames, size_t count)
{
    struct chp_message m;
    struct talk_answer a;
    const char *why;

    (void)context;
    (void)client;
    if (chp_parse_long(frames, count, SIZE_MAX, &m, &why) == ACCORD_OK)
        (void)talk_answer_parse(&m, &a);
    return ACCORD_OK;
}

static void publish(void *context, const struct bytes *frames, size_t count)
{
    (void)check(context, bytes_of(NULL, 0), frames, count);
}

static void refused(void *context, const char *why, struct bytes about)
{
    (void)context;
    (void)why;
    (void)about;
}

/* The input is frames, each behind its length in two bytes; the first byte says where to. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes frames[16], attach[] = {bytes_of_text(CHP_ICANHAZ),
                                         bytes_of_text("/accord/shop/attach/view_ms=9/")};
    uint64_t sequence = 1;
    const struct hub_host host = {.context = &sequence,
                                  .sequence = next,
                                  .send = check,
                                  .publish = publish,
                                  .refused = refused};
    struct hub *h = hub_new(&host);
    size_t count = 0, at = 1;

    hub_asked(h, bytes_of("c", 1), attach, 2);
    while (at + 2 <= size && count < COUNT_OF(frames)) {
        size_t bytes = (size_t)data[at] << 8 | data[at + 1];
        at += 2;
        bytes = u64_min(bytes, size - at);
        frames[count++] = bytes_of(data + at, bytes);
        at += bytes;
    }
    if (size > 0 && data[0] % 2)
        hub_told(h, frames, count);
    else if (size > 0)
        hub_asked(h, bytes_of("c", 1), frames, count);
    hub_free(h);
    return 0;
}
