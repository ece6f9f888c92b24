package io.github.realtimegateway

import io.github.realtimegateway.protocol.ServerMessage
import kotlinx.serialization.Serializable

/** A position in the log of a topic. It can be stored, and passed as [SubscribeOptions.from] later. */
@Serializable
public data class Position(
    /** The offset of the last received entry; 0 is before the first entry. */
    public val offset: Long,
    /** The epoch of the store that the offset belongs to. */
    public val epoch: String,
)

/** One item of a subscription: a [MessageEvent], a [GapEvent], or a [MissedEvent]. */
public sealed class Event {
    /** The JSON text as the gateway sent it. */
    public abstract val json: String

    /** The position of the subscription after this event; null if the event is no entry of a log. */
    public abstract val position: Position?

    override fun toString(): String = json
}

/**
 * A message of the gateway, such as a `Chat`, a `Notification` or a `TopicMessage`. Ignore types that you do not know, because
 * later versions may add some.
 */
public class MessageEvent internal constructor(
    /** The message; `ServerMessage.Unknown` if this version does not know it or cannot read it. */
    public val message: ServerMessage,
    override val json: String,
    override val position: Position?,
) : Event()

/** The messages after [before], up to and including [after], were not delivered. */
public class GapEvent internal constructor(
    /** The service; null unless the gap is of [GatewayClient.serverSubscriptions]. */
    public val service: String?,
    /** The topic; null unless the gap is of [GatewayClient.serverSubscriptions]. */
    public val topic: String?,
    /** The offset of the last message before the gap. */
    public val before: Long,
    /** Where the subscription continues. */
    public val after: Position,
    /** `trimmed` (older than what is kept), `epoch_changed` (confirmed messages may be lost) or `slow` (the buffer was full). */
    public val reason: String,
    override val json: String,
    override val position: Position?,
) : Event()

/** Items of [GatewayClient.serverSubscriptions] were dropped, because the app reads too slowly. */
public class MissedEvent internal constructor(
    /** The number of items. */
    public val count: Long,
    override val json: String,
) : Event() {
    override val position: Position? get() = null
}
