package io.github.realtimegateway.publish

import golden.publishers.CourierPosition
import golden.publishers.OrderComment
import golden.publishers.OrderSummary
import golden.publishers.OrdersFuturePublisher
import golden.publishers.OrdersPublisher
import golden.publishers.Status
import io.github.realtimegateway.GatewayException
import io.github.realtimegateway.Outcome
import io.github.realtimegateway.protocol.Chat
import io.github.realtimegateway.protocol.EphemeralEvent
import io.github.realtimegateway.protocol.Notification
import io.github.realtimegateway.protocol.TopicMessage
import io.github.realtimegateway.support.API_KEY
import io.github.realtimegateway.support.Front
import io.github.realtimegateway.support.KEY
import io.github.realtimegateway.support.OrdersGateway
import io.github.realtimegateway.support.PATIENCE_SECONDS
import io.github.realtimegateway.support.RealGateway
import io.github.realtimegateway.support.answer
import io.github.realtimegateway.support.failureOf
import io.github.realtimegateway.support.passTo
import io.github.realtimegateway.support.readChat
import io.github.realtimegateway.support.readMessage
import io.github.realtimegateway.support.story
import java.io.File
import java.time.Duration
import java.time.Instant
import java.time.ZoneOffset
import java.time.format.DateTimeFormatter
import java.util.concurrent.CompletionException
import java.util.concurrent.CopyOnWriteArrayList
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit
import kotlin.test.Test
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertIs
import kotlin.test.assertNotEquals
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.launch
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.jsonObject
import okhttp3.OkHttpClient

/** Publishing from a backend, over HTTP to a real gateway. */
class PublishTest {
    private val quick = PublishOptions().withBackoff(Duration.ofMillis(1), Duration.ofSeconds(30))
    private val notification = SendNotification(userId = "ada", title = "t", message = "m")
    private val message = PostMessage("hello", "bob")

    private fun client(url: String, options: PublishOptions = quick) = PublishClient(url, KEY, options)

    private val RealGateway.http: String get() = "http://$address"

    private suspend fun failure(call: suspend () -> Unit): PublishException = assertFailsWith<PublishException> { call() }

    @Test
    fun `notifications, messages and events are published`() = story {
        OrdersGateway(settings = API_KEY).use { orders ->
            val gateway = orders.gateway
            val ada = gateway.client("ada")
            val notifications = ada.notifications.subscribe()
            val chat = ada.clanChat("wolves").subscribe()
            val topic = ada.topic("orders", "order-4/2").subscribe()
            client(gateway.http).use { backend ->
                val data = Json.parseToJsonElement("""{"quest":7}""")
                val sent = backend.sendNotification(SendNotification(null, listOf("ada", "bob"), "Quest", "Done", data))
                assertEquals(2, sent.ids.size)
                val received = notifications.readMessage<Notification>()
                assertEquals(sent.ids[0] to data, received.id to received.data)
                val posted = backend.postMessage("wolves", message)
                val hello = chat.readMessage<Chat>()
                assertEquals(Triple(posted.messageId, posted.offset, "bob"), Triple(hello.messageId, hello.offset, hello.userId))
                val comment = Json.parseToJsonElement("""{"type":"comment","text":"größe 🐺"}""")
                val event = backend.publishEvent("orders", "order-4/2", PublishEvent(comment))
                val stored = topic.readMessage<TopicMessage>()
                assertEquals(event?.offset to comment, stored.offset to stored.data)
            }
        }
    }

    @Test
    fun `a repeated publication is stored once`() = story {
        RealGateway(API_KEY).use { gateway ->
            val backend = client(gateway.http)
            val first = backend.postMessage("wolves", message.copy(id = "m1"))
            assertEquals(first, backend.postMessage("wolves", message.copy(id = "m1")))
            val conflict = failure { backend.postMessage("wolves", PostMessage("other", "bob", id = "m1")) }
            val found = conflict.run { listOf(status, code, outcome, isRetryable) }
            assertEquals(listOf(409, "conflict", Outcome.REFUSED, false), found)
            backend.close()
        }
    }

    @Test
    fun `it repeats after lost answers and refusals that pass`() = story {
        RealGateway(API_KEY).use { gateway ->
            val bodies = CopyOnWriteArrayList<String>()
            val front = Front { number, exchange ->
                val body = exchange.requestBody.readBytes()
                bodies.add(body.decodeToString())
                when (number % 4) {
                    1 -> exchange.answer(503, "", "Retry-After" to "0")
                    2 -> exchange.answer(429)
                    // The answer is lost after the gateway has stored the message.
                    3 -> exchange.passTo(gateway, body)
                    else -> exchange.passTo(gateway, body).let { (status, answer) -> exchange.answer(status, answer) }
                }
            }
            front.use {
                val chat = gateway.client("ada").clanChat("wolves").subscribe()
                val first = client(front.url).use { it.postMessage("wolves", message) }
                val second = FuturePublishClient(front.url, KEY, quick).use {
                    it.postMessage("wolves", message).get(PATIENCE_SECONDS, TimeUnit.SECONDS)
                }
                val last = client(gateway.http).use { it.postMessage("wolves", PostMessage("the end")) }
                assertEquals(listOf(1L, 2L, 3L), listOf(first, second, last).map { it.offset })
                assertEquals(listOf("hello", "hello", "the end"), List(3) { chat.readChat().content })
            }
            assertEquals(8, bodies.size)
            assertEquals(2, bodies.toSet().size)
            assertNotEquals(bodies[0], bodies[4])
            assertContains(Json.parseToJsonElement(bodies[0]).jsonObject, "id")
        }
    }

    @Test
    fun `it waits as long as the gateway asks, and no longer than its bound`() = story {
        RealGateway(API_KEY + "limits.http_per_key_per_second = 1\n").use { gateway ->
            val once = client(gateway.http, quick.withAttempts(1))
            var refused: PublishException? = null
            while (refused == null) {
                try {
                    once.sendNotification(notification)
                } catch (failure: PublishException) {
                    refused = failure
                }
            }
            assertEquals(Triple(429, "rate_limited", true), Triple(refused.status, refused.code, refused.isRetryable))
            assertTrue(refused.retryAfter!! > Duration.ZERO)
            assertEquals(1, client(gateway.http).use { it.sendNotification(notification).ids.size })
            once.close()
        }
        val hour = DateTimeFormatter.RFC_1123_DATE_TIME.format(Instant.now().plusSeconds(3_600).atZone(ZoneOffset.UTC))
        for (header in listOf("3600", hour)) {
            val failed = answered(503, header, 5)
            assertTrue(failed.retryAfter!! in Duration.ofMinutes(58)..Duration.ofHours(1), "$header: ${failed.retryAfter}")
            assertEquals(Outcome.UNKNOWN to "unreadable", failed.outcome to failed.code)
        }
        for (header in listOf("soon", "-1", "١", "1e3", "99999999999", "Tue, 99 Dec 2026 00:00:00 GMT")) {
            assertNull(answered(429, header, 1).retryAfter, header)
        }
    }

    private suspend fun answered(status: Int, retryAfter: String, attempts: Int): PublishException =
        Front { _, exchange -> exchange.answer(status, "", "Retry-After" to retryAfter) }.use { front ->
            client(front.url, quick.withAttempts(attempts)).use { failure { it.sendNotification(notification) } }
        }

    @Test
    fun `wrong use fails with an error that names it`() = story {
        OrdersGateway(settings = API_KEY).use { orders ->
            val gateway = orders.gateway
            val backend = client(gateway.http, quick.withAttempts(2))
            val blank = failure { backend.sendNotification(SendNotification(userId = "ada", title = "", message = "m")) }
            assertEquals(400 to "invalid_message", blank.status to blank.code)
            assertContains(blank.details!!, "\"title\"")
            val other = Json.parseToJsonElement("""{"type":"comment"}""")
            assertEquals(422, failure { backend.publishEvent("orders", "order-1", PublishEvent(other)) }.status)
            val unknown = failure { backend.publishEvent("none", "a/b", PublishEvent(JsonPrimitive(1))) }
            assertEquals(Triple(404, "unknown_service", Outcome.REFUSED), Triple(unknown.status, unknown.code, unknown.outcome))
            failureOf<GatewayException.Invalid> { backend.postMessage("", message) }
            val wrong = failure { PublishClient(gateway.http, "another key").use { it.sendNotification(notification) } }
            assertEquals("unauthorized", wrong.code)
            assertTrue("another key" !in wrong.toString())
            gateway.kill()
            val away = failure { backend.postMessage("wolves", message) }
            val found = away.run { listOf(status, code, outcome, isRetryable) }
            assertEquals(listOf(null, "connection", Outcome.UNKNOWN, true), found)
            backend.close()
            backend.close()
            assertEquals("closed" to Outcome.NOT_SENT, failure { backend.postMessage("c", message) }.run { code to outcome })
        }
    }

    @Test
    fun `wrong options are refused`() {
        val addresses = listOf("", "gateway", "ws://a", "ftp://a", "http://", "http://a:b", "http://u:hush@a", "http://a?hush=1")
        val kinds = listOf<(String, String) -> AutoCloseable>(
            { url, key -> PublishClient(url, key) },
            { url, key -> FuturePublishClient(url, key) },
        )
        for (make in kinds) {
            for (url in addresses) {
                val refused = assertFailsWith<GatewayException.Invalid>(url) { make(url, "k") }
                assertTrue("url" in refused.message!! && "hush" !in refused.message!!)
            }
            for (key in listOf("", "hush\n", "hüsh")) {
                val refused = assertFailsWith<GatewayException.Invalid>(key) { make("http://a", key) }
                assertTrue("apiKey" in refused.message!! && "hush" !in refused.message!!)
            }
        }
        assertFailsWith<GatewayException.Invalid> { quick.withAttempts(0) }
        assertFailsWith<GatewayException.Invalid> { quick.withTimeout(Duration.ZERO) }
        assertFailsWith<GatewayException.Invalid> { quick.withBackoff(Duration.ofSeconds(2), Duration.ofSeconds(1)) }
    }

    @Test
    fun `the key is not sent to another host`() = story {
        Front { _, exchange -> exchange.answer(202, "a redirect is followed") }.use { other ->
            Front { _, exchange -> exchange.answer(307, "", "Location" to other.url) }.use { front ->
                for (options in listOf(quick, quick.withHttpClient(OkHttpClient()))) {
                    val redirected = client(front.url, options).use { failure { it.sendNotification(notification) } }
                    val found = Triple(redirected.status, redirected.code, redirected.isRetryable)
                    assertEquals(Triple(307, "unreadable", false), found)
                }
            }
        }
    }

    @Test
    fun `answers that are no gateway's are refused`() = story {
        for (answer in listOf("<html>", "[]", """{"ids":7}""", "", "[".repeat(10_000))) {
            Front { _, exchange -> exchange.answer(202, answer) }.use { front ->
                val unreadable = client(front.url).use { failure { it.sendNotification(notification) } }
                val found = Triple(unreadable.status, unreadable.code, unreadable.outcome)
                assertEquals(Triple(202, "unreadable", Outcome.UNKNOWN), found)
            }
        }
    }

    @Test
    fun `silence, cancelling and closing end the waiting`() = story {
        val arrived = CountDownLatch(1)
        val release = CountDownLatch(1)
        Front { _, _ ->
            arrived.countDown()
            release.await(PATIENCE_SECONDS, TimeUnit.SECONDS)
        }.use { front ->
            val impatient = client(front.url, quick.withAttempts(2).withTimeout(Duration.ofMillis(200)))
            val late = failure { impatient.sendNotification(notification) }
            assertEquals("connection" to Outcome.UNKNOWN, late.code to late.outcome)
            impatient.close()
            val patient = client(front.url)
            val cancelled = launch { patient.sendNotification(notification) }
            arrived.await(PATIENCE_SECONDS, TimeUnit.SECONDS)
            cancelled.cancelAndJoin()
            patient.close()
            val futures = FuturePublishClient(front.url, KEY)
            val arrivedAgain = futures.sendNotification(notification)
            val waiting = futures.postMessage("c", message)
            assertTrue(waiting.cancel(true) && waiting.isCancelled)
            futures.close()
            val closed = assertFailsWith<CompletionException> { arrivedAgain.join() }.cause
            assertEquals("closed", assertIs<PublishException>(closed).code)
            release.countDown()
        }
    }

    @Test
    fun `generated publishers publish declared events`() = story {
        val contract = File("../codegen/tests/contracts/orders.service.toml")
        OrdersGateway(contract, API_KEY).use { service ->
            val gateway = service.gateway
            val ada = gateway.client("ada")
            val news = ada.topic("orders", "news").subscribe()
            val depot = ada.topic("orders", "depot-eu--1").subscribe()
            client(gateway.http).use { backend ->
                val orders = OrdersPublisher(backend)
                val summary = OrderSummary("42", Status.SHIPPED)
                val first = orders.news(summary, "e1")
                assertEquals(first, orders.news(summary, "e1"))
                val stored = news.readMessage<TopicMessage>()
                assertEquals(first.offset to """{"orderId":"42","status":"shipped"}""", stored.offset to stored.data.toString())
                orders.depot("eu", "1", CourierPosition(52.5, 13.4))
                assertEquals("""{"lat":52.5,"lon":13.4}""", depot.readMessage<EphemeralEvent>().data.toString())
                assertEquals(1, orders.order("42", OrderComment("Please ring.")).offset)
                failureOf<GatewayException.Invalid> { orders.depot("eu-", "1", CourierPosition(0.0, 0.0)) }
                val refused = failure { orders.depot("eu", "1", CourierPosition(100.0, 0.0)) }
                assertEquals(422, refused.status)
                assertContains(refused.details!!, "/lat")
            }
            FuturePublishClient(gateway.http, KEY).use { backend ->
                val orders = OrdersFuturePublisher(backend)
                assertEquals(2, orders.order("42", OrderComment("And again.")).join().offset)
                assertNull(orders.depot("eu", "1", CourierPosition(1.0, 2.0)).join())
                val wrong = assertFailsWith<CompletionException> { orders.depot("eu-", "1", CourierPosition(0.0, 0.0)).join() }
                assertIs<GatewayException.Invalid>(wrong.cause)
            }
        }
    }
}
