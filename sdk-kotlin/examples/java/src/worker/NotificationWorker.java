package worker;

import io.github.realtimegateway.Event;
import io.github.realtimegateway.GatewayOptions;
import io.github.realtimegateway.MessageEvent;
import io.github.realtimegateway.future.FutureGatewayClient;
import io.github.realtimegateway.protocol.Notification;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;

/**
 * A worker that handles the notifications of a user, each at least once: GATEWAY_URL and GATEWAY_TOKEN name the gateway and the token.
 *
 * <p>A notification is acknowledged after it was handled, so one that was not comes again after a crash.
 */
public final class NotificationWorker implements Flow.Subscriber<Event> {
    private final FutureGatewayClient client;
    private final CompletableFuture<Void> end = new CompletableFuture<>();
    private Flow.Subscription subscription;

    private NotificationWorker(FutureGatewayClient client) {
        this.client = client;
    }

    /** Runs until the gateway ends the subscription, or until the process is stopped. */
    public static void main(String[] arguments) {
        var token = FutureGatewayClient.staticToken(System.getenv("GATEWAY_TOKEN"));
        var options = new GatewayOptions().withLogger((level, message, error) -> System.err.println(level + " " + message));
        try (var client = new FutureGatewayClient(System.getenv("GATEWAY_URL"), token, options)) {
            Runtime.getRuntime().addShutdownHook(new Thread(client::close));
            var worker = new NotificationWorker(client);
            client.notifications().events().subscribe(worker);
            worker.end.join();
        }
    }

    @Override
    public void onSubscribe(Flow.Subscription subscription) {
        this.subscription = subscription;
        subscription.request(1);
    }

    @Override
    public void onNext(Event event) {
        if (event instanceof MessageEvent && ((MessageEvent) event).getMessage() instanceof Notification) {
            var notification = (Notification) ((MessageEvent) event).getMessage();
            System.out.println(notification.getTitle() + ": " + notification.getMessage());
            client.notifications().ack(notification.getId()).whenComplete((done, failure) -> {
                System.out.println(failure == null ? "acknowledged" : "it will come again: " + failure);
                subscription.request(1);
            });
        } else {
            subscription.request(1);
        }
    }

    @Override
    public void onError(Throwable failure) {
        end.completeExceptionally(failure);
    }

    @Override
    public void onComplete() {
        end.complete(null);
    }
}
