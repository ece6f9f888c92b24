package conformance;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.github.realtimegateway.future.FutureGatewayClient;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The adapter of the façade for Java for {@code gateway conformance}: carries out commands from stdin, and writes what happens to
 * stdout. docs/conformance.md has the protocol. It is a module of Java that uses no type of Kotlin.
 */
public final class Adapter {
    private Adapter() {}

    public static void main(String[] arguments) throws IOException {
        var hello = Output.line("hello");
        hello.addProperty("protocol", 1);
        hello.addProperty("name", "gateway-java");
        hello.addProperty("version", FutureGatewayClient.VERSION);
        hello.addProperty("core", FutureGatewayClient.coreDigest());
        hello.add("skip", new JsonArray());
        Output.emit(hello);
        var commands = new Commands();
        Map<Long, CompletableFuture<?>> running = new ConcurrentHashMap<>();
        var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            var command = JsonParser.parseString(line).getAsJsonObject();
            long id = command.get("id").getAsLong();
            if (command.get("do").getAsString().equals("cancel")) {
                var call = running.get(command.get("of").getAsLong());
                if (call != null) {
                    call.cancel(true);
                }
                done(id, null, null);
            } else {
                begin(commands, id, command, running);
            }
        }
        commands.reset().join();
    }

    /** Begins a call. The order of the lines is the order of the calls. */
    private static void begin(Commands commands, long id, JsonObject command, Map<Long, CompletableFuture<?>> running) {
        try {
            var call = commands.begin(command);
            running.put(id, call.future());
            call.value().whenComplete((value, failure) -> {
                running.remove(id);
                done(id, value, failure);
            });
        } catch (RuntimeException failure) {
            done(id, null, failure);
        }
    }

    private static void done(long id, JsonElement value, Throwable failure) {
        var line = Output.line("done");
        line.addProperty("id", id);
        if (failure != null) {
            var cause = failure instanceof CompletionException && failure.getCause() != null ? failure.getCause() : failure;
            line.add("error", Output.failure(cause));
        } else if (value != null) {
            line.add("value", value);
        }
        Output.emit(line);
    }
}
