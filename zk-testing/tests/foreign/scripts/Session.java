// A session of the Java client's: the argument is the server. Prints each step that it has done, and asks for faults by
// lines that begin with a question mark, answered by a line each.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.OpResult;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.Stat;

public class Session {
    static final BufferedReader ANSWERS = new BufferedReader(new InputStreamReader(System.in));

    /** Events of nodes, or changes of the session's state, in the order of their coming. */
    static class Events implements Watcher {
        final BlockingQueue<WatchedEvent> nodes = new LinkedBlockingQueue<>();
        final BlockingQueue<KeeperState> states = new LinkedBlockingQueue<>();

        @Override
        public void process(WatchedEvent event) {
            if (event.getType() == EventType.None) {
                states.add(event.getState());
            } else {
                nodes.add(event);
            }
        }

        void expect(EventType type, String path) throws Exception {
            WatchedEvent event = nodes.poll(20, TimeUnit.SECONDS);
            check(event != null && event.getType() == type && event.getPath().equals(path), type + " " + path + ", not " + event);
        }

        void expect(KeeperState state) throws Exception {
            KeeperState found = states.poll(20, TimeUnit.SECONDS);
            check(found == state, state + ", not " + found);
        }
    }

    static void check(boolean isTrue, String what) {
        if (!isTrue) {
            throw new AssertionError(what);
        }
    }

    static void ok(String step) {
        System.out.println("ok: " + step);
    }

    static void ask(String what) throws Exception {
        System.out.println("? " + what);
        check("done".equals(ANSWERS.readLine()), what);
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static String create(ZooKeeper zk, String path, String data, CreateMode mode) throws Exception {
        return zk.create(path, bytes(data), Ids.OPEN_ACL_UNSAFE, mode);
    }

    public static void main(String[] arguments) throws Exception {
        String server = arguments[0];
        Events session = new Events();
        ZooKeeper zk = new ZooKeeper(server, 10_000, session);
        session.expect(KeeperState.SyncConnected);

        check(create(zk, "/java", "one", CreateMode.PERSISTENT).equals("/java"), "the path");
        Stat stat = new Stat();
        check(new String(zk.getData("/java", false, stat), StandardCharsets.UTF_8).equals("one"), "the data");
        check(stat.getVersion() == 0 && stat.getDataLength() == 3 && stat.getEphemeralOwner() == 0, "the stat: " + stat);
        ok("create");

        String persistent = create(zk, "/java/s-", "", CreateMode.PERSISTENT_SEQUENTIAL);
        check(persistent.equals("/java/s-0000000000"), persistent);
        String ephemeral = create(zk, "/java/s-", "", CreateMode.EPHEMERAL_SEQUENTIAL);
        check(ephemeral.equals("/java/s-0000000001"), ephemeral);
        ok("sequential");

        create(zk, "/java/e", "", CreateMode.EPHEMERAL);
        check(zk.exists("/java/e", false).getEphemeralOwner() == zk.getSessionId(), "the owner");
        check(zk.getEphemerals("/java").size() == 2, "both ephemeral nodes");
        ok("ephemeral");

        List<String> children = new ArrayList<>(zk.getChildren("/java", false));
        Collections.sort(children);
        check(children.equals(Arrays.asList("e", "s-0000000000", "s-0000000001")), children.toString());
        ok("children");

        Events events = new Events();
        zk.getData("/java", events, null);
        zk.getChildren("/java", events);
        check(zk.exists("/java/new", events) == null, "it is not there yet");
        zk.setData("/java", bytes("two"), -1);
        events.expect(EventType.NodeDataChanged, "/java");
        create(zk, "/java/new", "", CreateMode.PERSISTENT);
        events.expect(EventType.NodeCreated, "/java/new");
        events.expect(EventType.NodeChildrenChanged, "/java");
        Events all = new Events();
        zk.addWatch("/java", all, AddWatchMode.PERSISTENT_RECURSIVE);
        zk.setData("/java/new", bytes("x"), -1);
        all.expect(EventType.NodeDataChanged, "/java/new");
        ok("watches");

        try {
            zk.setData("/java", bytes("three"), 0);
            throw new AssertionError("the version was wrong");
        } catch (KeeperException.BadVersionException expected) {
            check(zk.setData("/java", bytes("three"), 1).getVersion() == 2, "the version after it");
            all.expect(EventType.NodeDataChanged, "/java");
        }
        ok("bad version");

        List<OpResult> results = zk.multi(Arrays.asList(
            Op.check("/java", 2),
            Op.create("/java/m", bytes("m"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT),
            Op.setData("/java/m", bytes("n"), 0),
            Op.delete("/java/new", -1)));
        check(((OpResult.CreateResult) results.get(1)).getPath().equals("/java/m"), "the path of the multi's node");
        check(((OpResult.SetDataResult) results.get(2)).getStat().getVersion() == 1, "the stat of the multi's node");
        all.expect(EventType.NodeCreated, "/java/m");
        all.expect(EventType.NodeDataChanged, "/java/m");
        all.expect(EventType.NodeDeleted, "/java/new");
        ok("multi");

        try {
            zk.multi(Arrays.asList(
                Op.create("/java/undone", bytes(""), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT),
                Op.create("/java/m", bytes(""), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT),
                Op.delete("/java/m", -1)));
            throw new AssertionError("the node is there already");
        } catch (KeeperException.NodeExistsException expected) {
            List<Integer> errors = new ArrayList<>();
            for (OpResult result : expected.getResults()) {
                errors.add(((OpResult.ErrorResult) result).getErr());
            }
            check(errors.equals(Arrays.asList(0, -110, -2)), errors.toString());
            check(zk.exists("/java/undone", false) == null, "nothing was done");
        }
        ok("multi that fails");

        zk.addAuthInfo("digest", bytes("alice:secret"));
        zk.create("/java/acl", bytes("hidden"), Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT);
        all.expect(EventType.NodeCreated, "/java/acl");
        Events otherSession = new Events();
        ZooKeeper other = new ZooKeeper(server, 10_000, otherSession);
        otherSession.expect(KeeperState.SyncConnected);
        try {
            other.getData("/java/acl", false, null);
            throw new AssertionError("the node is not for everybody");
        } catch (KeeperException.NoAuthException expected) {
            other.addAuthInfo("digest", bytes("alice:secret"));
            check(other.getData("/java/acl", false, null).length == 6, "the hidden data");
        }
        ok("access list");

        CompletableFuture<Integer> synced = new CompletableFuture<>();
        zk.sync("/java", (code, path, context) -> synced.complete(code), null);
        check(synced.get(20, TimeUnit.SECONDS) == 0, "the sync");
        ok("sync");

        zk.getData("/java", events, null);
        long id = zk.getSessionId();
        ask("cut");
        session.expect(KeeperState.Disconnected);
        session.expect(KeeperState.SyncConnected);
        otherSession.expect(KeeperState.Disconnected);
        otherSession.expect(KeeperState.SyncConnected);
        check(zk.getSessionId() == id && zk.exists("/java/e", false) != null, "the session");
        other.setData("/java", bytes("four"), -1);
        events.expect(EventType.NodeDataChanged, "/java");
        all.expect(EventType.NodeDataChanged, "/java");
        check(zk.getData("/java/acl", false, null).length == 6, "the credentials");
        ok("reconnect");

        create(other, "/java/other", "", CreateMode.EPHEMERAL);
        all.expect(EventType.NodeCreated, "/java/other");
        check(zk.exists("/java/other", events) != null, "the other's node");
        other.close();
        events.expect(EventType.NodeDeleted, "/java/other");
        all.expect(EventType.NodeDeleted, "/java/other");
        ok("close");

        ask("expire");
        session.expect(KeeperState.Disconnected);
        session.expect(KeeperState.Expired);
        try {
            zk.exists("/java", false);
            throw new AssertionError("the session is over");
        } catch (KeeperException.SessionExpiredException expected) {
            zk.close();
        }
        session = new Events();
        zk = new ZooKeeper(server, 10_000, session);
        session.expect(KeeperState.SyncConnected);
        check(zk.exists("/java", false) != null && zk.exists("/java/e", false) == null, "what is left");
        ok("expiry");

        zk.close();
        ok("end");
    }
}
