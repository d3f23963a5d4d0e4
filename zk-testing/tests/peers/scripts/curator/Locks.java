import java.util.Collection;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreMutex;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.locks.Lease;
import org.apache.curator.framework.recipes.locks.Revoker;

/** Locks and leases: a worker is an owner. */
final class Locks {
    private Locks() {}

    static void add(Map<String, Worker.Command> commands) {
        commands.put("lock acquire", (worker, words) -> {
            mutex(worker, words[0]).acquire();
            return "held";
        });
        commands.put("lock try", (worker, words) -> said(mutex(worker, words[0]).acquire(0, TimeUnit.SECONDS)));
        commands.put("lock release", (worker, words) -> {
            worker.<InterProcessMutex>forget("lock", words[0]).release();
            return "";
        });
        commands.put("lock contenders", (worker, words) -> names(mutex(worker, words[0]).getParticipantNodes()));
        commands.put("lock revocable", (worker, words) -> {
            CountDownLatch revoked = worker.one("revocation", words[0], () -> new CountDownLatch(1));
            mutex(worker, words[0]).makeRevocable(lock -> revoked.countDown());
            return "";
        });
        commands.put("lock revoked", (worker, words) -> {
            worker.<CountDownLatch>made("revocation", words[0]).await();
            return "revoked";
        });
        commands.put("node revoke", (worker, words) -> {
            Revoker.attemptRevoke(worker.client, words[0]);
            return "";
        });

        commands.put("read acquire", (worker, words) -> {
            pair(worker, words[0]).readLock().acquire();
            return "held";
        });
        commands.put("read release", (worker, words) -> {
            pair(worker, words[0]).readLock().release();
            return "";
        });
        commands.put("write acquire", (worker, words) -> {
            pair(worker, words[0]).writeLock().acquire();
            return "held";
        });
        commands.put("write release", (worker, words) -> {
            pair(worker, words[0]).writeLock().release();
            return "";
        });

        commands.put("semaphore acquire", (worker, words) -> {
            worker.one("lease", words[0], semaphore(worker, words)::acquire);
            return "held";
        });
        commands.put("semaphore try", (worker, words) -> {
            Lease lease = semaphore(worker, words).acquire(0, TimeUnit.SECONDS);
            if (lease != null) {
                worker.one("lease", words[0], () -> lease);
            }
            return said(lease != null);
        });
        commands.put("semaphore release", (worker, words) -> {
            worker.<Lease>forget("lease", words[0]).close();
            return "";
        });
        commands.put("semaphore holders", (worker, words) ->
                names(new InterProcessSemaphoreV2(worker.client, words[0], 1).getParticipantNodes()));
        commands.put("semaphore-mutex acquire", (worker, words) -> {
            semaphoreMutex(worker, words[0]).acquire();
            return "held";
        });
        commands.put("semaphore-mutex release", (worker, words) -> {
            semaphoreMutex(worker, words[0]).release();
            return "";
        });
    }

    static String said(boolean flag) {
        return flag ? "yes" : "no";
    }

    /** Returns the last parts of paths. */
    static String names(Collection<String> paths) {
        return paths.stream().map(path -> path.substring(path.lastIndexOf('/') + 1)).collect(Collectors.joining(" "));
    }

    private static InterProcessMutex mutex(Worker worker, String path) throws Exception {
        return worker.one("lock", path, () -> new InterProcessMutex(worker.client, path));
    }

    private static InterProcessReadWriteLock pair(Worker worker, String path) throws Exception {
        return worker.one("pair", path, () -> new InterProcessReadWriteLock(worker.client, path));
    }

    private static InterProcessSemaphoreV2 semaphore(Worker worker, String... words) {
        return new InterProcessSemaphoreV2(worker.client, words[0], Integer.parseInt(words[1]));
    }

    private static InterProcessSemaphoreMutex semaphoreMutex(Worker worker, String path) throws Exception {
        return worker.one("semaphore-mutex", path, () -> new InterProcessSemaphoreMutex(worker.client, path));
    }
}
