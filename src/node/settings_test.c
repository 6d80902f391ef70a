/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/settings.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char why[SETTINGS_WHY_BYTES_MAX];

static struct settings *fresh(void)
{
    struct settings *s;

    CHECK(settings_new(&s) == ACCORD_OK);
    why[0] = 0;
    return s;
}

static const char *file_with(const char *text)
{
    static char path[512];
    FILE *f;

    snprintf(path, sizeof path, "%s/a.conf", test_folder());
    f = fopen(path, "we");
    CHECK(f);
    fputs(text, f);
    fclose(f);
    return path;
}

/* Reads `text` as a file; the message must begin at that line and hold `part`. */
static void file_refused(const char *text, unsigned line, const char *part)
{
    struct settings *s = fresh();
    const char *path = file_with(text);
    char where[600];

    CHECK(settings_read_file(s, path, why) == ACCORD_E_INVALID);
    snprintf(where, sizeof where, "%s:%u: ", path, line);
    if (strncmp(why, where, strlen(where)) != 0 || !strstr(why, part))
        fprintf(stderr, "expected %s…%s, got: %s\n", where, part, why);
    CHECK(strncmp(why, where, strlen(where)) == 0);
    CHECK(strstr(why, part));
    settings_free(s);
}

TEST(sizes_and_durations_need_their_units)
{
    uint64_t v = 7;

    CHECK(settings_parse_size("256M", &v) == 0 && v == 256 * MIB);
    CHECK(settings_parse_size("8388608", &v) == 0 && v == 8 * MIB);
    CHECK(settings_parse_size("16777216T", &v) == ACCORD_E_INVALID);
    CHECK(settings_parse_size("17179869184G", &v) == ACCORD_E_INVALID); /* 2^64 */
    CHECK(settings_parse_size("17179869183G", &v) == 0 && v == UINT64_MAX - (GIB - 1));
    CHECK(settings_parse_size("-1", &v) == ACCORD_E_INVALID);
    CHECK(settings_parse_duration("500ms", &v) == 0 && v == 500 * NS_PER_MS);
    CHECK(settings_parse_duration("1h", &v) == 0 && v == 3600 * NS_PER_S);
    CHECK(settings_parse_duration("0", &v) == 0 && v == 0);
    CHECK(settings_parse_duration("3", &v) == ACCORD_E_INVALID);
    CHECK(settings_parse_duration("", &v) == ACCORD_E_INVALID);
    CHECK(settings_parse_duration("3 s", &v) == ACCORD_E_INVALID);
    CHECK(settings_parse_duration("99999999999999999999s", &v) == ACCORD_E_INVALID);
}

TEST_SEEDS(what_is_printed_parses_back, 200)
{
    uint64_t ns = test_random(rng, 1000000) * 1000 * (test_random(rng, 2) ? 1 : 1000000), back;
    uint64_t bytes = test_random(rng, 1 << 20) * (test_random(rng, 2) ? 1 : KIB);
    char text[32];

    settings_print_duration(ns, text);
    CHECK(settings_parse_duration(text, &back) == ACCORD_OK && back == ns);
    settings_print_size(bytes, text);
    CHECK(settings_parse_size(text, &back) == ACCORD_OK && back == bytes);
}

TEST(bounds_hold_at_and_beyond_their_ends)
{
    struct settings *s = fresh();

    CHECK(settings_set(s, "x", "memory", "8191K", why) == ACCORD_E_INVALID);
    CHECK(s->memory_bytes == 256 * MIB);
    CHECK(strstr(why,
                 "x: memory is \"8191K\", but must be a size like 256M or 2G, from 8M to 64G"));
    CHECK(settings_set(s, "x", "memory", "8192K", why) == ACCORD_OK);
    CHECK(settings_set(s, "x", "memory", "64G", why) == ACCORD_OK);
    CHECK(settings_set(s, "x", "memory", "65G", why) == ACCORD_E_INVALID);
    CHECK(settings_set(s, "x", "max_stale", "499ms", why) == ACCORD_E_INVALID);
    CHECK(!s->max_stale_given);
    CHECK(settings_set(s, "x", "max_stale", "500ms", why) == ACCORD_OK);
    CHECK(s->max_stale_given && s->max_stale_ns == 500 * NS_PER_MS);
    CHECK(settings_set(s, "x", "max-stale", "3600s", why) == ACCORD_OK);
    CHECK(settings_set(s, "x", "max-stale", "3601s", why) == ACCORD_E_INVALID);
    CHECK(settings_set(s, "x", "mode", "0640", why) == ACCORD_OK && s->mode == 0640);
    CHECK(settings_set(s, "x", "mode", "0888", why) == ACCORD_E_INVALID);
    CHECK(settings_set(s, "x", "ack", "local", why) == ACCORD_OK && s->ack == ACK_LOCAL);
    CHECK(settings_set(s, "x", "ack", "loc", why) == ACCORD_E_INVALID);
    CHECK(strstr(why, "one of: bus local"));
    settings_free(s);
}

TEST(names_of_64_bytes_fit_and_of_65_do_not)
{
    struct settings *s = fresh();
    char name[NODE_NAME_BYTES_MAX + 2];

    memset(name, 'n', sizeof name);
    name[NODE_NAME_BYTES_MAX] = 0;
    CHECK(settings_set(s, "x", "name", name, why) == ACCORD_OK);
    CHECK(strcmp(s->name, name) == 0);
    name[NODE_NAME_BYTES_MAX] = 'n';
    name[NODE_NAME_BYTES_MAX + 1] = 0;
    CHECK(settings_set(s, "x", "name", name, why) == ACCORD_E_INVALID);
    CHECK(strlen(s->name) == NODE_NAME_BYTES_MAX);
    settings_free(s);
}

TEST(a_file_sets_the_node_and_its_namespaces)
{
    struct settings *s = fresh();
    const char *path = file_with("; a comment\n# another\nname = web1\n[node]\n"
                                 "  memory = 64M\nlisten = tcp://127.0.0.1:1, tcp://[::1]:2\n"
                                 "max_stale=2s ; of the cluster\n\n[namespace user]\n"
                                 "ttl = 1h\nrefresh_at = 0.8\ndelimiter = /\nnx = local\n"
                                 "when_unsure = stale\nset = fill\nversion = lsn\n"
                                 "[namespace default]\nttl = never\n[namespace empty]\n");

    int status = settings_read_file(s, path, why);
    if (status)
        fprintf(stderr, "%s\n", why);
    CHECK(status == ACCORD_OK);
    CHECK(strcmp(s->name, "web1") == 0);
    CHECK(s->memory_bytes == 64 * MIB);
    CHECK(s->max_stale_ns == 2 * NS_PER_S);
    CHECK(s->listen.count == 2);
    CHECK(strcmp(s->listen.text[1], "tcp://[::1]:2") == 0);
    CHECK(s->namespace_count == 3);
    CHECK(strcmp(s->namespaces[0].name, "default") == 0);
    CHECK(s->namespaces[0].ttl_ns == UINT64_MAX);
    const struct namespace_settings *user = &s->namespaces[1];
    CHECK(strcmp(user->name, "user") == 0);
    CHECK(user->ttl_ns == 3600 * NS_PER_S);
    CHECK(user->refresh_permille == 800);
    CHECK(user->jitter_permille == 0);
    CHECK(user->delimiter == '/');
    CHECK(user->nx_local);
    CHECK(user->when_unsure == WHEN_UNSURE_STALE);
    CHECK(user->set == SET_FILL);
    CHECK(user->version == VERSION_LSN);
    CHECK(user->unsure_ttl_ns == NS_PER_S);
    CHECK(strcmp(s->namespaces[2].name, "empty") == 0);
    settings_free(s);
}

TEST(what_versions_do_not_guard_is_held_for_a_minute)
{
    struct settings *s = fresh();

    CHECK(settings_read_file(s,
                             file_with("name = web1\n[namespace a]\nversion = row\n"
                                       "[namespace b]\nversion = lsn\nhold_off = 5s\n"
                                       "[namespace c]\nttl = 1h\n"),
                             why) == ACCORD_OK);
    CHECK(settings_finish(s, why) == ACCORD_OK);
    CHECK(s->namespaces[1].hold_off_ns == 60 * NS_PER_S);
    CHECK(s->namespaces[2].hold_off_ns == 5 * NS_PER_S);
    CHECK(s->namespaces[3].hold_off_ns == 0);
    settings_free(s);
    s = fresh();
    CHECK(settings_read_file(s, file_with("name = web1\n[namespace user]\nhold_off = never\n"),
                             why) == ACCORD_OK);
    CHECK(settings_finish(s, why) == ACCORD_E_INVALID);
    CHECK(strstr(why, "[namespace user]: hold_off = never"));
    settings_free(s);
}

TEST(a_namespace_may_only_be_tighter_than_the_node)
{
    struct settings *s = fresh();

    CHECK(settings_read_file(s,
                             file_with("name = web1\nmax-stale = 2s\n[namespace user]\n"
                                       "max_stale = 2001ms\n"),
                             why) == ACCORD_OK);
    CHECK(settings_finish(s, why) == ACCORD_E_INVALID);
    CHECK(strstr(why, "[namespace user]: max_stale is larger"));
    settings_free(s);
    s = fresh();
    CHECK(settings_read_file(s,
                             file_with("name = web1\nmax-stale = 2s\n[namespace user]\n"
                                       "max_stale = 2s\n"),
                             why) == ACCORD_OK);
    CHECK(settings_finish(s, why) == ACCORD_OK);
    settings_free(s);
}

static uint64_t max_stale_of(const char *bus, const char *given)
{
    struct settings *s = fresh();

    CHECK(settings_set(s, "x", "name", "web1", why) == ACCORD_OK);
    CHECK(settings_set(s, "x", "bus", bus, why) == ACCORD_OK);
    if (given)
        CHECK(settings_set(s, "x", "max-stale", given, why) == ACCORD_OK);
    CHECK(settings_finish(s, why) == ACCORD_OK);
    uint64_t max_stale_ns = s->max_stale_ns;
    settings_free(s);
    return max_stale_ns;
}

TEST(a_bus_may_have_a_max_stale_of_its_own_where_none_is_given)
{
    static const char room[] = "xmpp://accord:p@chat/caches@conference.chat";

    CHECK(max_stale_of("memory:x", NULL) == 3 * NS_PER_S);
    CHECK(max_stale_of("pigeon:x", NULL) == 3 * NS_PER_S);
    CHECK(max_stale_of(room, NULL) == 15 * NS_PER_S);
    CHECK(max_stale_of(room, "3s") == 3 * NS_PER_S);
}

TEST(a_switch_is_a_flag_without_a_value_and_yes_or_no_elsewhere)
{
    char program[] = "accord", bus[] = "--bus=nats://h/shop", on[] = "--allow_old_server";
    char off[] = "--allow-old-server=no", *flags[] = {program, bus, on},
         *against[] = {program, bus, off};
    struct settings *s = fresh();

    CHECK(settings_read_flags(s, 3, flags, why) == ACCORD_OK && settings_finish(s, why) == 0);
    CHECK(strcmp(s->bus, "nats://h/shop?allow_old_server=1") == 0);
    settings_free(s);
    s = fresh();
    CHECK(settings_read_file(s, file_with("allow-old-server = yes\n"), why) == ACCORD_OK);
    CHECK(s->allow_old_server);
    CHECK(settings_read_flags(s, 3, against, why) == ACCORD_OK && settings_finish(s, why) == 0);
    CHECK(strcmp(s->bus, "nats://h/shop") == 0);
    settings_free(s);
    file_refused("allow-old-server = perhaps\n", 1, "yes or no");
}

/* Where it would mean nothing, it is a mistake. */
TEST(an_old_server_is_refused_of_a_bus_that_is_not_nats)
{
    struct settings *s = fresh();

    CHECK(settings_read_file(s, file_with("bus = redis://h/shop\nallow-old-server = on\n"),
                             why) == ACCORD_OK);
    CHECK(settings_finish(s, why) == ACCORD_E_INVALID);
    CHECK(strstr(why, ":2: an old server is allowed of nats://"));
    settings_free(s);
}

TEST(a_bad_line_is_named_with_what_is_expected)
{
    file_refused("name = a\n\nmemroy = 1G\n", 3, "did you mean \"memory\"?");
    file_refused("memory = lots\n", 1, "a size like 256M or 2G, from 8M to 64G");
    file_refused("max-stale 3s\n", 1, "expected name = value");
    file_refused("\n[nodes]\n", 2, "did you mean [node]?");
    file_refused("[users]\nttl = 1s\n", 1, "did you mean [namespace users]?");
    file_refused("[namespace]\nttl = 1s\n", 1, "expected [namespace NAME]");
    file_refused("[namespace a:b]\n", 1, "is no name for a namespace");
    file_refused("[namespace user]\ntll = 3s\n", 2, "did you mean \"ttl\"?");
    file_refused("[namespace user]\nrefresh_at = 1.001\n", 2, "a part from 0 to 1");
    file_refused("[namespace user\nttl = 3s\n", 1, "expected [node] or [namespace NAME]");
    file_refused("[namespace user]\nmemory = 64M\n", 2, "above all sections or under [node]");
    file_refused("ttl = 64M\n", 1, "in a [namespace NAME] section");
    file_refused("[namespace user]\ndelimiter = //\n", 2, "one printable character");
}

/* What stands behind a NUL would be dropped without a word. */
TEST(a_file_with_a_nul_byte_is_no_text)
{
    struct settings *s = fresh();
    char path[600], where[700];

    snprintf(path, sizeof path, "%s", file_with("name = web1\nmemory = 64M?00\n"));
    snprintf(where, sizeof where, "%s:2: ", path);
    FILE *f = fopen(path, "r+e");
    CHECK(f && fseek(f, (long)strlen("name = web1\nmemory = 64M"), SEEK_SET) == 0);
    CHECK(fputc(0, f) == 0 && fclose(f) == 0);
    CHECK(settings_read_file(s, path, why) == ACCORD_E_INVALID);
    CHECK(strncmp(why, where, strlen(where)) == 0);
    CHECK(strstr(why, "NUL byte"));
    settings_free(s);
}

TEST(a_line_of_196_bytes_is_read_and_one_of_197_is_refused)
{
    char text[400];
    struct settings *s = fresh();

    snprintf(text, sizeof text, "state = %0188d\n", 0);
    text[8 + 187] = '\n'; /* 195 bytes and the newline: 196 */
    text[8 + 188] = 0;
    CHECK(strlen(text) == 196);
    CHECK(settings_read_file(s, file_with(text), why) == ACCORD_OK);
    CHECK(strlen(s->state) == 187);
    settings_free(s);
    snprintf(text, sizeof text, "\nstate = %0188d\n", 0);
    file_refused(text, 2, "longer than 196 bytes");
}

TEST(a_257th_namespace_is_refused_where_it_stands)
{
    static char text[NAMESPACES_MAX * 32];
    size_t used = 0;

    for (int i = 1; i < NAMESPACES_MAX; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "[namespace n%d]\n", i);
    struct settings *s = fresh();
    CHECK(settings_read_file(s, file_with(text), why) == ACCORD_OK);
    CHECK(s->namespace_count == NAMESPACES_MAX);
    settings_free(s);
    snprintf(text + used, sizeof text - used, "[namespace more]\n");
    file_refused(text, NAMESPACES_MAX, "more than 256 namespaces");
}

TEST_SEEDS(no_bytes_of_a_file_break_the_reader, 300)
{
    struct settings *s = fresh();
    char path[512], bytes[600];
    size_t size = (size_t)test_random(rng, sizeof bytes);
    static const char likely[] = "[]=:;#\n\n name spcetlmory0123\\\"%\t\r";
    FILE *f;

    snprintf(path, sizeof path, "%s/b.conf", test_folder());
    for (size_t i = 0; i < size; i++)
        bytes[i] = test_random(rng, 4) ? likely[test_random(rng, sizeof likely)]
                                       : (char)test_random(rng, 256);
    f = fopen(path, "we");
    CHECK(f && fwrite(bytes, 1, size, f) == size && fclose(f) == 0);
    int status = settings_read_file(s, path, why);
    CHECK(status == ACCORD_OK || (status == ACCORD_E_INVALID && why[0]));
    settings_free(s);
}

TEST(flags_beat_the_environment_and_the_environment_beats_the_file)
{
    const char *path = file_with("name = file\nmemory = 16M\nretain = 2h\n"
                                 "listen = tcp://127.0.0.1:1\n");
    char *argv[] = {"serve",       "--config",          (char *)(uintptr_t)path,
                    "--name=flag", "--listen",          "tcp://127.0.0.1:3",
                    "--listen",    "tcp://127.0.0.1:4", "--socket",
                    "/tmp/x.sock"};
    struct settings *s = NULL;

    CHECK(setenv("ACCORD_NAME", "environment", 1) == 0);
    CHECK(setenv("ACCORD_MEMORY", "32M", 1) == 0);
    CHECK(setenv("ACCORD_LISTEN", "tcp://127.0.0.1:2", 1) == 0);
    CHECK(settings_load(&s, COUNT_OF(argv), argv, why) == ACCORD_OK);
    CHECK(strcmp(s->name, "flag") == 0);
    CHECK(s->memory_bytes == 32 * MIB);
    CHECK(s->retain_ns == 7200 * NS_PER_S);
    CHECK(s->listen.count == 2);
    CHECK(strcmp(s->listen.text[0], "tcp://127.0.0.1:3") == 0);
    CHECK(s->bus[0]);
    settings_free(s);
}

TEST(what_is_no_flag_is_refused)
{
    struct settings *s = fresh();
    char *unknown[] = {"serve", "--naem", "x"}, *bare[] = {"serve", "name"};
    char *valueless[] = {"serve", "--name"};

    CHECK(settings_read_flags(s, 3, unknown, why) == ACCORD_E_INVALID);
    CHECK(strstr(why, "--naem: no setting is called \"naem\"; did you mean \"name\"?"));
    CHECK(settings_read_flags(s, 2, bare, why) == ACCORD_E_INVALID);
    CHECK(strstr(why, "\"name\" is not a flag"));
    CHECK(settings_read_flags(s, 2, valueless, why) == ACCORD_E_INVALID);
    CHECK(strstr(why, "--name needs a value"));
    settings_free(s);
}

TEST(a_flag_given_twice_is_refused_and_a_list_goes_on)
{
    struct settings *s = fresh();
    char *twice[] = {"serve", "--max-stale", "3s", "--max_stale=5s"};
    char *lists[] = {"serve", "--http-host", "a", "--http-host", "b"};

    CHECK(settings_read_flags(s, 4, twice, why) == ACCORD_E_INVALID);
    CHECK(strstr(why, "--max_stale is given twice, as \"3s\" and \"5s\": leave one of them"));
    CHECK(settings_read_flags(s, 5, lists, why) == ACCORD_OK);
    CHECK(s->http_hosts.count == 2);
    settings_free(s);
}

TEST(a_relative_path_is_of_the_folder_of_this_process)
{
    struct settings *s = fresh();
    char expected[1100], long_path[1030] = "sqlite:", folder[512];

    CHECK(chdir(test_folder()) == 0);
    CHECK(getcwd(folder, sizeof folder));
    CHECK(settings_set(s, "flag", "bus", "sqlite:./bus.db?cluster=a", why) == ACCORD_OK);
    CHECK(settings_set(s, "flag", "state", "st", why) == ACCORD_OK);
    CHECK(settings_finish(s, why) == ACCORD_OK);
    snprintf(expected, sizeof expected, "sqlite:%s/bus.db?cluster=a", folder);
    CHECK(strcmp(s->bus, expected) == 0);
    snprintf(expected, sizeof expected, "%s/st", folder);
    CHECK(strcmp(s->state, expected) == 0);
    CHECK(settings_finish(s, why) == ACCORD_OK && strcmp(s->state, expected) == 0);
    memset(long_path + 7, 'b', 1016);
    CHECK(settings_set(s, "flag", "bus", long_path, why) == ACCORD_OK);
    CHECK(settings_finish(s, why) == ACCORD_E_INVALID);
    CHECK(strstr(why, "give an absolute one"));
    settings_free(s);
}

TEST(an_empty_text_is_refused)
{
    struct settings *s = fresh();
    char *flag[] = {"serve", "--bus", ""}, *joined[] = {"serve", "--password-file="};

    CHECK(settings_read_flags(s, 3, flag, why) == ACCORD_E_INVALID);
    CHECK(strstr(why, "--bus: bus is empty; give a URL, or leave it out: "));
    CHECK(strstr(why, "sqlite:/path/to/file"));
    CHECK(settings_read_flags(s, 2, joined, why) == ACCORD_E_INVALID);
    CHECK(strstr(why, "password-file is empty"));
    file_refused("[node]\nbus =\n", 2, "bus is empty");
    CHECK(setenv("ACCORD_BUS", "", 1) == 0);
    CHECK(settings_read_environment(s, why) == ACCORD_OK); /* as if it were not there */
    CHECK(unsetenv("ACCORD_BUS") == 0);
    CHECK(settings_read_query(s, "bus=", why) == ACCORD_E_INVALID);
    CHECK(strstr(why, "bus is empty"));
    settings_free(s);
}

TEST(a_query_is_decoded_and_its_mistakes_are_named)
{
    struct settings *s = fresh();

    CHECK(settings_read_query(s, "?bus=sqlite:/a%26b&name=n1&memory=8M", why) == ACCORD_OK);
    CHECK(strcmp(s->bus, "sqlite:/a&b") == 0);
    CHECK(strcmp(s->name, "n1") == 0);
    CHECK(settings_read_query(s, "", why) == ACCORD_OK);
    CHECK(settings_read_query(s, "bus", why) == ACCORD_E_INVALID);
    CHECK(settings_read_query(s, "name=%4", why) == ACCORD_E_INVALID);
    CHECK(settings_read_query(s, "name=%00", why) == ACCORD_E_INVALID);
    CHECK(settings_read_query(s, "nmae=x", why) == ACCORD_E_INVALID);
    CHECK(strstr(why, "did you mean \"name\"?"));
    settings_free(s);
}

TEST(each_list_is_replaced_by_the_layer_that_names_it_and_no_other)
{
    struct settings *s = fresh();
    const char *path = file_with("listen = http://127.0.0.1:1\nClusterMachine = 10.0.0.7\n"
                                 "ClusterMachine=10.0.1.*\nhttp-host = a b\n");
    char *flags[] = {"serve", "--http-host", "c", "--listen=http://127.0.0.1:2",
                     "--http-host=d"};

    CHECK(settings_read_file(s, path, why) == ACCORD_OK);
    CHECK(s->cluster_machines.count == 2);
    CHECK(strcmp(s->cluster_machines.text[1], "10.0.1.*") == 0);
    CHECK(s->http_hosts.count == 2);
    CHECK(settings_read_flags(s, COUNT_OF(flags), flags, why) == ACCORD_OK);
    CHECK(s->http_hosts.count == 2);
    CHECK(strcmp(s->http_hosts.text[0], "c") == 0);
    CHECK(strcmp(s->http_hosts.text[1], "d") == 0);
    CHECK(s->listen.count == 1);
    CHECK(strcmp(s->listen.text[0], "http://127.0.0.1:2") == 0);
    CHECK(s->cluster_machines.count == 2);
    settings_free(s);
}

TEST(cluster_machines_are_addresses_and_need_a_listener)
{
    static const struct {
        const char *listen, *machine, *part;
    } wrong[] = {{"http://127.0.0.1:1", "web2", "give one like 10.0.0.7, or 10.0.0.*"},
                 {"http://127.0.0.1:1", "10.0.0.0/8", "is no address"},
                 {"tcp://127.0.0.1:1", "10.0.0.7", "add --listen http://HOST:PORT"}};

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct settings *s = fresh();
        CHECK(settings_set(s, "x", "listen", wrong[i].listen, why) == ACCORD_OK);
        CHECK(settings_set(s, "x", "cluster-machine", wrong[i].machine, why) == ACCORD_OK);
        CHECK(settings_finish(s, why) == ACCORD_E_INVALID);
        CHECK(strstr(why, wrong[i].part));
        settings_free(s);
    }
}

TEST(a_password_file_must_be_its_owners_alone)
{
    struct settings *s = fresh();
    char path[512];
    FILE *f;

    snprintf(path, sizeof path, "%s/password", test_folder());
    f = fopen(path, "we");
    CHECK(f && fputs("secret \r\nmore\n", f) >= 0 && fclose(f) == 0);
    CHECK(settings_set(s, "x", "name", "n", why) == ACCORD_OK);
    CHECK(settings_set(s, "x", "socket", "/tmp/x.sock", why) == ACCORD_OK);
    CHECK(settings_set(s, "x", "password-file", path, why) == ACCORD_OK);
    CHECK(chmod(path, 0640) == 0);
    CHECK(settings_finish(s, why) == ACCORD_E_DENIED);
    CHECK(strstr(why, "chmod 600"));
    CHECK(chmod(path, 0600) == 0);
    CHECK(settings_finish(s, why) == ACCORD_OK);
    CHECK(strcmp(s->password, "secret ") == 0);
    CHECK(truncate(path, 0) == 0);
    CHECK(settings_finish(s, why) == ACCORD_E_INVALID);
    settings_free(s);
}

TEST(a_name_with_a_space_and_a_local_ack_without_state_are_refused)
{
    struct settings *s = fresh();

    CHECK(settings_set(s, "x", "socket", "/tmp/x.sock", why) == ACCORD_OK);
    CHECK(settings_set(s, "x", "name", "web 1", why) == ACCORD_OK);
    CHECK(settings_finish(s, why) == ACCORD_E_INVALID);
    CHECK(strstr(why, "--name"));
    CHECK(settings_set(s, "x", "name", "web-1.example_x", why) == ACCORD_OK);
    CHECK(settings_finish(s, why) == ACCORD_OK);
    CHECK(settings_set(s, "x", "ack", "local", why) == ACCORD_OK);
    CHECK(settings_finish(s, why) == ACCORD_E_INVALID);
    CHECK(strstr(why, "--state DIR"));
    settings_free(s);
}

static void write_key(const char *path, size_t bytes)
{
    FILE *f = fopen(path, "we");

    CHECK(f);
    for (size_t i = 0; i < bytes; i++)
        CHECK(fputc('k', f) == 'k');
    CHECK(fputc('\n', f) == '\n');
    CHECK(fclose(f) == 0);
    CHECK(chmod(path, 0600) == 0);
}

TEST(a_signing_key_must_be_its_owners_alone_and_long_enough)
{
    struct settings *s = fresh();
    char path[512];

    snprintf(path, sizeof path, "%s/key", test_folder());
    CHECK(settings_set(s, "x", "name", "n", why) == ACCORD_OK);
    CHECK(settings_set(s, "x", "socket", "/tmp/x.sock", why) == ACCORD_OK);
    CHECK(settings_set(s, "x", "signing-key-file", path, why) == ACCORD_OK);
    CHECK(settings_finish(s, why) == ACCORD_E_IO);
    CHECK(strstr(why, "signing-key-file"));
    write_key(path, SIGNING_KEY_BYTES_MIN - 1);
    CHECK(settings_finish(s, why) == ACCORD_E_INVALID);
    CHECK(strstr(why, "holds 31 bytes"));
    CHECK(strstr(why, "openssl rand -hex 32"));
    write_key(path, SIGNING_KEY_BYTES_MAX + 1);
    CHECK(settings_finish(s, why) == ACCORD_E_INVALID);
    write_key(path, SIGNING_KEY_BYTES_MIN);
    CHECK(settings_finish(s, why) == ACCORD_OK);
    CHECK(s->keys.key_count == 1);
    CHECK(!s->keys.accept_unsigned);
    CHECK(chmod(path, 0640) == 0);
    CHECK(settings_finish(s, why) == ACCORD_E_DENIED);
    CHECK(strstr(why, "chmod 600"));
    CHECK(settings_set(s, "x", "signing-key-file", test_folder(), why) == ACCORD_OK);
    CHECK(settings_finish(s, why) != ACCORD_OK);
    settings_free(s);
}

TEST(settings_about_signing_need_a_key)
{
    static const char *const alone[][2] = {
        {"unsigned-removals", "10"},
        {"signing", "accept"},
        {"signing", "require"}, /* the default, but who says it believes in a key */
        {"signing-old-key-file", "/x"}};

    for (size_t i = 0; i < COUNT_OF(alone); i++) {
        struct settings *s = fresh();
        CHECK(settings_set(s, "x", "name", "n", why) == ACCORD_OK);
        CHECK(settings_set(s, "x", "socket", "/tmp/x.sock", why) == ACCORD_OK);
        CHECK(settings_set(s, "x", alone[i][0], alone[i][1], why) == ACCORD_OK);
        CHECK(settings_finish(s, why) == ACCORD_E_INVALID);
        CHECK(strstr(why, alone[i][0]));
        CHECK(strstr(why, "signing-key-file"));
        settings_free(s);
    }
}

/* ---- where it was given
 * ----------------------------------------------------------------------
 */

/* As file_refused(), of what only settings_finish() can know. */
static void finish_refused(const char *text, unsigned line, const char *part)
{
    struct settings *s = fresh();
    const char *path = file_with(text);
    char where[600];

    CHECK(settings_read_file(s, path, why) == ACCORD_OK);
    CHECK(settings_set(s, "x", "socket", "/tmp/x.sock", why) == ACCORD_OK);
    CHECK(settings_finish(s, why) != ACCORD_OK);
    snprintf(where, sizeof where, "%s:%u: ", path, line);
    if (strncmp(why, where, strlen(where)) != 0 || !strstr(why, part))
        fprintf(stderr, "expected %s…%s, got: %s\n", where, part, why);
    CHECK(strncmp(why, where, strlen(where)) == 0);
    CHECK(strstr(why, part));
    settings_free(s);
}

TEST(what_is_refused_at_the_end_is_named_with_its_line)
{
    finish_refused("\nname = a b\n", 2, "must be letters, digits");
    finish_refused("name = n\npassword-file = /nope\n", 2, "whose first line is the secret");
    finish_refused("name = n\nack = local\n", 2, "--state DIR");
    finish_refused("name = n\n\nsigning = require\n", 3, "signing-key-file");
    finish_refused("name = n\nsigning-key-file = /nope\n", 2, "No such file");
    finish_refused("name = n\ncluster-machine = 10.0.0.7\n", 2, "add --listen");
    finish_refused("name = n\nacs-secret-file = /nope\n", 2, "cluster-machine");
    finish_refused("name = n\n[namespace g]\n\nhold_off = never\n", 4, "hold_off = never");
    finish_refused("name = n\nmax-stale = 1s\n[namespace g]\nmax_stale = 2s\n", 4, "larger");
}

TEST(what_is_refused_at_the_end_is_named_with_its_flag_or_variable)
{
    struct settings *s = fresh();
    char *flags[] = {"serve", "--name=a b"};

    CHECK(settings_read_file(s, file_with("name = c d\n"), why) == ACCORD_OK);
    CHECK(setenv("ACCORD_NAME", "e f", 1) == 0);
    CHECK(settings_read_environment(s, why) == ACCORD_OK);
    CHECK(unsetenv("ACCORD_NAME") == 0);
    CHECK(settings_finish(s, why) == ACCORD_E_INVALID);
    CHECK(strncmp(why, "ACCORD_NAME: name is \"e f\"", 26) == 0);
    CHECK(settings_read_flags(s, 2, flags, why) == ACCORD_OK);
    CHECK(settings_finish(s, why) == ACCORD_E_INVALID);
    CHECK(strncmp(why, "--name: name is \"a b\"", 21) == 0);
    CHECK(settings_read_query(s, "name=g%20h", why) == ACCORD_OK);
    CHECK(settings_finish(s, why) == ACCORD_E_INVALID);
    CHECK(strncmp(why, "embed: name is \"g h\"", 20) == 0);
    settings_free(s);
}

TEST(each_word_of_a_list_has_its_own_place)
{
    struct settings *s = fresh();
    const char *path = file_with("listen = a b\n\nlisten = c\n");
    char where[600];

    CHECK(settings_read_file(s, path, why) == ACCORD_OK);
    for (unsigned i = 0; i < 3; i++) {
        snprintf(why, sizeof why, "wrong");
        CHECK(settings_blame(s, "listen", i, ACCORD_E_IO, why, sizeof why) == ACCORD_E_IO);
        snprintf(where, sizeof where, "%s:%d: wrong", path, i < 2 ? 1 : 3);
        CHECK(strcmp(why, where) == 0);
    }
    CHECK(settings_blame(s, "listen", 0, ACCORD_OK, why, sizeof why) == ACCORD_OK);
    CHECK(strcmp(why, where) == 0);
    CHECK(settings_blame(s, "bus", 0, ACCORD_E_IO, why, sizeof why) == ACCORD_E_IO);
    CHECK(strcmp(why, where) == 0);
    CHECK(settings_blame(s, "listen", 0, ACCORD_E_IO, why, 24) == ACCORD_E_IO);
    CHECK(strcmp(why, where) == 0); /* no room for both */
    settings_free(s);
}

TEST(what_a_file_gives_twice_is_refused)
{
    file_refused("[node]\nmemory = 8M\n\nmemory = 8M\n", 4, "memory was given in line 2");
    file_refused("max-stale = 1s\n[node]\nmax_stale = 2s\n", 3,
                 "max-stale was given in line 1");
    file_refused("[namespace g]\n\n[namespace g]\n", 3, "[namespace g] was given in line 1");
    file_refused("[namespace default]\n[namespace default]\n", 2, "was given in line 1");
    file_refused("[namespace g]\nttl = 1s\nttl = 1s\n", 3, "ttl was given in line 2");

    struct settings *s = fresh();
    CHECK(settings_read_file(s,
                             file_with("listen = a\nlisten = b\n[namespace g]\nttl = 1s\n"
                                       "[namespace h]\nttl = 1s\n[node]\nmemory = 8M\n"),
                             why) == ACCORD_OK);
    CHECK(s->listen.count == 2);
    CHECK(settings_read_file(s, file_with("memory = 8M\n[namespace g]\nttl = 1s\n"), why) ==
          ACCORD_OK); /* twice over two files is none */
    settings_free(s);
}

TEST(a_namespace_of_64_bytes_keeps_its_name_in_a_file)
{
    struct settings *s = fresh();
    char text[400], name[NAMESPACE_BYTES_MAX + 1] = "";

    memset(name, 'n', NAMESPACE_BYTES_MAX);
    snprintf(text, sizeof text, "[namespace %s]\nttl = 1s\n[node]\nmemory = 8M\n", name);
    CHECK(settings_read_file(s, file_with(text), why) == ACCORD_OK);
    CHECK(s->namespace_count == 2);
    CHECK(strcmp(s->namespaces[1].name, name) == 0);
    CHECK(s->namespaces[1].ttl_ns == NS_PER_S);
    snprintf(text, sizeof text, "[namespace %s]\nttl = 1s\nttl = 1s\n", name);
    file_refused(text, 3, "ttl was given in line 2");
    settings_free(s);
}

TEST(a_guess_is_made_only_where_it_is_near)
{
    struct settings *s = fresh();
    static const char *const far[] = {"foo", "xyz", "lg", "lo", "memorandum", "colour"};
    static const char *const near[][2] = {
        {"bsu", "bus"},        {"nmae", "name"},
        {"sockte", "socket"},  {"max_stal", "max-stale"},
        {"lissten", "listen"}, {"on_cold_bot", "on-cold-boot"}};
    char part[64];

    for (size_t i = 0; i < COUNT_OF(far); i++) {
        CHECK(settings_set(s, "x", far[i], "1", why) == ACCORD_E_INVALID);
        CHECK(!strstr(why, "did you mean"));
        CHECK(strstr(why, "accord serve --help lists them"));
    }
    for (size_t i = 0; i < COUNT_OF(near); i++) {
        snprintf(part, sizeof part, "did you mean \"%s\"?", near[i][1]);
        CHECK(settings_set(s, "x", near[i][0], "1", why) == ACCORD_E_INVALID);
        CHECK(strstr(why, part));
    }
    settings_free(s);
}

TEST(variables_that_mean_nothing_are_noted_and_those_of_other_programs_are_not)
{
    static const char *const others[] = {"ACCORD_BUILD",   "ACCORD_TEST_SEEDS",
                                         "ACCORD_BENCH_X", "ACCORD_NATS_SERVER",
                                         "ACCORD_TRACES",  "ACCORD_WHY"};
    struct settings *s = fresh();
    char longest[200];

    for (size_t i = 0; i < COUNT_OF(others); i++)
        CHECK(setenv(others[i], "x", 0) == 0);
    CHECK(settings_read_environment(s, why) == ACCORD_OK);
    CHECK(strcmp(s->ignored, "") == 0);
    CHECK(setenv("ACCORD_FOO", "bad", 1) == 0);
    CHECK(settings_read_environment(s, why) == ACCORD_OK);
    CHECK(strcmp(s->ignored, "ACCORD_FOO") == 0);
    CHECK(unsetenv("ACCORD_FOO") == 0);
    CHECK(setenv("ACCORD_MEMROY", "1G", 1) == 0);
    CHECK(settings_read_environment(s, why) == ACCORD_OK);
    CHECK(strcmp(s->ignored, "ACCORD_MEMROY (did you mean ACCORD_MEMORY?)") == 0);
    for (int i = 0; i < 40; i++) { /* more than fit */
        snprintf(longest, sizeof longest, "ACCORD_NOTHING_OF_OURS_%d", i);
        CHECK(setenv(longest, "1", 1) == 0);
    }
    CHECK(settings_read_environment(s, why) == ACCORD_OK);
    CHECK(strlen(s->ignored) == sizeof s->ignored - 1);
    for (int i = 0; i < 40; i++) {
        snprintf(longest, sizeof longest, "ACCORD_NOTHING_OF_OURS_%d", i);
        CHECK(unsetenv(longest) == 0);
    }
    CHECK(unsetenv("ACCORD_MEMROY") == 0);
    for (size_t i = 0; i < COUNT_OF(others); i++)
        CHECK(unsetenv(others[i]) == 0);
    settings_free(s);
}

/* ---- what differs ---------------------------------------------------------------------------
 */

static void differ(const char *a, const char *b, const char *expected)
{
    struct settings *x = fresh(), *y = fresh();
    char out[SETTINGS_DIFFER_BYTES_MAX];

    CHECK(settings_read_file(x, file_with(a), why) == ACCORD_OK);
    CHECK(settings_read_file(y, file_with(b), why) == ACCORD_OK);
    settings_differ(x, y, out);
    if (strcmp(out, expected) != 0)
        fprintf(stderr, "expected %s, got: %s\n", expected, out);
    CHECK(strcmp(out, expected) == 0);
    settings_free(x);
    settings_free(y);
}

TEST(what_differs_between_two_settings_is_named)
{
    differ("memory = 8M\n", "\n\nmemory = 8M\n", "");
    differ("log = json\nlog-level = debug\n", "", "");
    differ("listen = a b\n", "listen = a\nlisten = b\n", "");
    differ("listen = a\n", "listen = b\n", "listen");
    differ("memory = 8M\nname = a\n[namespace g]\nttl = 1s\n",
           "memory = 9M\nname = a\n[namespace g]\nttl = 2s\n", "memory, [namespace g] ttl");
    differ("[namespace g]\n[namespace h]\n", "[namespace h]\n[namespace i]\n",
           "[namespace g], [namespace i]");
    differ("[namespace g]\n[namespace h]\n", "[namespace h]\n[namespace g]\n", "");
}

TEST(what_differs_is_cut_where_it_does_not_fit)
{
    struct settings *x = fresh(), *y = fresh();
    char out[SETTINGS_DIFFER_BYTES_MAX], name[32];

    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "n%d", i);
        CHECK(settings_set_namespace(x, "x", name, "ttl", "1s", why) == ACCORD_OK);
    }
    settings_differ(x, y, out);
    CHECK(strncmp(out, "[namespace n0], [namespace n1], ", 32) == 0);
    CHECK(strlen(out) < sizeof out);
    CHECK(strcmp(out + strlen(out) - strlen("], …"), "], …") == 0);
    CHECK(!strstr(out, "…,"));
    settings_free(x);
    settings_free(y);
}

TEST(another_password_in_the_same_file_differs)
{
    struct settings *x = fresh(), *y = fresh();
    char out[SETTINGS_DIFFER_BYTES_MAX];

    x->password[0] = 'a';
    y->password[0] = 'b';
    y->keys.keys[0] = (struct signing_key){0};
    settings_differ(x, y, out);
    CHECK(strcmp(out, "password-file") == 0);
    memset(&y->keys.keys[0], 1, sizeof y->keys.keys[0]);
    settings_differ(x, y, out);
    CHECK(strcmp(out, "password-file, signing-key-file") == 0);
    settings_free(x);
    settings_free(y);
}
