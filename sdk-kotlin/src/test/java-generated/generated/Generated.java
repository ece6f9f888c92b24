package generated;

import static generated.Checks.check;
import static generated.Checks.failure;
import static generated.Checks.same;

import golden.example.CancelRequest;
import golden.example.OrderComment;
import golden.example.OrderEvent;
import golden.example.OrderPlaced;
import golden.example.OrderStatus;
import golden.example.OrderStatusStatus;
import golden.example.OrdersFutureService;
import golden.example.PlaceRequest;
import golden.example.Viewer;
import io.github.realtimegateway.CallOptions;
import io.github.realtimegateway.GatewayException;
import io.github.realtimegateway.HistoryOptions;
import io.github.realtimegateway.MessageEvent;
import io.github.realtimegateway.Outcome;
import io.github.realtimegateway.SendOptions;
import io.github.realtimegateway.SubscribeOptions;
import io.github.realtimegateway.future.FutureGatewayClient;
import io.github.realtimegateway.protocol.TopicPresence;
import io.github.realtimegateway.protocol.TopicPresenceChanged;
import io.github.realtimegateway.publish.FuturePublishClient;
import java.util.List;

/** The stories of generated code, in a module of Java. It prints "passed" at its end. */
public final class Generated {
    private Generated() {}

    /** The arguments are the address of a gateway, two tokens, and its API key. */
    public static void main(String[] arguments) throws Exception {
        String url = "ws://" + arguments[1] + "/ws";
        try (var ada = new FutureGatewayClient(url, FutureGatewayClient.staticToken(arguments[2]));
            var bob = new FutureGatewayClient(url, FutureGatewayClient.staticToken(arguments[3]));
            var backend = new FuturePublishClient("http://" + arguments[1], arguments[4])) {
            if (arguments[0].equals("example")) {
                calls(new OrdersFutureService(ada));
                topics(new OrdersFutureService(ada), new OrdersFutureService(bob));
                values(ada);
            } else {
                Declared.publications(ada, bob, backend);
                Names.check(ada);
            }
        }
        System.out.println("passed");
    }

    private static void calls(OrdersFutureService orders) {
        same("42", orders.place(new PlaceRequest(List.of("tea"))).join().getOrderId());
        var late = orders.cancel(new CancelRequest("1"), new CallOptions("c1"));
        var refused = failure(GatewayException.Refused.class, late);
        same("call_failed", refused.getCode());
        same(Outcome.REFUSED, refused.getOutcome());
        failure(GatewayException.Invalid.class, () -> orders.order(""));
    }

    private static void topics(OrdersFutureService ada, OrdersFutureService bob) throws Exception {
        var order = ada.order("42");
        var sent = bob.order("42").publish(new OrderComment("where is it?"), new SendOptions("id-of-mine")).join();
        same(1L, sent.getOffset());
        var reader = Reader.of(order.eventsWith(new Viewer("Ada"), new SubscribeOptions(10)));
        var comment = reader.message();
        same(new OrderComment("where is it?"), comment.getData());
        same("bob", comment.getUserId());
        same("id-of-mine", comment.getClientMessageId());
        same(1L, comment.getOffset());

        var page = order.history().join();
        same(List.of(1L), List.of(page.getMessages().get(0).getOffset()));
        same(comment.getData(), page.getMessages().get(0).getData());
        check(!page.hasMore() && !page.isTrimmed() && !page.getEpoch().isEmpty(), "the page");
        check(order.history(new HistoryOptions(null, 1L)).join().getMessages().isEmpty(), "nothing after it");

        var users = order.presence().join().getUsers();
        same(new Viewer("Ada"), order.decodePresence(users.get(0)));
        // Others see the user come, with the data.
        try (var subscription = bob.order("42").subscribeWith(new Viewer(), new SubscribeOptions(1)).join()) {
            same(new Viewer(), reader.next(event -> {
                var message = event.getMessage() == null ? ((MessageEvent) event.getEvent()).getMessage() : null;
                return message instanceof TopicPresenceChanged ? order.decodePresence((TopicPresenceChanged) message) : null;
            }));
            var event = subscription.next().join();
            while (event.getMessage() == null) {
                check(((MessageEvent) event.getEvent()).getMessage() instanceof TopicPresence, event.toString());
                event = subscription.next().join();
            }
            same(comment.getData(), event.getMessage().getData());
            same(1L, subscription.getPosition().getOffset());
        }
        reader.cancel();
    }

    /** What a later contract sends, and what does not match, ends no subscription. */
    private static void values(FutureGatewayClient client) throws Exception {
        var order = new OrdersFutureService(client).order("43");
        try (var subscription = order.subscribe().join()) {
            var seen = new StringBuilder();
            order.getTopic().publish("{\"type\":\"comment\",\"text\":\"hello\"}").join();
            OrderEvent event = subscription.next().join().getMessage().getData();
            if (event instanceof OrderPlaced) {
                seen.append(((OrderPlaced) event).getItems());
            } else if (event instanceof OrderStatus) {
                seen.append(((OrderStatus) event).getStatus() == OrderStatusStatus.PACKED);
            } else if (event instanceof OrderComment) {
                seen.append(((OrderComment) event).getText());
            } else {
                seen.append(((OrderEvent.Unknown) event).getJson());
            }
            same("hello", seen.toString());
        }
    }
}
