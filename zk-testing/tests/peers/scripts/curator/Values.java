import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.atomic.AtomicValue;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicInteger;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.framework.recipes.shared.SharedCountListener;
import org.apache.curator.framework.recipes.shared.SharedCountReader;
import org.apache.curator.framework.recipes.shared.SharedValue;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryNTimes;

/** Shared counts and values, which are started before they are used, and atomic numbers. */
final class Values {
    private Values() {}

    static void add(Map<String, Worker.Command> commands) {
        commands.put("count start", (worker, words) -> {
            worker.one("count", words[0], () -> new Count(worker, words[0], Integer.parseInt(words[1])));
            return "";
        });
        commands.put("count get", (worker, words) -> count(worker, words).getCount());
        commands.put("count set", (worker, words) -> {
            count(worker, words).setCount(Integer.parseInt(words[1]));
            return "";
        });
        commands.put("count try", (worker, words) -> {
            SharedCount count = count(worker, words);
            return Locks.said(count.trySetCount(count.getVersionedValue(), Integer.parseInt(words[1])));
        });
        // Waits until it has heard of a value.
        commands.put("count hear", (worker, words) -> {
            Count count = worker.made("count", words[0]);
            int value = Integer.parseInt(words[1]);
            while (count.shared.getCount() != value) {
                count.heard.take();
            }
            return value;
        });

        commands.put("value start", (worker, words) -> {
            worker.one("value", words[0], () -> {
                SharedValue value = new SharedValue(worker.client, words[0], bytes(words[1]));
                value.start();
                return value;
            });
            return "";
        });
        commands.put("value get", (worker, words) ->
                new String(worker.<SharedValue>made("value", words[0]).getValue(), StandardCharsets.UTF_8));
        commands.put("value set", (worker, words) -> {
            worker.<SharedValue>made("value", words[0]).setValue(bytes(words[1]));
            return "";
        });
        commands.put("value try", (worker, words) -> {
            SharedValue value = worker.made("value", words[0]);
            return Locks.said(value.trySetValue(value.getVersionedValue(), bytes(words[1])));
        });

        commands.put("long get", (worker, words) -> of(atomicLong(worker, words).get()));
        commands.put("long add", (worker, words) -> of(atomicLong(worker, words).add(Long.valueOf(words[1]))));
        commands.put("long set", (worker, words) -> of(atomicLong(worker, words).trySet(Long.valueOf(words[1]))));
        commands.put("long cas", (worker, words) -> Locks.said(
                atomicLong(worker, words).compareAndSet(Long.valueOf(words[1]), Long.valueOf(words[2])).succeeded()));
        commands.put("integer get", (worker, words) -> of(atomicInteger(worker, words).get()));
        commands.put("integer add", (worker, words) -> of(atomicInteger(worker, words).add(Integer.valueOf(words[1]))));
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static SharedCount count(Worker worker, String... words) throws Exception {
        return worker.<Count>made("count", words[0]).shared;
    }

    private static DistributedAtomicLong atomicLong(Worker worker, String... words) {
        return new DistributedAtomicLong(worker.client, words[0], new RetryNTimes(100, 5));
    }

    private static DistributedAtomicInteger atomicInteger(Worker worker, String... words) {
        return new DistributedAtomicInteger(worker.client, words[0], new RetryNTimes(100, 5));
    }

    private static <T> T of(AtomicValue<T> value) {
        if (!value.succeeded()) {
            throw new IllegalStateException("the value was not changed");
        }
        return value.postValue();
    }

    private static final class Count implements SharedCountListener {
        final SharedCount shared;
        final BlockingQueue<Integer> heard = new LinkedBlockingQueue<>();

        Count(Worker worker, String path, int seed) throws Exception {
            shared = new SharedCount(worker.client, path, seed);
            shared.addListener(this);
            shared.start();
        }

        @Override
        public void countHasChanged(SharedCountReader count, int value) {
            heard.add(value);
        }

        @Override
        public void stateChanged(CuratorFramework client, ConnectionState state) {}
    }
}
