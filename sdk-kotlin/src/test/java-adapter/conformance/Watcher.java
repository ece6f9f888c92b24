package conformance;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.function.Consumer;

/** A subscriber that takes everything. */
final class Watcher<T> implements Flow.Subscriber<T> {
    private final Consumer<T> take;
    private final CompletableFuture<Void> end = new CompletableFuture<>();

    Watcher(Consumer<T> take) {
        this.take = take;
    }

    /** Waits until nothing more comes. */
    void join() {
        end.join();
    }

    @Override
    public void onSubscribe(Flow.Subscription subscription) {
        subscription.request(Long.MAX_VALUE);
    }

    @Override
    public void onNext(T item) {
        take.accept(item);
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
