package io.github.realtimegateway

import io.github.realtimegateway.driver.Item
import io.github.realtimegateway.driver.Stream
import io.github.realtimegateway.driver.json
import io.github.realtimegateway.protocol.ServerMessage
import io.github.realtimegateway.protocol.ServerMessageSerializer
import java.lang.ref.Cleaner
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.serialization.KSerializer
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive

/**
 * One subscription of the app, which the gateway has confirmed. It continues after a lost connection: each message comes once and in
 * order, or there is a [GapEvent]. One coroutine reads it; others may call its other methods.
 *
 * The flows of [ClanChat.events] and the like do all of this by themselves.
 */
public class Subscription internal constructor(private val stream: Stream) : AutoCloseable {
    init {
        // The action must not refer to the subscription. A subscription that the app has forgotten is left.
        val left = stream
        Forgotten.cleaner.register(this) { left.leave() }
    }

    /** The position of the last event that was read, or where the subscription began; null if it has none. */
    public val position: Position? get() = stream.position()

    /**
     * Waits for the next event. Cancelling only ends the waiting. After [close] and after the end of the client it throws
     * [GatewayException.Closed].
     */
    public suspend fun next(): Event = stream.next().toEvent()

    /** Ends the subscription. */
    override fun close() {
        stream.leave()
    }

    private object Forgotten {
        val cleaner: Cleaner = Cleaner.create()
    }
}

/** Returns the events of a subscription that begins with the collection, and ends with it. */
internal fun flowOf(subscribe: suspend () -> Subscription): Flow<Event> = flow {
    val begun = try {
        subscribe()
    } catch (failure: GatewayException.Closed) {
        // The app has closed the client meanwhile. After that, to subscribe is a mistake.
        if (failure.closeCode == NORMAL_CLOSURE) return@flow
        throw failure
    }
    begun.use { subscription ->
        while (true) {
            val event = try {
                subscription.next()
            } catch (failure: GatewayException.Closed) {
                // The app has closed the client. A close code other than 1000 is that of the gateway.
                if ((failure.closeCode ?: 0) <= NORMAL_CLOSURE) return@flow
                throw failure
            }
            emit(event)
        }
    }
}

private const val NORMAL_CLOSURE = 1000

@Serializable
private class Gap(
    val service: String? = null,
    val topic: String? = null,
    val before: Long,
    val after: Position,
    val reason: String,
)

@Serializable
private class Missed(val count: Long)

/** Decodes an item. It does not happen under the lock of the client. */
private fun Item.toEvent(): Event = when (val word = typeOf(json)) {
    "gap" -> io.github.realtimegateway.driver.json.decodeFromString(Gap.serializer(), json).let {
        GapEvent(it.service, it.topic, it.before, it.after, it.reason, json, position)
    }
    "missed" -> MissedEvent(io.github.realtimegateway.driver.json.decodeFromString(Missed.serializer(), json).count, json)
    else -> MessageEvent(decodeMessage(word, json), json, position)
}

private fun decodeMessage(type: String?, text: String): ServerMessage {
    val branch: KSerializer<out ServerMessage>? = ServerMessageSerializer.branchOfWord(type)
    if (branch != null) {
        try {
            return json.decodeFromString(branch, text)
        } catch (_: IllegalArgumentException) {
            // A field that this version cannot read.
        }
    }
    val element = try {
        json.parseToJsonElement(text)
    } catch (_: IllegalArgumentException) {
        JsonObject(mapOf("type" to JsonPrimitive("unreadable")))
    }
    return ServerMessage.Unknown(element)
}

/** Returns the type of a message. The gateway writes it first, so most messages need no parser for it. */
private fun typeOf(text: String): String? {
    if (text.startsWith(TYPE)) {
        val end = text.indexOf('"', TYPE.length)
        val word = if (end < 0) "" else text.substring(TYPE.length, end)
        if (end >= 0 && '\\' !in word) return word
    }
    val message = runCatching { json.parseToJsonElement(text) as? JsonObject }.getOrNull()
    return (message?.get("type") as? JsonPrimitive)?.takeIf { it.isString }?.content
}

private const val TYPE = "{\"type\":\""
