package io.github.realtimegateway.future

import io.github.realtimegateway.Event
import io.github.realtimegateway.Position
import io.github.realtimegateway.Subscription
import java.util.concurrent.CompletableFuture

/**
 * One subscription of the app, which the gateway has confirmed. It continues after a lost connection: each message comes once and in
 * order, or there is a `GapEvent`. The publishers of [FutureClanChat.events] and the like do all of this by themselves.
 */
public class FutureSubscription internal constructor(
    private val client: FutureGatewayClient,
    private val subscription: Subscription,
) : AutoCloseable {
    /** The position of the last event that was read, or where the subscription began; null if it has none. */
    public val position: Position? get() = subscription.position

    /**
     * Reads the next event. Cancelling the future only ends the waiting. After [close] and after the end of the client it fails with
     * `GatewayException.Closed`. Wait for one event before you read the next one: calls at the same time get events in any order.
     */
    public fun next(): CompletableFuture<Event> = client.future { subscription.next() }

    /** Ends the subscription. */
    override fun close() {
        subscription.close()
    }
}
