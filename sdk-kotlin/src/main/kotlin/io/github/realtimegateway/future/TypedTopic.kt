package io.github.realtimegateway.future

import io.github.realtimegateway.Event
import io.github.realtimegateway.MessageEvent
import io.github.realtimegateway.Outcome
import io.github.realtimegateway.Position
import io.github.realtimegateway.Subscription
import io.github.realtimegateway.decode
import io.github.realtimegateway.protocol.EphemeralEvent
import io.github.realtimegateway.protocol.TopicHistory
import io.github.realtimegateway.protocol.TopicMessage
import io.github.realtimegateway.protocol.TopicMessageEntry
import java.util.concurrent.CompletableFuture
import kotlinx.serialization.DeserializationStrategy
import kotlinx.serialization.json.JsonElement

/** One item of a subscription to a typed topic. */
public class TypedEvent<T> internal constructor(
    /** The item as it came: a `MessageEvent`, or a `GapEvent` for messages that were not delivered. */
    public val event: Event,
    deserializer: DeserializationStrategy<T>,
) {
    /** The message of the topic; null for gaps, and for messages about who is present. */
    public val message: TypedMessage<T>? = when (val message = (event as? MessageEvent)?.message) {
        is TopicMessage ->
            TypedMessage(message.data, deserializer, message.userId, message.offset, message.publishedAt, message.clientMessageId)
        is EphemeralEvent ->
            TypedMessage(message.data, deserializer, message.userId, null, message.publishedAt, message.clientMessageId)
        else -> null
    }

    override fun toString(): String = event.toString()
}

/** A message of a typed topic. */
public class TypedMessage<T> internal constructor(
    private val json: JsonElement,
    deserializer: DeserializationStrategy<T>,
    /** The user who published it; null if a backend did. */
    public val userId: String?,
    /** The offset in the log of the topic; null in a topic without history. */
    public val offset: Long?,
    /** When the gateway accepted it, as `date-time` of RFC 3339. */
    public val publishedAt: String,
    /** The id that the publisher chose; null if there is none. */
    public val clientMessageId: String?,
) {
    /**
     * The data. It is decoded when it is read: an event whose data does not match the type, such as one from before a change of the
     * contract, does not end the subscription. This throws `GatewayException.Invalid` then.
     */
    public val data: T by lazy { decode(deserializer, json, Outcome.NOT_SENT) }

    /** The data as JSON. */
    override fun toString(): String = json.toString()
}

/** A page of the history of a typed topic. */
public class TypedHistory<T> internal constructor(private val page: TopicHistory, deserializer: DeserializationStrategy<T>) {
    /** The messages in ascending order of offsets. */
    public val messages: List<TypedMessage<T>> = page.events.map { it.typed(deserializer) }

    /** The epoch of the store that the offsets belong to. */
    public val epoch: String get() = page.epoch

    /** Whether there are more messages in this direction. */
    public fun hasMore(): Boolean = page.hasMore

    /** Whether messages are missing, because they are no longer kept or cannot be read. */
    public val isTrimmed: Boolean get() = page.trimmed == true

    override fun toString(): String = messages.toString()
}

private fun <T> TopicMessageEntry.typed(deserializer: DeserializationStrategy<T>): TypedMessage<T> =
    TypedMessage(data, deserializer, userId, offset, publishedAt, clientMessageId)

/** A [FutureSubscription] to a typed topic. */
public class TypedSubscription<T> internal constructor(
    private val client: FutureGatewayClient,
    private val subscription: Subscription,
    private val deserializer: DeserializationStrategy<T>,
) : AutoCloseable {
    /** The position of the last event that was read, or where the subscription began; null if it has none. */
    public val position: Position? get() = subscription.position

    /**
     * Reads the next event. Cancelling the future only ends the waiting. After [close] and after the end of the client it fails with
     * `GatewayException.Closed`. Wait for one event before you read the next one: calls at the same time get events in any order.
     */
    public fun next(): CompletableFuture<TypedEvent<T>> = client.future { TypedEvent(subscription.next(), deserializer) }

    /** Ends the subscription. */
    override fun close() {
        subscription.close()
    }
}
