/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* Where the door listens: paths taken, stale, missing; TCP and passwords. */
#include "door/house.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>

static int opens(struct house *h)
{
    return resp_door_new(&h->door, &h->host, &h->settings, h->why);
}

TEST(the_socket_has_the_mode_asked_for_and_goes_with_the_door)
{
    struct house *h = house_new();
    struct stat st;

    umask(077);
    house_open(h);
    CHECK(lstat(h->path, &st) == 0);
    CHECK(S_ISSOCK(st.st_mode));
    CHECK((st.st_mode & 0777) == 0660);
    CHECK(strcmp(resp_door_address(h->door, 0), h->address) == 0);
    CHECK(!resp_door_address(h->door, 1));
    house_free(h);
}

TEST(a_stale_socket_is_taken_over)
{
    struct house *h = house_new();
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int dead = socket(AF_UNIX, SOCK_STREAM, 0);

    memcpy(address.sun_path, h->path, strlen(h->path));
    CHECK(bind(dead, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(listen(dead, 1) == 0);
    close(dead); /* as a killed daemon leaves it */
    house_open(h);
    int g = guest_new(h);
    CHECK(asks(h, g, "PING", "+PONG\r\n"));
    close(g);
    house_free(h);
}

TEST(a_socket_where_someone_lives_is_left_alone)
{
    struct house *h = house_new();
    struct resp_door *second = NULL;
    char expected[256];

    house_open(h);
    CHECK(resp_door_new(&second, &h->host, &h->settings, h->why) == ACCORD_E_CONFLICT);
    CHECK(!second);
    snprintf(expected, sizeof expected,
             "%s is in use by a running daemon (pid %d): stop it, or give this one another "
             "socket",
             h->path, (int)getpid());
    CHECK(strcmp(h->why, expected) == 0);
    int g = guest_new(h);
    CHECK(asks(h, g, "PING", "+PONG\r\n"));
    close(g);
    house_free(h);
}

TEST(what_is_not_a_socket_is_left_alone)
{
    struct house *h = house_new();
    int fd = open(h->path, O_CREAT | O_WRONLY, 0600);

    CHECK(fd >= 0);
    close(fd);
    CHECK(opens(h) == ACCORD_E_CONFLICT);
    CHECK(strstr(h->why, "exists and is not a socket"));
    CHECK(unlink(h->path) == 0);
    house_free(h);
}

TEST(an_address_that_cannot_be_is_told_what_to_do)
{
    struct house *h = house_new();
    char longest[300] = "unix:/";

    h->settings.address = "unix:/nonexistent/folder/a.sock";
    CHECK(opens(h) == ACCORD_E_IO);
    CHECK(
        strstr(h->why, "its folder does not exist: create it (mkdir -p /nonexistent/folder)"));
    h->settings.address = "http://x";
    CHECK(opens(h) == ACCORD_E_INVALID);
    CHECK(strstr(h->why, "expected unix:/path/to/socket, tcp://host:port, http://host:port or "
                         "chp://host:port"));
    h->settings.address = "tcp://nowhere";
    CHECK(opens(h) == ACCORD_E_INVALID);
    CHECK(strstr(h->why, "expected tcp://host:port"));
    h->settings.address = "tcp://127.0.0.1:65536";
    CHECK(opens(h) == ACCORD_E_INVALID);
    h->settings.address = "tcp://127.0.0.1:99999999";
    CHECK(opens(h) == ACCORD_E_INVALID);
    memset(longest + 6, 'a', 108);
    h->settings.address = longest;
    CHECK(opens(h) == ACCORD_E_INVALID);
    CHECK(strstr(h->why, "a socket's path has 1 to 107 bytes"));
    memset(longest + 6, 'a', sizeof longest - 7);
    CHECK(opens(h) == ACCORD_E_INVALID);
    house_free(h);
}

TEST(a_path_of_the_greatest_length_works)
{
    struct house *h = house_new();
    int folder = open(test_folder(), O_RDONLY | O_DIRECTORY);
    char name[128];

    CHECK(folder >= 0 && fchdir(folder) == 0);
    memset(name, 'n', sizeof name);
    memcpy(name, "unix:", 5);
    name[5 + 107] = 0;
    h->settings.address = name;
    house_open(h);
    CHECK(access(name + 5, F_OK) == 0);
    close(folder);
    house_free(h);
    CHECK(access(name + 5, F_OK) != 0);
}

TEST(two_listeners_are_one_door)
{
    struct house *h = house_ready();
    char address[112], why[DOOR_WHY_BYTES_MAX];

    snprintf(address, sizeof address, "unix:%s/second.sock", test_folder());
    CHECK(resp_door_listen(h->door, address, why) == ACCORD_OK);
    int g = guest_new(h);
    snprintf(h->path, sizeof h->path, "%s", address + 5);
    int other = guest_new(h);
    CHECK(asks(h, g, "SET a 1", "+OK\r\n"));
    CHECK(asks(h, other, "GET a", "$1\r\n1\r\n"));
    resp_door_stop_accepting(h->door);
    CHECK(access(h->path, F_OK) != 0);
    CHECK(asks(h, other, "PING", "+PONG\r\n")); /* clients stay */
    close(g);
    close(other);
    house_free(h);
}

TEST(a_door_has_so_many_listeners_and_no_more)
{
    struct house *h = house_ready();
    char address[112], why[DOOR_WHY_BYTES_MAX];

    for (unsigned i = 1; i < LISTENERS_MAX; i++) {
        snprintf(address, sizeof address, "unix:%s/%u.sock", test_folder(), i);
        CHECK(resp_door_listen(h->door, address, why) == ACCORD_OK);
    }
    snprintf(address, sizeof address, "unix:%s/more.sock", test_folder());
    CHECK(resp_door_listen(h->door, address, why) == ACCORD_E_FULL);
    CHECK(strstr(why, "at most 16 addresses"));
    CHECK(access(address + 5, F_OK) != 0);
    house_free(h);
}

/* ---- TCP ------------------------------------------------------------------------------ */

static int tcp_guest(struct house *h)
{
    const char *colon = strrchr(resp_door_address(h->door, 0), ':');
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0);
    CHECK(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    CHECK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) == 0);
    house_turn(h);
    return fd;
}

TEST(tcp_serves_on_loopback_and_never_attaches)
{
    struct house *h = house_new();

    h->settings.address = "tcp://localhost:0";
    house_open(h);
    int g = tcp_guest(h);
    CHECK(asks(h, g, "PING", "+PONG\r\n"));
    CHECK(strstr(tells(h, g, "CLIENT LIST"), "addr=127.0.0.1:"));
    CHECK(asks(h, g, "ACCORD.ATTACH 1 1",
               "-NOATTACH memory is shared over the unix socket only\r\n"));
    CHECK(asks(h, g, "SHUTDOWN", "-ERR SHUTDOWN needs the unix socket, or a password\r\n"));
    char why[DOOR_WHY_BYTES_MAX];
    CHECK(resp_door_listen(h->door, resp_door_address(h->door, 0), why) == ACCORD_E_CONFLICT);
    CHECK(strstr(why, "the port is in use"));
    close(g);
    house_free(h);
}

TEST(tcp_for_other_hosts_needs_a_password)
{
    struct house *h = house_new();

    h->settings.address = "tcp://0.0.0.0:0";
    CHECK(opens(h) == ACCORD_E_INVALID);
    CHECK(strstr(h->why, "set a password"));
    h->host.password = "secret";
    house_open(h);
    house_free(h);
}

TEST(with_a_password_tcp_asks_for_it_and_the_unix_socket_does_not)
{
    struct house *h = house_new();
    static char big[20000];
    char why[DOOR_WHY_BYTES_MAX];

    h->host.password = "secret";
    h->settings.address = "tcp://127.0.0.1:0";
    house_open(h);
    CHECK(resp_door_listen(h->door, h->address, why) == ACCORD_OK);
    int g = tcp_guest(h);
    CHECK(asks(h, g, "GET a", "-NOAUTH Authentication required.\r\n"));
    CHECK(asks(h, g, "HELLO 3", "-NOAUTH HELLO must be called"));
    (void)tells(h, g, "");
    CHECK(asks(h, g, "AUTH wrong",
               "-WRONGPASS invalid username-password pair or user is disabled.\r\n"));
    CHECK(asks(h, g, "AUTH secre", "-WRONGPASS invalid"));
    (void)tells(h, g, "");
    CHECK(asks(h, g, "AUTH secretsecret", "-WRONGPASS invalid"));
    (void)tells(h, g, "");
    CHECK(asks(h, g, "AUTH nobody secret", "-WRONGPASS invalid"));
    (void)tells(h, g, "");
    CHECK(asks(h, g, "AUTH secret", "+OK\r\n"));
    CHECK(asks(h, g, "GET a", "$-1\r\n"));
    CHECK(asks(h, g, "RESET\r\nGET a", "+RESET\r\n-NOAUTH Authentication required.\r\n"));
    CHECK(strncmp(tells(h, g, "HELLO 3 AUTH default secret"), "%7\r\n", 4) == 0);
    close(g);

    g = tcp_guest(h); /* before AUTH, nobody makes us read much */
    CHECK(asks(h, g, "*2\r\n$4\r\nAUTH\r\n$20000",
               "-ERR Protocol error: unauthenticated bulk length\r\n"));
    CHECK(guest_is_closed(h, g));
    close(g);
    g = guest_new(h);
    memset(big, 'v', sizeof big - 1);
    memcpy(big, "SET a ", 6);
    CHECK(asks(h, g, big, "+OK\r\n"));
    close(g);
    house_free(h);
}
