package conformance;

import com.google.gson.JsonElement;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;

/** A call of the SDK, and its value for the kit. */
final class Call {
    private final CompletableFuture<?> future;
    private final CompletableFuture<JsonElement> value;

    private Call(CompletableFuture<?> future, CompletableFuture<JsonElement> value) {
        this.future = future;
        this.value = value;
    }

    /** Returns a call whose result has a value. */
    static <T> Call of(CompletableFuture<T> future, Function<T, JsonElement> value) {
        return new Call(future, future.thenApply(value));
    }

    /** Returns a call without a value. */
    static Call of(CompletableFuture<Void> future) {
        return of(future, none -> null);
    }

    /** Returns a call that is complete. */
    static Call done() {
        return of(CompletableFuture.completedFuture(null));
    }

    /** What the kit cancels. */
    CompletableFuture<?> future() {
        return future;
    }

    CompletableFuture<JsonElement> value() {
        return value;
    }
}
