import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;

/**
 * Curator's recipes, asked for line by line.
 *
 * <p>In come requests, {@code NUMBER WORKER COMMAND...}, and out go answers, {@code NUMBER ok WORDS...} or {@code NUMBER failed WHY}. A worker
 * is a thread with a session of its own, made when it is first named; it does one thing after the other. {@code NUMBER ? OTHER} asks
 * about another request: the answer is {@code waiting} as soon as that waits inside a recipe for something to happen, and {@code done} when it is
 * answered. With the end of the input the process ends, and what its sessions hold stays until they expire.
 */
public final class Peer {
    private static final Map<String, Worker> WORKERS = new ConcurrentHashMap<>();
    private static final Map<String, Worker> OF_REQUEST = new ConcurrentHashMap<>();

    public static void main(String[] args) throws IOException {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String[] words = line.split(" ");
            String number = words[0];
            if (words[1].equals("?")) {
                new Thread(() -> look(number, words[2])).start();
                continue;
            }
            Worker worker = WORKERS.computeIfAbsent(words[1], Worker::new);
            OF_REQUEST.put(number, worker);
            worker.add(number, Arrays.copyOfRange(words, 2, words.length));
        }
        // No farewell: sessions expire.
        Runtime.getRuntime().halt(0);
    }

    static synchronized void answer(String... words) {
        System.out.println(Arrays.stream(words).filter(word -> !word.isEmpty()).collect(Collectors.joining(" ")));
        System.out.flush();
    }

    private static void look(String number, String other) {
        try {
            Worker worker = OF_REQUEST.get(other);
            while (!worker.hasDone(other)) {
                if (worker.isAt(other) && worker.isWaiting()) {
                    answer(number, "ok", "waiting");
                    return;
                }
                Thread.sleep(1);
            }
            answer(number, "ok", "done");
        } catch (InterruptedException | RuntimeException error) {
            answer(number, "failed", error.toString());
        }
    }
}
