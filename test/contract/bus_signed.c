/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* bus_signed.c - every bus carries signatures: nothing that a sender says is changed on the
 * way. */
#include "bus/signed.h"
#include "contract.h"

static struct signing with_key(char byte)
{
    struct signing s = {0};
    char key[SIGNING_KEY_BYTES_MIN];

    memset(key, byte, sizeof key);
    CHECK(signing_add(&s, bytes_of(key, sizeof key)) == ACCORD_OK);
    return s;
}

static struct peer signed_peer(const struct bus_kit *kit, const char *cluster,
                               const struct signing *signing)
{
    static struct bus_ops ops; /* of one bus in each test */
    struct peer p = {0};

    kit->url(p.url, cluster);
    const struct bus_ops *inner = bus_find(p.url, why);
    CHECK(inner);
    signed_ops(&ops, inner);
    p.ops = &ops;
    struct bus_settings settings = settings_of(p.url);
    if (kit->timeout_ms > 0)
        settings.timeout_ms = kit->timeout_ms;
    settings.signing = signing;
    OK(p.ops->open(&p.bus, &settings, why));
    attach(&p, NULL);
    return p;
}

static size_t each_kind(uint64_t *rng, struct change out[8])
{
    static uint8_t binary[256], about[SIGNED_ABOUT_BYTES_MAX];
    static const enum change_op ops[] = {CHANGE_REMOVE,    CHANGE_REMOVE, CHANGE_TAG,
                                         CHANGE_PREFIX,    CHANGE_CLEAR,  CHANGE_BEAT,
                                         CHANGE_NAMESPACE, CHANGE_JOIN};

    for (size_t i = 0; i < sizeof binary; i++)
        binary[i] = (uint8_t)i;
    memset(about, 'a', sizeof about);
    for (size_t i = 0; i < COUNT_OF(ops); i++) {
        out[i] = removal(rng, ops[i] < CHANGE_CLEAR ? "greeble:43" : "");
        out[i].op = ops[i];
        out[i].sequence = i + 1;
    }
    out[0].key = bytes_of(binary, sizeof binary);
    out[1].has_fingerprint = true;
    out[1].fingerprint = UINT64_MAX;
    out[2].soft = true;
    out[3].nonce = 5;
    out[5].nonce = out[5].applied = out[5].applied_hash = out[5].lease_epoch = UINT64_MAX - 1;
    out[5].about = bytes_of_text("\tuser.ttl=1h");
    out[6].has_version = true;
    out[7].about = bytes_of(about, sizeof about);
    return COUNT_OF(ops);
}

CLAUSE(bus_carries_the_signature_of_every_kind_of_change)
{
    needs_one_log(kit);
    struct signing key = with_key('k'), other = with_key('o');
    struct peer a = signed_peer(kit, "signed", &key), b = signed_peer(kit, "signed", &key);
    struct peer stranger = signed_peer(kit, "signed", &other);
    struct change changes[8];
    size_t count = each_kind(rng, changes);

    published(&a, changes, count);
    for (size_t i = 0; i < count; i++) {
        struct entry e = read_one(&b);
        CHECK(e.trust == TRUST_FULL);
        CHECK(e.change.op == changes[i].op);
        CHECK(bytes_equal(e.change.key, changes[i].key));
        CHECK(bytes_equal(e.change.about, changes[i].about));
        CHECK(read_one(&stranger).trust == TRUST_KEYS);
    }
    published_one(&stranger, rng, "mine");
    CHECK(read_one(&b).trust == TRUST_KEYS);
    closed(&a);
    closed(&b);
    closed(&stranger);
}

CLAUSE(bus_delivers_what_nobody_signed_as_such)
{
    needs_one_log(kit);
    struct signing key = with_key('k');
    struct peer plain = opened(kit, "unsigned"), a = signed_peer(kit, "unsigned", &key);
    struct entry e;

    kit->write(plain.url, "remove", bytes_of_text("greeble:43"));
    e = read_one(&a);
    CHECK(e.trust == TRUST_UNSIGNED);
    CHECK(bytes_equal(e.change.key, bytes_of_text("greeble:43")));
    published_one(&plain, rng, "naked");
    CHECK(read_one(&a).trust == TRUST_NAKED);
    closed(&plain);
    closed(&a);
}

/* A signature is for one log: what was said in one is worth nothing in another. */
CLAUSE(bus_signatures_of_one_log_are_worth_nothing_in_another)
{
    needs_one_log(kit);
    struct signing key = with_key('k');
    struct peer a = signed_peer(kit, "first", &key), b = signed_peer(kit, "second", &key);
    struct peer from = opened(kit, "first"), to = opened(kit, "second");

    published_one(&a, rng, "greeble:43");
    struct entry e = read_one(&from);
    published(&to, &e.change, 1);
    CHECK(read_one(&b).trust == TRUST_ALTERED);
    closed(&a);
    closed(&b);
    closed(&from);
    closed(&to);
}
