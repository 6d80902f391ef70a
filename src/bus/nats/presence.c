/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/nats/presence.h"

#include <stdio.h>
#include <stdlib.h>

#define SUBJECT NATS_PRESENCE_SUBJECT
#define BODY    "{\"limit\":1024}"
_Static_assert(PRESENCE_CONNECTIONS_MAX == 1024, "the text says the same");

static void mark(const char *prefix, const char *connection, const char *const *names,
                 size_t count, bool *there)
{
    size_t length = strlen(prefix);

    if (!connection || strncmp(connection, prefix, length) != 0)
        return;
    for (size_t i = 0; i < count; i++)
        there[i] = there[i] || strcmp(connection + length, names[i]) == 0;
}

int nats_presence_take(const char *cluster, struct bytes answer, const char *const *names,
                       size_t count, bool *there, char why[BUS_WHY_BYTES_MAX])
{
    char prefix[NATS_CLIENT_BYTES_MAX];
    json_error_t where;
    json_t *json = json_loadb((const char *)answer.data, answer.size_bytes, 0, &where);
    const json_t *data = json_object_get(json, "data");
    const json_t *list = json_object_get(data, "connections");
    size_t index, told = json_array_size(list);
    int status = ACCORD_OK;
    const json_t *one;

    snprintf(prefix, sizeof prefix, "accord.%s node ", cluster);
    if (!json_is_array(list))
        status = bus_fail(why, ACCORD_E_FORMAT, "nats: " SUBJECT ": not as expected");
    else if (json_integer_value(json_object_get(data, "total")) > (json_int_t)told)
        status = bus_fail(why, ACCORD_E_UNSUPPORTED,
                          "nats: the account has more than %d connections to one server",
                          PRESENCE_CONNECTIONS_MAX);
    else
        json_array_foreach(list, index, one)
            mark(prefix, json_string_value(json_object_get(one, "name")), names, count, there);
    json_decref(json);
    return status;
}

/* How many answers are to come: as many as libnats knows servers of. */
static int servers_of(const struct nats_link *l)
{
    char **urls = NULL;
    int count = 0;

    if (natsConnection_GetServers(l->connection, &urls, &count) != NATS_OK)
        return 1;
    for (int i = 0; i < count; i++)
        free(urls[i]);
    free(urls);
    return count;
}

/* All answers, until as many came as there are servers, or the time is over. */
static int gather(struct nats_link *l, natsSubscription *s, const char *const *names,
                  size_t count, bool *there, char why[BUS_WHY_BYTES_MAX])
{
    uint64_t until_ms = nats_now_ms() + u64_min(PRESENCE_WAIT_MS, l->timeout_ms);
    int wanted = servers_of(l), answers = 0, status = ACCORD_OK;

    while (status == ACCORD_OK && answers < wanted) {
        uint64_t left_ms = u64_sub_sat(until_ms, nats_now_ms());
        natsMsg *m = NULL;
        if (natsSubscription_NextMsg(&m, s, (int64_t)left_ms) != NATS_OK)
            break;
        if (natsMsg_GetDataLength(m) > 0) { /* else: nobody serves it */
            struct bytes b = bytes_of(natsMsg_GetData(m), (size_t)natsMsg_GetDataLength(m));
            status = nats_presence_take(l->cluster, b, names, count, there, why);
            answers++;
        }
        natsMsg_Destroy(m);
    }
    if (status == ACCORD_OK && answers == 0)
        status = bus_fail(why, ACCORD_E_DENIED,
                          "nats: no answer to " SUBJECT "; the user may not ask");
    return status;
}

static int ask(struct nats_link *l, const char *const *names, size_t count, bool *there,
               char why[BUS_WHY_BYTES_MAX])
{
    natsSubscription *subscription = NULL;
    natsInbox *inbox = NULL;
    int status = ACCORD_OK;

    natsStatus s = natsInbox_Create(&inbox);
    s = s ? s : natsConnection_SubscribeSync(&subscription, l->connection, inbox);
    s = s ? s : natsConnection_PublishRequestString(l->connection, SUBJECT, inbox, BODY);
    if (s != NATS_OK)
        status = nats_link_fail(l, s, 0, "asking who is connected to", why);
    else
        status = gather(l, subscription, names, count, there, why);
    natsSubscription_Destroy(subscription);
    natsInbox_Destroy(inbox);
    return status;
}

int nats_presence(struct nats_presence *p, struct nats_link *l, const char *const *names,
                  size_t count, bool *there, char why[BUS_WHY_BYTES_MAX])
{
    bool found[MEMBERS_MAX] = {false};

    ASSERT(count <= MEMBERS_MAX);
    if (p->asked_in_vain)
        return bus_fail(why, ACCORD_E_DENIED, "nats: no answer came to " SUBJECT);
    int status = ask(l, names, count, found, why);
    p->asked_in_vain = status == ACCORD_E_DENIED;
    if (status == ACCORD_OK)
        memcpy(there, found, count * sizeof *there);
    return status;
}
