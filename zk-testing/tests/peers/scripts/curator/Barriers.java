import java.util.Map;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;

final class Barriers {
    private Barriers() {}

    static void add(Map<String, Worker.Command> commands) {
        commands.put("barrier set", (worker, words) -> {
            new DistributedBarrier(worker.client, words[0]).setBarrier();
            return "";
        });
        commands.put("barrier remove", (worker, words) -> {
            new DistributedBarrier(worker.client, words[0]).removeBarrier();
            return "";
        });
        commands.put("barrier wait", (worker, words) -> {
            new DistributedBarrier(worker.client, words[0]).waitOnBarrier();
            return "yes";
        });
        commands.put("double enter", (worker, words) -> {
            int members = Integer.parseInt(words[1]);
            DistributedDoubleBarrier barrier =
                    worker.one("double", words[0], () -> new DistributedDoubleBarrier(worker.client, words[0], members));
            barrier.enter();
            return "entered";
        });
        commands.put("double leave", (worker, words) -> {
            worker.<DistributedDoubleBarrier>forget("double", words[0]).leave();
            return "left";
        });
    }
}
