import java.lang.management.ManagementFactory;
import java.lang.management.ThreadInfo;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.retry.RetryNTimes;

/** A thread with a session of its own. */
final class Worker extends Thread {
    /** Makes an object. */
    interface Maker {
        Object make() throws Exception;
    }

    /** Something that can be asked for: {@code RECIPE VERB PATH...}, of which it is given what comes behind the verb. */
    interface Command {
        Object run(Worker worker, String... words) throws Exception;
    }

    private static final Map<String, Command> COMMANDS = new HashMap<>();

    static {
        COMMANDS.put("session open", Worker::open);
        COMMANDS.put("session close", (worker, words) -> {
            worker.client.close();
            return "";
        });
        Locks.add(COMMANDS);
        Elections.add(COMMANDS);
        Barriers.add(COMMANDS);
        Values.add(COMMANDS);
        Queues.add(COMMANDS);
        Members.add(COMMANDS);
    }

    private final BlockingQueue<String[]> requests = new LinkedBlockingQueue<>();
    /** Requests that are not answered yet, and the one it is at. */
    private final Set<String> open = ConcurrentHashMap.newKeySet();
    private volatile String current = "";
    private final Map<String, Object> objects = new HashMap<>();
    CuratorFramework client;

    Worker(String name) {
        super(name);
        setDaemon(true);
        start();
    }

    void add(String number, String[] words) {
        open.add(number);
        String[] request = new String[words.length + 1];
        request[0] = number;
        System.arraycopy(words, 0, request, 1, words.length);
        requests.add(request);
    }

    @Override
    public void run() {
        while (true) {
            String[] request;
            try {
                request = requests.take();
            } catch (InterruptedException end) {
                return;
            }
            String number = request[0];
            current = number;
            String[] result;
            try {
                result = new String[] {number, "ok", carryOut(request)};
            } catch (Exception | LinkageError error) {
                result = new String[] {number, "failed", error.toString().replace('\n', ' ')};
            }
            open.remove(number);
            Peer.answer(result);
        }
    }

    private String carryOut(String[] request) throws Exception {
        Command command = COMMANDS.get(request[1] + " " + request[2]);
        if (command == null) {
            throw new IllegalArgumentException("there is no " + request[1] + " " + request[2]);
        }
        String[] words = new String[request.length - 3];
        System.arraycopy(request, 3, words, 0, words.length);
        return String.valueOf(command.run(this, words));
    }

    private static Object open(Worker worker, String... words) throws Exception {
        int timeoutMs = Integer.parseInt(words[1]);
        worker.client = CuratorFrameworkFactory.newClient(words[0], timeoutMs, 30_000, new RetryNTimes(3, 100));
        worker.client.start();
        worker.client.blockUntilConnected();
        return "";
    }

    /** Returns this worker's object for a recipe and a path, which is made when it is first asked for. */
    @SuppressWarnings("unchecked")
    <T> T one(String recipe, String path, Maker maker) throws Exception {
        String key = recipe + " " + path;
        if (!objects.containsKey(key)) {
            objects.put(key, maker.make());
        }
        return (T) objects.get(key);
    }

    <T> T made(String recipe, String path) throws Exception {
        return one(recipe, path, () -> {
            throw new IllegalStateException("no " + recipe + " was made of " + path);
        });
    }

    /** Returns that object, for the last time. */
    <T> T forget(String recipe, String path) throws Exception {
        T object = made(recipe, path);
        objects.remove(recipe + " " + path);
        return object;
    }

    boolean hasDone(String number) {
        return !open.contains(number);
    }

    boolean isAt(String number) {
        return current.equals(number);
    }

    /** Whether the thread waits in a recipe, and neither for a reply nor between two tries. */
    boolean isWaiting() {
        // State and frames as of one moment: asked for one after the other, they show a wait for a reply that has just ended as one in a recipe.
        ThreadInfo thread = ManagementFactory.getThreadMXBean().getThreadInfo(getId(), Integer.MAX_VALUE);
        if (thread == null || (thread.getThreadState() != State.WAITING && thread.getThreadState() != State.TIMED_WAITING)) {
            return false;
        }
        for (StackTraceElement frame : thread.getStackTrace()) {
            String name = frame.getClassName();
            boolean isOfJava = name.startsWith("java.") || name.startsWith("jdk.");
            if (!isOfJava || (name.equals("java.lang.Thread") && frame.getMethodName().equals("sleep"))) {
                return name.startsWith("org.apache.curator.framework.recipes.");
            }
        }
        return false;
    }
}
