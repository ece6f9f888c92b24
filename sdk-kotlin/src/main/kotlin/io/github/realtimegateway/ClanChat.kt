package io.github.realtimegateway

import io.github.realtimegateway.driver.decodeReply
import io.github.realtimegateway.protocol.ChatHistory
import io.github.realtimegateway.protocol.MessageSent
import io.github.realtimegateway.protocol.Presence
import kotlinx.coroutines.flow.Flow
import kotlinx.serialization.json.JsonObjectBuilder
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.put

/** The chat of a clan. */
public class ClanChat internal constructor(
    private val client: GatewayClient,
    /** The id of the clan. */
    public val clanId: String,
) {
    /**
     * Returns the messages. Each collection is a subscription of its own, and ends it, in whichever way it ends. Events are `Chat`,
     * `ChatDeleted`, `Typing`, [GapEvent], and with presence `Presence` and `PresenceChanged`. The flow ends when the client is closed,
     * and throws [GatewayException] when the gateway refuses or ends the subscription.
     */
    public fun events(options: SubscribeOptions = SubscribeOptions()): Flow<Event> = flowOf { subscribe(options) }

    /** Subscribes, and waits for the gateway's confirmation, as long as there is no connection. */
    public suspend fun subscribe(options: SubscribeOptions = SubscribeOptions()): Subscription {
        val fields = buildJsonObject {
            put("clanId", clanId)
            put(options)
        }
        return Subscription(client.engine.streams.subscribe("subscribe_clan_chat", fields))
    }

    /**
     * Sends a message, and waits until it is stored. It is repeated after a lost connection if necessary, and stored once.
     */
    public suspend fun send(content: String, options: SendOptions = SendOptions()): MessageSent {
        val id = options.clientMessageId ?: newId()
        val fields = buildJsonObject {
            put("clanId", clanId)
            put("content", content)
            options.messageType?.let { put("messageType", it) }
            options.data?.let { put("data", it) }
            put("clientMessageId", id)
        }
        return withMessageId(id) {
            decodeReply(MessageSent.serializer(), client.engine.calls.call("call", "chat", fields))
        }
    }

    /**
     * Reports that the user types or has stopped. It may be called for every key: the SDK limits what is sent. It is not confirmed.
     */
    public fun setTyping(isTyping: Boolean) {
        val fields = buildJsonObject {
            put("clanId", clanId)
            put("isTyping", isTyping)
        }
        try {
            client.engine.calls.begin("call", "typing", fields, null, null)
        } catch (_: GatewayException) {
            // Typing is of no use later.
        }
    }

    /** Returns a page of the history in ascending order of offsets. */
    public suspend fun history(options: HistoryOptions = HistoryOptions()): ChatHistory {
        val fields = buildJsonObject {
            put("clanId", clanId)
            put(options)
        }
        return decodeReply(ChatHistory.serializer(), client.engine.calls.call("call", "chat_history", fields))
    }

    /** Returns the users who are present. */
    public suspend fun presence(): Presence {
        val fields = buildJsonObject { put("clanId", clanId) }
        return decodeReply(Presence.serializer(), client.engine.calls.call("call", "presence", fields))
    }
}

/** Adds where a subscription begins. */
internal fun JsonObjectBuilder.put(options: SubscribeOptions) {
    if (options.history != 0) put("history", options.history)
    options.from?.let { from ->
        put(
            "recover",
            buildJsonObject {
                put("offset", from.offset)
                put("epoch", from.epoch)
            },
        )
    }
    if (options.presence) put("presence", true)
    options.presenceData?.let { put("presenceData", it) }
}

/** Adds which page is wanted. */
internal fun JsonObjectBuilder.put(options: HistoryOptions) {
    options.before?.let { put("before", it) }
    options.after?.let { put("after", it) }
    options.limit?.let { put("limit", it) }
}

/** Adds the id of the message to the error of a send. */
internal inline fun <T> withMessageId(id: String, send: () -> T): T = try {
    send()
} catch (failure: GatewayException) {
    throw failure.of(id)
}
