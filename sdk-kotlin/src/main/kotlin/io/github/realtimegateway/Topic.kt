package io.github.realtimegateway

import io.github.realtimegateway.driver.decodeReply
import io.github.realtimegateway.protocol.TopicHistory
import io.github.realtimegateway.protocol.TopicPresence
import kotlinx.coroutines.flow.Flow
import kotlinx.serialization.DeserializationStrategy
import kotlinx.serialization.SerializationStrategy
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObjectBuilder
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.put

/** A topic of a declared service. `gateway codegen --lang kotlin` generates typed handles for topics. */
public class Topic internal constructor(
    private val client: GatewayClient,
    /** The name of the service. */
    public val service: String,
    /** The name of the topic. */
    public val topic: String,
) {
    /**
     * Returns the events. Each collection is a subscription of its own, and ends it. Events are `TopicMessage`, in a topic without
     * history `EphemeralEvent`, [GapEvent], and with presence `TopicPresence` and `TopicPresenceChanged`.
     */
    public fun events(options: SubscribeOptions = SubscribeOptions()): Flow<Event> = flowOf { subscribe(options) }

    /** Subscribes, and waits for the gateway's confirmation, as long as there is no connection. */
    public suspend fun subscribe(options: SubscribeOptions = SubscribeOptions()): Subscription =
        Subscription(client.engine.streams.subscribe("subscribe", fields { put(options) }))

    /**
     * Publishes JSON, and waits until it is stored, or sent in a topic without history. It is repeated after a lost connection if
     * necessary, and stored once.
     */
    public suspend fun publish(data: JsonElement, options: SendOptions = SendOptions()): Published {
        val id = options.clientMessageId ?: newId()
        val fields = fields {
            put("data", data)
            put("clientMessageId", id)
        }
        return withMessageId(id) {
            decodeReply(Published.serializer(), client.engine.calls.call("call", "publish", fields))
        }
    }

    /** Publishes data of a type. */
    public suspend fun <T> publish(
        data: T,
        serializer: SerializationStrategy<T>,
        options: SendOptions = SendOptions(),
    ): Published = publish(encode(serializer, data), options)

    /** Returns a page of the history in ascending order of offsets. */
    public suspend fun history(options: HistoryOptions = HistoryOptions()): TopicHistory =
        decodeReply(TopicHistory.serializer(), client.engine.calls.call("call", "topic_history", fields { put(options) }))

    /** Returns the users who are present, with the data that each of them shows. */
    public suspend fun presence(): TopicPresence =
        decodeReply(TopicPresence.serializer(), client.engine.calls.call("call", "topic_presence", fields {}))

    /** Decodes the data of an event. Throws [GatewayException.Invalid] if it does not match the type. */
    public fun <T> decode(deserializer: DeserializationStrategy<T>, data: JsonElement): T =
        decode(deserializer, data, Outcome.NOT_SENT)

    /** Encodes data of a type. Throws [GatewayException.Invalid] if it cannot be written as JSON. */
    public fun <T> encode(serializer: SerializationStrategy<T>, data: T): JsonElement =
        io.github.realtimegateway.encode(serializer, data)

    private inline fun fields(more: JsonObjectBuilder.() -> Unit) = buildJsonObject {
        put("service", service)
        put("topic", topic)
        more()
    }
}
