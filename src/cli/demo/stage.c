/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/demo/stage.h"

#include "cli/demo/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    CRASH_US = 300000, /* after a crash: the children are being killed and write no more */
    LOG_TAIL_LINES = 12,
};

static int complain(const char *what)
{
    fprintf(stderr, "accord: %s: %s\n", what, strerror(errno));
    return ACCORD_E_IO;
}

/* ---- the folder and its janitor ------------------------------------------------------------
 */

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    remove(path);
    return 0;
}

/* It holds no terminal and no pipe of its parent, and no signal of a keyboard ends it. */
_Noreturn static void run_janitor(const char *folder, int from)
{
    char byte = 0;
    int nothing = open("/dev/null", O_RDWR);

    setsid();
    for (int fd = 0; nothing >= 0 && fd < 3; fd++)
        dup2(nothing, fd);
    ssize_t got;
    while ((got = read(from, &byte, 1)) < 0 && errno == EINTR)
        continue;
    if (got != 1)
        usleep(CRASH_US);
    nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    _exit(0);
}

static int make_folder(char *folder, size_t folder_bytes)
{
    const char *base = getenv("TMPDIR");

    if (!base || base[0] != '/' ||
        strlen(base) + strlen("/accord-demo-XXXXXX") > DEMO_FOLDER_BYTES_MAX)
        base = "/tmp";
    snprintf(folder, folder_bytes, "%s/accord-demo-XXXXXX", base);
    return mkdtemp(folder) ? ACCORD_OK : complain(folder);
}

static int start_janitor(struct demo_stage *s)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return complain("a pipe");
    s->janitor = fork();
    if (s->janitor == 0) {
        close(ends[1]);
        run_janitor(s->world->folder, ends[0]);
    }
    close(ends[0]);
    s->janitor_fd = ends[1];
    return s->janitor > 0 ? ACCORD_OK : complain("fork");
}

int demo_stage_open(struct demo_stage *s, struct demo_world *w)
{
    sigset_t set;

    *s = (struct demo_stage){.world = w, .janitor_fd = -1};
    for (size_t i = 0; i < DEMO_SLOTS; i++)
        s->nodes[i].output = -1;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (make_folder(w->folder, sizeof w->folder) != ACCORD_OK)
        return ACCORD_E_IO;
    int status = w->options.keep ? ACCORD_OK : start_janitor(s);
    if (status != ACCORD_OK)
        rmdir(w->folder);
    return status;
}

/* ---- children ------------------------------------------------------------------------------
 */

/* In the child, before anything else: on its own, and gone with its parent. */
static void become_child(const struct demo_stage *s, pid_t parent)
{
    sigset_t none;

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1); /* it died before the line above */
    if (s->janitor_fd >= 0)
        close(s->janitor_fd);
    signal(SIGPIPE, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void shift_clocks(const struct demo_worker *worker)
{
    if (worker->ahead_ns == 0)
        return;
    if (namespace_shift_clocks(worker->ahead_ns) != ACCORD_OK) {
        complain("a time namespace");
        _exit(1);
    }
    demo_clock_is_ahead(worker->ahead_ns);
}

static int fork_worker(struct demo_stage *s, struct demo_worker *worker)
{
    pid_t parent = getpid();

    fflush(NULL);
    worker->ended = false;
    worker->pid = fork();
    if (worker->pid == 0) {
        become_child(s, parent);
        shift_clocks(worker);
        int code = worker->run(s->world, worker->number);
        fflush(NULL);
        _exit(code);
    }
    if (worker->pid > 0)
        return ACCORD_OK;
    worker->pid = 0;
    return complain("fork");
}

int demo_worker_start(struct demo_stage *s, const char *what,
                      int (*run)(const struct demo_world *w, uint32_t number), uint32_t number)
{
    struct demo_worker *worker = &s->workers[s->worker_count];

    ASSERT(s->worker_count < DEMO_WORKERS_MAX);
    snprintf(worker->what, sizeof worker->what, "%s", what);
    worker->run = run;
    worker->number = number;
    int status = fork_worker(s, worker);
    s->worker_count += status == ACCORD_OK;
    return status;
}

static void kill_worker(struct demo_worker *worker)
{
    if (worker->ended)
        return;
    kill(worker->pid, SIGKILL);
    while (waitpid(worker->pid, &worker->status, 0) < 0 && errno == EINTR)
        continue;
    worker->ended = true;
}

int demo_worker_replace(struct demo_stage *s, size_t i)
{
    ASSERT(i < s->worker_count);
    kill_worker(&s->workers[i]);
    return fork_worker(s, &s->workers[i]);
}

/* The node must be what the demo says, whatever is set around it. */
static void forget_settings(void)
{
    extern char **environ;

    for (char **e = environ; *e;) {
        char name[128];
        size_t size = strcspn(*e, "=");
        if (strncmp(*e, "ACCORD_", 7) == 0 && size < sizeof name) {
            memcpy(name, *e, size);
            name[size] = 0;
            unsetenv(name);
            e = environ;
        } else {
            e++;
        }
    }
}

static void preload(const struct demo_world *w, size_t i)
{
    char clock[DEMO_PATH_BYTES_MAX];

    if (!w->preload)
        return;
    snprintf(clock, sizeof clock, "%s/%s.clock", w->folder, w->name[i]);
    setenv("WALLCLOCK", clock, 1);
    setenv("LD_PRELOAD", w->preload, 1);
}

/* It takes part in nothing but what it serves. */
_Noreturn static void exec_hub(const struct demo_world *w)
{
    execl("/proc/self/exe", "accord", "serve", "--name", w->name[DEMO_HUB], "--bus",
          "memory:hub", "--socket", w->socket[DEMO_HUB], "--memory", "8M", "--listen", w->hub,
          (char *)NULL);
    fprintf(stderr, "cannot execute myself: %s\n", strerror(errno));
    _exit(127);
}

_Noreturn static void run_node(const struct demo_world *w, size_t i, const char *log,
                               int output)
{
    char state[DEMO_PATH_BYTES_MAX], max_stale[40];
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int errors = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    snprintf(state, sizeof state, "%s/%s", w->folder, w->name[i]);
    snprintf(max_stale, sizeof max_stale, "%llums",
             (unsigned long long)(w->options.max_stale_ns / NS_PER_MS));
    mkdir(state, 0700);
    forget_settings();
    if (nothing >= 0)
        dup2(nothing, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    if (errors >= 0)
        dup2(errors, STDERR_FILENO);
    if (i == DEMO_HUB)
        exec_hub(w);
    preload(w, i);
    execl("/proc/self/exe", "accord", "serve", "--name", w->name[i], "--bus", w->bus,
          "--socket", w->socket[i], "--memory", w->options.memory, "--max-stale", max_stale,
          "--state", state, (char *)NULL);
    fprintf(stderr, "cannot execute myself: %s\n", strerror(errno));
    _exit(127);
}

int demo_node_start(struct demo_stage *s, size_t i)
{
    struct demo_node *n = &s->nodes[i];
    pid_t parent = getpid();
    int ends[2];

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return complain("a pipe");
    snprintf(n->log, sizeof n->log, "%s/%s.log", s->world->folder, s->world->name[i]);
    fflush(NULL);
    n->pid = fork();
    if (n->pid == 0) {
        become_child(s, parent);
        fcntl(ends[1], F_SETFL, 0); /* a node need not expect a standard output without wait */
        run_node(s->world, i, n->log, ends[1]);
    }
    close(ends[1]);
    if (n->pid < 0) {
        close(ends[0]);
        n->pid = 0;
        return complain("fork");
    }
    n->output = ends[0];
    n->line_bytes = 0;
    n->ready[0] = 0;
    n->ready_ns = 0;
    n->asked = false;
    n->state = DEMO_NODE_STARTING;
    return ACCORD_OK;
}

/* ---- what they say and how they end --------------------------------------------------------
 */

static bool take_line(struct demo_node *n)
{
    n->line[n->line_bytes] = 0;
    n->line_bytes = 0;
    if (strncmp(n->line, "ready:", 6) != 0)
        return false;
    memcpy(n->ready, n->line, sizeof n->ready);
    n->ready_ns = demo_now_ns();
    if (n->state == DEMO_NODE_STARTING)
        n->state = DEMO_NODE_READY;
    return true;
}

/* Whatever has come by now. True: a ready line was among it. */
static bool listen_to(struct demo_node *n)
{
    char bytes[512];
    ssize_t got;
    bool ready = false;

    while (n->output >= 0 && (got = read(n->output, bytes, sizeof bytes)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ready;
        for (ssize_t i = 0; i < got; i++) {
            if (bytes[i] == '\n')
                ready |= take_line(n);
            else if (n->line_bytes + 1 < sizeof n->line)
                n->line[n->line_bytes++] = bytes[i];
        }
    }
    return ready;
}

static void node_ended(struct demo_node *n, enum demo_node_state state, int ended)
{
    listen_to(n);
    if (n->output >= 0)
        close(n->output);
    n->output = -1;
    n->pid = 0;
    n->ended = ended;
    n->state = state;
}

/* True: a child ended. */
static bool collect(struct demo_stage *s)
{
    bool any = false;
    int ended;

    for (size_t i = 0; i < DEMO_SLOTS; i++) {
        struct demo_node *n = &s->nodes[i];
        if (n->pid > 0 && waitpid(n->pid, &ended, WNOHANG) == n->pid) {
            node_ended(n, n->asked ? DEMO_NODE_KILLED : DEMO_NODE_ENDED, ended);
            any = true;
        }
    }
    for (size_t i = 0; i < s->worker_count; i++) {
        struct demo_worker *worker = &s->workers[i];
        if (!worker->ended && waitpid(worker->pid, &worker->status, WNOHANG) == worker->pid) {
            worker->ended = true;
            any = true;
        }
    }
    return any;
}

int demo_stage_wait(struct demo_stage *s, uint64_t until_ns)
{
    enum { STEP_NS = 20000000 };
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    for (;;) {
        bool changed = collect(s);
        for (size_t i = 0; i < DEMO_SLOTS; i++)
            changed |= listen_to(&s->nodes[i]);
        uint64_t now_ns = demo_now_ns();
        if (changed || now_ns >= until_ns)
            return 0;
        struct timespec step = {0, (long)u64_min(until_ns - now_ns, STEP_NS)};
        int number = sigtimedwait(&set, NULL, &step);
        if (number > 0 && number != SIGCHLD)
            return number;
    }
}

void demo_node_kill(struct demo_stage *s, size_t i)
{
    struct demo_node *n = &s->nodes[i];
    int ended = 0;

    if (n->pid <= 0)
        return;
    kill(n->pid, SIGKILL);
    while (waitpid(n->pid, &ended, 0) < 0 && errno == EINTR)
        continue;
    node_ended(n, DEMO_NODE_KILLED, ended);
}

void demo_node_end(struct demo_stage *s, size_t i)
{
    s->nodes[i].asked = true;
    demo_node_signal(s, i, SIGTERM);
}

void demo_node_signal(struct demo_stage *s, size_t i, int number)
{
    if (s->nodes[i].pid > 0)
        kill(s->nodes[i].pid, number);
}

void demo_node_print_log(const struct demo_stage *s, size_t i)
{
    static char lines[LOG_TAIL_LINES][1024];
    FILE *f = fopen(s->nodes[i].log, "re");
    size_t count = 0;

    if (!f)
        return;
    while (fgets(lines[count % LOG_TAIL_LINES], sizeof lines[0], f))
        count++;
    fclose(f);
    fprintf(stderr, "the end of %s's log:\n", s->world->name[i]);
    for (size_t at = count > LOG_TAIL_LINES ? count - LOG_TAIL_LINES : 0; at < count; at++)
        fprintf(stderr, "  %s", lines[at % LOG_TAIL_LINES]);
}

/* ---- the end -------------------------------------------------------------------------------
 */

static bool anyone_left(const struct demo_stage *s, bool workers)
{
    for (size_t i = 0; !workers && i < DEMO_NODES_MAX; i++)
        if (s->nodes[i].pid > 0)
            return true;
    for (size_t i = 0; workers && i < s->worker_count; i++)
        if (!s->workers[i].ended)
            return true;
    return false;
}

/* Signals are of no use now: we are on our way out. */
static void wait_for_all(struct demo_stage *s, bool workers, uint64_t seconds)
{
    uint64_t until_ns = demo_now_ns() + seconds * NS_PER_S;

    while (anyone_left(s, workers) && demo_now_ns() < until_ns) {
        collect(s);
        usleep(2000);
    }
}

static void kill_all(struct demo_stage *s, bool workers)
{
    for (size_t i = 0; !workers && i < DEMO_SLOTS; i++)
        demo_node_kill(s, i);
    for (size_t i = 0; workers && i < s->worker_count; i++)
        kill_worker(&s->workers[i]);
}

size_t demo_stage_stop(struct demo_stage *s)
{
    size_t unclean = 0;

    for (size_t i = 0; i < DEMO_NODES_MAX; i++)
        if (s->nodes[i].pid == 0)
            s->nodes[i].ended = 0; /* that was before, and is known */
    for (size_t i = 0; i < s->worker_count; i++)
        if (s->workers[i].expendable && !s->workers[i].ended)
            kill(s->workers[i].pid, SIGKILL);
    wait_for_all(s, /* workers= */ true, DEMO_STOP_S);
    kill_all(s, /* workers= */ true);
    for (size_t i = 0; i < DEMO_NODES_MAX; i++)
        if (s->nodes[i].pid > 0)
            kill(s->nodes[i].pid, SIGTERM);
    wait_for_all(s, /* workers= */ false, DEMO_STOP_S);
    kill_all(s, /* workers= */ false);
    for (size_t i = 0; i < DEMO_NODES_MAX; i++)
        unclean += s->nodes[i].state != DEMO_NODE_NONE && s->nodes[i].ended != 0;
    return unclean;
}

void demo_stage_close(struct demo_stage *s)
{
    kill_all(s, /* workers= */ true);
    kill_all(s, /* workers= */ false);
    if (s->janitor_fd < 0)
        return;
    while (write(s->janitor_fd, "e", 1) < 0 && errno == EINTR)
        continue;
    close(s->janitor_fd);
    s->janitor_fd = -1;
    while (waitpid(s->janitor, NULL, 0) < 0 && errno == EINTR)
        continue;
}
