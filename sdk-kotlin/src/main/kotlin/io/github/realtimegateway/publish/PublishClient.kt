package io.github.realtimegateway.publish

/**
 * Publishes to one gateway over HTTP, from a backend. It does not load the core of the SDK, and opens no WebSocket. It can be
 * used from any thread and coroutine. [FuturePublishClient] is the same for Java.
 *
 * A request is repeated after lost connections, 408, 429 and 5xx. Each has an idempotency key, so it is stored once. Only topics
 * without history may get an event twice. Cancelling ends the waiting: what was sent may have its effect.
 *
 * Calls throw a [PublishException], and `GatewayException.Invalid` for a wrong argument.
 */
public class PublishClient(url: String, apiKey: String, options: PublishOptions) :
    PublishOperations(),
    AutoCloseable {
    /**
     * Makes a client with the default options, of the gateway at an address such as `https://gateway.example.com`. The API
     * key needs the scope `publish`.
     */
    public constructor(url: String, apiKey: String) : this(url, apiKey, PublishOptions())

    private val sending = Sending(url, apiKey, options)

    override suspend fun <T> send(operation: Operation<T>): T = sending.send(operation)

    /** Ends the calls that are waiting, and closes the connections. */
    override fun close() {
        sending.close()
    }
}
