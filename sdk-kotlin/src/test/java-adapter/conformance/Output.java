package conformance;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import io.github.realtimegateway.GatewayException;
import io.github.realtimegateway.Position;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CancellationException;

/** The lines of the adapter, and values of the SDK as JSON. */
final class Output {
    private static final FileOutputStream OUT = new FileOutputStream(FileDescriptor.out);
    private static final String SDK = "io.github.realtimegateway";

    private Output() {}

    /** The adapter does not know the command. */
    static final class UnsupportedException extends RuntimeException {
        private static final long serialVersionUID = 1;

        UnsupportedException(String message) {
            super(message);
        }
    }

    /** Begins a line. */
    static JsonObject line(String event) {
        var line = new JsonObject();
        line.addProperty("event", event);
        return line;
    }

    /** Writes a line, in one write: others write at the same time. */
    static void emit(JsonObject line) {
        try {
            OUT.write((line + "\n").getBytes(StandardCharsets.UTF_8));
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        }
    }

    /** Returns an error in the words of all SDKs. */
    static JsonObject failure(Throwable failure) {
        var error = new JsonObject();
        error.addProperty("message", String.valueOf(failure.getMessage()));
        if (failure instanceof GatewayException) {
            var own = (GatewayException) failure;
            error.addProperty("code", own.getCode());
            error.addProperty("outcome", own.getOutcome().name().toLowerCase(Locale.ROOT));
            error.addProperty("retryable", own.isRetryable());
            if (own.getRetryAfter() != null) {
                error.addProperty("retryAfterMs", own.getRetryAfter().toMillis());
            }
            if (own.getCloseCode() != null) {
                error.addProperty("closeCode", own.getCloseCode());
            }
            return error;
        }
        boolean isCanceled = failure instanceof CancellationException;
        String code = failure instanceof UnsupportedException ? "unsupported" : "invalid";
        error.addProperty("code", isCanceled ? "canceled" : code);
        error.addProperty("outcome", isCanceled ? "unknown" : "not_sent");
        error.addProperty("retryable", isCanceled);
        return error;
    }

    static JsonElement position(Position position) {
        if (position == null) {
            return null;
        }
        var members = new JsonObject();
        members.addProperty("offset", position.getOffset());
        members.addProperty("epoch", position.getEpoch());
        return members;
    }

    /** Returns a message of the SDK as the gateway has sent it, from what its methods return. */
    static JsonElement message(Object value) {
        if (value instanceof String) {
            return new JsonPrimitive((String) value);
        }
        if (value instanceof Number) {
            return new JsonPrimitive((Number) value);
        }
        if (value instanceof Boolean) {
            return new JsonPrimitive((Boolean) value);
        }
        if (value instanceof Collection) {
            var items = new JsonArray();
            ((Collection<?>) value).forEach(item -> items.add(message(item)));
            return items;
        }
        if (value instanceof Map) {
            var members = new JsonObject();
            ((Map<?, ?>) value).forEach((name, member) -> members.add(String.valueOf(name), message(member)));
            return members;
        }
        if (!value.getClass().getName().startsWith(SDK)) {
            // JSON of the app, which the SDK does not interpret.
            return JsonParser.parseString(value.toString());
        }
        return members(value);
    }

    private static JsonElement members(Object message) {
        var members = new JsonObject();
        for (Method method : message.getClass().getMethods()) {
            String name = name(method);
            if (name == null) {
                continue;
            }
            try {
                Object member = method.invoke(message);
                if (name.equals("word")) {
                    return new JsonPrimitive((String) member);
                }
                if (member != null) {
                    members.add(name, message(member));
                }
            } catch (ReflectiveOperationException failure) {
                throw new IllegalStateException(failure);
            }
        }
        return members;
    }

    /** Returns the name of the member that a method returns, or null. */
    private static String name(Method method) {
        String name = method.getName();
        boolean isOfMessage = method.getParameterCount() == 0 && method.getDeclaringClass() != Object.class;
        if (isOfMessage && name.startsWith("get")) {
            return name.substring(3, 4).toLowerCase(Locale.ROOT) + name.substring(4);
        }
        return isOfMessage && name.startsWith("is") ? name : null;
    }
}
