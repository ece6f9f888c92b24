package com.example.app;

import com.example.orders.OrderComment;
import com.example.orders.OrderEvent;
import com.example.orders.OrderPlaced;
import com.example.orders.OrdersFutureService;
import com.example.orders.Viewer;
import io.github.realtimegateway.future.FutureGatewayClient;

/** Follows order 42 of the example service, and comments on it. GATEWAY_URL and GATEWAY_TOKEN name the gateway and the token. */
public final class Orders {
    private Orders() {}

    /** Ends when the comment has come back. */
    public static void main(String[] arguments) {
        var token = FutureGatewayClient.staticToken(System.getenv("GATEWAY_TOKEN"));
        try (var client = new FutureGatewayClient(System.getenv("GATEWAY_URL"), token)) {
            var order = new OrdersFutureService(client).order("42");
            try (var events = order.subscribeWith(new Viewer("Ada")).join()) {
                order.publish(new OrderComment("Please ring twice")).join();
                var isOver = false;
                while (!isOver) {
                    var message = events.next().join().getMessage(); // null for gaps and presence
                    isOver = message != null && show(message.getData()); // OrderEvent
                }
            }
        }
    }

    /** Shows an event. Returns whether it is a comment. */
    private static boolean show(OrderEvent event) {
        if (event instanceof OrderComment) {
            System.out.println("comment: " + ((OrderComment) event).getText());
        } else if (event instanceof OrderPlaced) {
            System.out.println("placed: " + ((OrderPlaced) event).getItems());
        } else {
            System.out.println(event); // also a kind of event that this app does not know
        }
        return event instanceof OrderComment;
    }
}
