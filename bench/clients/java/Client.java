import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.zookeeper.AsyncCallback;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.ZooKeeper;

/** ZooKeeper's Java client. Client WORKLOAD HOST:PORT OPERATIONS */
final class Client {
    private static final String SMALL = "/bench/small";
    private static final String BIG = "/bench/big";
    private static final int BIG_BYTES = 512 * 1024;
    private static final int TASKS = 256;
    private static final OperatingSystemMXBean SYSTEM =
        (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

    private final ZooKeeper zk;
    private final int count;
    private final AtomicInteger events = new AtomicInteger();

    private Client(ZooKeeper zk, int count) {
        this.zk = zk;
        this.count = count;
    }

    public static void main(String[] args) throws Exception {
        int count = Integer.parseInt(args[2]);
        if (args[0].equals("w7")) {
            idle(args[1], count);
        } else {
            new Client(connect(args[1], 30_000), count).run(args[0]);
        }
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }

    private void run(String workload) throws Exception {
        byte[] small = new byte[100];
        byte[] big = new byte[BIG_BYTES];
        switch (workload) {
            case "w1":
                oneByOne(count / 2);
                long cpu = cpu();
                long began = System.nanoTime();
                long[] times = oneByOne(count);
                tellPerOperation(cpu, began, count);
                tellLatencies(times);
                break;
            case "w2":
                perOperation(1000, done -> zk.getData(SMALL, false, data(done), null));
                break;
            case "w3":
                perOperation(1000, done -> zk.setData(SMALL, small, -1, stat(done), null));
                break;
            case "w4":
                crowd();
                break;
            case "w5":
                perMegabyte(done -> zk.getData(BIG, false, data(done), null));
                break;
            case "w5-writes":
                perMegabyte(done -> zk.setData(BIG, big, -1, stat(done), null));
                break;
            case "w6":
                watches();
                break;
            case "w8":
                rewatch();
                break;
            default:
                Runtime.getRuntime().halt(3);
        }
    }

    private interface Call {
        void start(Runnable done);
    }

    private static AsyncCallback.DataCallback data(Runnable done) {
        return (code, path, context, bytes, stat) -> finish(code, done);
    }

    private static AsyncCallback.StatCallback stat(Runnable done) {
        return (code, path, context, stat) -> finish(code, done);
    }

    private static void finish(int code, Runnable done) {
        if (code != 0) {
            System.err.println("a request failed: " + code);
            Runtime.getRuntime().halt(1);
        }
        done.run();
    }

    private void windowed(int count, int window, Call call) throws InterruptedException {
        Semaphore places = new Semaphore(window);
        for (int i = 0; i < count; i++) {
            places.acquire();
            call.start(places::release);
        }
        places.acquire(window);
    }

    private void perOperation(int window, Call call) throws InterruptedException {
        windowed(count / 2, window, call);
        long cpu = cpu();
        long began = System.nanoTime();
        windowed(count, window, call);
        tellPerOperation(cpu, began, count);
    }

    private void perMegabyte(Call call) throws InterruptedException {
        windowed(count / 2, 8, call);
        long cpu = cpu();
        long began = System.nanoTime();
        windowed(count, 8, call);
        double megabytes = count * (BIG_BYTES / 1e6);
        tell("cpu_us_per_mb", (cpu() - cpu) / 1e3 / megabytes);
        tell("mb_per_s", megabytes / ((System.nanoTime() - began) / 1e9));
    }

    private long[] oneByOne(int count) throws Exception {
        long[] times = new long[count];
        for (int i = 0; i < count; i++) {
            long began = System.nanoTime();
            zk.getData(SMALL, false, null);
            times[i] = System.nanoTime() - began;
        }
        return times;
    }

    private void crowd() throws Exception {
        crowd(count / 2 / TASKS);
        long cpu = cpu();
        long began = System.nanoTime();
        long[] times = crowd(count / TASKS);
        tellPerOperation(cpu, began, times.length);
        tellLatencies(times);
    }

    private long[] crowd(int each) throws Exception {
        long[][] times = new long[TASKS][];
        Thread[] threads = new Thread[TASKS];
        for (int i = 0; i < TASKS; i++) {
            int index = i;
            threads[i] = new Thread(() -> {
                try {
                    times[index] = oneByOne(each);
                } catch (Exception error) {
                    throw new IllegalStateException(error);
                }
            });
            threads[i].start();
        }
        for (Thread thread : threads) {
            thread.join();
        }
        return Arrays.stream(times).flatMapToLong(Arrays::stream).toArray();
    }

    private void watch() throws InterruptedException {
        Watcher watcher = event -> {
            if (event.getType() != Watcher.Event.EventType.None) {
                events.incrementAndGet();
            }
        };
        AtomicInteger number = new AtomicInteger();
        windowed(count, 1000, done ->
            zk.getData(String.format("/watched/%09d", number.getAndIncrement()), watcher, data(done), null));
    }

    private void watches() throws Exception {
        long before = resident();
        long cpu = cpu();
        watch();
        tell("register_cpu_us", (cpu() - cpu) / 1e3 / count);
        tell("bytes_per_watch", (resident() - before) / (double) count);
        cpu = cpu();
        long began = System.nanoTime();
        zk.setData("/bench/fire", new byte[0], -1);
        awaitEvents();
        tell("event_cpu_us", (cpu() - cpu) / 1e3 / count);
        tell("events_per_s", count / ((System.nanoTime() - began) / 1e9));
        tell("events", events.get());
    }

    private void rewatch() throws Exception {
        watch();
        long cpu = cpu();
        zk.setData("/bench/drop", new byte[0], -1);
        Double took = null;
        for (long began = System.nanoTime(); took == null && System.nanoTime() - began < 10_000_000_000L; ) {
            Thread.sleep(5);
            try {
                took = number(zk, "/bench/rewatched");
            } catch (Exception lost) {
                continue;
            }
        }
        if (took == null) {
            System.out.println("rewatch_ms nan\nevents 0");
            return;
        }
        tell("rewatch_ms", took);
        tell("rewatch_cpu_ms", (cpu() - cpu) / 1e6);
        zk.setData("/bench/fire", new byte[0], -1);
        awaitEvents();
        tell("events", events.get());
    }

    private void awaitEvents() throws InterruptedException {
        for (long began = System.nanoTime(); events.get() < count && System.nanoTime() - began < 20_000_000_000L; ) {
            Thread.sleep(1);
        }
    }

    private static void idle(String server, int count) throws Exception {
        long before = resident();
        ZooKeeper[] sessions = new ZooKeeper[count];
        for (int i = 0; i < count; i++) {
            sessions[i] = connect(server, 3000);
        }
        Thread.sleep(1000);
        double pings = number(sessions[0], "/bench/pings");
        long cpu = cpu();
        Thread.sleep(5000);
        cpu = cpu() - cpu;
        pings = number(sessions[0], "/bench/pings") - pings;
        tell("cpu_us_per_ping", cpu / 1e3 / pings);
        tell("cpu_ms_per_s", cpu / 5e6);
        tell("bytes_per_session", (resident() - before) / (double) count);
        tell("threads", Thread.activeCount());
    }

    private static ZooKeeper connect(String server, int timeout) throws Exception {
        CountDownLatch connected = new CountDownLatch(1);
        ZooKeeper zk = new ZooKeeper(server, timeout, (WatchedEvent event) -> {
            if (event.getState() == Watcher.Event.KeeperState.SyncConnected) {
                connected.countDown();
            }
        });
        connected.await();
        return zk;
    }

    private static Double number(ZooKeeper zk, String path) throws Exception {
        byte[] text = zk.getData(path, false, null);
        return text.length == 0 ? null : Double.valueOf(new String(text, StandardCharsets.UTF_8));
    }

    private static long cpu() {
        return SYSTEM.getProcessCpuTime();
    }

    private static long resident() throws Exception {
        String[] pages = Files.readString(Path.of("/proc/self/statm")).split(" ");
        return Long.parseLong(pages[1]) * 4096;
    }

    private static void tellPerOperation(long cpu, long began, int count) {
        tell("cpu_us_per_op", (cpu() - cpu) / 1e3 / count);
        tell("ops_per_s", count / ((System.nanoTime() - began) / 1e9));
    }

    private static void tellLatencies(long[] times) {
        Arrays.sort(times);
        tell("p50_us", times[times.length / 2] / 1e3);
        tell("p90_us", times[times.length * 9 / 10] / 1e3);
        tell("p99_us", times[(int) (times.length * 99L / 100)] / 1e3);
        tell("p999_us", times[(int) (times.length * 999L / 1000)] / 1e3);
    }

    private static void tell(String name, double value) {
        System.out.println(name + " " + value);
    }
}
