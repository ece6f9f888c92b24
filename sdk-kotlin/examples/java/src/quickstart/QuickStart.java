package quickstart;

import io.github.realtimegateway.future.FutureGatewayClient;

/** The quick start of the README, in Java: GATEWAY_URL and GATEWAY_TOKEN name the gateway and the token. */
public final class QuickStart {
    private QuickStart() {}

    /** Sends a message and ends. */
    public static void main(String[] arguments) {
        var url = System.getenv("GATEWAY_URL");
        var token = System.getenv("GATEWAY_TOKEN");
        try (var client = new FutureGatewayClient(url, FutureGatewayClient.staticToken(token))) {
            var sent = client.clanChat("clan123").send("hello").join();
            System.out.println("stored at offset " + sent.getOffset());
        }
    }
}
