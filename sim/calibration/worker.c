/* A server of K threads in a control group: serves its requests first come first served, each by burning CPU until the
 * thread has had the request's demand of CPU time. Compiled when it is needed; see servers.py for both ends of the talk.
 *
 *   worker PROCS CPU[,CPU...]
 *
 * PROCS: file of the group that the process puts itself into (cgroup.procs). On stdin, in the machine's own byte order:
 * int64 n, int64 K, n x double arrival, n x double demand [s]. It answers with one byte when it is ready, and reads
 * double start (CLOCK_MONOTONIC, when second 0 is), double until (seconds after it at which everybody stops). On stdout:
 * n x double start of service, n x double finish [s after second 0]; NaN where it did not come to that.
 */
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

static double *arrival, *demand, *begun, *finished, zero, until;
static int64_t n, threads;
static atomic_long next_request;

static double now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void sleep_until(double when) {
    struct timespec t = {(time_t)when, (long)((when - floor(when)) * 1e9)};
    while (now(CLOCK_MONOTONIC) < when)
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* A thread takes the next request, waits for it to arrive, and serves it: with K threads that is first come first
 * served, and a thread that waits is already the one that the request wakes. */
static void *serve(void *unused) {
    (void)unused;
    prctl(PR_SET_TIMERSLACK, 1L); /* a sleeper is woken when it asked to be, not up to 50 us later */
    for (;;) {
        long k = atomic_fetch_add(&next_request, 1);
        if (k >= n || arrival[k] >= until)
            return NULL;
        sleep_until(zero + arrival[k]);
        double t = now(CLOCK_MONOTONIC) - zero;
        if (t >= until)
            return NULL;
        begun[k] = t;
        double end = now(CLOCK_THREAD_CPUTIME_ID) + demand[k];
        volatile double x = 0;
        while (now(CLOCK_THREAD_CPUTIME_ID) < end && now(CLOCK_MONOTONIC) - zero < until)
            for (int i = 0; i < 500; i++)
                x += i;
        t = now(CLOCK_MONOTONIC) - zero;
        if (t < until)
            finished[k] = t;
    }
}

static int fail(const char *what) {
    perror(what);
    return 1;
}

static int bind_to(char *cpus) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (char *each = strtok(cpus, ","); each; each = strtok(NULL, ","))
        CPU_SET(atoi(each), &set);
    return sched_setaffinity(0, sizeof set, &set);
}

static int join(const char *procs) {
    FILE *file = fopen(procs, "w");
    if (!file)
        return -1;
    int wrong = fputs("0\n", file) < 0; /* 0: who writes */
    return fclose(file) || wrong ? -1 : 0;
}

int main(int count, char **given) {
    if (count != 3)
        return fputs("usage: worker PROCS CPU[,CPU...]\n", stderr), 2;
    if (fread(&n, sizeof n, 1, stdin) != 1 || fread(&threads, sizeof threads, 1, stdin) != 1)
        return fail("reading how many");
    size_t rows = (size_t)n;
    double *all = calloc(4 * rows + 1, sizeof *all);
    pthread_t *running = calloc((size_t)threads, sizeof *running);
    if (!all || !running)
        return fail("memory");
    arrival = all, demand = all + rows, begun = all + 2 * rows, finished = all + 3 * rows;
    if (fread(arrival, sizeof *all, 2 * rows, stdin) != 2 * rows)
        return fail("reading requests");
    for (size_t i = 0; i < 2 * rows; i++)
        begun[i] = NAN;
    if (bind_to(given[2]))
        return fail("binding to CPUs");
    if (join(given[1]))
        return fail("joining the group");
    putchar('r');
    fflush(stdout);
    if (fread(&zero, sizeof zero, 1, stdin) != 1 || fread(&until, sizeof until, 1, stdin) != 1)
        return fail("reading the start");
    for (int64_t i = 0; i < threads; i++)
        if (pthread_create(running + i, NULL, serve, NULL))
            return fail("starting a thread");
    for (int64_t i = 0; i < threads; i++)
        pthread_join(running[i], NULL);
    return fwrite(begun, sizeof *all, 2 * rows, stdout) == 2 * rows && !fflush(stdout) ? 0 : fail("writing");
}
