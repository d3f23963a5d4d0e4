// ZooKeeper's C client, asynchronous calls of its multi-threaded library.
//
// client-c WORKLOAD HOST:PORT OPERATIONS
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <zookeeper/zookeeper.h>

#define SMALL "/bench/small"
#define BIG "/bench/big"
#define BIG_BYTES (512 * 1024)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long done, events;
static int is_connected;

static double now(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}
static double wall(void) { return now(CLOCK_MONOTONIC); }
static double cpu(void) { return now(CLOCK_PROCESS_CPUTIME_ID); }

static long resident(void) {
    long size, pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (fscanf(file, "%ld %ld", &size, &pages) != 2) pages = 0;
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

static void fail(const char *what, int code) {
    fprintf(stderr, "%s: %d\n", what, code);
    exit(1);
}

static void on_session(zhandle_t *zh, int type, int state, const char *path, void *context) {
    pthread_mutex_lock(&lock);
    is_connected = state == ZOO_CONNECTED_STATE;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void on_event(zhandle_t *zh, int type, int state, const char *path, void *context) {
    if (type == ZOO_SESSION_EVENT) return;
    pthread_mutex_lock(&lock);
    events++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void finish(int code) {
    if (code != ZOK) fail("a request failed", code);
    pthread_mutex_lock(&lock);
    done++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}
static void on_data(int code, const char *value, int length, const struct Stat *stat, const void *context) { finish(code); }
static void on_stat(int code, const struct Stat *stat, const void *context) { finish(code); }

static zhandle_t *open_session(const char *server, int timeout) {
    is_connected = 0;
    zhandle_t *zh = zookeeper_init(server, on_session, timeout, NULL, NULL, 0);
    pthread_mutex_lock(&lock);
    while (!is_connected) pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    return zh;
}

static char payload[BIG_BYTES];

// 'r' reads, 'w' writes, 'R' and 'W' large ones, 'x' sets watches on paths of their own.
static void start(zhandle_t *zh, char kind, long number) {
    char path[64];
    int code = ZOK;
    switch (kind) {
    case 'r': code = zoo_aget(zh, SMALL, 0, on_data, NULL); break;
    case 'R': code = zoo_aget(zh, BIG, 0, on_data, NULL); break;
    case 'w': code = zoo_aset(zh, SMALL, payload, 100, -1, on_stat, NULL); break;
    case 'W': code = zoo_aset(zh, BIG, payload, BIG_BYTES, -1, on_stat, NULL); break;
    case 'x':
        snprintf(path, sizeof path, "/watched/%09ld", number);
        code = zoo_awget(zh, path, on_event, NULL, on_data, NULL);
        break;
    }
    if (code != ZOK) fail("a request was refused", code);
}

static void window_of(zhandle_t *zh, char kind, long count, long window) {
    long started = 0;
    pthread_mutex_lock(&lock);
    done = 0;
    while (done < count) {
        while (started < count && started - done < window) {
            pthread_mutex_unlock(&lock);
            start(zh, kind, started++);
            pthread_mutex_lock(&lock);
        }
        if (done < count && (started == count || started - done >= window)) pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
}

static int wait_for_events(long count, double limit_us) {
    double began = wall();
    for (;;) {
        pthread_mutex_lock(&lock);
        long seen = events;
        pthread_mutex_unlock(&lock);
        if (seen >= count) return 1;
        if (wall() - began > limit_us) return 0;
        usleep(1000);
    }
}

static double number(zhandle_t *zh, const char *path) {
    char text[64];
    int length = sizeof text - 1;
    if (zoo_get(zh, path, 0, text, &length, NULL) != ZOK || length <= 0) return -1;
    text[length] = 0;
    return atof(text);
}

static int compare(const void *a, const void *b) {
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

static void tell_latencies(double *times, long count) {
    qsort(times, count, sizeof *times, compare);
    printf("p50_us %f\np90_us %f\np99_us %f\np999_us %f\n", times[count / 2], times[count * 9 / 10], times[count * 99 / 100],
           times[count * 999 / 1000]);
}

struct member {
    zhandle_t *zh;
    long count;
    double *times;
};

static void *run_member(void *argument) {
    struct member *member = argument;
    char data[256];
    for (long i = 0; i < member->count; i++) {
        int length = sizeof data;
        double began = wall();
        int code = zoo_get(member->zh, SMALL, 0, data, &length, NULL);
        if (code != ZOK) fail("a read failed", code);
        member->times[i] = wall() - began;
    }
    return NULL;
}

static void tell_per_operation(double cpu_us, double wall_us, long count) {
    printf("cpu_us_per_op %f\nops_per_s %f\n", cpu_us / count, count / wall_us * 1e6);
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    const char *workload = argv[1], *server = argv[2];
    long count = atol(argv[3]);
    zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
    memset(payload, 'z', sizeof payload);
    double began_cpu, began;

    if (!strcmp(workload, "w7")) {
        struct rlimit limit;
        getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        long before = resident();
        zhandle_t **sessions = calloc(count, sizeof *sessions);
        for (long i = 0; i < count; i++) sessions[i] = open_session(server, 3000);
        sleep(1);
        double pings = number(sessions[0], "/bench/pings");
        began_cpu = cpu();
        sleep(5);
        double used = cpu() - began_cpu;
        pings = number(sessions[0], "/bench/pings") - pings;
        printf("cpu_us_per_ping %f\ncpu_ms_per_s %f\nbytes_per_session %f\nthreads %ld\n", used / pings, used / 5e3,
               (resident() - before) / (double)count, 1 + 2 * count);
        fflush(stdout);
        _exit(0);
    }

    zhandle_t *zh = open_session(server, 30000);
    if (!strcmp(workload, "w1")) {
        double *times = calloc(count, sizeof *times);
        struct member warm_up = {zh, count / 2, times}, member = {zh, count, times};
        run_member(&warm_up);
        began_cpu = cpu(), began = wall();
        run_member(&member);
        tell_per_operation(cpu() - began_cpu, wall() - began, count);
        tell_latencies(times, count);
    } else if (!strcmp(workload, "w2") || !strcmp(workload, "w3")) {
        char kind = workload[1] == '2' ? 'r' : 'w';
        window_of(zh, kind, count / 10, 1000);
        began_cpu = cpu(), began = wall();
        window_of(zh, kind, count, 1000);
        tell_per_operation(cpu() - began_cpu, wall() - began, count);
    } else if (!strcmp(workload, "w4")) {
        enum { THREADS = 256 };
        pthread_t threads[THREADS];
        struct member members[THREADS];
        double *times = calloc(count, sizeof *times);
        long each = count / THREADS;
        began_cpu = cpu(), began = wall();
        for (int i = 0; i < THREADS; i++) {
            members[i] = (struct member){zh, each, times + i * each};
            pthread_create(&threads[i], NULL, run_member, &members[i]);
        }
        for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
        tell_per_operation(cpu() - began_cpu, wall() - began, each * THREADS);
        tell_latencies(times, each * THREADS);
    } else if (!strcmp(workload, "w5") || !strcmp(workload, "w5-writes")) {
        char kind = workload[2] ? 'W' : 'R';
        window_of(zh, kind, 16, 8);
        began_cpu = cpu(), began = wall();
        window_of(zh, kind, count, 8);
        double megabytes = count * (BIG_BYTES / 1e6), used = cpu() - began_cpu;
        printf("cpu_us_per_mb %f\nmb_per_s %f\n", used / megabytes, megabytes / (wall() - began) * 1e6);
    } else if (!strcmp(workload, "w6")) {
        long before = resident();
        began_cpu = cpu();
        window_of(zh, 'x', count, 1000);
        printf("register_cpu_us %f\n", (cpu() - began_cpu) / count);
        printf("bytes_per_watch %f\n", (resident() - before) / (double)count);
        began_cpu = cpu(), began = wall();
        zoo_set(zh, "/bench/fire", "", 0, -1);
        wait_for_events(count, 30e6);
        printf("event_cpu_us %f\nevents_per_s %f\nevents %ld\n", (cpu() - began_cpu) / count, count / (wall() - began) * 1e6, events);
    } else if (!strcmp(workload, "w8")) {
        window_of(zh, 'x', count, 1000);
        began_cpu = cpu();
        zoo_set(zh, "/bench/drop", "", 0, -1);
        double time = -1;
        for (began = wall(); time < 0 && wall() - began < 10e6;) {
            usleep(5000);
            time = number(zh, "/bench/rewatched");
        }
        double used = cpu() - began_cpu;
        if (time < 0) {
            printf("rewatch_ms nan\nevents 0\n");
        } else {
            zoo_set(zh, "/bench/fire", "", 0, -1);
            wait_for_events(count, 10e6);
            printf("rewatch_ms %f\nrewatch_cpu_ms %f\nevents %ld\n", time, used / 1e3, events);
        }
    } else {
        return 3;
    }
    fflush(stdout);
    // Its threads may be asleep for long.
    exit(0);
}
