package facade;

import io.github.realtimegateway.CallOptions;
import io.github.realtimegateway.ConnectionState;
import io.github.realtimegateway.Event;
import io.github.realtimegateway.GapEvent;
import io.github.realtimegateway.GatewayException;
import io.github.realtimegateway.GatewayOptions;
import io.github.realtimegateway.HistoryOptions;
import io.github.realtimegateway.MessageEvent;
import io.github.realtimegateway.Outcome;
import io.github.realtimegateway.SendOptions;
import io.github.realtimegateway.SignedOutException;
import io.github.realtimegateway.Status;
import io.github.realtimegateway.SubscribeOptions;
import io.github.realtimegateway.future.FutureGatewayClient;
import io.github.realtimegateway.protocol.Chat;
import io.github.realtimegateway.protocol.MessageSent;
import io.github.realtimegateway.protocol.Notification;
import io.github.realtimegateway.protocol.TopicMessage;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/** The stories of the façade, in a module of Java. It prints "passed" at its end. */
public final class Facade {
    private Facade() {}

    /** A subscriber that keeps what comes. */
    private static final class Reader<T> implements Flow.Subscriber<T> {
        private final LinkedBlockingQueue<T> items = new LinkedBlockingQueue<>();
        private final CompletableFuture<Void> end = new CompletableFuture<>();
        private final CountDownLatch subscribed = new CountDownLatch(1);
        private Flow.Subscription subscription;

        @Override
        public void onSubscribe(Flow.Subscription subscription) {
            this.subscription = subscription;
            subscribed.countDown();
        }

        @Override
        public void onNext(T item) {
            items.add(item);
        }

        @Override
        public void onError(Throwable failure) {
            end.completeExceptionally(failure);
        }

        @Override
        public void onComplete() {
            end.complete(null);
        }

        private T next(Predicate<T> isWanted) throws InterruptedException {
            while (true) {
                subscription.request(1);
                T item = items.poll(30, TimeUnit.SECONDS);
                check(item != null, "nothing comes");
                if (isWanted.test(item)) {
                    return item;
                }
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        String url = arguments[0];
        var executor = Executors.newFixedThreadPool(2, task -> {
            var thread = new Thread(task, "app");
            thread.setDaemon(true);
            return thread;
        });
        var options = new GatewayOptions()
            .withExecutor(executor)
            .withTimeout(Duration.ofSeconds(20))
            .withReconnect(Duration.ZERO, Duration.ofSeconds(5))
            .withTap(frame -> check(!frame.getText().contains("eyJ"), "a token is shown"));
        var ada = new FutureGatewayClient(url, FutureGatewayClient.staticToken(arguments[1]), options);
        var bob = new FutureGatewayClient(url, () -> CompletableFuture.completedFuture(arguments[2]), options);
        check(ada.getState().getStatus() == Status.IDLE, "it is lazy");
        chat(ada, bob);
        notifications(ada);
        topics(ada);
        errors(ada, url);
        var states = new Reader<ConnectionState>();
        ada.states().subscribe(states);
        ada.close();
        states.next(state -> state.getStatus() == Status.CLOSED);
        states.end.get(10, TimeUnit.SECONDS);
        bob.closeAsync().get(10, TimeUnit.SECONDS);
        executor.shutdown();
        check(FutureGatewayClient.coreDigest().length() == 64, "the digest");
        System.out.println("passed");
    }

    private static void chat(FutureGatewayClient ada, FutureGatewayClient bob) throws Exception {
        ada.connect().get(30, TimeUnit.SECONDS);
        bob.clanChat("wolves").send("before").join();
        var reader = new Reader<Event>();
        ada.clanChat("wolves").events(new SubscribeOptions(10)).subscribe(reader);
        var first = (MessageEvent) reader.next(event -> isChat(event, "before"));
        check(first.getPosition().getOffset() == 1, "the position");
        var options = new SendOptions("id-of-mine").withDataJson("{\"replyTo\":\"m0\"}");
        var sent = bob.clanChat("wolves").send("hi", options).thenApply(it -> {
            check(Thread.currentThread().getName().startsWith("app"), "stages run in the executor");
            return it;
        }).join();
        check(sent.getClientMessageId().equals("id-of-mine"), "the id");
        reader.next(event -> isChat(event, "hi"));
        check(ada.clanChat("wolves").history(new HistoryOptions()).join().getMessages().size() == 2, "the history");
        bob.clanChat("wolves").setTyping(true);
        check(ada.clanChat("wolves").presence().join().getCount() == 1, "the presence");
        var sends = new ArrayList<CompletableFuture<MessageSent>>();
        for (int number = 0; number < 20; number++) {
            sends.add(bob.clanChat("wolves").send("without waiting " + number));
        }
        long last = 0;
        for (var send : sends) {
            check(send.join().getOffset() > last, "the calls of a thread keep their order");
            last = send.join().getOffset();
        }
        oneByOne(ada, bob);
        reader.subscription.cancel();
        // The order of unsubscribing shows in the presence, which lingers for a while, so only the end is waited for.
        var again = new Reader<Event>();
        ada.clanChat("wolves").events().subscribe(again);
        again.subscription.request(-1);
        bob.clanChat("wolves").send("more").join();
        try {
            again.end.get(30, TimeUnit.SECONDS);
            check(false, "a negative request has to fail");
        } catch (java.util.concurrent.ExecutionException failure) {
            check(failure.getCause() instanceof IllegalArgumentException, "rule 3.9: " + failure.getCause());
        }
    }

    private static void oneByOne(FutureGatewayClient ada, FutureGatewayClient bob) throws Exception {
        var subscription = ada.clanChat("wolves").subscribe(new SubscribeOptions()).join();
        long head = subscription.getPosition().getOffset();
        bob.clanChat("wolves").send("one by one").join();
        var event = subscription.next().join();
        while (!isChat(event, "one by one")) {
            event = subscription.next().join();
        }
        check(subscription.getPosition().getOffset() > head, "the position of the subscription");
        var pending = subscription.next();
        subscription.close();
        check(failure(pending::join) instanceof GatewayException.Closed, "a closed subscription");
    }

    private static boolean isChat(Event event, String content) {
        check(!(event instanceof GapEvent), "a gap");
        return event instanceof MessageEvent && ((MessageEvent) event).getMessage() instanceof Chat
            && ((Chat) ((MessageEvent) event).getMessage()).getContent().equals(content);
    }

    private static void notifications(FutureGatewayClient ada) throws Exception {
        var counts = new Reader<Integer>();
        ada.notifications().pendingCounts().subscribe(counts);
        var reader = new Reader<Event>();
        ada.notifications().events().subscribe(reader);
        var event = (MessageEvent) reader.next(it -> ((MessageEvent) it).getMessage() instanceof Notification);
        counts.next(count -> count == 1);
        ada.notifications().ack(((Notification) event.getMessage()).getId()).join();
        ada.notifications().ack(List.of()).join();
        counts.next(count -> count == 0);
        check(ada.notifications().pending().getAsInt() == 0, "nothing is pending");
    }

    private static void topics(FutureGatewayClient ada) throws Exception {
        var placed = ada.call("orders", "place", "{\"items\":[\"tea\"]}").join();
        check(placed.equals("{\"orderId\":\"42\"}"), placed);
        var reader = new Reader<Event>();
        var topic = ada.topic("orders", "order-42");
        // With history, because the topic may have the event before it has the subscription.
        topic.events(new SubscribeOptions(10).withPresenceJson("{\"name\":\"Ada\"}")).subscribe(reader);
        topic.publish("{\"type\":\"comment\",\"text\":\"hello\"}").join();
        var event = (MessageEvent) reader.next(
            it -> it instanceof MessageEvent && ((MessageEvent) it).getMessage() instanceof TopicMessage);
        check(((TopicMessage) event.getMessage()).getData().toString().contains("hello"), event.getJson());
        check(topic.history(new HistoryOptions()).join().getEvents().size() == 1, "the history");
        check(topic.presence().join().getUsers().size() == 1, "the presence");
        var refused = failure(() -> ada.call("orders", "cancel", "{\"orderId\":\"1\"}", new CallOptions("id")).join());
        check(refused.getCode().equals("call_failed"), refused.toString());
    }

    private static void errors(FutureGatewayClient ada, String url) throws Exception {
        check(failure(() -> ada.request("ping", "[]").join()) instanceof GatewayException.Invalid, "no object");
        check(failure(() -> ada.request("ping", "{").join()) instanceof GatewayException.Invalid, "no JSON");
        check(ada.request("ping", "{}").join().contains("pong"), "a raw request");
        check(failure(() -> ada.clanChat("wolves").send("").join()).getOutcome() == Outcome.NOT_SENT, "the outcome");
        try {
            new FutureGatewayClient("ftp://x", FutureGatewayClient.staticToken("t"));
            check(false, "a wrong url");
        } catch (GatewayException.Invalid wrong) {
            check(wrong.getMessage().contains("ws://"), wrong.getMessage());
        }
        var signedOut = new FutureGatewayClient(url, () -> CompletableFuture.failedFuture(new SignedOutException()));
        check(failure(() -> signedOut.connect().join()) instanceof GatewayException.SessionEnded, "signed out");
        check(signedOut.getState().getStatus() == Status.UNAUTHORIZED, "unauthorized");
        signedOut.close();
        check(failure(() -> signedOut.connect().join()) instanceof GatewayException.Closed, "closed");
        // A cancelled future ends the waiting only.
        var waiting = new FutureGatewayClient("ws://127.0.0.1:9/ws", FutureGatewayClient.staticToken("t"));
        var connecting = waiting.connect();
        check(connecting.cancel(true) && connecting.isCancelled(), "cancelled");
        waiting.close();
        waiting.close();
    }

    private static GatewayException failure(Runnable call) {
        try {
            call.run();
        } catch (CompletionException failure) {
            return (GatewayException) failure.getCause();
        }
        throw new AssertionError("the call has to fail");
    }

    private static void check(boolean isTrue, String what) {
        if (!isTrue) {
            throw new AssertionError(what);
        }
    }
}
