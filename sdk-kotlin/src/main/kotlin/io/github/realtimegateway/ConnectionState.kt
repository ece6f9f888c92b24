package io.github.realtimegateway

import io.github.realtimegateway.protocol.Connected
import java.time.Instant

/** The state of the connection in a word. */
public enum class Status {
    /** The app has made no request yet. */
    IDLE,

    /** The first connection is being made. */
    CONNECTING,

    /** Commands reach the gateway. With an error the token could not be renewed, and the session ends with it. */
    ONLINE,

    /** The connection is lost or could not be made. The SDK tries again by itself. */
    RECONNECTING,

    /** Another session took the place of this one. [GatewayClient.connect] takes it back. */
    REPLACED,

    /** The token was refused, and a fresh one too, or the user is signed out. [GatewayClient.connect] tries again. */
    UNAUTHORIZED,

    /** The client has ended for another reason, which the error names. [GatewayClient.connect] tries again. */
    FAILED,

    /** The app closed the client. */
    CLOSED,

    /** A state that this version does not know. */
    OTHER,
    ;

    /** Whether the client makes no attempt by itself. Calls are refused, and subscriptions wait. */
    public val isFinal: Boolean get() = this == REPLACED || this == UNAUTHORIZED || this == FAILED || this == CLOSED

    internal companion object {
        fun of(word: String): Status = entries.firstOrNull { it.name.equals(word, ignoreCase = true) } ?: OTHER
    }
}

/** The state of the connection. */
public class ConnectionState internal constructor(
    /** The state in a word. */
    public val status: Status,
    /** The user, the limits and the features, while there is a connection; null otherwise. */
    public val session: Connected? = null,
    /** The last error, if there was one since the client was online. */
    public val error: GatewayException? = null,
    /** The time of the next attempt, while the client waits for it; null otherwise. */
    public val nextAttempt: Instant? = null,
) {
    override fun toString(): String = if (error == null) "$status" else "$status (${error.message})"
}
