package generated;

import static generated.Checks.check;

import io.github.realtimegateway.future.TypedEvent;
import io.github.realtimegateway.future.TypedMessage;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/** A subscriber that is asked for one event after the other. */
final class Reader<T> implements Flow.Subscriber<TypedEvent<T>> {
    private final LinkedBlockingQueue<TypedEvent<T>> items = new LinkedBlockingQueue<>();
    private final CountDownLatch isSubscribed = new CountDownLatch(1);
    private Flow.Subscription subscription;

    static <T> Reader<T> of(Flow.Publisher<TypedEvent<T>> events) throws InterruptedException {
        var reader = new Reader<T>();
        events.subscribe(reader);
        check(reader.isSubscribed.await(30, TimeUnit.SECONDS), "the publisher accepts a subscriber");
        return reader;
    }

    @Override
    public void onSubscribe(Flow.Subscription subscription) {
        this.subscription = subscription;
        isSubscribed.countDown();
    }

    @Override
    public void onNext(TypedEvent<T> item) {
        items.add(item);
    }

    @Override
    public void onError(Throwable failure) {
        failure.printStackTrace();
    }

    @Override
    public void onComplete() {}

    /** Returns what a function finds in the next event in which it finds something. */
    <R> R next(Function<TypedEvent<T>, R> find) throws InterruptedException {
        while (true) {
            subscription.request(1);
            var item = items.poll(30, TimeUnit.SECONDS);
            check(item != null, "nothing comes");
            var found = find.apply(item);
            if (found != null) {
                return found;
            }
        }
    }

    TypedMessage<T> message() throws InterruptedException {
        return next(TypedEvent::getMessage);
    }

    void cancel() {
        subscription.cancel();
    }
}
