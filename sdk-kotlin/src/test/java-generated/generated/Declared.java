package generated;

import static generated.Checks.check;
import static generated.Checks.failure;
import static generated.Checks.same;

import golden.orders.CancelRequest;
import golden.orders.CourierPosition;
import golden.orders.Coupon;
import golden.orders.Currency;
import golden.orders.ItemSize;
import golden.orders.ListRequest;
import golden.orders.OrderComment;
import golden.orders.OrderEvent;
import golden.orders.OrderPlaced;
import golden.orders.OrderStatus;
import golden.orders.OrderSummary;
import golden.orders.OrdersFutureService;
import golden.orders.Status;
import golden.orders.TooSlow;
import golden.orders.Viewer;
import golden.publishers.OrderEventSplit;
import golden.publishers.OrderEventSplitParcelsItem;
import golden.publishers.OrdersFuturePublisher;
import io.github.realtimegateway.GatewayException;
import io.github.realtimegateway.SubscribeOptions;
import io.github.realtimegateway.codegen.Member;
import io.github.realtimegateway.future.FutureGatewayClient;
import io.github.realtimegateway.publish.FuturePublishClient;
import java.util.List;
import java.util.Map;

/** A backend publishes with generated code, and clients read it. */
final class Declared {
    private Declared() {}

    static void publications(FutureGatewayClient ada, FutureGatewayClient bob, FuturePublishClient backend) throws Exception {
        var publisher = new OrdersFuturePublisher(backend);
        var orders = new OrdersFutureService(ada);
        same(List.of(new OrderSummary("42", Status.SHIPPED)), orders.list(new ListRequest()).join());
        failure(GatewayException.Refused.class, orders.cancel(new CancelRequest("42", new TooSlow(3))));
        events(orders, publisher);
        olderApp(new golden.example.OrdersFutureService(bob), publisher);
        withoutHistory(orders, new OrdersFutureService(bob), publisher);
        failure(GatewayException.Invalid.class, () -> orders.depot("eu-", "1"));
    }

    private static void events(OrdersFutureService orders, OrdersFuturePublisher publisher) throws Exception {
        var order = orders.order("42");
        try (var subscription = order.subscribeWith(new Viewer("checkout")).join()) {
            var item = new golden.publishers.Item(
                "AB-1", 2, Member.of(golden.publishers.ItemSize.M), null, FutureGatewayClient.json("{\"engraving\":[1.5]}"));
            var money = new golden.publishers.Money(1999, golden.publishers.Currency.EUR);
            var accepted = publisher.order("42", new golden.publishers.OrderPlaced(
                List.of(item), money, null, Member.of(null), Member.of(new golden.publishers.Coupon("SPRING", 12.5)))).join();
            same(1L, accepted.getOffset());
            publisher.order("42", new golden.publishers.OrderPlaced(List.of(item), money), "e2").join();
            publisher.order("42", new golden.publishers.OrderStatus(
                new golden.publishers.Status("in-progress"), null, Map.of("by", "tests"))).join();

            var placed = (OrderPlaced) next(subscription);
            same("AB-1", placed.getItems().get(0).getSku());
            same(2, placed.getItems().get(0).getQty());
            same(ItemSize.M, placed.getItems().get(0).getSize().getValue());
            check(placed.getItems().get(0).getGiftWrap() == null, "an absent member");
            same("{\"engraving\":[1.5]}", placed.getItems().get(0).getCustomisation().toString());
            same(1999L, placed.getTotal().getCents());
            same(Currency.EUR, placed.getTotal().getCurrency());
            check(placed.getAt() == null && placed.getNote().isPresent() && placed.getNote().getValue() == null, "null");
            same(Member.of(new Coupon("SPRING", 12.5)), placed.getCoupon());
            same("placed", placed.getType());
            check(!((OrderPlaced) next(subscription)).getNote().isPresent(), "an absent member that can be null");
            var status = (OrderStatus) next(subscription);
            same(Status.IN_PROGRESS, status.getStatus());
            check(status.getCourier() == null, "null");
            same(Map.of("by", "tests"), status.getAttributes());
        }
        var published = orders.order("42").publish(new OrderComment("thanks", List.of(new OrderComment("you are welcome")))).join();
        same(4L, published.getOffset());
        check(!published.getDuplicate(), "it is new");
    }

    private static OrderEvent next(io.github.realtimegateway.future.TypedSubscription<OrderEvent> subscription) {
        while (true) {
            var message = subscription.next().join().getMessage();
            if (message != null) {
                return message.getData();
            }
        }
    }

    /** An app with another contract gets branches that it does not know, and data that does not match. It goes on. */
    private static void olderApp(golden.example.OrdersFutureService orders, OrdersFuturePublisher publisher) {
        var parcel = new OrderEventSplitParcelsItem("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", 100);
        var other = new OrderEventSplitParcelsItem("b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
        publisher.order("42", new OrderEventSplit(List.of(parcel, other))).join();
        var messages = orders.order("42").history().join().getMessages();
        same(5, messages.size());
        var wrong = failure(GatewayException.Invalid.class, () -> messages.get(0).getData());
        check(wrong.getMessage().contains("does not match its type"), wrong.getMessage());
        same(new golden.example.OrderStatus(new golden.example.OrderStatusStatus("in-progress")), messages.get(2).getData());
        var unknown = (golden.example.OrderEvent.Unknown) messages.get(4).getData();
        check(unknown.getJson().toString().contains("\"type\":\"split\""), unknown.toString());
        same(unknown.getJson().toString(), messages.get(4).toString());
        // What an app does not know is written back as it came.
        var json = FutureGatewayClient.json("{\"type\":\"later\"}");
        same(unknown.getClass(), new golden.example.OrderEvent.Unknown(json).getClass());
    }

    private static void withoutHistory(OrdersFutureService ada, OrdersFutureService bob, OrdersFuturePublisher publisher)
        throws Exception {
        var depot = ada.depot("eu", "1");
        var position = new CourierPosition(52.5, 13.4);
        try (var subscription = depot.subscribe().join(); var again = depot.subscribe(new SubscribeOptions()).join()) {
            check(bob.depot("eu", "1").publish(position).join().getOffset() == null, "it is not stored");
            var message = subscription.next().join().getMessage();
            same(position, message.getData());
            check(message.getOffset() == null && message.getUserId().equals("bob"), message.toString());
            check(publisher.depot("eu", "1", new golden.publishers.CourierPosition(1, 2)).join() == null, "an answer without body");
            same(new CourierPosition(1, 2), subscription.next().join().getMessage().getData());
            same(position, again.next().join().getMessage().getData());
        }
    }
}
