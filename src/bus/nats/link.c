/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/nats/link.h"

#include "bus/resolve.h"
#include "net/time.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EXPECTED "nats://user:password@host:4222/cluster, or tls://..."

enum {
    PORT = 4222,
    /* Before 2.10.23 a kill could lose the stream, whatever sync_interval says. */
    LEAST_MAJOR = 2,
    LEAST_MINOR = 10,
    LEAST_PATCH = 23,
    /* What its makers advise after others had killed and paused servers of earlier ones. */
    ADVISED_MAJOR = 2,
    ADVISED_MINOR = 12,
    ADVISED_PATCH = 3,
    RECONNECT_MS = 100,
    JITTER_MS = 200,
    PING_MS = 1000,
    PINGS_OUT_MAX = 2,
    LOGIN_FILE_BYTES_MAX = 16384,
};

static const char *const options_known[] = {
    "ca",       "cert",   "key", "tls", "creds", "nkey", "nkey_seed", "allow_old_server",
    "replicas", "domain", NULL};

static const char *const authorities = "/etc/ssl/certs/ca-certificates.crt";

/* What is built from the URL, before there is a connection. */
struct start {
    struct bus_url url;
    natsOptions *options;
    char servers[BUS_URL_SERVERS_MAX][NATS_NAME_BYTES_MAX * 5];
    bool secure, allow_old;
};

bool nats_version_is_at_least(const char *text, unsigned major, unsigned minor, unsigned patch)
{
    unsigned v[3] = {0, 0, 0};

    if (sscanf(text, "%u.%u.%u", &v[0], &v[1], &v[2]) < 2)
        return false;
    if (v[0] != major)
        return v[0] > major;
    if (v[1] != minor)
        return v[1] > minor;
    return v[2] >= patch;
}

/* Where JetStream is not the reason, libnats is. */
static int status_of(natsStatus s, int js_error)
{
    if (js_error == JSStreamNotFoundErr || js_error == JSNoMessageFoundErr ||
        s == NATS_NOT_FOUND)
        return ACCORD_E_GONE;
    if (js_error != 0)
        return ACCORD_E_IO;
    if (s == NATS_TIMEOUT)
        return ACCORD_E_TIMEOUT;
    if (s == NATS_CONNECTION_AUTH_FAILED || s == NATS_NOT_PERMITTED || s == NATS_SSL_ERROR)
        return ACCORD_E_DENIED;
    return s == NATS_NO_MEMORY ? ACCORD_E_NOMEM : ACCORD_E_DOWN;
}

/* What libnats says of its last error, without the place in its source: "(conn.c:1905): …". */
static const char *last_error(void)
{
    natsStatus last;
    const char *text = nats_GetLastError(&last);
    const char *behind = text && text[0] == '(' ? strstr(text, "): ") : NULL;

    return behind ? behind + 3 : text ? text : "";
}

/* What was refused to the request that has just timed out, or to its answer. */
static bool may_not(const struct nats_link *l, char text[BUS_WHY_BYTES_MAX])
{
    return nats_rights_missing(&l->rights, u64_sub_sat(nats_now_ms(), l->timeout_ms + 1000),
                               text);
}

int nats_link_fail(const struct nats_link *l, natsStatus s, int js_error, const char *what,
                   char why[BUS_WHY_BYTES_MAX])
{
    char missing[BUS_WHY_BYTES_MAX];

    if (s == NATS_CONNECTION_AUTH_FAILED)
        return bus_fail(why, ACCORD_E_DENIED,
                        "nats: the server does not take this login (Authorization Violation): "
                        "mend the user, password, token, nkey or creds of the URL");
    if ((s == NATS_TIMEOUT || s == NATS_NOT_PERMITTED) && may_not(l, missing))
        return bus_fail(why, ACCORD_E_DENIED, "nats: %s %s: %.400s", what, l->stream, missing);
    const char *more = s == NATS_NO_RESPONDERS
                           ? "JetStream is not enabled, or has no leader now"
                           : last_error();
    const char *text = natsStatus_GetText(s);
    bool untrusted = s == NATS_SSL_ERROR && strstr(more, "certificate");

    if (strcmp(more, text) == 0)
        more = "";
    return bus_fail(why, status_of(s, js_error), "nats: %s %s: %s%s%.300s%s", what, l->stream,
                    text, more[0] ? ": " : "", more,
                    untrusted ? "; write tls://, and ca= with the authority that signed it"
                              : "");
}

static int refuse_options(natsStatus s, const char *what, char why[BUS_WHY_BYTES_MAX])
{
    const char *more = last_error();

    if (s == NATS_OK)
        return ACCORD_OK;
    return bus_fail(why, ACCORD_E_INVALID, "nats: %s: %s%s%.300s", what, natsStatus_GetText(s),
                    more[0] ? ": " : "", more);
}

/* libnats opens it as it connects, and then what is absent, or holds something else, looks like
 * a server that is. */
static int check_file(const struct bus_url *u, const char *option, const char *holds,
                      const char *expected, char why[BUS_WHY_BYTES_MAX])
{
    const char *path = bus_url_option(u, option, NULL);
    char text[LOGIN_FILE_BYTES_MAX];
    ssize_t got = 0;

    if (!path)
        return ACCORD_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || (got = read(fd, text, sizeof text)) < 0)
        (void)bus_fail(why, ACCORD_E_DENIED, "%s %.200s: %s", option, path, strerror(errno));
    bool found = got > 0 && memmem(text, (size_t)got, holds, strlen(holds));
    explicit_bzero(text, sizeof text);
    if (fd >= 0)
        close(fd);
    if (fd < 0 || got < 0)
        return ACCORD_E_DENIED;
    return found ? ACCORD_OK
                 : bus_fail(why, ACCORD_E_INVALID, "%s %.200s does not hold %s", option, path,
                            expected);
}

static int check_files(const struct bus_url *u, char why[BUS_WHY_BYTES_MAX])
{
    static const char *const of_tls[] = {"ca", "cert", "key"};

    int status = check_file(u, "creds", "NATS USER JWT",
                            "a user's credentials, as nsc generate creds writes them", why);

    for (size_t i = 0; i < COUNT_OF(of_tls) && status == ACCORD_OK; i++)
        status = check_file(u, of_tls[i], "", "anything", why);
    return status == ACCORD_OK
               ? check_file(u, "nkey_seed", "SU", "the seed of a user, SU...", why)
               : status;
}

static natsStatus set_login(struct start *st)
{
    const struct bus_url *u = &st->url;
    const char *creds = bus_url_option(u, "creds", NULL);
    const char *nkey = bus_url_option(u, "nkey", NULL);
    const char *seed = bus_url_option(u, "nkey_seed", NULL);

    if (creds)
        return natsOptions_SetUserCredentialsFromFiles(st->options, creds, NULL);
    if (nkey && seed)
        return natsOptions_SetNKeyFromSeed(st->options, nkey, seed);
    if (u->user && u->password)
        return natsOptions_SetUserInfo(st->options, u->user, u->password);
    if (u->user || u->password)
        return natsOptions_SetToken(st->options, u->user ? u->user : u->password);
    return NATS_OK;
}

static int set_tls(struct start *st, char why[BUS_WHY_BYTES_MAX])
{
    const struct bus_url *u = &st->url;
    const char *ca =
        bus_url_option(u, "ca", access(authorities, R_OK) == 0 ? authorities : NULL);
    const char *cert = bus_url_option(u, "cert", NULL), *key = bus_url_option(u, "key", NULL);
    bool careless = bus_url_option(u, "tls", NULL) != NULL;

    int status = refuse_options(natsOptions_SetSecure(st->options, true), "TLS", why);
    if (status == ACCORD_OK && careless)
        status =
            refuse_options(natsOptions_SkipServerVerification(st->options, true), "tls", why);
    if (status == ACCORD_OK && ca && !careless)
        status =
            refuse_options(natsOptions_LoadCATrustedCertificates(st->options, ca), "ca", why);
    if (status == ACCORD_OK && cert)
        status = refuse_options(
            natsOptions_LoadCertificatesChain(st->options, cert, key ? key : cert), "cert",
            why);
    return status;
}

/* Lapsed connections come back by themselves: at once, then every 100 to 300 ms. */
static natsStatus set_behaviour(struct start *st, const char *name, uint64_t timeout_ms)
{
    natsOptions *o = st->options;
    natsStatus s = natsOptions_SetTimeout(o, (int64_t)timeout_ms);

    s = s ? s : natsOptions_SetMaxReconnect(o, -1);
    s = s ? s : natsOptions_SetReconnectWait(o, RECONNECT_MS);
    s = s ? s : natsOptions_SetReconnectJitter(o, JITTER_MS, JITTER_MS);
    s = s ? s : natsOptions_SetPingInterval(o, PING_MS);
    s = s ? s : natsOptions_SetMaxPingsOut(o, PINGS_OUT_MAX);
    s = s ? s : natsOptions_SetSendAsap(o, true);
    s = s ? s : natsOptions_SetName(o, name);
    return s;
}

/* libnats asks for an address without any bound of time. So a name that is not resolved within
 * its share is left out: it would hold up the others. A cluster tells of all its servers to who
 * reaches one. */
static int set_servers(struct start *st, uint64_t timeout_ms, char why[BUS_WHY_BYTES_MAX])
{
    const char *list[BUS_URL_SERVERS_MAX];
    const struct bus_url *u = &st->url;
    uint64_t share_ns = timeout_ms * NS_PER_MS / u64_max(u->server_count, 1);
    struct resolved found;
    int count = 0, status = ACCORD_OK;

    for (size_t i = 0; i < u->server_count; i++) {
        const char *host = u->servers[i].host;
        bool six = strchr(host, ':') != NULL;
        int used = snprintf(st->servers[i], sizeof st->servers[i], "%s://%s%s%s:%u",
                            st->secure ? "tls" : "nats", six ? "[" : "", host, six ? "]" : "",
                            u->servers[i].port);
        if (used >= (int)sizeof st->servers[i])
            return bus_fail(why, ACCORD_E_INVALID, "the name of server %zu is too long", i + 1);
        status = resolve(host, nats_now_ms() * NS_PER_MS + share_ns, &found, why);
        if (status == ACCORD_OK)
            list[count++] = st->servers[i];
    }
    if (count == 0)
        return status;
    return refuse_options(natsOptions_SetServers(st->options, list, count), "servers", why);
}

static int read_names(struct nats_link *l, struct start *st, char why[BUS_WHY_BYTES_MAX])
{
    const char *cluster = st->url.path[0] ? st->url.path : "accord";
    const char *domain = bus_url_option(&st->url, "domain", "");

    if (!bus_cluster_is_valid(cluster))
        return bus_fail(
            why, ACCORD_E_INVALID,
            "\"/%.50s\": a cluster's name is 1 to %d of a-z, 0-9 and _; expected " EXPECTED,
            cluster, NATS_CLUSTER_BYTES_MAX);
    if (strlen(domain) > 32 || strpbrk(domain, " .*>"))
        return bus_fail(why, ACCORD_E_INVALID, "domain=%.50s is no JetStream domain", domain);
    snprintf(l->cluster, sizeof l->cluster, "%s", cluster);
    snprintf(l->stream, sizeof l->stream, "ACCORD_%s", cluster);
    snprintf(l->domain, sizeof l->domain, "%s", domain);
    snprintf(l->api, sizeof l->api, domain[0] ? "$JS.%s.API" : "$JS.API", domain);
    return bus_url_number(&st->url, "replicas", 1, 5, 1, &l->replicas, why);
}

/* What can be told from the URL alone. */
static int check_tls(const struct bus_url *u, char why[BUS_WHY_BYTES_MAX])
{
    const char *tls = bus_url_option(u, "tls", NULL);
    bool cert = bus_url_option(u, "cert", NULL), key = bus_url_option(u, "key", NULL);
    bool ca = bus_url_option(u, "ca", NULL);

    if (tls && strcmp(tls, "insecure-skip-verify") != 0)
        return bus_fail(
            why, ACCORD_E_INVALID,
            "tls=%.50s: expected tls://... with ca=FILE, or, where nobody can listen, "
            "tls=insecure-skip-verify",
            tls);
    if (strcmp(u->scheme, "tls") != 0 && (tls || ca || cert || key))
        return bus_fail(why, ACCORD_E_INVALID,
                        "ca, cert, key and tls are for TLS: write tls://, not nats://");
    if (tls && ca)
        return bus_fail(why, ACCORD_E_INVALID,
                        "tls=insecure-skip-verify and ca contradict each other; leave one of "
                        "them out");
    if (key && !cert)
        return bus_fail(why, ACCORD_E_INVALID, "key needs cert=FILE, the certificate");
    return ACCORD_OK;
}

static int check_login(const struct bus_url *u, char why[BUS_WHY_BYTES_MAX])
{
    bool nkey = bus_url_option(u, "nkey", NULL), seed = bus_url_option(u, "nkey_seed", NULL);
    bool creds = bus_url_option(u, "creds", NULL);

    if (nkey != seed)
        return bus_fail(why, ACCORD_E_INVALID, "%s",
                        nkey ? "nkey needs nkey_seed=FILE, which holds its seed"
                             : "nkey_seed needs nkey=U..., the public key");
    if (creds + nkey + (u->user || u->password) > 1)
        return bus_fail(why, ACCORD_E_INVALID,
                        "the URL has more than one login (user, password or token; nkey; "
                        "creds); leave all but one out");
    return ACCORD_OK;
}

static int read_url(struct nats_link *l, struct start *st, const char *url,
                    char why[BUS_WHY_BYTES_MAX])
{
    int status = bus_url_parse(&st->url, url, PORT, EXPECTED, why);

    if (status == ACCORD_OK)
        status = bus_url_know(&st->url, options_known, why);
    if (status == ACCORD_OK)
        status = check_tls(&st->url, why);
    if (status == ACCORD_OK)
        status = check_login(&st->url, why);
    return status == ACCORD_OK ? read_names(l, st, why) : status;
}

int nats_link_names(struct nats_link *l, const char *url, char why[BUS_WHY_BYTES_MAX])
{
    struct start *st = calloc(1, sizeof *st);

    memset(l, 0, sizeof *l);
    if (!st)
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    int status = read_url(l, st, url, why);
    bus_url_done(&st->url);
    free(st);
    return status;
}

bool nats_link_allows_old(const char *url)
{
    char why[BUS_WHY_BYTES_MAX];
    struct nats_link l = {.timeout_ms = 0};
    struct start *st = calloc(1, sizeof *st);

    bool allowed =
        st && read_url(&l, st, url, why) == ACCORD_OK &&
        bus_url_flag(&st->url, "allow_old_server", false, &st->allow_old, why) == ACCORD_OK &&
        st->allow_old;
    if (st)
        bus_url_done(&st->url);
    free(st);
    return allowed;
}

static int prepare(struct nats_link *l, struct start *st, const struct bus_settings *s,
                   char why[BUS_WHY_BYTES_MAX])
{
    int status = read_url(l, st, s->url, why);

    if (status == ACCORD_OK)
        status = bus_url_flag(&st->url, "allow_old_server", false, &st->allow_old, why);
    if (status == ACCORD_OK)
        status = check_files(&st->url, why);
    if (status != ACCORD_OK)
        return status;
    st->secure = strcmp(st->url.scheme, "tls") == 0;
    status = refuse_options(natsOptions_Create(&st->options), "options", why);
    if (status == ACCORD_OK)
        status = refuse_options(set_login(st), "the login of the URL", why);
    if (status == ACCORD_OK && st->secure)
        status = set_tls(st, why);
    if (s->node)
        snprintf(l->name, sizeof l->name, "accord.%s node %.*s", l->cluster,
                 NODE_NAME_BYTES_MAX, s->node);
    else
        snprintf(l->name, sizeof l->name, "accord");
    if (status == ACCORD_OK)
        status = refuse_options(set_behaviour(st, l->name, s->timeout_ms), "options", why);
    if (status == ACCORD_OK)
        status = refuse_options(nats_rights_watch(&l->rights, st->options), "options", why);
    return status == ACCORD_OK ? set_servers(st, s->timeout_ms, why) : status;
}

uint64_t nats_now_ms(void)
{
    return time_monotonic_ns() / NS_PER_MS;
}

/* The first line that a server says, before TLS too: INFO {"version":"2.10.23",...}. */
static bool read_greeting(int fd, uint64_t until_ms, char *line, size_t bytes)
{
    size_t used = 0;

    while (used < bytes - 1 && !memchr(line, '\n', used)) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        uint64_t now = nats_now_ms();
        if (now >= until_ms || poll(&p, 1, (int)(until_ms - now)) <= 0)
            return false;
        ssize_t got = recv(fd, line + used, bytes - 1 - used, MSG_DONTWAIT);
        if (got <= 0)
            return false;
        used += (size_t)got;
    }
    line[used] = '\0';
    return true;
}

static bool connect_by(int fd, const struct addrinfo *to, uint64_t until_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    uint64_t now = nats_now_ms();

    if (connect(fd, to->ai_addr, to->ai_addrlen) == 0)
        return true;
    return errno == EINPROGRESS && now < until_ms && poll(&p, 1, (int)(until_ms - now)) > 0;
}

static int dial(const char *address, const char *port, uint64_t until_ms)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV},
                    *to = NULL;

    if (getaddrinfo(address, port, &hints, &to) != 0) /* asks nobody: both are numbers */
        return -1;
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && !connect_by(fd, to, until_ms)) {
        close(fd);
        fd = -1;
    }
    freeaddrinfo(to);
    return fd;
}

static bool greeted_by(const char *address, const char *port, uint64_t until_ms,
                       char version[32])
{
    char line[4096], *at;

    int fd = dial(address, port, until_ms);
    bool read = fd >= 0 && read_greeting(fd, until_ms, line, sizeof line);
    if (fd >= 0)
        close(fd);
    at = read ? strstr(line, "\"version\":\"") : NULL;
    return at && sscanf(at, "\"version\":\"%31[^\"]", version) == 1;
}

/* libnats (3.4) does not tell the server's version; the server that it is connected to does, to
 * whoever dials. Of a name with several addresses, the first that greets. */
static bool server_version(natsConnection *c, uint64_t timeout_ms, char version[32])
{
    char url[256], why[BUS_WHY_BYTES_MAX], *host, *port;
    uint64_t until_ms = nats_now_ms() + timeout_ms;
    struct resolved found;

    if (natsConnection_GetConnectedUrl(c, url, sizeof url) != NATS_OK)
        return false;
    host = strstr(url, "://");
    host = host ? host + 3 : url;
    port = strrchr(host, ':');
    if (!port)
        return false;
    *port++ = '\0';
    if (host[0] == '[') {
        host++;
        host[strcspn(host, "]")] = '\0';
    }
    if (resolve(host, until_ms * NS_PER_MS, &found, why) != ACCORD_OK)
        return false;
    for (size_t i = 0; i < found.count; i++) {
        uint64_t now = nats_now_ms();
        uint64_t share = u64_sub_sat(until_ms, now) / (found.count - i);
        if (greeted_by(found.address[i], port, now + share, version))
            return true;
    }
    return false;
}

static int check_version(struct nats_link *l, const struct start *st,
                         char why[BUS_WHY_BYTES_MAX])
{
    char *version = l->version;

    if (st->allow_old)
        return ACCORD_OK;
    if (!server_version(l->connection, l->timeout_ms, version))
        return bus_fail(why, ACCORD_E_DOWN, "nats: the server did not say its version");
    if (nats_version_is_at_least(version, LEAST_MAJOR, LEAST_MINOR, LEAST_PATCH))
        return ACCORD_OK;
    return bus_fail(why, ACCORD_E_UNSUPPORTED,
                    "nats-server %s: before %d.%d.%d a kill could lose the stream, and with it "
                    "changes that were acknowledged; upgrade the server, or say "
                    "--allow-old-server (in the URL ?allow-old-server=1) and do without the "
                    "promises P1 to P4",
                    version, LEAST_MAJOR, LEAST_MINOR, LEAST_PATCH);
}

void nats_link_advise(const struct nats_link *l, char out[BUS_ADVICE_BYTES_MAX])
{
    out[0] = '\0';
    if (l->version[0] &&
        !nats_version_is_at_least(l->version, ADVISED_MAJOR, ADVISED_MINOR, ADVISED_PATCH))
        snprintf(out, BUS_ADVICE_BYTES_MAX,
                 "nats-server %s: upgrade to %d.%d.%d or later; before it, servers that crash "
                 "or stand still could lose what they had acknowledged (that is noticed, and "
                 "costs the caches)",
                 l->version, ADVISED_MAJOR, ADVISED_MINOR, ADVISED_PATCH);
}

static int not_connected(const struct nats_link *l, const struct start *st, natsStatus s,
                         char why[BUS_WHY_BYTES_MAX])
{
    const struct bus_url_server *first = &st->url.servers[0];
    char what[160];

    snprintf(what, sizeof what, "connecting to %.100s port %u%s for", first->host, first->port,
             st->url.server_count > 1 ? " and the others" : "");
    return nats_link_fail(l, s, 0, what, why);
}

static int connect_now(struct nats_link *l, const struct start *st, char why[BUS_WHY_BYTES_MAX])
{
    natsStatus s = natsConnection_Connect(&l->connection, st->options);

    if (s != NATS_OK)
        return not_connected(l, st, s, why);
    jsOptions_Init(&l->options);
    l->options.Wait = (int64_t)l->timeout_ms;
    if (l->domain[0])
        l->options.Domain = l->domain;
    s = natsConnection_JetStream(&l->js, l->connection, &l->options);
    if (s != NATS_OK)
        return nats_link_fail(l, s, 0, "JetStream for", why);
    return check_version(l, st, why);
}

int nats_link_open(struct nats_link *l, const struct bus_settings *s,
                   char why[BUS_WHY_BYTES_MAX])
{
    struct start *st = calloc(1, sizeof *st);

    memset(l, 0, sizeof *l);
    l->timeout_ms = s->timeout_ms;
    if (!st)
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    int status = prepare(l, st, s, why);
    if (status == ACCORD_OK)
        status = connect_now(l, st, why);
    natsOptions_Destroy(st->options);
    bus_url_done(&st->url);
    free(st);
    if (status != ACCORD_OK)
        nats_link_close(l);
    return status;
}

void nats_link_close(struct nats_link *l)
{
    jsCtx_Destroy(l->js);
    natsConnection_Destroy(l->connection);
    nats_rights_done(&l->rights);
    l->js = NULL;
    l->connection = NULL;
}

int nats_link_wait(struct nats_link *l, char why[BUS_WHY_BYTES_MAX])
{
    uint64_t until_ms = nats_now_ms() + l->timeout_ms;

    while (natsConnection_Status(l->connection) != NATS_CONN_STATUS_CONNECTED) {
        if (nats_now_ms() >= until_ms)
            return bus_fail(why, ACCORD_E_DOWN, "nats: not connected; trying again by itself");
        nats_Sleep(10);
    }
    return ACCORD_OK;
}

/* What does not get better by itself. */
static const char *cure_of(int code)
{
    static const struct {
        int code;
        const char *cure;
    } cures[] = {
        {JSStreamReplicasNotSupportedErr,
         "leave replicas=N out of the URL, or join this server to a cluster of so many"},
        {JSClusterNoPeersErr,
         "so many servers with room as replicas=N asks for must be there (nats server list)"},
        {JSInsufficientResourcesErr,
         "the server's JetStream has no room for it: raise max_file_store, or add servers"},
        {JSStorageResourcesExceededErr, "raise max_file_store of its jetstream block"},
        {JSAccountResourcesExceededErr, "raise the account's limits of JetStream"},
        {JSMaximumStreamsLimitErr, "raise the account's limit of streams"},
        {JSNotEnabledForAccountErr, "give the user's account JetStream"},
        {JSNotEnabledErr, "give its configuration a jetstream block"},
    };

    for (size_t i = 0; i < COUNT_OF(cures); i++)
        if (cures[i].code == code)
            return cures[i].cure;
    return NULL;
}

/* {"error":{"code":404,"err_code":10059,"description":"stream not found"}} */
static int check_reply(struct nats_link *l, const char *verb, json_t *reply,
                       char why[BUS_WHY_BYTES_MAX])
{
    json_t *error = json_object_get(reply, "error");
    int code = (int)json_integer_value(json_object_get(error, "err_code"));
    const char *text = json_string_value(json_object_get(error, "description"));

    if (!error)
        return ACCORD_OK;
    const char *cure = cure_of(code);
    return bus_fail(why, status_of(NATS_OK, code ? code : 1), "nats: %s %s: %.200s%s%s", verb,
                    l->stream, text ? text : "refused", cure ? "; " BUS_NEEDS_OPERATOR : "",
                    cure ? cure : "");
}

int nats_link_ask(struct nats_link *l, const char *verb, json_t *body, json_t **reply,
                  char why[BUS_WHY_BYTES_MAX])
{
    char subject[3 * NATS_NAME_BYTES_MAX], *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    natsMsg *answer = NULL;
    json_error_t where;

    json_decref(body);
    snprintf(subject, sizeof subject, "%s.%s.%s", l->api, verb, l->stream);
    natsStatus s = natsConnection_RequestString(&answer, l->connection, subject,
                                                text ? text : "", (int64_t)l->timeout_ms);
    free(text);
    if (s != NATS_OK)
        return nats_link_fail(l, s, 0, verb, why);
    json_t *json =
        json_loadb(natsMsg_GetData(answer), (size_t)natsMsg_GetDataLength(answer), 0, &where);
    natsMsg_Destroy(answer);
    if (!json)
        return bus_fail(why, ACCORD_E_IO, "nats: %s %s: not JSON: %.200s", verb, l->stream,
                        where.text);
    int status = check_reply(l, verb, json, why);
    if (status != ACCORD_OK) {
        json_decref(json);
        return status;
    }
    *reply = json;
    return ACCORD_OK;
}

static int get_message(struct nats_link *l, uint64_t sequence, natsMsg **out,
                       char why[BUS_WHY_BYTES_MAX])
{
    jsErrCode code = 0;

    natsStatus s = js_GetMsg(out, l->js, l->stream, sequence, &l->options, &code);
    return s == NATS_OK ? ACCORD_OK
                        : nats_link_fail(l, s, (int)code, "reading a message of", why);
}

/* Appends the piece of one earlier part. */
static int append_part(struct nats_link *l, uint64_t sequence, uint8_t *out, size_t *used,
                       char why[BUS_WHY_BYTES_MAX])
{
    struct nats_part p;
    natsMsg *m = NULL;

    int status = get_message(l, sequence, &m, why);
    if (status != ACCORD_OK)
        return status;
    struct bytes payload = bytes_of(natsMsg_GetData(m), (size_t)natsMsg_GetDataLength(m));
    if (!nats_part_parse(payload, &p) || p.piece.size_bytes > NATS_PAYLOAD_BYTES_MAX - *used) {
        status = bus_fail(why, ACCORD_E_GONE, "nats: %s: a part is none", l->stream);
    } else {
        memcpy(out + *used, p.piece.data, p.piece.size_bytes);
        *used += p.piece.size_bytes;
    }
    natsMsg_Destroy(m);
    return status;
}

static int join_parts(struct nats_link *l, const struct nats_part *last, struct nats_message *m,
                      uint8_t **whole, char why[BUS_WHY_BYTES_MAX])
{
    uint8_t *out = malloc(NATS_PAYLOAD_BYTES_MAX);
    int status = ACCORD_OK;
    size_t used = 0;

    if (!out)
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    for (uint32_t i = 0; i + 1 < last->count && status == ACCORD_OK; i++)
        status = append_part(l, nats_part_other(last, i), out, &used, why);
    if (last->piece.size_bytes > NATS_PAYLOAD_BYTES_MAX - used)
        status = ACCORD_E_GONE;
    if (status != ACCORD_OK) {
        free(out);
        m->payload = bytes_of(NULL, 0); /* pruned from under it: clears */
        return status == ACCORD_E_GONE ? ACCORD_OK : status;
    }
    memcpy(out + used, last->piece.data, last->piece.size_bytes);
    m->payload = bytes_of(out, used + last->piece.size_bytes);
    *whole = out;
    return ACCORD_OK;
}

int nats_message_of(struct nats_link *l, natsMsg *m, uint64_t sequence, struct id128 log,
                    struct nats_message *out, uint8_t **whole, char why[BUS_WHY_BYTES_MAX])
{
    const char *subject = natsMsg_GetSubject(m),
               *verb = subject ? strstr(subject, ".do.") : NULL;
    int64_t time_ns = natsMsg_GetTime(m);
    struct nats_part part;

    *whole = NULL;
    *out = (struct nats_message){
        .sequence = sequence,
        .verb = verb ? verb + 4 : NULL,
        .payload = bytes_of(natsMsg_GetData(m), (size_t)natsMsg_GetDataLength(m)),
        .wall_ms = time_ns > 0 ? (uint64_t)time_ns / NS_PER_MS : 0,
        .log = log,
    };
    if (verb || !nats_part_parse(out->payload, &part))
        return ACCORD_OK;
    out->unfinished = !part.others;
    return part.others ? join_parts(l, &part, out, whole, why) : ACCORD_OK;
}

int nats_link_message(struct nats_link *l, uint64_t sequence, struct id128 log,
                      struct nats_message *out, struct nats_holder *holder,
                      char why[BUS_WHY_BYTES_MAX])
{
    struct nats_holder h = {0};

    int status = get_message(l, sequence, &h.message, why);
    if (status == ACCORD_OK)
        status = nats_message_of(l, h.message, sequence, log, out, &h.whole, why);
    if (status != ACCORD_OK)
        nats_holder_free(&h);
    else
        *holder = h;
    return status;
}

void nats_holder_free(struct nats_holder *h)
{
    natsMsg_Destroy(h->message);
    free(h->whole);
    *h = (struct nats_holder){0};
}
