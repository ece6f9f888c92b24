package io.github.realtimegateway.conformance

import io.github.realtimegateway.GatewayException
import io.github.realtimegateway.Position
import java.io.FileDescriptor
import java.io.FileOutputStream
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonObjectBuilder
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.put

/** The error of a call that the kit has canceled. */
internal val CANCELED: JsonObject = buildJsonObject {
    put("code", "canceled")
    put("outcome", "unknown")
    put("retryable", true)
}

/** The adapter does not know the command. */
internal class UnsupportedException(message: String) : Exception(message)

private val output = FileOutputStream(FileDescriptor.out)

/** Writes a line. */
internal fun emit(event: String, members: JsonObjectBuilder.() -> Unit) {
    val line = buildJsonObject {
        put("event", event)
        members()
    }
    // One write for each line: others write at the same time.
    output.write("$line\n".encodeToByteArray())
}

/** Writes the result of a command that has succeeded. */
internal fun done(id: Long, value: JsonElement = JsonNull) {
    emit("done") {
        put("id", id)
        if (value != JsonNull) put("value", value)
    }
}

/** Returns an error in the words of all SDKs. */
internal fun failureOf(failure: Exception): JsonObject = buildJsonObject {
    put("message", failure.message ?: failure.toString())
    if (failure is GatewayException) {
        put("code", failure.code)
        put("outcome", failure.outcome.name.lowercase())
        put("retryable", failure.isRetryable)
        failure.retryAfter?.let { put("retryAfterMs", it.toMillis()) }
        failure.closeCode?.let { put("closeCode", it) }
    } else {
        put("code", if (failure is UnsupportedException) "unsupported" else "invalid")
        put("outcome", "not_sent")
        put("retryable", false)
    }
}

internal fun positionOf(position: Position): JsonObject = buildJsonObject {
    put("offset", position.offset)
    put("epoch", position.epoch)
}
