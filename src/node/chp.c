/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* chp.c - the CHP doors of a node: each is told of everything. */
#include "node/node_private.h"

int chp_doors_open(struct node *n, const char *address, char why[NODE_WHY_BYTES_MAX])
{
    if (n->chp_count == CHP_DOORS_MAX)
        return node_fail(why, ACCORD_E_FULL, "%s: at most %d addresses with chp://", address,
                         CHP_DOORS_MAX);
    int status = chp_door_new(&n->chp[n->chp_count], &n->host, address, why);
    n->chp_count += status == ACCORD_OK;
    return status;
}

void chp_doors_close(struct node *n)
{
    while (n->chp_count > 0)
        chp_door_free(n->chp[--n->chp_count]);
}

bool chp_doors_reply(struct node *n, const struct reply *reply)
{
    for (size_t i = 0; i < n->chp_count; i++) {
        if (chp_door_reply(n->chp[i], reply))
            return true;
    }
    return false;
}

void chp_doors_requested(struct node *n, const struct event *e)
{
    bool one = e->type == EVENT_REQUEST;
    const struct request *list = one ? &e->request : e->requests.list;
    size_t count = one ? 1 : e->type == EVENT_REQUESTS ? e->requests.count : 0;

    for (size_t i = 0; i < n->chp_count; i++) {
        for (size_t r = 0; r < count; r++)
            chp_door_requested(n->chp[i], &list[r]);
    }
}

void chp_doors_applied(struct node *n, const struct entry *entry, bool own)
{
    for (size_t i = 0; i < n->chp_count; i++)
        chp_door_applied(n->chp[i], entry, own);
}

void chp_doors_changed(struct node *n)
{
    for (size_t i = 0; i < n->chp_count; i++)
        chp_door_changed(n->chp[i]);
}

void chp_doors_count(const struct node *n, struct chp_counts *sum)
{
    *sum = (struct chp_counts){.keys = 0};
    for (size_t i = 0; i < n->chp_count; i++)
        chp_door_count(n->chp[i], sum);
}
