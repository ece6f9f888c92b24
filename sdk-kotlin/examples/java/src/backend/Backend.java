package backend;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.github.realtimegateway.publish.FuturePublishClient;
import io.github.realtimegateway.publish.InvalidSignatureException;
import io.github.realtimegateway.publish.SendNotification;
import io.github.realtimegateway.publish.Verifier;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.concurrent.CompletionException;

/**
 * A backend that thanks a user for each webhook about a chat message: the gateway sends the webhook, and the notification goes over
 * the HTTP API. It needs GATEWAY_HTTP, GATEWAY_API_KEY, WEBHOOK_SECRET and PORT in the environment.
 */
public final class Backend {
    private Backend() {}

    public static void main(String[] arguments) throws IOException {
        var client = new FuturePublishClient(System.getenv("GATEWAY_HTTP"), System.getenv("GATEWAY_API_KEY"));
        var verifier = new Verifier(System.getenv("WEBHOOK_SECRET"));
        var server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(System.getenv("PORT"))), 0);
        server.createContext("/", exchange -> {
            exchange.sendResponseHeaders(receive(client, verifier, exchange), -1);
            exchange.close();
        });
        server.start();
        System.out.println("listens on " + server.getAddress());
    }

    /** Returns the status of the answer. */
    private static int receive(FuturePublishClient client, Verifier verifier, HttpExchange exchange) throws IOException {
        byte[] body = exchange.getRequestBody().readAllBytes();
        try {
            verifier.verify(exchange.getRequestHeaders()::getFirst, body);
        } catch (InvalidSignatureException failure) {
            return 401;
        }
        // The gateway may send a webhook twice. With this id, the notification is stored once.
        var id = exchange.getRequestHeaders().getFirst("webhook-id");
        var thanks = new SendNotification("ada", null, "Thanks", "for your message", null, id);
        try {
            client.sendNotification(thanks).join();
            return 204;
        } catch (CompletionException failure) {
            System.err.println(failure.getCause().getMessage());
            return 503;
        }
    }
}
