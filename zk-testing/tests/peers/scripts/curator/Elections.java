import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Collectors;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.leader.LeaderSelector;
import org.apache.curator.framework.recipes.leader.LeaderSelectorListenerAdapter;
import org.apache.curator.framework.recipes.leader.Participant;

/** Latches, and selectors, whose leader leads until told to resign. */
final class Elections {
    private Elections() {}

    static void add(Map<String, Worker.Command> commands) {
        commands.put("latch stand", (worker, words) -> {
            latch(worker, words).start();
            return "";
        });
        commands.put("latch lead", (worker, words) -> {
            worker.<LeaderLatch>made("latch", words[0]).await();
            return "leads";
        });
        commands.put("latch leads", (worker, words) ->
                Locks.said(worker.<LeaderLatch>made("latch", words[0]).hasLeadership()));
        commands.put("latch leader", (worker, words) -> new LeaderLatch(worker.client, words[0]).getLeader().getId());
        commands.put("latch participants", (worker, words) ->
                new LeaderLatch(worker.client, words[0])
                        .getParticipants().stream().map(Participant::getId).collect(Collectors.joining(" ")));
        commands.put("latch resign", (worker, words) -> {
            worker.<LeaderLatch>forget("latch", words[0]).close();
            return "";
        });

        commands.put("selector stand", (worker, words) -> {
            worker.one("selector", words[0], () -> new Candidacy(worker.client, words[0], words[1]));
            return "";
        });
        commands.put("selector lead", (worker, words) -> {
            worker.<Candidacy>made("selector", words[0]).leads.await();
            return "leads";
        });
        commands.put("selector leads", (worker, words) ->
                Locks.said(worker.<Candidacy>made("selector", words[0]).selector.hasLeadership()));
        commands.put("selector leader", (worker, words) ->
                worker.<Candidacy>made("selector", words[0]).selector.getLeader().getId());
        commands.put("selector resign", (worker, words) -> {
            Candidacy candidacy = worker.forget("selector", words[0]);
            candidacy.resigns.countDown();
            candidacy.gone.await();
            candidacy.selector.close();
            return "";
        });
    }

    private static LeaderLatch latch(Worker worker, String... words) throws Exception {
        return worker.one("latch", words[0], () -> new LeaderLatch(worker.client, words[0], words[1]));
    }

    private static final class Candidacy extends LeaderSelectorListenerAdapter {
        final CountDownLatch leads = new CountDownLatch(1);
        final CountDownLatch resigns = new CountDownLatch(1);
        final CountDownLatch gone = new CountDownLatch(1);
        final LeaderSelector selector;

        Candidacy(CuratorFramework client, String path, String id) {
            selector = new LeaderSelector(client, path, this);
            selector.setId(id);
            selector.start();
        }

        @Override
        public void takeLeadership(CuratorFramework client) throws InterruptedException {
            leads.countDown();
            resigns.await();
            gone.countDown();
        }
    }
}
