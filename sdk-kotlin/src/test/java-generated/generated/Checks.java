package generated;

import io.github.realtimegateway.GatewayException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/** What the stories check. */
final class Checks {
    private Checks() {}

    static void check(boolean isTrue, String what) {
        if (!isTrue) {
            throw new AssertionError(what);
        }
    }

    static void same(Object expected, Object found) {
        check(expected.equals(found), found + " instead of " + expected);
    }

    /** Returns the error of a call that has to fail. */
    static <E extends GatewayException> E failure(Class<E> type, CompletableFuture<?> call) {
        try {
            call.join();
        } catch (CompletionException failure) {
            return type.cast(failure.getCause());
        }
        throw new AssertionError("the call has to fail");
    }

    /** Returns the error of a step that has to fail. */
    static <E extends GatewayException> E failure(Class<E> type, Runnable step) {
        try {
            step.run();
        } catch (GatewayException failure) {
            return type.cast(failure);
        }
        throw new AssertionError("the step has to fail");
    }
}
