package io.github.realtimegateway.publish

import io.github.realtimegateway.GatewayException
import io.github.realtimegateway.support.Front
import io.github.realtimegateway.support.PATIENCE_SECONDS
import io.github.realtimegateway.support.RealGateway
import io.github.realtimegateway.support.answer
import io.github.realtimegateway.support.story
import java.io.File
import java.time.Instant
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.TimeUnit
import kotlin.test.Test
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.add
import kotlinx.serialization.json.buildJsonArray
import kotlinx.serialization.json.buildJsonObject

/** The verification of what a gateway sends to a backend. */
class VerifierTest {
    @Serializable
    private class Vector(
        val name: String,
        val secrets: List<String>,
        val headers: Map<String, String>,
        val body: String,
        val now: Long,
        val result: String,
    )

    private class Received(val headers: Map<String, String>, val body: ByteArray)

    @Test
    fun `vectors of signatures`() {
        val vectors = Json.decodeFromString<List<Vector>>(File("../protocol/vectors/backend/signatures.json").readText())
        assertTrue(vectors.size > 30)
        for (vector in vectors) {
            val result = try {
                val verifier = Verifier(*vector.secrets.toTypedArray())
                verifier.verify({ vector.headers[it] }, vector.body.toByteArray(), Instant.ofEpochSecond(vector.now))
                "valid"
            } catch (failure: InvalidSignatureException) {
                if (failure.isExpired) "time" else "signature"
            } catch (failure: GatewayException.Invalid) {
                assertTrue("hush" !in failure.message!!)
                "secret"
            }
            assertEquals(vector.result, result, vector.name)
        }
    }

    @Test
    fun `webhooks are verified`() = receiving { url, requests ->
        val settings = "webhooks.shop.url = \"$url\"\nwebhooks.shop.secret_file = \"secret\"\n" +
            "webhooks.shop.events = [\"chat.message\"]\n"
        RealGateway(settings, mapOf("secret" to SECRET)).use { gateway ->
            gateway.client("ada").clanChat("wolves").send("hello")
            assertContains(checked(requests), "\"content\":\"hello\"")
        }
    }

    @Test
    fun `calls are verified`() = receiving { url, requests ->
        val contract = File("../docs/examples/orders/orders.service.toml").canonicalPath
        val settings = "services.orders.contract = \"$contract\"\n" +
            "services.orders.backend.url = \"$url\"\nservices.orders.backend.secret_file = \"secret\"\n"
        RealGateway(settings, mapOf("secret" to SECRET)).use { gateway ->
            val order = buildJsonObject { put("items", buildJsonArray { add("tea") }) }
            // The answer of the backend is not the subject.
            assertFailsWith<GatewayException> {
                gateway.client("ada").call("orders", "place", order, JsonElement.serializer(), JsonElement.serializer())
            }
            assertContains(checked(requests), "\"items\":[\"tea\"]")
        }
    }

    private fun receiving(test: suspend (String, LinkedBlockingQueue<Received>) -> Unit) = story {
        val requests = LinkedBlockingQueue<Received>()
        val front = Front { _, exchange ->
            val body = exchange.requestBody.readBytes()
            requests.add(Received(exchange.requestHeaders.mapValues { it.value.first() }.mapKeys { it.key.lowercase() }, body))
            exchange.answer(204)
        }
        front.use { test(front.url, requests) }
    }

    /** Shows that changes of the next request of the gateway are refused, and returns its body. */
    private fun checked(requests: LinkedBlockingQueue<Received>): String {
        val request = requests.poll(PATIENCE_SECONDS, TimeUnit.SECONDS) ?: error("no request comes")
        val (headers, body) = request.headers to request.body
        val verifier = Verifier("whsec_" + "A".repeat(32), SECRET)
        val now = Instant.now()
        verifier.verify({ headers[it] }, body)
        verifier.verify({ headers[it] }, body, now)
        val signatures = "v1,AAAA v1a,x " + headers["webhook-signature"]
        verifier.verify({ if (it == "webhook-signature") signatures else headers[it] }, body)

        fun refused(isExpired: Boolean, by: Verifier, headers: RequestHeaders, body: ByteArray, at: Instant = Instant.now()) {
            val failure = assertFailsWith<InvalidSignatureException> { by.verify(headers, body, at) }
            assertEquals(isExpired, failure.isExpired)
        }

        refused(false, Verifier("whsec_" + "B".repeat(32)), { headers[it] }, body)
        refused(false, verifier, { headers[it] }, body + 32)
        for (name in listOf("webhook-id", "webhook-timestamp", "webhook-signature")) {
            for (value in listOf(null, "", "1", "v1,", "v1,ü", "v2,AAAA", headers[name] + "0")) {
                refused(false, verifier, { if (it == name) value else headers[it] }, body)
            }
        }
        val tolerance = Verifier.TOLERANCE.plusSeconds(2)
        for (time in listOf(now + tolerance, now - tolerance)) refused(true, verifier, { headers[it] }, body, time)
        return body.decodeToString()
    }

    private companion object {
        const val SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"
    }
}
