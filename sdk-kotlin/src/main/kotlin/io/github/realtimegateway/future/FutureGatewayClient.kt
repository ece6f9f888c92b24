package io.github.realtimegateway.future

import io.github.realtimegateway.CallOptions
import io.github.realtimegateway.ConnectionState
import io.github.realtimegateway.Event
import io.github.realtimegateway.GatewayClient
import io.github.realtimegateway.GatewayOptions
import io.github.realtimegateway.Status
import io.github.realtimegateway.TokenProvider
import java.time.Duration
import java.util.concurrent.CompletableFuture
import java.util.concurrent.Flow
import java.util.concurrent.TimeUnit
import java.util.concurrent.TimeoutException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.flow.transformWhile
import kotlinx.coroutines.future.await
import kotlinx.coroutines.future.future
import kotlinx.serialization.json.JsonElement

/** Gives a fresh token. Throw `SignedOutException` if the user is signed out. */
public fun interface FutureTokenProvider {
    /** Returns a token. It is called whenever one is needed, in the executor of the options. */
    public fun token(): CompletableFuture<String>
}

/**
 * The client for Java: futures and publishers, and no types of Kotlin. All methods can be called from any thread, and none blocks but
 * [close].
 *
 * Stages of its futures and subscribers of its publishers run in [GatewayOptions.withExecutor]. Cancelling a future ends the waiting,
 * and never the connection: what was sent may still have its effect.
 *
 * JSON is passed as text, so that an app can use the library that it has.
 */
public class FutureGatewayClient private constructor(internal val client: GatewayClient) : AutoCloseable {
    /** Makes a client with the default options. It connects at its first use. */
    public constructor(url: String, tokens: FutureTokenProvider) : this(url, tokens, GatewayOptions())

    /**
     * Makes a client. It connects at its first use. Throws `GatewayException.Invalid` if an argument is wrong; the message says how to
     * correct it.
     */
    public constructor(url: String, tokens: FutureTokenProvider, options: GatewayOptions) :
        this(GatewayClient(url, TokenProvider { tokens.token().await() }, options))

    private val scope = CoroutineScope(SupervisorJob() + client.engine.app.dispatcher)

    /** The state of the connection. */
    public val state: ConnectionState get() = client.state.value

    /** The state of the connection, and then each change until the client is closed. A slow subscriber gets the latest state. */
    public fun states(): Flow.Publisher<ConnectionState> = publisher(
        client.state.transformWhile { state ->
            emit(state)
            state.status != Status.CLOSED
        },
    )

    /** The notifications of the user. */
    public fun notifications(): FutureNotifications = FutureNotifications(this)

    /** Returns the chat of a clan. */
    public fun clanChat(clanId: String): FutureClanChat = FutureClanChat(this, clanId)

    /** Returns a topic of a declared service. */
    public fun topic(service: String, topic: String): FutureTopic = FutureTopic(this, client.topic(service, topic))

    /** Connects. The future is complete when that has succeeded. It starts again after a final state. */
    public fun connect(): CompletableFuture<Void> = voidFuture { client.connect() }

    /** Tells the client that the network or the app is back. */
    public fun wake() {
        client.wake()
    }

    /**
     * Sends any command of the protocol. The future has the gateway's reply as JSON. It is never repeated. [fields] is a JSON object
     * with the members of the command, without `type` and `requestId`.
     */
    public fun request(command: String, fields: String): CompletableFuture<String> =
        future { client.request(command, jsonObject(fields)) }

    /** Calls the backend of a declared service with JSON. The future has its response as JSON. It is never repeated. */
    public fun call(service: String, method: String, data: String): CompletableFuture<String> =
        call(service, method, data, CallOptions())

    /** Calls the backend of a declared service with JSON. The future has its response as JSON. */
    public fun call(service: String, method: String, data: String, options: CallOptions): CompletableFuture<String> = future {
        val element = JsonElement.serializer()
        client.call(service, method, jsonElement(data), element, element, options).toString()
    }

    /** Returns the events of the subscriptions that the server makes. Subscribe to them before [connect]. */
    public fun serverSubscriptions(): Flow.Publisher<Event> = publisher(client.serverSubscriptions())

    /** Begins to close the client. After the future nothing of it is left. It takes at most two seconds. */
    public fun closeAsync(): CompletableFuture<Void> = voidFuture { client.close() }

    /** Closes the client, and waits for it, for at most two seconds. */
    override fun close() {
        val closed = closeAsync()
        try {
            closed.get(CLOSE_LIMIT.toMillis(), TimeUnit.MILLISECONDS)
        } catch (_: TimeoutException) {
            // The executor of the app does not run tasks. The connection ends nevertheless.
            client.engine.close()
        }
    }

    /** Begins a call in this thread, so that the calls of a thread keep their order. The rest of it runs in the executor. */
    internal fun <T> future(block: suspend () -> T): CompletableFuture<T> =
        scope.future(start = CoroutineStart.UNDISPATCHED) { block() }

    @Suppress("UNCHECKED_CAST")
    internal fun voidFuture(block: suspend () -> Unit): CompletableFuture<Void> = future<Void?> {
        block()
        null
    } as CompletableFuture<Void>

    internal fun <T> publisher(flow: kotlinx.coroutines.flow.Flow<T>): Flow.Publisher<T> = FlowPublisher(scope, flow)

    public companion object {
        private val CLOSE_LIMIT = Duration.ofSeconds(4)

        /** The version of this SDK. */
        public const val VERSION: String = GatewayClient.VERSION

        /** Returns the digest of the sources of the SDK's core. SDKs with the same digest make the same decisions. */
        @JvmStatic
        public fun coreDigest(): String = GatewayClient.coreDigest

        /**
         * Returns JSON as a value, for untyped members of generated classes. `toString` of such a value is its JSON. Throws
         * `GatewayException.Invalid` if the text is none.
         */
        @JvmStatic
        public fun json(text: String): JsonElement = jsonElement(text)

        /** Returns a provider of one token, for scripts and tests. */
        @JvmStatic
        public fun staticToken(token: String): FutureTokenProvider =
            FutureTokenProvider { CompletableFuture.completedFuture(token) }
    }
}
