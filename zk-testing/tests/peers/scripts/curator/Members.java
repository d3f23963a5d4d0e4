import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.curator.framework.recipes.nodes.GroupMember;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.x.discovery.ServiceDiscovery;
import org.apache.curator.x.discovery.ServiceDiscoveryBuilder;
import org.apache.curator.x.discovery.ServiceInstance;
import org.apache.curator.x.discovery.ServiceType;
import org.apache.curator.x.discovery.UriSpec;
import org.apache.curator.x.discovery.details.JsonInstanceSerializer;
import org.apache.zookeeper.CreateMode;

/** Groups, nodes that are kept, and services, whose payload is text. */
final class Members {
    private Members() {}

    static void add(Map<String, Worker.Command> commands) {
        commands.put("group join", (worker, words) -> {
            GroupMember member = worker.one("group", words[0], () ->
                    new GroupMember(worker.client, words[0], words[1], words[2].getBytes(StandardCharsets.UTF_8)));
            member.start();
            // It goes in the background.
            while (worker.client.checkExists().forPath(words[0] + "/" + words[1]) == null) {
                Thread.sleep(1);
            }
            return "";
        });
        // As this member sees them, once there are so many.
        commands.put("group members", (worker, words) -> {
            GroupMember member = worker.made("group", words[0]);
            while (member.getCurrentMembers().size() != Integer.parseInt(words[1])) {
                Thread.sleep(1);
            }
            return new TreeMap<>(member.getCurrentMembers()).entrySet().stream()
                    .map(one -> one.getKey() + "=" + new String(one.getValue(), StandardCharsets.UTF_8))
                    .collect(Collectors.joining(" "));
        });
        commands.put("group leave", (worker, words) -> {
            worker.<GroupMember>forget("group", words[0]).close();
            return "";
        });

        commands.put("node keep", (worker, words) -> {
            PersistentNode node = worker.one("node", words[0], () -> new PersistentNode(
                    worker.client, CreateMode.EPHEMERAL, false, words[0], words[1].getBytes(StandardCharsets.UTF_8)));
            node.start();
            return Locks.said(node.waitForInitialCreate(20, TimeUnit.SECONDS));
        });
        commands.put("node close", (worker, words) -> {
            worker.<PersistentNode>forget("node", words[0]).close();
            return "";
        });

        commands.put("service register", (worker, words) -> {
            discovery(worker, words[0]).registerService(instance(words));
            return "";
        });
        commands.put("service update", (worker, words) -> {
            discovery(worker, words[0]).updateService(instance(words));
            return "";
        });
        commands.put("service unregister", (worker, words) -> {
            discovery(worker, words[0]).unregisterService(instance(words));
            return "";
        });
        commands.put("service list", (worker, words) -> discovery(worker, words[0]).queryForInstances(words[1]).stream()
                .map(Members::described).sorted().collect(Collectors.joining(" ")));
        commands.put("service names", (worker, words) ->
                discovery(worker, words[0]).queryForNames().stream().sorted().collect(Collectors.joining(" ")));
        commands.put("service close", (worker, words) -> {
            worker.<ServiceDiscovery<String>>forget("service", words[0]).close();
            return "";
        });
    }

    private static ServiceDiscovery<String> discovery(Worker worker, String base) throws Exception {
        return worker.one("service", base, () -> {
            ServiceDiscovery<String> discovery = ServiceDiscoveryBuilder.builder(String.class)
                    .client(worker.client).basePath(base)
                    // With `enabled`, which the default leaves out for the sake of old readers.
                    .serializer(new JsonInstanceSerializer<>(String.class, false)).build();
            discovery.start();
            return discovery;
        });
    }

    /** Of BASE NAME ID ADDRESS PORT PAYLOAD [static]. */
    private static ServiceInstance<String> instance(String... words) throws Exception {
        boolean isStatic = words.length > 6 && words[6].equals("static");
        return ServiceInstance.<String>builder().name(words[1]).id(words[2]).address(words[3])
                .port(Integer.parseInt(words[4])).payload(words[5]).uriSpec(new UriSpec("http://{address}:{port}"))
                .serviceType(isStatic ? ServiceType.STATIC : ServiceType.DYNAMIC).build();
    }

    private static String described(ServiceInstance<String> instance) {
        return instance.getId() + "=" + instance.buildUriSpec() + "=" + instance.getPayload()
                + (instance.isEnabled() ? "" : "=disabled");
    }
}
