/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* seat.c - what the link's thread hears: joining the room, who is in it, being removed,
 * answers, and what people ask a node. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "bus/xmpp/link.h"

#include "net/time.h"

#define NS_MUC     "http://jabber.org/protocol/muc"
#define NS_OWNER   "http://jabber.org/protocol/muc#owner"
#define NS_DISCO   "http://jabber.org/protocol/disco#info"
#define NS_MAM     "urn:xmpp:mam:2"
#define NS_RECEIPT "urn:xmpp:receipts"

enum {
    SILENCE_MS = 10000, /* then we ask the room whether we still sit there (XEP-0410) */
    NICK_TRIES = 3,
};

static bool is(xmpp_stanza_t *x, const char *name, const char *ns)
{
    const char *its_name = xmpp_stanza_get_name(x), *its_ns = xmpp_stanza_get_ns(x);

    return its_name && strcmp(its_name, name) == 0 &&
           (!ns || (its_ns && strcmp(its_ns, ns) == 0));
}

static xmpp_stanza_t *child(xmpp_stanza_t *of, const char *name, const char *ns)
{
    for (xmpp_stanza_t *x = of ? xmpp_stanza_get_children(of) : NULL; x;
         x = xmpp_stanza_get_next(x))
        if (is(x, name, ns))
            return x;
    return NULL;
}

static const char *attribute(xmpp_stanza_t *x, const char *name)
{
    const char *value = x ? xmpp_stanza_get_attribute(x, name) : NULL;

    return value ? value : "";
}

/* The nick of an address in our room; NULL: it is none. "": the room itself. */
static const char *nick_of(const struct xmpp_link *l, const char *from)
{
    size_t length = strlen(l->place->room);

    if (strncasecmp(from, l->place->room, length) != 0)
        return NULL;
    return from[length] == '/' ? from + length + 1 : from[length] ? NULL : from + length;
}

/* The condition of an error, e.g. "not-authorized". */
static const char *condition_of(xmpp_stanza_t *x)
{
    xmpp_stanza_t *error = child(x, "error", NULL);

    for (xmpp_stanza_t *c = error ? xmpp_stanza_get_children(error) : NULL; c;
         c = xmpp_stanza_get_next(c)) {
        const char *ns = xmpp_stanza_get_ns(c), *name = xmpp_stanza_get_name(c);
        if (ns && name && strcmp(ns, XMPP_NS_STANZAS_IETF) == 0 && strcmp(name, "text") != 0)
            return name;
    }
    return "undefined-condition";
}

static void set_state(struct xmpp_link *l, enum xmpp_state state)
{
    pthread_mutex_lock(&l->mutex);
    l->state = state;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->mutex);
}

/* ---- joining ------------------------------------------------------------------------------
 */

/* Without history: what was said before is read from the archive, where it has ids. */
static void join(struct xmpp_link *l)
{
    char nick[6 * XMPP_NICK_BYTES_MAX], node[6 * NODE_NAME_BYTES_MAX + 1] = "";
    char password[2048] = "", escaped[1024];

    if (!xmpp_escape(l->nick, nick, sizeof nick) ||
        !xmpp_escape(l->node ? l->node : "", node, sizeof node)) {
        xmpp_end(l, ACCORD_E_INVALID, "the nick is too long");
        return;
    }
    if (l->place->room_password &&
        xmpp_escape(l->place->room_password, escaped, sizeof escaped))
        snprintf(password, sizeof password, "<password>%s</password>", escaped);
    xmpp_put(l,
             "<presence to='%s/%s'><x xmlns='" NS_MUC "'><history maxstanzas='0' "
             "maxchars='0'/>%s</x><accord xmlns='" XMPP_BESIDE_NS "' node='%s'/></presence>",
             l->place->room, nick, password, node);
}

static void ask_room(struct xmpp_link *l)
{
    set_state(l, XMPP_ASKING);
    xmpp_put(l, "<iq type='get' id='room' to='%s'><query xmlns='" NS_DISCO "'/></iq>",
             l->place->room);
}

static void configure(struct xmpp_link *l)
{
    set_state(l, XMPP_CONFIGURING);
    xmpp_put(l, "<iq type='get' id='form' to='%s'><query xmlns='" NS_OWNER "'/></iq>",
             l->place->room);
}

/* The room's answer to what we are: everything before the subject is before our time. */
static void on_subject(struct xmpp_link *l)
{
    if (l->state != XMPP_JOINING)
        return;
    if (l->created)
        configure(l);
    else
        ask_room(l);
}

/* Of the room that we have made: kept when it is empty, archived, and not shown around. Only
 * what its form has is filled in: some servers refuse what they do not know. */
static const struct {
    const char *field, *value;
} wanted[] = {
    {"muc#roomconfig_persistentroom", "1"},
    {"muc#roomconfig_publicroom", "0"},
    {"muc#roomconfig_enablearchiving", "1"},
    {"muc#roomconfig_enablelogging", "0"},
    {"muc#roomconfig_moderatedroom", "0"},
    {"mam", "1"},
    {"muc#roomconfig_mam", "1"},
    {"muc#roomconfig_changesubject", "0"},
};

static bool has_field(xmpp_stanza_t *form, const char *name)
{
    for (xmpp_stanza_t *f = form ? xmpp_stanza_get_children(form) : NULL; f;
         f = xmpp_stanza_get_next(f))
        if (is(f, "field", NULL) && strcmp(attribute(f, "var"), name) == 0)
            return true;
    return false;
}

static void on_form(struct xmpp_link *l, xmpp_stanza_t *iq)
{
    xmpp_stanza_t *form = child(child(iq, "query", NS_OWNER), "x", "jabber:x:data");
    char fields[2048] = "";
    size_t used = 0;

    for (size_t i = 0; i < COUNT_OF(wanted); i++)
        if (has_field(form, wanted[i].field))
            used += (size_t)snprintf(fields + used, sizeof fields - used,
                                     "<field var='%s'><value>%s</value></field>",
                                     wanted[i].field, wanted[i].value);
    if (l->place->room_password && has_field(form, "muc#roomconfig_roomsecret")) {
        char escaped[512];
        if (xmpp_escape(l->place->room_password, escaped, sizeof escaped))
            snprintf(fields + used, sizeof fields - used,
                     "<field var='muc#roomconfig_passwordprotectedroom'><value>1</value>"
                     "</field><field var='muc#roomconfig_roomsecret'><value>%s</value></field>",
                     escaped);
    }
    xmpp_put(l,
             "<iq type='set' id='conf' to='%s'><query xmlns='" NS_OWNER
             "'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>" NS_MUC
             "#roomconfig</value></field>%s</x></query></iq>",
             l->place->room, fields);
}

static void on_room(struct xmpp_link *l, xmpp_stanza_t *iq)
{
    xmpp_stanza_t *query = child(iq, "query", NS_DISCO);

    for (xmpp_stanza_t *f = query ? xmpp_stanza_get_children(query) : NULL; f;
         f = xmpp_stanza_get_next(f))
        if (is(f, "feature", NULL) && strcmp(attribute(f, "var"), NS_MAM) == 0) {
            set_state(l, XMPP_UP);
            return;
        }
    xmpp_end(l, ACCORD_E_UNSUPPORTED,
             "%s keeps no archive (XEP-0313): enable it for rooms (Prosody: \"muc_mam\" among "
             "the component's modules; ejabberd: mod_mam, and mam in the room's options)",
             l->place->room);
}

static void refuse_seat(struct xmpp_link *l, const char *condition)
{
    static const struct {
        const char *condition;
        int status;
        const char *means;
    } known[] = {
        {"not-authorized", ACCORD_E_DENIED, "the room wants a password (room_password=)"},
        {"registration-required", ACCORD_E_DENIED, "the room is for its members only"},
        {"forbidden", ACCORD_E_DENIED, "this account is banned from the room"},
        {"not-allowed", ACCORD_E_DENIED, "this account may not create the room"},
        {"service-unavailable", ACCORD_E_DOWN, "the room is full"},
        {"item-not-found", ACCORD_E_DOWN, "the room is locked, or not there"},
        {"gone", ACCORD_E_DOWN,
         "the room was destroyed, and the server keeps its name (Prosody: muc_tombstones)"},
    };

    if ((strcmp(condition, "conflict") == 0 || strcmp(condition, "not-acceptable") == 0 ||
         strcmp(condition, "jid-malformed") == 0) &&
        l->nick_tries++ < NICK_TRIES) { /* a ghost of ours may hold it for minutes (T49) */
        snprintf(l->nick, sizeof l->nick, "accord-%016llx", (unsigned long long)xmpp_random());
        join(l);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (strcmp(condition, known[i].condition) == 0) {
            xmpp_end(l, known[i].status, "%s: %s", l->place->room, known[i].means);
            return;
        }
    xmpp_end(l, ACCORD_E_DOWN, "%s cannot be joined: %s", l->place->room, condition);
}

/* ---- who is there -------------------------------------------------------------------------
 */

static void seat_occupant(struct xmpp_link *l, const char *nick, const char *node)
{
    size_t i = 0;

    while (i < l->occupant_count && strcmp(l->occupants[i].nick, nick) != 0)
        i++;
    if (i == MEMBERS_MAX)
        return;
    snprintf(l->occupants[i].nick, sizeof l->occupants[i].nick, "%s", nick);
    snprintf(l->occupants[i].node, sizeof l->occupants[i].node, "%s", node);
    l->occupant_count = i < l->occupant_count ? l->occupant_count : i + 1;
}

static void unseat_occupant(struct xmpp_link *l, const char *nick)
{
    for (size_t i = 0; i < l->occupant_count; i++)
        if (strcmp(l->occupants[i].nick, nick) == 0) {
            l->occupants[i] = l->occupants[--l->occupant_count];
            return;
        }
}

static bool has_status(xmpp_stanza_t *presence, const char *code)
{
    xmpp_stanza_t *x = child(presence, "x", NS_MUC "#user");

    for (xmpp_stanza_t *s = x ? xmpp_stanza_get_children(x) : NULL; s;
         s = xmpp_stanza_get_next(s))
        if (is(s, "status", NULL) && strcmp(attribute(s, "code"), code) == 0)
            return true;
    return false;
}

/* What bears our nick and no code may be another seat of this account, a ghost of ours: then
 * the room is asked at once whether we still sit there. */
static void removed(struct xmpp_link *l, xmpp_stanza_t *presence)
{
    bool destroyed = child(child(presence, "x", NS_MUC "#user"), "destroy", NULL) != NULL;
    const char *how = destroyed                     ? "the room was destroyed"
                      : has_status(presence, "301") ? "this account was banned from the room"
                      : has_status(presence, "307") ? "this node was kicked from the room"
                      : has_status(presence, "321") || has_status(presence, "322")
                          ? "the room is for its members only"
                      : has_status(presence, "332") ? "the server ends"
                      : has_status(presence, "110") ? "this node was removed from the room"
                                                    : NULL;

    pthread_mutex_lock(&l->mutex);
    l->destroyed = destroyed;
    pthread_mutex_unlock(&l->mutex);
    if (how)
        xmpp_end(l, ACCORD_E_DOWN, "%s: %s", l->place->room, how);
    else
        l->heard_ns = 0;
}

static int on_presence(xmpp_conn_t *c, xmpp_stanza_t *p, void *context)
{
    struct xmpp_link *l = context;
    const char *nick = nick_of(l, attribute(p, "from")), *type = attribute(p, "type");

    (void)c;
    if (!nick)
        return 1;
    if (strcmp(type, "error") == 0) {
        if (l->state == XMPP_JOINING)
            refuse_seat(l, condition_of(p));
        return 1;
    }
    bool us = has_status(p, "110") || strcmp(nick, l->nick) == 0;
    bool away = strcmp(type, "unavailable") == 0;
    pthread_mutex_lock(&l->mutex);
    if (away)
        unseat_occupant(l, nick);
    else
        seat_occupant(l, nick, attribute(child(p, "accord", XMPP_BESIDE_NS), "node"));
    if (us && !away)
        snprintf(l->nick, sizeof l->nick, "%s", nick); /* the service may have changed it */
    pthread_mutex_unlock(&l->mutex);
    l->created = l->created || has_status(p, "201");
    if (us && away && !has_status(p, "303"))
        removed(l, p);
    return 1;
}

/* ---- messages -----------------------------------------------------------------------------
 */

static const char help[] =
    "I am a node of an Accord cluster: the room is how its caches hear of changes. Type there, "
    "not here: the id of a resource removes it from every cache, with all that is tagged so "
    "(greeble:43). /remove KEY, /tag TAG, /prefix TEXT, /namespace NAME, /clear. Anything else "
    "that begins with / does nothing. I never answer in the room.";

/* Said to this node alone. */
static void answer(struct xmpp_link *l, xmpp_stanza_t *m)
{
    char from[6 * XMPP_JID_BYTES_MAX], id[256];
    xmpp_stanza_t *body = child(m, "body", NULL);
    char *text = body ? xmpp_stanza_get_text(body) : NULL;

    if (strcmp(attribute(m, "type"), "error") == 0 || child(m, "delay", NULL) ||
        !xmpp_escape(attribute(m, "from"), from, sizeof from) ||
        !xmpp_escape(attribute(m, "id"), id, sizeof id))
        text = text ? (xmpp_free(l->xmpp, text), NULL) : NULL;
    else if (id[0] && child(m, "request", NS_RECEIPT))
        xmpp_put(l, "<message to='%s'><received xmlns='" NS_RECEIPT "' id='%s'/></message>",
                 from, id);
    if (text && strncasecmp(text, "help", 4) == 0)
        xmpp_put(l, "<message type='chat' to='%s'><body>%s</body></message>", from, help);
    if (text)
        xmpp_free(l->xmpp, text);
}

static void on_groupchat(struct xmpp_link *l, xmpp_stanza_t *m, const char *nick)
{
    struct xmpp_heard h;

    l->heard_ns = time_monotonic_ns();
    if (child(m, "subject", NULL) && !child(m, "body", NULL))
        on_subject(l);
    if (child(m, "delay", NULL) || l->state < XMPP_CONFIGURING || !xmpp_heard_read(l, m, &h))
        return; /* history, which we did not ask for */
    h.own = strcmp(nick, l->nick) == 0;
    pthread_mutex_lock(&l->mutex);
    l->heard(l->context, &h);
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->mutex);
    xmpp_heard_done(&h);
}

static void on_archived(struct xmpp_link *l, xmpp_stanza_t *m)
{
    const char *question = attribute(child(m, "result", NS_MAM), "queryid");
    struct xmpp_heard h;

    pthread_mutex_lock(&l->mutex);
    if (l->page && strcmp(question, l->question) == 0 && l->page->count < XMPP_PAGE_MAX &&
        xmpp_heard_read(l, m, &h))
        l->page->messages[l->page->count++] = h;
    pthread_mutex_unlock(&l->mutex);
}

static int on_message(xmpp_conn_t *c, xmpp_stanza_t *m, void *context)
{
    struct xmpp_link *l = context;
    const char *from = attribute(m, "from"), *type = attribute(m, "type");
    const char *nick = nick_of(l, from);

    (void)c;
    if (nick && !nick[0] && child(m, "result", NS_MAM)) {
        on_archived(l, m);
    } else if (nick && strcmp(type, "groupchat") == 0) {
        on_groupchat(l, m, nick);
    } else if (nick && !nick[0] && strcmp(type, "error") == 0) {
        pthread_mutex_lock(&l->mutex);
        l->refused(l->context, attribute(m, "id"), condition_of(m));
        pthread_cond_broadcast(&l->changed);
        pthread_mutex_unlock(&l->mutex);
    } else {
        answer(l, m);
    }
    return 1;
}

/* ---- questions and answers ----------------------------------------------------------------
 */

static void on_answer(struct xmpp_link *l, xmpp_stanza_t *iq, bool error)
{
    xmpp_stanza_t *fin = child(iq, "fin", NS_MAM);
    const char *condition = error ? condition_of(iq) : "";

    pthread_mutex_lock(&l->mutex);
    if (l->page && fin)
        l->page->complete = strcmp(attribute(fin, "complete"), "true") == 0;
    l->answer_status =
        !error                                     ? ACCORD_OK
        : strcmp(condition, "item-not-found") == 0 ? ACCORD_E_GONE
        : strcmp(condition, "forbidden") == 0 || strcmp(condition, "not-allowed") == 0
            ? ACCORD_E_DENIED
            : ACCORD_E_IO;
    l->answered = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->mutex);
}

/* XEP-0410: these say that we still sit there; any other error, that we do not. */
static void on_ping(struct xmpp_link *l, xmpp_stanza_t *iq, bool error)
{
    const char *condition = error ? condition_of(iq) : "";

    l->pinged_ns = 0;
    l->heard_ns = time_monotonic_ns();
    if (error && strcmp(condition, "service-unavailable") != 0 &&
        strcmp(condition, "feature-not-implemented") != 0 &&
        strcmp(condition, "item-not-found") != 0)
        xmpp_end(l, ACCORD_E_DOWN, "%s no longer knows this node (%s)", l->place->room,
                 condition);
}

static void on_request(struct xmpp_link *l, xmpp_stanza_t *iq)
{
    char from[6 * XMPP_JID_BYTES_MAX], id[256];

    if (!xmpp_escape(attribute(iq, "from"), from, sizeof from) ||
        !xmpp_escape(attribute(iq, "id"), id, sizeof id))
        return;
    if (child(iq, "ping", "urn:xmpp:ping"))
        xmpp_put(l, "<iq type='result' to='%s' id='%s'/>", from, id);
    else if (child(iq, "query", NS_DISCO))
        xmpp_put(
            l,
            "<iq type='result' to='%s' id='%s'><query xmlns='" NS_DISCO
            "'><identity category='client' type='bot' name='accord'/><feature var='" NS_DISCO
            "'/><feature var='urn:xmpp:ping'/><feature var='" NS_RECEIPT "'/></query></iq>",
            from, id);
    else
        xmpp_put(l,
                 "<iq type='error' to='%s' id='%s'><error type='cancel'><service-unavailable "
                 "xmlns='" XMPP_NS_STANZAS_IETF "'/></error></iq>",
                 from, id);
}

static bool is_asked(struct xmpp_link *l, const char *id)
{
    pthread_mutex_lock(&l->mutex);
    bool asked = l->question[0] && strcmp(id, l->question) == 0;
    pthread_mutex_unlock(&l->mutex);
    return asked;
}

static int on_iq(xmpp_conn_t *c, xmpp_stanza_t *iq, void *context)
{
    struct xmpp_link *l = context;
    const char *type = attribute(iq, "type"), *id = attribute(iq, "id");
    bool error = strcmp(type, "error") == 0;

    (void)c;
    if (strcmp(type, "get") == 0 || strcmp(type, "set") == 0)
        on_request(l, iq);
    else if (!nick_of(l, attribute(iq, "from")))
        return 1;
    else if (is_asked(l, id))
        on_answer(l, iq, error);
    else if (strcmp(id, "ping") == 0)
        on_ping(l, iq, error);
    else if (error &&
             (strcmp(id, "form") == 0 || strcmp(id, "conf") == 0 || strcmp(id, "room") == 0))
        xmpp_end(l, ACCORD_E_DOWN, "%s: the %s is refused: %s", l->place->room,
                 strcmp(id, "room") == 0 ? "question what it can" : "room's configuration",
                 condition_of(iq));
    else if (strcmp(id, "form") == 0)
        on_form(l, iq);
    else if (strcmp(id, "conf") == 0)
        ask_room(l);
    else if (strcmp(id, "room") == 0)
        on_room(l, iq);
    return 1;
}

void xmpp_seat_look(struct xmpp_link *l, uint64_t now_ns)
{
    char nick[6 * XMPP_NICK_BYTES_MAX];

    if (l->state != XMPP_UP || now_ns - l->heard_ns < SILENCE_MS * NS_PER_MS)
        return;
    if (l->pinged_ns == 0) {
        l->pinged_ns = now_ns;
        if (xmpp_escape(l->nick, nick, sizeof nick))
            xmpp_put(l,
                     "<iq type='get' id='ping' to='%s/%s'><ping xmlns='urn:xmpp:ping'/></iq>",
                     l->place->room, nick);
    } else if (now_ns - l->pinged_ns > l->timeout_ms * NS_PER_MS) {
        xmpp_end(l, ACCORD_E_DOWN, "%s:%u is silent", l->address, l->port);
    }
}

void xmpp_seat_take(struct xmpp_link *l)
{
    xmpp_handler_add(l->connection, on_message, NULL, "message", NULL, l);
    xmpp_handler_add(l->connection, on_presence, NULL, "presence", NULL, l);
    xmpp_handler_add(l->connection, on_iq, NULL, "iq", NULL, l);
    snprintf(l->nick, sizeof l->nick, "%s", l->place->nick);
    set_state(l, XMPP_JOINING);
    xmpp_put(l, "<presence><priority>-1</priority></presence>");
    join(l);
}
