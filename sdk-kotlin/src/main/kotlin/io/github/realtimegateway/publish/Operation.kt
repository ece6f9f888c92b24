package io.github.realtimegateway.publish

import io.github.realtimegateway.GatewayException
import java.net.URLEncoder
import java.nio.charset.StandardCharsets.UTF_8
import kotlinx.serialization.KSerializer
import kotlinx.serialization.json.JsonElement

/** A request of the HTTP API, and how its answer is read. Generated code describes it. */
internal class Operation<T>(
    /** The method, such as `POST`. */
    val method: String,
    /** The path after the address of the gateway, percent-encoded. */
    val path: String,
    val body: JsonElement,
    /** The member of the body that makes a repeat safe. */
    val key: String?,
    /** Reads the JSON of an answer. One without a body is `null`. */
    val answer: KSerializer<T>,
)

/** Returns a value as a segment of a path. */
internal fun pathValue(name: String, value: String): String {
    if (value.isEmpty()) throw GatewayException.Invalid("$name: a text is expected that is not empty")
    // The encoder is for forms, in which a space is a plus.
    return URLEncoder.encode(value, UTF_8).replace("+", "%20")
}
