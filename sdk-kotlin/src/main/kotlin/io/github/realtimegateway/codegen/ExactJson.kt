package io.github.realtimegateway.codegen

import kotlinx.serialization.ExperimentalSerializationApi
import kotlinx.serialization.KSerializer
import kotlinx.serialization.SerializationException
import kotlinx.serialization.descriptors.SerialDescriptor
import kotlinx.serialization.encoding.Decoder
import kotlinx.serialization.encoding.Encoder
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonDecoder
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonEncoder
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.JsonUnquotedLiteral
import kotlinx.serialization.json.booleanOrNull

/**
 * The serializer of any JSON in generated code. It keeps every digit of numbers, as the gateway does; that of the library writes them
 * as `Long` or `Double`.
 */
public object ExactJson : KSerializer<JsonElement> {
    override val descriptor: SerialDescriptor get() = JsonElement.serializer().descriptor

    override fun deserialize(decoder: Decoder): JsonElement {
        val input = decoder as? JsonDecoder ?: throw SerializationException("untyped members are read from JSON only")
        return input.decodeJsonElement()
    }

    override fun serialize(encoder: Encoder, value: JsonElement) {
        val output = encoder as? JsonEncoder ?: throw SerializationException("untyped members are written as JSON only")
        output.encodeJsonElement(exact(value))
    }

    /** Returns JSON whose numbers are written with the digits that they have. */
    @OptIn(ExperimentalSerializationApi::class)
    private fun exact(json: JsonElement): JsonElement = when (json) {
        is JsonObject -> JsonObject(json.mapValues { (_, member) -> exact(member) })
        is JsonArray -> JsonArray(json.map(::exact))
        is JsonPrimitive -> if (json.isNumber()) JsonUnquotedLiteral(json.content) else json
    }

    private fun JsonPrimitive.isNumber() = !isString && this !is JsonNull && booleanOrNull == null
}
