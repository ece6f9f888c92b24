package io.github.realtimegateway

import io.github.realtimegateway.core.CoreInstance
import io.github.realtimegateway.driver.Engine
import io.github.realtimegateway.driver.decodeReply
import io.github.realtimegateway.driver.json
import io.github.realtimegateway.driver.traced
import io.github.realtimegateway.protocol.CallResult
import java.net.URI
import java.net.URISyntaxException
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.serialization.DeserializationStrategy
import kotlinx.serialization.SerializationStrategy
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.put
import kotlinx.serialization.serializer

/**
 * A client of one gateway. It connects at its first use, keeps the connection, and continues subscriptions after a lost one. All
 * methods can be called from any thread and coroutine, also from the token provider and the tap.
 *
 * Cancelling a call ends the waiting, and never the connection: what was sent may still have its effect.
 *
 * @param url the address of the gateway, such as `wss://gateway.example.com/ws`
 * @param tokens gives a token whenever one is needed
 * @param options the options
 * @throws GatewayException.Invalid if an argument is wrong; the message says how to correct it
 */
public class GatewayClient
    @JvmOverloads
    constructor(
        url: String,
        tokens: TokenProvider,
        options: GatewayOptions = GatewayOptions(),
    ) {
        internal val engine: Engine = Engine(checked(url), tokens, options)

        /** The state of the connection. A slow collector gets the latest state, and not all of those in between. */
        public val state: StateFlow<ConnectionState> get() = engine.state

        /** The notifications of the user. */
        public val notifications: Notifications = Notifications(this)

        /** Returns the chat of a clan. */
        public fun clanChat(clanId: String): ClanChat = ClanChat(this, clanId)

        /** Returns a topic of a declared service. */
        public fun topic(service: String, topic: String): Topic = Topic(this, service, topic)

        /**
         * Connects, and waits until that has succeeded. It starts again after a final state. Without it the first request connects.
         *
         * It waits indefinitely while the gateway cannot be reached; `withTimeout` bounds that.
         */
        public suspend fun connect() {
            engine.connect()
            while (true) {
                var error: GatewayException? = null
                val changed = engine.locked {
                    val state = engine.state.value
                    when {
                        state.status == Status.ONLINE -> return
                        state.status == Status.CLOSED -> error = GatewayException.closedByApp()
                        state.status.isFinal -> error = state.error ?: ended(state.status)
                    }
                    engine.nextChange()
                }
                error?.let { throw traced(it) }
                changed.await()
            }
        }

        private fun ended(status: Status): GatewayException {
            val word = status.name.lowercase()
            return GatewayException.of(Failure(word, "the client is $word", Outcome.NOT_SENT))
        }

        /**
         * Tells the client that the network or the app is back, so that it checks the connection or connects now. The SDK notices by
         * itself that the device has slept.
         */
        public fun wake() {
            engine.wake()
        }

        /**
         * Closes the client: subscriptions end without an error, and calls are refused. It waits until the gateway has answered the close
         * frame, for at most two seconds. After that no task, thread and socket of the client is left. A second call only waits.
         */
        public suspend fun close() {
            engine.close()
            engine.sockets.awaitEnd()
        }

        /**
         * Sends any command of the protocol, and returns the gateway's reply as JSON. It is never repeated. [fields] are the members of
         * the command, without `type` and `requestId`.
         */
        public suspend fun request(command: String, fields: JsonObject = JsonObject(emptyMap())): String =
            engine.calls.call("request", command, fields)

        /**
         * Calls the backend of a declared service. It is never repeated: after an error with the outcome `UNKNOWN` the backend may have
         * carried it out. Repeating a call with the same [CallOptions.callId] is safe.
         */
        public suspend fun <Q, R> call(
            service: String,
            method: String,
            data: Q,
            request: SerializationStrategy<Q>,
            response: DeserializationStrategy<R>,
            options: CallOptions = CallOptions(),
        ): R {
            val timeout = options.timeout ?: engine.options.timeout
            val fields = buildJsonObject {
                put("service", service)
                put("method", method)
                put("data", encode(request, data))
                put("callId", options.callId ?: newId())
                timeout?.let { put("timeoutMs", it.toMillis()) }
            }
            val result = decodeReply(CallResult.serializer(), engine.calls.call("request", "call", fields, timeout))
            return decode(response, result.data, Outcome.UNKNOWN)
        }

        /** Calls the backend of a declared service, with the serializers of the types. */
        public suspend inline fun <reified Q, reified R> call(
            service: String,
            method: String,
            data: Q,
            options: CallOptions = CallOptions(),
        ): R = call(service, method, data, serializer<Q>(), serializer<R>(), options)

        /**
         * Returns the subscriptions that the server makes, by a claim of the token or through its HTTP API, and the events of all their
         * topics: each once and in the order of its topic, or a gap. Collect it before [connect], and keep it. Events are
         * `SubscriptionConfirmed`, `TopicMessage`, [GapEvent], `SubscriptionEnded` and [MissedEvent].
         */
        public fun serverSubscriptions(): Flow<Event> = flowOf { subscribeToServerSubscriptions() }

        /** Like [serverSubscriptions], as an open subscription. */
        public suspend fun subscribeToServerSubscriptions(): Subscription =
            Subscription(engine.streams.subscribe("server_subscriptions", JsonObject(emptyMap())))

        public companion object {
            /** The version of this SDK. */
            public const val VERSION: String = "0.1.0"

            /** The digest of the sources of the SDK's core. SDKs with the same digest make the same decisions. */
            @JvmStatic
            public val coreDigest: String get() = CoreInstance.digest

            private fun checked(url: String): String {
                val scheme = url.substringBefore("://", "")
                if (scheme.lowercase() !in listOf("ws", "wss", "http", "https")) {
                    throw GatewayException.Invalid("url: \"$url\" has to begin with ws://, wss://, http:// or https://")
                }
                val host = try {
                    URI(url).host
                } catch (failure: URISyntaxException) {
                    throw GatewayException.Invalid("url: ${failure.message}", cause = failure)
                }
                if (host.isNullOrEmpty()) throw GatewayException.Invalid("url: \"$url\" names no host")
                return url
            }
        }
    }

/** Encodes data of the app. JSON stays as it is: its serializer would change the digits of numbers. */
internal fun <T> encode(serializer: SerializationStrategy<T>, data: T): JsonElement = try {
    data as? JsonElement ?: json.encodeToJsonElement(serializer, data)
} catch (failure: IllegalArgumentException) {
    throw GatewayException.Invalid("the data: ${failure.message}", cause = failure)
}

/** Decodes data of the app. */
internal fun <T> decode(deserializer: DeserializationStrategy<T>, data: JsonElement, outcome: Outcome): T = try {
    json.decodeFromJsonElement(deserializer, data)
} catch (failure: IllegalArgumentException) {
    throw GatewayException.Invalid("the data does not match its type: ${failure.message}", outcome, failure)
}
