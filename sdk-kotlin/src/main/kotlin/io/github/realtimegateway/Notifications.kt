package io.github.realtimegateway

import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.put

/** The notifications of the user. */
public class Notifications internal constructor(private val client: GatewayClient) {
    /**
     * The number of notifications that are not acknowledged; null while it is not known. It is known while the app is subscribed.
     */
    public val pending: StateFlow<Int?> get() = client.engine.pending

    /**
     * Returns the notifications: first all that are not acknowledged, then new ones, each once. Each collection is a subscription of
     * its own. Events are `Notification`.
     */
    public fun events(): Flow<Event> = flowOf(::subscribe)

    /** Subscribes, and waits for the gateway's confirmation, as long as there is no connection. */
    public suspend fun subscribe(): Subscription =
        Subscription(client.engine.streams.subscribe("subscribe_notifications", JsonObject(emptyMap())))

    /** Acknowledges notifications, so that no device gets them again. It is repeated after a lost connection. */
    public suspend fun ack(ids: Collection<String>) {
        if (ids.isEmpty()) return
        val fields = buildJsonObject { put("notificationIds", JsonArray(ids.map(::JsonPrimitive))) }
        client.engine.calls.call("call", "notification_ack", fields)
    }

    /** Acknowledges one notification. */
    public suspend fun ack(id: String) {
        ack(listOf(id))
    }
}
