package conformance;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.github.realtimegateway.CallOptions;
import io.github.realtimegateway.ConnectionState;
import io.github.realtimegateway.GatewayOptions;
import io.github.realtimegateway.HistoryOptions;
import io.github.realtimegateway.Position;
import io.github.realtimegateway.Published;
import io.github.realtimegateway.SendOptions;
import io.github.realtimegateway.SignedOutException;
import io.github.realtimegateway.Status;
import io.github.realtimegateway.SubscribeOptions;
import io.github.realtimegateway.future.FutureClanChat;
import io.github.realtimegateway.future.FutureGatewayClient;
import io.github.realtimegateway.future.FutureSubscription;
import io.github.realtimegateway.future.FutureTopic;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

/** The commands of the kit, as calls of the façade, and what they have made. */
final class Commands {
    private final Map<String, FutureGatewayClient> clients = new ConcurrentHashMap<>();
    private final Map<String, Reader> readers = new ConcurrentHashMap<>();
    private final List<Watcher<?>> watchers = new ArrayList<>();
    /** The calls of token providers that the kit has not answered. */
    private final Map<Long, CompletableFuture<String>> questions = new ConcurrentHashMap<>();
    private final AtomicLong lastQuestion = new AtomicLong();

    /** Begins a command. */
    Call begin(JsonObject c) {
        String word = text(c, "do");
        switch (word) {
            case "open":
                open(c);
                return Call.done();
            case "connect":
                return Call.of(client(c).connect());
            case "subscribe":
                return subscribe(c);
            case "read":
                reader(c).read(c.get("count").getAsLong());
                return Call.done();
            case "leave":
                reader(c).leave();
                return Call.done();
            case "send":
                return send(c);
            case "ack":
                List<String> ids = new ArrayList<>();
                c.getAsJsonArray("ids").forEach(id -> ids.add(id.getAsString()));
                return Call.of(client(c).notifications().ack(ids));
            case "history":
                return history(c);
            case "presence":
                return isClan(c) ? Call.of(clan(c).presence(), Output::message) : Call.of(topic(c).presence(), Output::message);
            case "typing":
                clan(c).setTyping(c.get("isTyping").getAsBoolean());
                return Call.done();
            case "call":
                return call(c);
            case "request":
                return Call.of(client(c).request(text(c, "type"), c.get("fields").toString()), JsonParser::parseString);
            case "token":
                answer(c);
                return Call.done();
            case "wake":
                client(c).wake();
                return Call.done();
            case "close":
                return Call.of(close(text(c, "client")));
            case "reset":
                return Call.of(reset());
            default:
                throw new Output.UnsupportedException("there is no command " + word);
        }
    }

    private void open(JsonObject c) {
        String name = text(c, "client");
        var options = new GatewayOptions().withDeviceId(text(c, "deviceId"));
        if (c.has("timeoutMs")) {
            options = options.withTimeout(Duration.ofMillis(c.get("timeoutMs").getAsLong()));
        }
        if (c.has("buffer")) {
            options = options.withBuffer(c.get("buffer").getAsInt());
        }
        if (c.has("caFile")) {
            options = options.withHttpClient(Authority.client(text(c, "caFile")));
        }
        var client = new FutureGatewayClient(text(c, "url"), () -> ask(name), options);
        clients.put(name, client);
        var states = new Watcher<ConnectionState>(state -> {
            var line = Output.line("state");
            line.addProperty("client", name);
            line.addProperty("status", state.getStatus().name().toLowerCase(Locale.ROOT));
            if (state.getError() != null && state.getStatus() != Status.CLOSED) {
                line.add("error", Output.failure(state.getError()));
            }
            Output.emit(line);
        });
        var counts = new Watcher<Integer>(count -> {
            var line = Output.line("pending");
            line.addProperty("client", name);
            line.addProperty("count", count);
            Output.emit(line);
        });
        client.states().subscribe(states);
        client.notifications().pendingCounts().subscribe(counts);
        watchers.add(states);
        watchers.add(counts);
    }

    private CompletableFuture<String> ask(String client) {
        var question = new CompletableFuture<String>();
        long ask = lastQuestion.incrementAndGet();
        questions.put(ask, question);
        var line = Output.line("token");
        line.addProperty("client", client);
        line.addProperty("ask", ask);
        Output.emit(line);
        return question;
    }

    private void answer(JsonObject c) {
        var question = questions.remove(c.get("ask").getAsLong());
        if (question == null) {
            // The provider is no longer asked.
            return;
        }
        if (c.has("token")) {
            question.complete(text(c, "token"));
        } else if (c.has("signedOut")) {
            question.completeExceptionally(new SignedOutException());
        } else {
            question.completeExceptionally(new IllegalStateException(text(c, "error")));
        }
    }

    private Call subscribe(JsonObject c) {
        CompletableFuture<FutureSubscription> subscribed;
        if (!c.get("topic").isJsonObject()) {
            subscribed = client(c).notifications().subscribe();
        } else {
            int history = c.has("history") ? c.get("history").getAsInt() : 0;
            Position from = null;
            if (c.has("from")) {
                var position = c.getAsJsonObject("from");
                from = new Position(position.get("offset").getAsLong(), text(position, "epoch"));
            }
            var options = new SubscribeOptions(history, from, c.has("presence") && c.get("presence").getAsBoolean());
            subscribed = isClan(c) ? clan(c).subscribe(options) : topic(c).subscribe(options);
        }
        long allowed = c.has("read") ? c.get("read").getAsLong() : Long.MAX_VALUE;
        return Call.of(subscribed, subscription -> {
            var position = Output.position(subscription.getPosition());
            var reader = new Reader(text(c, "client"), text(c, "stream"), subscription, allowed);
            readers.put(text(c, "stream"), reader);
            reader.thread.start();
            return position;
        });
    }

    private Call send(JsonObject c) {
        String id = text(c, "clientMessageId");
        if (isClan(c)) {
            var data = c.getAsJsonObject("data");
            var options = new SendOptions(id, text(data, "messageType"));
            if (data.has("data")) {
                options = options.withDataJson(data.get("data").toString());
            }
            return Call.of(clan(c).send(text(data, "content"), options), Output::message);
        }
        return Call.of(topic(c).publish(c.get("data").toString(), new SendOptions(id)), sent -> published(c, sent));
    }

    /** Adds what the SDK leaves out because the app has said it. */
    private static JsonElement published(JsonObject c, Published sent) {
        var value = Output.message(sent).getAsJsonObject();
        if (!sent.getDuplicate()) {
            value.remove("duplicate");
        }
        c.getAsJsonObject("topic").entrySet().forEach(name -> value.add(name.getKey(), name.getValue()));
        value.addProperty("type", sent.getOffset() == null ? "publish_accepted" : "message_sent");
        return value;
    }

    private Call history(JsonObject c) {
        Long before = c.has("before") ? c.get("before").getAsLong() : null;
        Long after = c.has("after") ? c.get("after").getAsLong() : null;
        var page = new HistoryOptions(before, after, c.has("limit") ? c.get("limit").getAsInt() : null);
        return isClan(c) ? Call.of(clan(c).history(page), Output::message) : Call.of(topic(c).history(page), Output::message);
    }

    private Call call(JsonObject c) {
        Duration timeout = c.has("timeoutMs") ? Duration.ofMillis(c.get("timeoutMs").getAsLong()) : null;
        var call = client(c).call(text(c, "service"), text(c, "call"), c.get("data").toString(), new CallOptions(null, timeout));
        return Call.of(call, JsonParser::parseString);
    }

    /** Closes a client. A reader that waits for the permission of the kit does not notice the end by itself. */
    private CompletableFuture<Void> close(String name) {
        var closed = client(name).closeAsync();
        return closed.thenRun(() -> readers.values().stream().filter(reader -> reader.client.equals(name)).forEach(Reader::leave));
    }

    /** Closes all clients and forgets all names. What ends by it is reported first. */
    CompletableFuture<Void> reset() {
        var ends = new ArrayList<CompletableFuture<Void>>();
        clients.keySet().forEach(name -> ends.add(close(name)));
        return CompletableFuture.allOf(ends.toArray(new CompletableFuture<?>[0])).thenRun(() -> {
            readers.values().forEach(reader -> join(reader.thread));
            watchers.forEach(Watcher::join);
            clients.clear();
            readers.clear();
            watchers.clear();
            questions.clear();
        });
    }

    private static void join(Thread thread) {
        try {
            thread.join();
        } catch (InterruptedException failure) {
            Thread.currentThread().interrupt();
        }
    }

    private FutureGatewayClient client(JsonObject c) {
        return client(text(c, "client"));
    }

    private FutureGatewayClient client(String name) {
        var client = clients.get(name);
        if (client == null) {
            throw new IllegalArgumentException("there is no client " + name);
        }
        return client;
    }

    private Reader reader(JsonObject c) {
        var reader = readers.get(text(c, "stream"));
        if (reader == null) {
            throw new IllegalArgumentException("there is no stream " + text(c, "stream"));
        }
        return reader;
    }

    private static boolean isClan(JsonObject c) {
        return c.get("topic").isJsonObject() && c.getAsJsonObject("topic").has("clan");
    }

    private FutureClanChat clan(JsonObject c) {
        if (!isClan(c)) {
            throw new Output.UnsupportedException("only a clan has this command");
        }
        return client(c).clanChat(text(c.getAsJsonObject("topic"), "clan"));
    }

    private FutureTopic topic(JsonObject c) {
        if (!c.get("topic").isJsonObject()) {
            throw new Output.UnsupportedException("notifications have no such command");
        }
        var topic = c.getAsJsonObject("topic");
        return client(c).topic(text(topic, "service"), text(topic, "topic"));
    }

    /** Returns a member that is a text, or null. */
    private static String text(JsonObject members, String name) {
        var member = members.get(name);
        return member == null || member.isJsonNull() ? null : member.getAsString();
    }
}
