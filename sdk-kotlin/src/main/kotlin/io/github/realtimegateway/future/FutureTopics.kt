package io.github.realtimegateway.future

import io.github.realtimegateway.Event
import io.github.realtimegateway.GatewayException
import io.github.realtimegateway.HistoryOptions
import io.github.realtimegateway.Published
import io.github.realtimegateway.SendOptions
import io.github.realtimegateway.Status
import io.github.realtimegateway.SubscribeOptions
import io.github.realtimegateway.Topic
import io.github.realtimegateway.driver.json
import io.github.realtimegateway.protocol.ChatHistory
import io.github.realtimegateway.protocol.MessageSent
import io.github.realtimegateway.protocol.Presence
import io.github.realtimegateway.protocol.TopicHistory
import io.github.realtimegateway.protocol.TopicPresence
import java.util.OptionalInt
import java.util.concurrent.CompletableFuture
import java.util.concurrent.Flow
import kotlinx.coroutines.flow.combine
import kotlinx.coroutines.flow.distinctUntilChanged
import kotlinx.coroutines.flow.filterNotNull
import kotlinx.coroutines.flow.transformWhile
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject

/** The notifications of the user. */
public class FutureNotifications internal constructor(private val client: FutureGatewayClient) {
    private val notifications = client.client.notifications

    /** The number of notifications that are not acknowledged, while it is known. */
    public fun pending(): OptionalInt = notifications.pending.value?.let(OptionalInt::of) ?: OptionalInt.empty()

    /** The number of notifications that are not acknowledged, and then each change until the client is closed. */
    public fun pendingCounts(): Flow.Publisher<Int> = client.publisher(
        combine(notifications.pending, client.client.state) { count, state -> count to state.status }
            .transformWhile { (count, status) ->
                emit(count)
                status != Status.CLOSED
            }
            .filterNotNull()
            .distinctUntilChanged(),
    )

    /**
     * Returns the notifications: first all that are not acknowledged, then new ones, each once. Each subscriber has a subscription of its
     * own.
     */
    public fun events(): Flow.Publisher<Event> = client.publisher(notifications.events())

    /** Subscribes. The future is complete when the gateway has confirmed it. */
    public fun subscribe(): CompletableFuture<FutureSubscription> =
        client.future { FutureSubscription(client, notifications.subscribe()) }

    /** Acknowledges notifications, so that no device gets them again. It is repeated after a lost connection. */
    public fun ack(ids: Collection<String>): CompletableFuture<Void> = client.voidFuture { notifications.ack(ids) }

    /** Acknowledges one notification. */
    public fun ack(id: String): CompletableFuture<Void> = ack(listOf(id))
}

/** The chat of a clan. */
public class FutureClanChat internal constructor(private val client: FutureGatewayClient, clanId: String) {
    private val chat = client.client.clanChat(clanId)

    /** Returns the messages. Each subscriber has a subscription of its own, which ends when it cancels. */
    public fun events(): Flow.Publisher<Event> = events(SubscribeOptions())

    /** Returns the messages. Each subscriber has a subscription of its own, which ends when it cancels. */
    public fun events(options: SubscribeOptions): Flow.Publisher<Event> = client.publisher(chat.events(options))

    /** Subscribes. The future is complete when the gateway has confirmed it. */
    public fun subscribe(options: SubscribeOptions): CompletableFuture<FutureSubscription> =
        client.future { FutureSubscription(client, chat.subscribe(options)) }

    /** Sends a message. The future is complete when it is stored. */
    public fun send(content: String): CompletableFuture<MessageSent> = send(content, SendOptions())

    /** Sends a message. The future is complete when it is stored. */
    public fun send(content: String, options: SendOptions): CompletableFuture<MessageSent> =
        client.future { chat.send(content, options) }

    /** Reports that the user types or has stopped. It may be called for every key. It is not confirmed. */
    public fun setTyping(isTyping: Boolean) {
        chat.setTyping(isTyping)
    }

    /** Returns a page of the history in ascending order of offsets. */
    public fun history(options: HistoryOptions): CompletableFuture<ChatHistory> = client.future { chat.history(options) }

    /** Returns the users who are present. */
    public fun presence(): CompletableFuture<Presence> = client.future { chat.presence() }
}

/** A topic of a declared service. `gateway codegen --lang kotlin` generates typed handles for topics, also for Java. */
public class FutureTopic internal constructor(internal val client: FutureGatewayClient, internal val topic: Topic) {
    /** Returns the events. Each subscriber has a subscription of its own, which ends when it cancels. */
    public fun events(): Flow.Publisher<Event> = events(SubscribeOptions())

    /** Returns the events. Each subscriber has a subscription of its own, which ends when it cancels. */
    public fun events(options: SubscribeOptions): Flow.Publisher<Event> = client.publisher(topic.events(options))

    /** Subscribes. The future is complete when the gateway has confirmed it. */
    public fun subscribe(options: SubscribeOptions): CompletableFuture<FutureSubscription> =
        client.future { FutureSubscription(client, topic.subscribe(options)) }

    /** Publishes JSON. The future is complete when it is stored, or sent in a topic without history. */
    public fun publish(data: String): CompletableFuture<Published> = publish(data, SendOptions())

    /** Publishes JSON. The future is complete when it is stored, or sent in a topic without history. */
    public fun publish(data: String, options: SendOptions): CompletableFuture<Published> =
        client.future { topic.publish(jsonElement(data), options) }

    /** Returns a page of the history in ascending order of offsets. */
    public fun history(options: HistoryOptions): CompletableFuture<TopicHistory> = client.future { topic.history(options) }

    /** Returns the users who are present, with the data that each of them shows. */
    public fun presence(): CompletableFuture<TopicPresence> = client.future { topic.presence() }
}

/** Reads JSON of the app. */
internal fun jsonElement(text: String): JsonElement = try {
    json.parseToJsonElement(text)
} catch (failure: IllegalArgumentException) {
    throw GatewayException.Invalid("the data is no JSON: ${failure.message}", cause = failure)
}

/** Reads a JSON object of the app. */
internal fun jsonObject(text: String): JsonObject =
    jsonElement(text) as? JsonObject ?: throw GatewayException.Invalid("the fields are no JSON object")
