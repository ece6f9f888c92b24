package io.github.realtimegateway.codegen

import io.github.realtimegateway.CallOptions
import io.github.realtimegateway.HistoryOptions
import io.github.realtimegateway.Published
import io.github.realtimegateway.SendOptions
import io.github.realtimegateway.SubscribeOptions
import io.github.realtimegateway.future.FutureGatewayClient
import io.github.realtimegateway.future.FutureTopic
import io.github.realtimegateway.future.TypedEvent
import io.github.realtimegateway.future.TypedHistory
import io.github.realtimegateway.future.TypedSubscription
import java.util.concurrent.CompletableFuture
import java.util.concurrent.Flow
import kotlinx.coroutines.flow.map
import kotlinx.serialization.DeserializationStrategy
import kotlinx.serialization.SerializationStrategy
import kotlinx.serialization.json.JsonElement

/** Calls the backend of a service with data of a type. Generated code uses it. */
public fun <Q, R> FutureGatewayClient.callTyped(
    service: String,
    method: String,
    data: Q,
    request: SerializationStrategy<Q>,
    response: DeserializationStrategy<R>,
    options: CallOptions,
): CompletableFuture<R> = future { client.call(service, method, data, request, response, options) }

/** Returns the events of a topic with their types. Generated code uses it. */
public fun <T> FutureTopic.typedEvents(
    deserializer: DeserializationStrategy<T>,
    options: SubscribeOptions,
): Flow.Publisher<TypedEvent<T>> = client.publisher(topic.events(options).map { TypedEvent(it, deserializer) })

/** Returns the events of a topic with their types, and shows others data of a type. Generated code uses it. */
public fun <P, T> FutureTopic.typedEventsWith(
    data: P,
    serializer: SerializationStrategy<P>,
    deserializer: DeserializationStrategy<T>,
    options: SubscribeOptions,
): Flow.Publisher<TypedEvent<T>> = typedEvents(deserializer, options.withPresence(topic.encode(serializer, data)))

/** Subscribes to a topic whose events have a type. Generated code uses it. */
public fun <T> FutureTopic.subscribeTyped(
    deserializer: DeserializationStrategy<T>,
    options: SubscribeOptions,
): CompletableFuture<TypedSubscription<T>> = client.future { TypedSubscription(client, topic.subscribe(options), deserializer) }

/** Subscribes to a topic whose events have a type, and shows others data of a type. Generated code uses it. */
public fun <P, T> FutureTopic.subscribeTypedWith(
    data: P,
    serializer: SerializationStrategy<P>,
    deserializer: DeserializationStrategy<T>,
    options: SubscribeOptions,
): CompletableFuture<TypedSubscription<T>> = client.future {
    val shown = options.withPresence(topic.encode(serializer, data))
    TypedSubscription(client, topic.subscribe(shown), deserializer)
}

/** Publishes data of a type. Generated code uses it. */
public fun <T> FutureTopic.publishTyped(
    data: T,
    serializer: SerializationStrategy<T>,
    options: SendOptions,
): CompletableFuture<Published> = client.future { topic.publish(data, serializer, options) }

/** Returns a page of the history of a topic whose events have a type. Generated code uses it. */
public fun <T> FutureTopic.typedHistory(
    deserializer: DeserializationStrategy<T>,
    options: HistoryOptions,
): CompletableFuture<TypedHistory<T>> = client.future { TypedHistory(topic.history(options), deserializer) }

/** Returns the data that a user shows in a topic; null if there is none. Generated code uses it. */
public fun <P : Any> FutureTopic.decodePresence(deserializer: DeserializationStrategy<P?>, data: JsonElement?): P? =
    data?.let { topic.decode(deserializer, it) }
