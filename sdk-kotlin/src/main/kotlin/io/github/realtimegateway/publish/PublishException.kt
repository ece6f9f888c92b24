package io.github.realtimegateway.publish

import io.github.realtimegateway.Outcome
import io.github.realtimegateway.driver.json
import java.io.IOException
import java.time.DateTimeException
import java.time.Duration
import java.time.Instant
import java.time.ZonedDateTime
import java.time.format.DateTimeFormatter
import kotlinx.serialization.SerializationException

/** The error of a failed call. */
public class PublishException internal constructor(
    /** For programs: a code of the gateway, such as `conflict` or `rate_limited`, or `connection`, `unreadable` or `closed`. */
    public val code: String,
    private val sentence: String,
    /** What the call has done. Repeat a call with the outcome `UNKNOWN` only with the same id. */
    public val outcome: Outcome,
    /** Whether the same call may succeed later. */
    public val isRetryable: Boolean = false,
    /** The HTTP status; null if there was no answer. */
    public val status: Int? = null,
    /** How long the gateway asks to wait; null if it does not say. */
    public val retryAfter: Duration? = null,
    /** The details of the gateway's error, as JSON; null if there are none. */
    public val details: String? = null,
    cause: Throwable? = null,
) : RuntimeException("$sentence ($code)", cause) {
    /** Returns the same error for the call that an earlier attempt belongs to as well. */
    internal fun with(outcome: Outcome): PublishException =
        PublishException(code, sentence, outcome, isRetryable, status, retryAfter, details, cause)

    internal companion object {
        /** Returns the error of a call after the client was closed. */
        fun closed(outcome: Outcome = Outcome.NOT_SENT, cause: Throwable? = null): PublishException =
            PublishException("closed", "the client is closed", outcome, cause = cause)

        /** Returns the error of an attempt without an answer. The gateway may have got the request. */
        fun noAnswer(cause: IOException): PublishException =
            PublishException("connection", "there was no answer: ${cause.message}", Outcome.UNKNOWN, true, cause = cause)

        /** Returns the error of a good answer that has not the JSON of its type. */
        fun unreadable(status: Int, cause: Throwable? = null): PublishException =
            PublishException("unreadable", "the answer is not one of a gateway", Outcome.UNKNOWN, status = status, cause = cause)

        /** Returns the error of an answer with another status than 2xx. */
        fun refusal(answer: HttpAnswer): PublishException {
            // Otherwise a proxy has answered, or something that is no gateway.
            val problem = try {
                json.decodeFromString(Problem.serializer(), answer.body)
            } catch (_: SerializationException) {
                null
            } catch (_: IllegalArgumentException) {
                null
            }
            val isUnconfirmed = answer.status in UNCONFIRMED
            return PublishException(
                problem?.code ?: "unreadable",
                problem?.detail ?: "the answer has the status ${answer.status}",
                if (isUnconfirmed) Outcome.UNKNOWN else Outcome.REFUSED,
                isUnconfirmed || answer.status in PASSING,
                answer.status,
                retryAfter(answer.retryAfter, Instant.now()) ?: problem?.retryAfterMs?.let(Duration::ofMillis),
                problem?.details?.toString(),
            )
        }

        /** The gateway may have stored it, although it could not confirm it. */
        private val UNCONFIRMED = setOf(500, 502, 503, 504)

        /** Refusals that pass. */
        private val PASSING = setOf(408, 429)
    }
}

/** Reads the header: seconds or a date. */
internal fun retryAfter(header: String?, now: Instant): Duration? {
    if (header == null) return null
    if (header.length <= 9 && header.all { it in '0'..'9' } && header.isNotEmpty()) return Duration.ofSeconds(header.toLong())
    return try {
        val at = ZonedDateTime.parse(header, DateTimeFormatter.RFC_1123_DATE_TIME).toInstant()
        maxOf(Duration.ZERO, Duration.between(now, at))
    } catch (_: DateTimeException) {
        null
    }
}
