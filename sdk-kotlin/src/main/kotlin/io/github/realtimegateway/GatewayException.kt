package io.github.realtimegateway

import java.time.Duration

/** What a failed call has done. */
public enum class Outcome {
    /** The gateway never got the command. */
    NOT_SENT,

    /** The gateway refused the command, which had no effect. */
    REFUSED,

    /** The command may have had its effect. Repeat a send only with the same id of the message. */
    UNKNOWN,
}

/** The values of a [GatewayException]. */
internal class Failure(
    val code: String,
    val message: String,
    val outcome: Outcome,
    val retryable: Boolean = false,
    val retryAfter: Duration? = null,
    val closeCode: Int? = null,
    val details: String? = null,
    val clientMessageId: String? = null,
    val cause: Throwable? = null,
)

/**
 * The error of a failed call, of a subscription, or of the client. A cancelled coroutine gets a `CancellationException`
 * instead; what it has sent may still have its effect.
 */
public sealed class GatewayException private constructor(private val failure: Failure) :
    RuntimeException("${failure.message} (${failure.code})", failure.cause) {
        /** For programs: a code of the gateway, such as `rate_limited`, or one of the SDK. Later versions may add codes. */
        public val code: String get() = failure.code

        /** What the call has done. */
        public val outcome: Outcome get() = failure.outcome

        /** Whether the same call may succeed later. */
        public val isRetryable: Boolean get() = failure.retryable

        /** How long the gateway asks to wait before another attempt; null if it does not say. */
        public val retryAfter: Duration? get() = failure.retryAfter

        /** The close code, if the client has ended; null otherwise. */
        public val closeCode: Int? get() = failure.closeCode

        /** The details of the gateway's error, as JSON; null if there are none. */
        public val details: String? get() = failure.details

        /** The id of the message that was not confirmed, for a failed send. */
        public val clientMessageId: String? get() = failure.clientMessageId

        /** An argument is outside of its bounds (code `invalid`), or a value does not match its type. */
        public class Invalid internal constructor(failure: Failure) : GatewayException(failure) {
            internal constructor(message: String, outcome: Outcome = Outcome.NOT_SENT, cause: Throwable? = null) :
                this(Failure("invalid", message, outcome, cause = cause))
        }

        /** There was no connection or no reply in time (code `timed_out`). */
        public class TimedOut internal constructor(failure: Failure) : GatewayException(failure)

        /**
         * The gateway could not be reached, or the connection was lost before the reply (codes `connection`, `disconnected`,
         * `queue_full`).
         */
        public class Connection internal constructor(failure: Failure) : GatewayException(failure)

        /**
         * The session has ended (codes `replaced`, `unauthorized`, `token`). [GatewayClient.connect] starts again.
         */
        public class SessionEnded internal constructor(failure: Failure) : GatewayException(failure)

        /** The app has closed the client or the subscription (code `closed`). */
        public class Closed internal constructor(failure: Failure) : GatewayException(failure)

        /** The core of the SDK failed, which is a bug (code `trap`). [GatewayClient.connect] starts again. */
        public class Trap internal constructor(failure: Failure) : GatewayException(failure)

        /** The gateway or a backend refused the command, with a code of its own. */
        public class Refused internal constructor(failure: Failure) : GatewayException(failure)

        /** Returns the same error with the id of a message. */
        internal fun of(clientMessageId: String): GatewayException = of(
            Failure(
                code,
                failure.message,
                outcome,
                isRetryable,
                retryAfter,
                closeCode,
                details,
                clientMessageId,
                cause ?: this,
            ),
        )

        internal val sentence: String get() = failure.message

        internal companion object {
            /** Returns the exception of the kind that the code names. */
            fun of(failure: Failure): GatewayException = when (failure.code) {
                "invalid" -> Invalid(failure)
                "timed_out" -> TimedOut(failure)
                "connection", "disconnected", "queue_full" -> Connection(failure)
                "replaced", "unauthorized", "token" -> SessionEnded(failure)
                "closed" -> Closed(failure)
                "trap" -> Trap(failure)
                else -> Refused(failure)
            }

            /** Returns the error of a call after [GatewayClient.close]. */
            fun closedByApp(): GatewayException = Closed(Failure("closed", "the client is closed", Outcome.NOT_SENT))

            /** Returns the error of a read after [Subscription.close]. */
            fun closedSubscription(): GatewayException = Closed(Failure("closed", "the subscription is closed", Outcome.NOT_SENT))
        }
    }

/** A token provider throws this if the user is signed out. No token is requested until [GatewayClient.connect]. */
public class SignedOutException
    @JvmOverloads
    constructor(message: String = "the user is signed out") :
    RuntimeException(message)
