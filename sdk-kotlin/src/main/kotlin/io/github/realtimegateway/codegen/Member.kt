package io.github.realtimegateway.codegen

import kotlinx.serialization.KSerializer
import kotlinx.serialization.Serializable
import kotlinx.serialization.builtins.nullable
import kotlinx.serialization.descriptors.SerialDescriptor
import kotlinx.serialization.encoding.Decoder
import kotlinx.serialization.encoding.Encoder

/** A member of an object that can be absent, and `null` where it is not absent. Generated code uses it. */
@Serializable(with = MemberSerializer::class)
public class Member<out T> private constructor(
    /** Whether the object has the member. */
    public val isPresent: Boolean,
    /** The value; `null` also if the member is absent. */
    public val value: T?,
) {
    override fun equals(other: Any?): Boolean = other is Member<*> && other.isPresent == isPresent && other.value == value

    override fun hashCode(): Int = 31 * isPresent.hashCode() + value.hashCode()

    override fun toString(): String = if (isPresent) value.toString() else "absent"

    public companion object {
        private val ABSENT = Member(false, null)

        /** Returns a member that the object does not have. */
        @JvmStatic
        public fun <T> absent(): Member<T> = ABSENT

        /** Returns a member with a value, which can be `null`. */
        @JvmStatic
        public fun <T> of(value: T?): Member<T> = Member(true, value)
    }
}

/** Reads and writes a [Member] that is present. One that is absent is the default, which is not written. */
public class MemberSerializer<T : Any>(value: KSerializer<T>) : KSerializer<Member<T>> {
    private val nullable: KSerializer<T?> = value.nullable

    override val descriptor: SerialDescriptor get() = nullable.descriptor

    override fun serialize(encoder: Encoder, value: Member<T>) {
        encoder.encodeSerializableValue(nullable, value.value)
    }

    override fun deserialize(decoder: Decoder): Member<T> = Member.of(decoder.decodeSerializableValue(nullable))
}
