/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/clock.h"

#include "cache/clock.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

enum { FIT_NS = 20000000, SAMPLES = 32 };

#if defined(__x86_64__)
#include <cpuid.h>
static bool tsc_is_invariant(void)
{
    unsigned a = 0, b = 0, c = 0, d = 0;

    return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & (1u << 8));
}
#else
static bool tsc_is_invariant(void)
{
    return false;
}
#endif

static void read_source(char source[32])
{
    const char *path = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, source, 31) : 0;

    if (fd >= 0)
        close(fd);
    source[got > 0 ? got : 0] = 0;
    source[strcspn(source, "\n")] = 0;
}

/* Both clocks at one instant: of some tries, the one in which least time passed between. */
static void sample(uint64_t *tsc, uint64_t *boottime_ns)
{
    uint64_t least = UINT64_MAX;

    *tsc = *boottime_ns = 0;

    for (int i = 0; i < SAMPLES; i++) {
        uint64_t before = clock_boottime_ns(), at = clock_tsc(), after = clock_boottime_ns();
        if (after - before < least) {
            least = after - before;
            *tsc = at;
            *boottime_ns = before + (after - before) / 2;
        }
    }
}

static uint64_t tsc_ns(const struct segment_clock_settings *s, uint64_t tsc)
{
    __extension__ typedef unsigned __int128 wide;

    return s->ns_base + (uint64_t)((wide)(tsc - s->tsc_base) * s->tsc_mult >> 32);
}

/* ns per tick, times 2^32, from two samples. Zero where the counter does not count. */
static uint64_t fit(uint64_t ticks, uint64_t ns)
{
    __extension__ typedef unsigned __int128 wide;

    return ticks > 0 ? (uint64_t)(((wide)ns << 32) / ticks) : 0;
}

void clock_start(struct node_clock *c, bool allow_tsc)
{
    struct timespec pause = {0, FIT_NS};
    uint64_t tsc, ns;

    memset(c, 0, sizeof *c);
    c->settings.clock = CLOCK_CLASS_BOOTTIME;
    read_source(c->source);
    if (!allow_tsc || !CLOCK_HAS_TSC || !tsc_is_invariant() || strcmp(c->source, "tsc") != 0)
        return;
    sample(&c->settings.tsc_base, &c->settings.ns_base);
    nanosleep(&pause, NULL);
    sample(&tsc, &ns);
    c->settings.tsc_mult = fit(tsc - c->settings.tsc_base, ns - c->settings.ns_base);
    c->settings.clock = c->settings.tsc_mult ? CLOCK_CLASS_TSC : CLOCK_CLASS_BOOTTIME;
    if (c->settings.clock == CLOCK_CLASS_BOOTTIME)
        c->settings.ns_base = 0;
    c->seen_ns = c->boottime_ns = ns;
}

bool clock_apart(uint64_t tsc_elapsed_ns, uint64_t boottime_elapsed_ns)
{
    uint64_t apart = tsc_elapsed_ns > boottime_elapsed_ns
                         ? tsc_elapsed_ns - boottime_elapsed_ns
                         : boottime_elapsed_ns - tsc_elapsed_ns;

    /* Two samples are each good to some microseconds; 1 % of 50 ms is 500. */
    return apart > boottime_elapsed_ns / 100;
}

bool clock_went_wrong(struct node_clock *c, struct segment_clock_settings *now)
{
    uint64_t tsc, boottime, ns;

    if (c->settings.clock != CLOCK_CLASS_TSC || c->broken)
        return false;
    if (clock_boottime_ns() - c->boottime_ns < CLOCK_COMPARE_NS_MIN)
        return false;
    sample(&tsc, &boottime);
    ns = tsc_ns(&c->settings, tsc);
    if (!clock_apart(ns - c->seen_ns, boottime - c->boottime_ns)) {
        c->seen_ns = ns;
        c->boottime_ns = boottime;
        return false;
    }
    c->broken = true;
    *now = (struct segment_clock_settings){.clock = CLOCK_CLASS_BOOTTIME,
                                           .ns_base = u64_sub_sat(ns, boottime)};
    c->settings = *now;
    return true;
}

const char *clock_about(const struct node_clock *c)
{
    if (c->settings.clock == CLOCK_CLASS_TSC)
        return "tsc (invariant; counts pauses of the guest; compared with boottime at each "
               "beat)";
    if (strcmp(c->source, "kvm-clock") == 0 || strcmp(c->source, "xen") == 0 ||
        strncmp(c->source, "hyperv_clocksource", 18) == 0)
        return "boottime (counts suspend; does not count pauses of the guest, which may sum to "
               "a quarter of max-stale)";
    return "boottime (counts suspend)";
}

uint64_t clock_wall_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / NS_PER_MS;
}
