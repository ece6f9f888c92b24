package io.github.realtimegateway.driver

import io.github.realtimegateway.Failure
import io.github.realtimegateway.GatewayException
import io.github.realtimegateway.Outcome
import io.github.realtimegateway.Position
import java.time.Duration
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObjectBuilder
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.put

/** Reads and writes the messages of the gateway and of the core. Later versions may add members. */
internal val json: Json = Json { ignoreUnknownKeys = true }

/** The first line of a message of the core. Members that a type does not have keep their defaults. */
@Serializable
internal class Head(
    val type: String,
    val connection: Long = 0,
    val stream: Long = 0,
    val call: Long = 0,
    val code: Int = 0,
    val count: Int = 0,
    val status: String = "",
    val nextAttempt: Long? = null,
    val position: Position? = null,
    val due: Boolean = false,
    val error: WireError? = null,
    val body: Int = 0,
)

/** An error as the core writes it. */
@Serializable
internal class WireError(
    val code: String,
    val message: String,
    val outcome: String = "unknown",
    val retryable: Boolean = false,
    val retryAfterMs: Long? = null,
    val closeCode: Int? = null,
    val details: JsonElement? = null,
    val cause: WireError? = null,
) {
    /** Returns the error for the app. */
    fun toException(): GatewayException = GatewayException.of(
        Failure(
            code,
            message,
            when (outcome) {
                "not_sent" -> Outcome.NOT_SENT
                "refused" -> Outcome.REFUSED
                else -> Outcome.UNKNOWN
            },
            retryable,
            retryAfterMs?.let(Duration::ofMillis),
            closeCode,
            details?.toString(),
            cause = cause?.toException(),
        ),
    )
}

/** The output of the core is not what this version expects. */
internal class UnreadableOutput(message: String, cause: Throwable? = null) : RuntimeException(message, cause)

/** Splits the output of the core into messages, in order. */
internal inline fun forEachMessage(output: ByteArray, carryOut: (Head, String) -> Unit) {
    var at = 0
    while (at < output.size) {
        val end = endOfLine(output, at)
        val head = readHead(output, at, end)
        at = end + 1
        if (head.body < 0 || head.body > output.size - at) throw UnreadableOutput("a head has no such body")
        val body = output.decodeToString(at, at + head.body)
        at += head.body
        carryOut(head, body)
    }
}

internal fun endOfLine(output: ByteArray, from: Int): Int {
    var end = from
    while (end < output.size && output[end] != LF) end++
    if (end == output.size) throw UnreadableOutput("a head has no end")
    return end
}

private const val LF = '\n'.code.toByte()

internal fun readHead(output: ByteArray, from: Int, to: Int): Head {
    FrequentHead.read(output, from, to)?.let { return it }
    val line = output.decodeToString(from, to)
    try {
        return json.decodeFromString(Head.serializer(), line)
    } catch (failure: IllegalArgumentException) {
        throw UnreadableOutput("the head $line", failure)
    }
}

/** Returns the first line of an input. */
internal inline fun head(type: String, members: JsonObjectBuilder.() -> Unit): ByteArray = (
    buildJsonObject {
        put("type", type)
        members()
    }.toString() + "\n"
).encodeToByteArray()

/** The inputs without members. */
internal object Inputs {
    val TICK: ByteArray = head("tick") {}
    val WOKEN: ByteArray = head("woken") {}
    val CONNECT: ByteArray = head("connect") {}
    val RESUME: ByteArray = head("resume") {}
    val CLOSE: ByteArray = head("close") {}

    /** The body of an input that has none. */
    val NOTHING: ByteArray = ByteArray(0)

    /** Returns the head of a frame, which comes often. */
    fun frame(connection: Long, length: Int): ByteArray =
        "{\"type\":\"frame\",\"connection\":$connection,\"body\":$length}\n".encodeToByteArray()
}
