/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* tls_test.c - rediss:// against a real redis-server with certificates made here by openssl. */
#include "bus/redis/redis.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "fault_proxy.h"
#include "redis_server.h"
#include "test.h"

enum { TIMEOUT_MS = 20000, EMPTY_READS_MAX = 20, PATH_BYTES = 320 };

static char why[BUS_WHY_BYTES_MAX];

static const char *path_of(const char *name)
{
    static char paths[8][PATH_BYTES];
    static unsigned next;
    char *path = paths[next++ % 8];

    snprintf(path, PATH_BYTES, "%s/%s", test_folder(), name);
    return path;
}

PRINTF_LIKE(1, 2)
static void run(const char *format, ...)
{
    char command[2048];
    va_list more;

    va_start(more, format);
    vsnprintf(command, sizeof command, format, more);
    va_end(more);
    int status = system(command);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        test_skip("openssl is not installed");
    CHECK(status == 0);
}

/* An authority of that name. */
static void make_authority(const char *name)
{
    run("cd '%s' && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days "
        "2 "
        "-subj '/CN=%s' -keyout %s.key -out %s.crt 2>/dev/null",
        test_folder(), name, name, name);
}

/* A certificate for `host` ("IP:127.0.0.1"), signed by that authority. */
static void make_certificate(const char *name, const char *host, const char *authority)
{
    run("cd '%s' && openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "
        "'/CN=%s' "
        "-keyout %s.key -out %s.csr 2>/dev/null && echo 'subjectAltName=%s' >%s.ext && "
        "openssl x509 -req -in %s.csr -CA %s.crt -CAkey %s.key -CAcreateserial -days 2 "
        "-extfile %s.ext -out %s.crt 2>/dev/null",
        test_folder(), name, name, name, host, name, name, authority, authority, name, name);
}

/* A server that shows certificate `name`; more options may follow. */
static void begin(struct redis_server *s, const char *name, const char *option,
                  const char *value)
{
    static char cert[PATH_BYTES], key[PATH_BYTES], ca[PATH_BYTES], port[8];
    uint16_t tls_port = redis_server_port();
    const char *const options[] = {"--tls-port",
                                   port,
                                   "--tls-cert-file",
                                   cert,
                                   "--tls-key-file",
                                   key,
                                   "--tls-ca-cert-file",
                                   ca,
                                   option,
                                   value,
                                   NULL};
    char file[64];

    snprintf(file, sizeof file, "%s.crt", name);
    snprintf(cert, sizeof cert, "%s", path_of(file));
    snprintf(file, sizeof file, "%s.key", name);
    snprintf(key, sizeof key, "%s", path_of(file));
    snprintf(ca, sizeof ca, "%s", path_of("ours.crt"));
    snprintf(port, sizeof port, "%u", tls_port);
    redis_server_begin(s, "redis", options);
    s->tls_port = tls_port;
}

static const char *url_of(uint16_t port, const char *ca, const char *more)
{
    static char url[1024];
    char file[64];

    snprintf(file, sizeof file, "%s.crt", ca ? ca : "");
    snprintf(url, sizeof url, "rediss://127.0.0.1:%u/shop?%s%s%s", port,
             ca ? "ca=" : "cluster=shop", ca ? path_of(file) : "", more);
    return url;
}

static int try_open(const char *url, struct bus **out, uint64_t timeout_ms)
{
    struct bus_settings s = {.url = url,
                             .max_stale_ms = 3000,
                             .retain_ms = 3600000,
                             .retain_changes = 100000,
                             .timeout_ms = timeout_ms};

    why[0] = 0;
    return bus_redis.open(out, &s, why);
}

static int refused(const char *url)
{
    struct bus *bus = NULL;

    int status = try_open(url, &bus, TIMEOUT_MS);
    CHECK(status != ACCORD_OK && !bus && why[0]);
    return status;
}

/* A thousand changes of some size there and back. */
static void check_works(const char *url, uint64_t *rng)
{
    static struct change batch[250];
    static uint8_t key[KEY_BYTES_MAX];
    struct bus *bus = NULL;
    struct bus_attached a;
    struct position last = {0, 0};
    const struct entry *entries;
    size_t count, got = 0;

    int status = try_open(url, &bus, TIMEOUT_MS);
    if (status != ACCORD_OK)
        fprintf(stderr, "%s\n", why);
    CHECK(status == ACCORD_OK);
    CHECK(bus_redis.attach(bus, NULL, 0, &a, why) == ACCORD_OK);
    for (int turn = 0; turn < 4; turn++) {
        for (size_t i = 0; i < COUNT_OF(batch); i++)
            batch[i] = (struct change){.op = CHANGE_REMOVE,
                                       .key = bytes_of(key, 1 + test_random(rng, 600)),
                                       .message = {1 + test_random(rng, UINT64_MAX - 1), i}};
        CHECK(bus_redis.publish(bus, batch, COUNT_OF(batch), &last, why) == ACCORD_OK);
    }
    int left = EMPTY_READS_MAX; /* a slow machine has more of them */
    for (uint64_t after = a.after; after < last.value && left > 0; got += count) {
        status = bus_redis.read(bus, after, 1000, &entries, &count, why);
        if (status != ACCORD_OK)
            fprintf(stderr, "%s\n", why);
        CHECK(status == ACCORD_OK);
        if (count == 0)
            left--;
        else
            after = entries[count - 1].position;
    }
    CHECK(got == 4 * COUNT_OF(batch));
    bus_redis.close(bus);
}

TEST(redis_tls_carries_the_log_and_believes_only_the_right_server)
{
    struct redis_server s;

    make_authority("ours");
    make_authority("theirs");
    make_certificate("server", "IP:127.0.0.1", "ours");
    begin(&s, "server", "--tls-auth-clients", "no");
    check_works(url_of(s.tls_port, "ours", ""), rng);
    CHECK(refused(url_of(s.tls_port, "theirs", "")) == ACCORD_E_DENIED);
    CHECK(strstr(why, "certificate") && strstr(why, "ca="));
    CHECK(refused(url_of(s.tls_port, NULL, "")) == ACCORD_E_DENIED); /* the system's */
    CHECK(strstr(why, "certificate"));
    check_works(url_of(s.tls_port, NULL, "&verify=insecure"), rng);
    CHECK(refused(url_of(s.tls_port, "absent", "")) == ACCORD_E_INVALID &&
          strstr(why, "absent"));
}

TEST(redis_tls_refuses_the_certificate_of_another_host)
{
    struct redis_server s;

    make_authority("ours");
    make_certificate("server", "DNS:elsewhere.example,IP:127.0.0.2", "ours");
    begin(&s, "server", "--tls-auth-clients", "no");
    CHECK(refused(url_of(s.tls_port, "ours", "")) == ACCORD_E_DENIED);
    CHECK(strstr(why, "certificate") && strstr(why, "mismatch"));
}

TEST(redis_tls_shows_a_certificate_where_the_server_wants_one)
{
    struct redis_server s;
    char more[1024];

    make_authority("ours");
    make_authority("theirs");
    make_certificate("server", "IP:127.0.0.1", "ours");
    make_certificate("node", "DNS:web1", "ours");
    make_certificate("stranger", "DNS:web1", "theirs");
    begin(&s, "server", "--tls-auth-clients", "yes");
    snprintf(more, sizeof more, "&cert=%s&key=%s", path_of("node.crt"), path_of("node.key"));
    check_works(url_of(s.tls_port, "ours", more), rng);
    int status = refused(url_of(s.tls_port, "ours", ""));
    CHECK(status == ACCORD_E_DENIED || status == ACCORD_E_DOWN);
    snprintf(more, sizeof more, "&cert=%s&key=%s", path_of("stranger.crt"),
             path_of("stranger.key"));
    status = refused(url_of(s.tls_port, "ours", more));
    CHECK(status == ACCORD_E_DENIED || status == ACCORD_E_DOWN);
    snprintf(more, sizeof more, "&cert=%s&key=%s", path_of("node.crt"), path_of("server.key"));
    CHECK(refused(url_of(s.tls_port, "ours", more)) == ACCORD_E_INVALID && strstr(why, "key="));
}

/* Nobody is asked before they are read. */
TEST(redis_tls_names_a_file_that_is_not_there)
{
    static const char *const options[] = {"ca=/no/such/file",
                                          "cert=/no/such/file&key=/dev/null",
                                          "cert=/dev/null&key=/no/such/file"};
    char url[128];

    for (size_t i = 0; i < COUNT_OF(options); i++) {
        snprintf(url, sizeof url, "rediss://127.0.0.1:1/shop?%s", options[i]);
        CHECK(refused(url) == ACCORD_E_INVALID);
        CHECK(strstr(why, "=/no/such/file: No such file or directory"));
    }
    CHECK(refused("rediss://127.0.0.1:1/shop?ca=/dev/null") == ACCORD_E_INVALID);
    CHECK(strstr(why, "ca=/dev/null holds no certificates"));
}

TEST(redis_tls_does_not_speak_with_those_that_have_none_or_an_old_one)
{
    struct redis_server s;
    char url[128];

    make_authority("ours");
    make_certificate("server", "IP:127.0.0.1", "ours");
    begin(&s, "server", "--tls-protocols", "TLSv1.1");
    int status = refused(url_of(s.tls_port, "ours", ""));
    CHECK(status == ACCORD_E_DENIED || status == ACCORD_E_DOWN);
    status = refused(url_of(s.port, "ours", "")); /* plain */
    CHECK(status == ACCORD_E_DENIED || status == ACCORD_E_DOWN);
    snprintf(url, sizeof url, "redis://127.0.0.1:%u/shop", s.tls_port); /* and the other way */
    CHECK(refused(url) == ACCORD_E_DOWN && strstr(why, "does it want rediss://?"));
}

TEST(redis_tls_survives_a_bad_line)
{
    struct redis_server s;

    make_authority("ours");
    make_certificate("server", "IP:127.0.0.1", "ours");
    begin(&s, "server", "--tls-auth-clients", "no");
    struct fault_proxy *proxy = fault_proxy_start(s.tls_port, *rng);
    CHECK(proxy);
    uint16_t port = fault_proxy_port(proxy);
    CHECK(fault_proxy_command(proxy, "split 50"));
    check_works(url_of(port, "ours", ""), rng);
    CHECK(fault_proxy_command(proxy, "heal"));
    CHECK(fault_proxy_command(proxy, "reset-after 300")); /* in the handshake */
    CHECK(refused(url_of(port, "ours", "")) == ACCORD_E_DOWN);
    CHECK(fault_proxy_command(proxy, "heal"));
    CHECK(fault_proxy_command(proxy, "stall down"));
    struct bus *bus = NULL;
    CHECK(try_open(url_of(port, "ours", ""), &bus, 500) == ACCORD_E_DOWN);
    CHECK(strstr(why, "in time"));
    CHECK(fault_proxy_command(proxy, "heal"));
    check_works(url_of(port, "ours", ""), rng);
    fault_proxy_stop(proxy);
}
