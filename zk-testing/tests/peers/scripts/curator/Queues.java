import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.queue.DistributedDelayQueue;
import org.apache.curator.framework.recipes.queue.DistributedIdQueue;
import org.apache.curator.framework.recipes.queue.DistributedPriorityQueue;
import org.apache.curator.framework.recipes.queue.DistributedQueue;
import org.apache.curator.framework.recipes.queue.ErrorMode;
import org.apache.curator.framework.recipes.queue.QueueBase;
import org.apache.curator.framework.recipes.queue.QueueBuilder;
import org.apache.curator.framework.recipes.queue.QueueConsumer;
import org.apache.curator.framework.recipes.queue.QueueSerializer;
import org.apache.curator.framework.recipes.queue.SimpleDistributedQueue;
import org.apache.curator.framework.state.ConnectionState;

/**
 * Queues. The simple one is used as it is. Of the others, {@code open PATH [LOCKS]} makes a producer, {@code consume PATH [LOCKS]} one that
 * consumes too: {@code next} waits for an item, which is being worked on until {@code done} or {@code fail}.
 */
final class Queues {
    private Queues() {}

    /** Makes a queue of a builder. */
    private interface Kind {
        QueueBase<String> build(QueueBuilder<String> builder);
    }

    /** Puts an item, described by words behind the path. */
    private interface Put {
        void put(QueueBase<String> queue, String... words) throws Exception;
    }

    static void add(Map<String, Worker.Command> commands) {
        commands.put("simple offer", (worker, words) ->
                Locks.said(simple(worker, words[0]).offer(words[1].getBytes(StandardCharsets.UTF_8))));
        commands.put("simple take", (worker, words) -> text(simple(worker, words[0]).take()));
        commands.put("simple poll", (worker, words) -> text(simple(worker, words[0]).poll()));
        commands.put("simple peek", (worker, words) -> text(simple(worker, words[0]).peek()));

        kind(commands, "queue", QueueBuilder::buildQueue, (queue, words) ->
                ((DistributedQueue<String>) queue).put(words[1]));
        kind(commands, "priority", builder -> builder.buildPriorityQueue(0), (queue, words) ->
                ((DistributedPriorityQueue<String>) queue).put(words[1], Integer.parseInt(words[2])));
        kind(commands, "delay", QueueBuilder::buildDelayQueue, (queue, words) ->
                ((DistributedDelayQueue<String>) queue).put(words[1], Long.parseLong(words[2])));
        kind(commands, "id", QueueBuilder::buildIdQueue, (queue, words) ->
                ((DistributedIdQueue<String>) queue).put(words[1], words[2]));
        commands.put("id remove", (worker, words) -> worker.<DistributedIdQueue<String>>made("id", words[0]).remove(words[1]));
    }

    private static void kind(Map<String, Worker.Command> commands, String name, Kind kind, Put put) {
        commands.put(name + " open", (worker, words) -> open(worker, name, kind, null, words));
        commands.put(name + " consume", (worker, words) -> {
            Consumer consumer = worker.one("consumer", words[0], Consumer::new);
            return open(worker, name, kind, consumer, words);
        });
        commands.put(name + " put", (worker, words) -> {
            QueueBase<String> queue = worker.made(name, words[0]);
            put.put(queue, words);
            // It goes in the background.
            return Locks.said(queue.flushPuts(20, TimeUnit.SECONDS));
        });
        commands.put(name + " next", (worker, words) -> worker.<Consumer>made("consumer", words[0]).items.take());
        commands.put(name + " done", (worker, words) -> {
            worker.<Consumer>made("consumer", words[0]).verdicts.put(true);
            return "";
        });
        commands.put(name + " fail", (worker, words) -> {
            worker.<Consumer>made("consumer", words[0]).verdicts.put(false);
            return "";
        });
        commands.put(name + " close", (worker, words) -> {
            worker.<QueueBase<String>>forget(name, words[0]).close();
            return "";
        });
    }

    private static Object open(Worker worker, String name, Kind kind, Consumer consumer, String... words) throws Exception {
        worker.one(name, words[0], () -> {
            QueueBuilder<String> builder = QueueBuilder.builder(worker.client, consumer, new Text(), words[0]);
            QueueBase<String> queue = kind.build(words.length > 1 ? builder.lockPath(words[1]) : builder);
            if (words.length > 1) {
                queue.setErrorMode(ErrorMode.REQUEUE);
            }
            queue.start();
            return queue;
        });
        return "";
    }

    private static SimpleDistributedQueue simple(Worker worker, String path) throws Exception {
        return worker.one("simple", path, () -> new SimpleDistributedQueue(worker.client, path));
    }

    private static String text(byte[] item) {
        return item == null ? "" : new String(item, StandardCharsets.UTF_8);
    }

    private static final class Consumer implements QueueConsumer<String> {
        final BlockingQueue<String> items = new LinkedBlockingQueue<>();
        final BlockingQueue<Boolean> verdicts = new SynchronousQueue<>();

        @Override
        public void consumeMessage(String item) throws Exception {
            items.add(item);
            if (!verdicts.take()) {
                throw new Exception("told to fail");
            }
        }

        @Override
        public void stateChanged(CuratorFramework client, ConnectionState state) {}
    }

    private static final class Text implements QueueSerializer<String> {
        @Override
        public byte[] serialize(String item) {
            return item.getBytes(StandardCharsets.UTF_8);
        }

        @Override
        public String deserialize(byte[] bytes) {
            return new String(bytes, StandardCharsets.UTF_8);
        }
    }
}
