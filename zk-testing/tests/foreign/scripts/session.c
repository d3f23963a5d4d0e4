/* A session of the C client's: the argument is the server. Prints each step that it has done, and asks for faults by lines
 * that begin with a question mark, answered by a line each. */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zookeeper/zookeeper.h>

#define PATIENCE_SECONDS 20

#define CHECK(condition)                                                                                              \
    do {                                                                                                              \
        if (!(condition)) {                                                                                           \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition);                                                   \
            exit(1);                                                                                                  \
        }                                                                                                             \
    } while (0)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

/* What watchers have heard and nobody has asked for yet. */
struct heard {
    int count;
    struct {
        int type;
        int state;
        char path[64];
    } events[64];
};

static void watcher(zhandle_t *zh, int type, int state, const char *path, void *context) {
    struct heard *heard = context;
    (void)zh;
    pthread_mutex_lock(&lock);
    if (heard->count < 64) {
        heard->events[heard->count].type = type;
        heard->events[heard->count].state = state;
        snprintf(heard->events[heard->count].path, 64, "%s", path ? path : "");
        heard->count++;
    }
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

/* Waits for an event, whatever others come; -1 for any state. */
static void expect(struct heard *heard, int type, int state, const char *path) {
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += PATIENCE_SECONDS;
    pthread_mutex_lock(&lock);
    for (;;) {
        for (int i = 0; i < heard->count; i++) {
            int is_it = heard->events[i].type == type && (state == -1 || heard->events[i].state == state) &&
                        strcmp(heard->events[i].path, path) == 0;
            if (is_it) {
                heard->count--;
                memmove(&heard->events[i], &heard->events[i + 1], (heard->count - i) * sizeof heard->events[0]);
                pthread_mutex_unlock(&lock);
                return;
            }
        }
        if (pthread_cond_timedwait(&changed, &lock, &deadline) != 0) {
            fprintf(stderr, "no event of type %d for %s\n", type, path);
            exit(1);
        }
    }
}

static void ok(const char *step) {
    printf("ok: %s\n", step);
    fflush(stdout);
}

static void ask(const char *what) {
    char answer[16];
    printf("? %s\n", what);
    fflush(stdout);
    CHECK(fgets(answer, sizeof answer, stdin) && strcmp(answer, "done\n") == 0);
}

static zhandle_t *connect_to(const char *server, struct heard *session) {
    zhandle_t *zh = zookeeper_init(server, watcher, 10000, NULL, session, 0);
    CHECK(zh);
    expect(session, ZOO_SESSION_EVENT, ZOO_CONNECTED_STATE, "");
    return zh;
}

static int create(zhandle_t *zh, const char *path, const char *data, int mode, char *created, int len) {
    return zoo_create(zh, path, data, strlen(data), &ZOO_OPEN_ACL_UNSAFE, mode, created, len);
}

static void completed(int rc, const char *value, const void *data) {
    (void)value;
    pthread_mutex_lock(&lock);
    *(int *)data = rc;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void authenticated(int rc, const void *data) {
    completed(rc, NULL, data);
}

static int outcome(int *rc) {
    pthread_mutex_lock(&lock);
    while (*rc == 1) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
    return *rc;
}

static void authenticate(zhandle_t *zh) {
    int rc = 1;
    CHECK(zoo_add_auth(zh, "digest", "alice:secret", 12, authenticated, &rc) == ZOK);
    CHECK(outcome(&rc) == ZOK);
}

int main(int argc, char **argv) {
    static struct heard session, events, other_session, last_session;
    char path[64], data[64];
    struct Stat stat;
    int len;

    CHECK(argc == 2);
    zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
    zoo_set_log_stream(fopen("/dev/null", "w"));
    zhandle_t *zh = connect_to(argv[1], &session);

    CHECK(create(zh, "/c", "one", ZOO_PERSISTENT, path, sizeof path) == ZOK && strcmp(path, "/c") == 0);
    len = sizeof data;
    CHECK(zoo_get(zh, "/c", 0, data, &len, &stat) == ZOK && len == 3 && memcmp(data, "one", 3) == 0);
    CHECK(stat.version == 0 && stat.dataLength == 3 && stat.ephemeralOwner == 0);
    ok("create");

    CHECK(create(zh, "/c/s-", "", ZOO_PERSISTENT_SEQUENTIAL, path, sizeof path) == ZOK);
    CHECK(strcmp(path, "/c/s-0000000000") == 0);
    CHECK(create(zh, "/c/s-", "", ZOO_EPHEMERAL_SEQUENTIAL, path, sizeof path) == ZOK);
    CHECK(strcmp(path, "/c/s-0000000001") == 0);
    ok("sequential");

    CHECK(create(zh, "/c/e", "", ZOO_EPHEMERAL, path, sizeof path) == ZOK);
    CHECK(zoo_exists(zh, "/c/e", 0, &stat) == ZOK && stat.ephemeralOwner == zoo_client_id(zh)->client_id);
    ok("ephemeral");

    struct String_vector children;
    CHECK(zoo_get_children2(zh, "/c", 0, &children, &stat) == ZOK && children.count == 3 && stat.numChildren == 3);
    deallocate_String_vector(&children);
    ok("children");

    len = sizeof data;
    CHECK(zoo_wget(zh, "/c", watcher, &events, data, &len, &stat) == ZOK);
    CHECK(zoo_wget_children(zh, "/c", watcher, &events, &children) == ZOK);
    deallocate_String_vector(&children);
    CHECK(zoo_wexists(zh, "/c/new", watcher, &events, &stat) == ZNONODE);
    CHECK(zoo_set(zh, "/c", "two", 3, -1) == ZOK);
    expect(&events, ZOO_CHANGED_EVENT, ZOO_CONNECTED_STATE, "/c");
    CHECK(create(zh, "/c/new", "", ZOO_PERSISTENT, path, sizeof path) == ZOK);
    expect(&events, ZOO_CREATED_EVENT, ZOO_CONNECTED_STATE, "/c/new");
    expect(&events, ZOO_CHILD_EVENT, ZOO_CONNECTED_STATE, "/c");
    ok("watches");

    CHECK(zoo_set(zh, "/c", "three", 5, 0) == ZBADVERSION);
    CHECK(zoo_set2(zh, "/c", "three", 5, 1, &stat) == ZOK && stat.version == 2);
    ok("bad version");

    zoo_op_t ops[4];
    zoo_op_result_t results[4];
    zoo_check_op_init(&ops[0], "/c", 2);
    zoo_create_op_init(&ops[1], "/c/m", "m", 1, &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT, path, sizeof path);
    zoo_set_op_init(&ops[2], "/c/m", "n", 1, 0, &stat);
    zoo_delete_op_init(&ops[3], "/c/new", -1);
    CHECK(zoo_multi(zh, 4, ops, results) == ZOK);
    CHECK(strcmp(path, "/c/m") == 0 && stat.version == 1);
    CHECK(zoo_exists(zh, "/c/new", 0, &stat) == ZNONODE);
    ok("multi");

    zoo_create_op_init(&ops[0], "/c/undone", "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT, path, sizeof path);
    zoo_create_op_init(&ops[1], "/c/m", "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT, path, sizeof path);
    zoo_delete_op_init(&ops[2], "/c/m", -1);
    CHECK(zoo_multi(zh, 3, ops, results) == ZNODEEXISTS);
    CHECK(results[0].err == ZOK && results[1].err == ZNODEEXISTS && results[2].err == ZRUNTIMEINCONSISTENCY);
    CHECK(zoo_exists(zh, "/c/undone", 0, &stat) == ZNONODE);
    ok("multi that fails");

    authenticate(zh);
    CHECK(zoo_create(zh, "/c/acl", "hidden", 6, &ZOO_CREATOR_ALL_ACL, ZOO_PERSISTENT, path, sizeof path) == ZOK);
    zhandle_t *other = connect_to(argv[1], &other_session);
    len = sizeof data;
    CHECK(zoo_get(other, "/c/acl", 0, data, &len, &stat) == ZNOAUTH);
    authenticate(other);
    len = sizeof data;
    CHECK(zoo_get(other, "/c/acl", 0, data, &len, &stat) == ZOK && len == 6);
    ok("access list");

    int rc = 1;
    CHECK(zoo_async(zh, "/c", completed, &rc) == ZOK);
    CHECK(outcome(&rc) == ZOK);
    ok("sync");

    len = sizeof data;
    CHECK(zoo_wget(zh, "/c", watcher, &events, data, &len, &stat) == ZOK);
    int64_t id = zoo_client_id(zh)->client_id;
    ask("cut");
    expect(&session, ZOO_SESSION_EVENT, ZOO_CONNECTING_STATE, "");
    expect(&session, ZOO_SESSION_EVENT, ZOO_CONNECTED_STATE, "");
    expect(&other_session, ZOO_SESSION_EVENT, ZOO_CONNECTED_STATE, "");
    CHECK(zoo_client_id(zh)->client_id == id && zoo_exists(zh, "/c/e", 0, &stat) == ZOK);
    CHECK(zoo_set(other, "/c", "four", 4, -1) == ZOK);
    expect(&events, ZOO_CHANGED_EVENT, ZOO_CONNECTED_STATE, "/c");
    ok("reconnect");

    CHECK(create(other, "/c/other", "", ZOO_EPHEMERAL, path, sizeof path) == ZOK);
    CHECK(zoo_wexists(zh, "/c/other", watcher, &events, &stat) == ZOK);
    CHECK(zookeeper_close(other) == ZOK);
    expect(&events, ZOO_DELETED_EVENT, ZOO_CONNECTED_STATE, "/c/other");
    ok("close");

    ask("expire");
    expect(&session, ZOO_SESSION_EVENT, ZOO_EXPIRED_SESSION_STATE, "");
    CHECK(zoo_exists(zh, "/c", 0, &stat) != ZOK);
    zookeeper_close(zh);
    zh = connect_to(argv[1], &last_session);
    CHECK(zoo_exists(zh, "/c", 0, &stat) == ZOK && zoo_exists(zh, "/c/e", 0, &stat) == ZNONODE);
    ok("expiry");

    CHECK(zookeeper_close(zh) == ZOK);
    ok("end");
    return 0;
}
