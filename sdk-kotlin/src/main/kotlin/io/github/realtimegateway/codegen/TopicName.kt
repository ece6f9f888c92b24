package io.github.realtimegateway.codegen

import io.github.realtimegateway.GatewayException

/** The name of a topic, made of a pattern and values. Generated code uses it. */
public class TopicName(first: String) {
    private val name = StringBuilder(first)

    /**
     * Appends the value of a parameter and the literal after it. Throws [GatewayException.Invalid] if no topic of the pattern
     * has the value.
     */
    public fun value(parameter: String, value: String, after: String): TopicName {
        if (value.isEmpty()) throw GatewayException.Invalid("the value of $parameter is empty")
        // A value that ends with the beginning of the literal would be read back as a shorter one.
        if (after.isNotEmpty() && (value + after).indexOf(after) != value.length) {
            throw GatewayException.Invalid("the value of $parameter must not contain \"$after\"")
        }
        name.append(value).append(after)
        return this
    }

    override fun toString(): String = name.toString()
}
