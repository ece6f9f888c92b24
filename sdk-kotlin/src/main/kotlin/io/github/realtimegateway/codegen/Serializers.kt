package io.github.realtimegateway.codegen

import kotlinx.serialization.KSerializer
import kotlinx.serialization.SerializationException
import kotlinx.serialization.builtins.nullable
import kotlinx.serialization.descriptors.PrimitiveKind
import kotlinx.serialization.descriptors.PrimitiveSerialDescriptor
import kotlinx.serialization.descriptors.SerialDescriptor
import kotlinx.serialization.encoding.Decoder
import kotlinx.serialization.encoding.Encoder
import kotlinx.serialization.json.JsonDecoder
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive

/** The serializer of a tagged union in generated code. [tag] is the member that selects the branch. */
public abstract class UnionSerializer<T : Any>(private val tag: String) : KSerializer<T> {
    override val descriptor: SerialDescriptor get() = JsonElement.serializer().descriptor

    /** Returns the serializer of the branch with a tag, or null for an unknown one. */
    protected abstract fun branch(word: String?): KSerializer<out T>?

    /** Returns the serializer of the branch of a value, or null for an unknown one. */
    protected abstract fun branchOf(value: T): KSerializer<out T>?

    /** Returns a branch that is not known, or null if there can be none. */
    protected open fun unknown(json: JsonElement): T? = null

    /** Returns the JSON of a branch that is not known. */
    protected open fun jsonOf(value: T): JsonElement? = null

    internal fun branchOfWord(word: String?): KSerializer<out T>? = branch(word)

    override fun deserialize(decoder: Decoder): T {
        val input = decoder as? JsonDecoder ?: throw SerializationException("a tagged union is read from JSON only")
        val json = input.decodeJsonElement()
        val word = ((json as? JsonObject)?.get(tag) as? JsonPrimitive)?.takeIf { it.isString }?.content
        val branch = branch(word)
            ?: return unknown(json) ?: throw SerializationException("no branch has the value $word of `$tag`")
        return input.json.decodeFromJsonElement(branch, json)
    }

    override fun serialize(encoder: Encoder, value: T) {
        val branch = branchOf(value)
        if (branch != null) {
            @Suppress("UNCHECKED_CAST")
            encoder.encodeSerializableValue(branch as KSerializer<T>, value)
            return
        }
        ExactJson.serialize(encoder, jsonOf(value) ?: JsonNull)
    }
}

/** The serializer of a type in generated code that is another name of a type, and names itself in it. It is written as that type. */
public abstract class AliasSerializer<T : Any, V> : KSerializer<T> {
    // That of the inner type would contain itself.
    override val descriptor: SerialDescriptor get() = JsonElement.serializer().descriptor

    /** Returns the serializer of the inner type. */
    protected abstract fun inner(): KSerializer<V>

    /** Returns the value with an inner value. */
    protected abstract fun read(value: V): T

    /** Returns the inner value. */
    protected abstract fun write(value: T): V

    override fun deserialize(decoder: Decoder): T = read(decoder.decodeSerializableValue(inner()))

    override fun serialize(encoder: Encoder, value: T) {
        encoder.encodeSerializableValue(inner(), write(value))
    }
}

/** The serializer of an enumeration in generated code to which words may be added. */
public abstract class WordSerializer<T : Any>(name: String) : KSerializer<T> {
    override val descriptor: SerialDescriptor = PrimitiveSerialDescriptor(name, PrimitiveKind.STRING)

    /** Returns the value of a word. */
    protected abstract fun read(word: String): T

    /** Returns the word of a value. */
    protected abstract fun write(value: T): String

    override fun deserialize(decoder: Decoder): T = read(decoder.decodeString())

    override fun serialize(encoder: Encoder, value: T) {
        encoder.encodeString(write(value))
    }
}

/** The serializer of a member with any JSON that can be absent: `null` of JSON is a value, and `null` of Kotlin is not. */
public object PresentJson : KSerializer<JsonElement?> {
    override val descriptor: SerialDescriptor get() = JsonElement.serializer().nullable.descriptor

    override fun deserialize(decoder: Decoder): JsonElement = ExactJson.deserialize(decoder)

    override fun serialize(encoder: Encoder, value: JsonElement?) {
        ExactJson.serialize(encoder, value ?: JsonNull)
    }
}
