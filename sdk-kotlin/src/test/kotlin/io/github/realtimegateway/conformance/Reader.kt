package io.github.realtimegateway.conformance

import io.github.realtimegateway.GatewayException
import io.github.realtimegateway.Subscription
import kotlinx.coroutines.Job
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.channels.ClosedReceiveChannelException
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonPrimitive

/** Reads a subscription: as many events as the kit allows. */
internal class Reader(private val stream: String, val client: String, private val subscription: Subscription) {
    private val more = Channel<Long>(Channel.UNLIMITED)

    @Volatile
    private var isLeft = false

    /** The coroutine that reads. */
    var job: Job? = null

    /** Allows this number of events more. */
    fun read(count: Long) {
        more.trySend(count)
    }

    /** Leaves the subscription. Events that were not read are dropped. */
    fun leave() {
        isLeft = true
        subscription.close()
        more.close()
    }

    /** Reads until the subscription ends, or the app leaves it. Without a number it reads all events. */
    suspend fun run(first: Long?) {
        var allowed = first ?: Long.MAX_VALUE
        try {
            while (true) {
                while (allowed == 0L) allowed += more.receive()
                val event = subscription.next()
                allowed--
                emit("item") {
                    put("stream", JsonPrimitive(stream))
                    put("item", Json.parseToJsonElement(event.json))
                    event.position?.let { put("position", positionOf(it)) }
                }
            }
        } catch (_: ClosedReceiveChannelException) {
            end(null)
        } catch (failure: GatewayException) {
            // A close code other than 1000 is that of the gateway.
            val byApp = isLeft || failure is GatewayException.Closed && (failure.closeCode ?: 0) <= NORMAL_CLOSURE
            end(failure.takeUnless { byApp })
        }
    }

    private fun end(failure: GatewayException?) {
        emit("end") {
            put("stream", JsonPrimitive(stream))
            failure?.let { put("error", failureOf(it)) }
        }
    }

    private companion object {
        private const val NORMAL_CLOSURE = 1000
    }
}
