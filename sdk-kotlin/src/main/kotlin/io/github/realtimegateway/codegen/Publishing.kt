package io.github.realtimegateway.codegen

import io.github.realtimegateway.GatewayException
import io.github.realtimegateway.Outcome
import io.github.realtimegateway.encode
import io.github.realtimegateway.publish.FuturePublishClient
import io.github.realtimegateway.publish.MessageAccepted
import io.github.realtimegateway.publish.PublishClient
import io.github.realtimegateway.publish.PublishEvent
import java.util.concurrent.CompletableFuture
import kotlinx.serialization.SerializationStrategy

/** Returns an event with data of a type. Generated code uses it. */
public fun <T> eventOf(serializer: SerializationStrategy<T>, data: T, eventId: String?): PublishEvent =
    PublishEvent(encode(serializer, data), eventId)

/** Publishes an event to a topic with history. Generated code uses it. */
public suspend fun PublishClient.publishStored(service: String, topic: TopicName, event: PublishEvent): MessageAccepted =
    stored(publishEvent(service, topic.toString(), event))

/** Publishes an event to a topic without history. Generated code uses it. */
public suspend fun PublishClient.publishSent(service: String, topic: TopicName, event: PublishEvent) {
    publishEvent(service, topic.toString(), event)
}

/** Publishes an event to a topic with history. Generated code uses it. */
public fun FuturePublishClient.publishStored(
    service: String,
    topic: () -> TopicName,
    event: () -> PublishEvent,
): CompletableFuture<MessageAccepted> = publishDescribed(service, topic, event).thenApply(::stored)

/** Publishes an event to a topic without history. Generated code uses it. */
public fun FuturePublishClient.publishSent(
    service: String,
    topic: () -> TopicName,
    event: () -> PublishEvent,
): CompletableFuture<Void> = publishDescribed(service, topic, event).thenAccept {}

/** The future has the error of a wrong argument, too. */
private fun FuturePublishClient.publishDescribed(
    service: String,
    topic: () -> TopicName,
    event: () -> PublishEvent,
): CompletableFuture<MessageAccepted?> = try {
    publishEvent(service, topic().toString(), event())
} catch (failure: GatewayException.Invalid) {
    CompletableFuture.failedFuture(failure)
}

private fun stored(answer: MessageAccepted?): MessageAccepted = answer ?: throw GatewayException.Invalid(
    "the topic has no history: the gateway's contract differs from the one of the generated code",
    Outcome.UNKNOWN,
)
