package io.github.realtimegateway.publish

import io.github.realtimegateway.future.jsonElement
import java.util.concurrent.CompletableFuture
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.future.future
import kotlinx.serialization.json.JsonElement

/**
 * The client of backends for Java: futures, and no coroutines. It publishes to one gateway over HTTP, does not load the core
 * of the SDK, opens no WebSocket, and can be used from any thread. No method blocks.
 *
 * A request is repeated after lost connections, 408, 429 and 5xx. Each has an idempotency key, so it is stored once. Only topics
 * without history may get an event twice. Cancelling a future ends the waiting: what was sent may have its effect.
 *
 * A future fails with a [PublishException], and with `GatewayException.Invalid` for a wrong argument.
 */
public class FuturePublishClient(url: String, apiKey: String, options: PublishOptions) :
    FuturePublishOperations(),
    AutoCloseable {
    /**
     * Makes a client with the default options, of the gateway at an address such as `https://gateway.example.com`. The API
     * key needs the scope `publish`.
     */
    public constructor(url: String, apiKey: String) : this(url, apiKey, PublishOptions())

    private val sending = Sending(url, apiKey, options)
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.Default)

    override fun <T> begin(describe: () -> Operation<T>): CompletableFuture<T> = scope.future { sending.send(describe()) }

    /** Ends the calls that are waiting, and closes the connections. */
    override fun close() {
        sending.close()
    }

    public companion object {
        /** Returns JSON as the data of a notification or event. Throws `GatewayException.Invalid` if it is none. */
        @JvmStatic
        public fun json(text: String): JsonElement = jsonElement(text)
    }
}
