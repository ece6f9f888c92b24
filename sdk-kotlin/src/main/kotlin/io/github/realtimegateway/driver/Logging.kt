package io.github.realtimegateway.driver

import io.github.realtimegateway.ConnectionState
import io.github.realtimegateway.FrameTap
import io.github.realtimegateway.GatewayLogger
import io.github.realtimegateway.TappedFrame
import java.time.Instant
import java.util.logging.Level
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.contentOrNull

/** Writes the change of the state to the logger of the app. What the logger throws has nowhere to go. */
internal fun GatewayLogger.report(state: ConnectionState) {
    val level = if (state.error == null) Level.INFO else Level.WARNING
    runCatching { log(level, "the state of the gateway client is ${state.status}", state.error) }
}

/** Shows a frame to the app after the lock. The lock is held. */
internal fun Engine.tap(isSent: Boolean, connection: Long, text: String) {
    val tap = options.tap ?: return
    val time = Instant.now()
    later {
        notices.notify { dropped -> show(tap, TappedFrame(isSent, masked(text), connection, time, dropped)) }
    }
}

private fun Engine.show(tap: FrameTap, frame: TappedFrame) {
    try {
        tap.onFrame(frame)
    } catch (failure: Exception) {
        runCatching { options.logger?.log(Level.WARNING, "the tap of the gateway client has failed", failure) }
    }
}

/** Returns a frame without its token. */
internal fun masked(text: String): String {
    if (!text.contains("\"authenticate\"")) return text
    val message = runCatching { json.parseToJsonElement(text) as? JsonObject }.getOrNull() ?: return text
    val type = (message["type"] as? JsonPrimitive)?.contentOrNull
    if (type != "authenticate" || "token" !in message) return text
    return JsonObject(message + ("token" to JsonPrimitive("…"))).toString()
}
