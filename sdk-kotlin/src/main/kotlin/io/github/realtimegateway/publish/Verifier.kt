package io.github.realtimegateway.publish

import io.github.realtimegateway.GatewayException
import java.security.MessageDigest
import java.time.Duration
import java.time.Instant
import java.util.Base64
import javax.crypto.Mac
import javax.crypto.spec.SecretKeySpec

/** Returns the headers of a request, such as `request::getHeader` of a servlet. */
public fun interface RequestHeaders {
    /** Returns the value of a header, whatever the case of its name; null if there is none. */
    public fun get(name: String): String?
}

/** A request that the gateway did not send. Answer 401. */
public class InvalidSignatureException internal constructor(
    /** Whether the signature is valid, and was made too long ago or in the future: the request may be a copy of an earlier one. */
    public val isExpired: Boolean,
    message: String,
) : RuntimeException(message)

/**
 * Verifies the requests that the gateway sends: webhooks, calls, and questions about topics. They are signed as Standard Webhooks
 * defines it.
 *
 * It takes the secrets of the gateway's `secret_file`: `whsec_` and base64. With two of them, a secret can be replaced
 * without a gap.
 */
public class Verifier(vararg secrets: String) {
    private val keys: List<SecretKeySpec> = secrets.mapIndexed { index, secret ->
        // The error must not show the secret.
        val key = secret.trim().takeIf { it.startsWith(PREFIX) }?.let { decoded(it.removePrefix(PREFIX)) }
        if (key == null || key.isEmpty()) throw GatewayException.Invalid("secret ${index + 1} is not whsec_ and base64")
        SecretKeySpec(key, ALGORITHM)
    }

    init {
        if (keys.isEmpty()) throw GatewayException.Invalid("at least one secret is needed")
    }

    /**
     * Throws [InvalidSignatureException] unless the gateway has signed the body, at most [TOLERANCE] from [now]. Parse the
     * body only afterwards. [body] has the bytes as they were received.
     */
    @JvmOverloads
    public fun verify(headers: RequestHeaders, body: ByteArray, now: Instant = Instant.now()) {
        val id = headers.get("webhook-id").orEmpty()
        val timestamp = headers.get("webhook-timestamp").orEmpty()
        val expected = keys.map { key ->
            val mac = Mac.getInstance(ALGORITHM)
            mac.init(key)
            mac.update("$id.$timestamp.".toByteArray())
            mac.doFinal(body)
        }
        var isValid = false
        for (signature in headers.get("webhook-signature").orEmpty().split(' ')) {
            val received = signature.takeIf { it.startsWith(VERSION) }?.let { decoded(it.removePrefix(VERSION)) } ?: continue
            // The comparison takes the same time wherever they differ.
            for (own in expected) isValid = MessageDigest.isEqual(own, received) || isValid
        }
        val seconds = timestamp.takeIf { text -> text.length in 1..15 && text.all { it in '0'..'9' } }?.toLong()
        if (!isValid || id.isEmpty() || seconds == null) {
            throw InvalidSignatureException(false, "the request has no valid signature")
        }
        // After the signature, so that the error is about a request of the gateway.
        if (Duration.between(Instant.ofEpochSecond(seconds), now).abs() > TOLERANCE) {
            throw InvalidSignatureException(true, "the time of the signature is not now")
        }
    }

    public companion object {
        /** How far the time of a signature may be from the clock of the backend. */
        @JvmField
        public val TOLERANCE: Duration = Duration.ofMinutes(5)

        private const val PREFIX = "whsec_"
        private const val VERSION = "v1,"
        private const val ALGORITHM = "HmacSHA256"

        /** Returns the bytes of base64, or null if it is none. */
        private fun decoded(text: String): ByteArray? = try {
            Base64.getDecoder().decode(text)
        } catch (_: IllegalArgumentException) {
            null
        }
    }
}
