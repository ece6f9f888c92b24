package io.github.realtimegateway

import io.github.realtimegateway.driver.Clock
import io.github.realtimegateway.protocol.Chat
import io.github.realtimegateway.support.CLOSE
import io.github.realtimegateway.support.PING
import io.github.realtimegateway.support.PONG
import io.github.realtimegateway.support.ScriptedGateway
import io.github.realtimegateway.support.TEXT
import io.github.realtimegateway.support.chat
import io.github.realtimegateway.support.closing
import io.github.realtimegateway.support.encoded
import io.github.realtimegateway.support.eventually
import io.github.realtimegateway.support.failureOf
import io.github.realtimegateway.support.io
import io.github.realtimegateway.support.read
import io.github.realtimegateway.support.readChat
import io.github.realtimegateway.support.skip
import io.github.realtimegateway.support.story
import io.github.realtimegateway.support.subscribe
import java.net.Socket
import java.time.Duration
import java.time.Instant
import java.util.concurrent.CountDownLatch
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.TimeUnit
import java.util.concurrent.atomic.AtomicInteger
import javax.net.SocketFactory
import kotlin.test.AfterTest
import kotlin.test.Test
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertIs
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.flow.collect
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.serialization.json.jsonPrimitive
import okhttp3.OkHttpClient

/** The duties of a driver. docs/sdk-core.md numbers them. */
class DutiesTest {
    private val gateway = ScriptedGateway()

    @AfterTest
    fun close() = gateway.close()

    @Test
    fun `duty 1 - keeps the order of the socket`() = story {
        val (client, peer) = gateway.connect()
        val subscription = peer.subscribe(client)
        io { peer.writeRaw(encoded(TEXT, chat(1, "first")) + encoded(TEXT, chat(2, "second")) + closing(1001)) }
        assertEquals("first", subscription.readChat().content)
        assertEquals("second", subscription.readChat().content)
        val again = io { gateway.accepted().command("subscribe_clan_chat") }
        assertContains(again["recover"].toString(), "\"offset\":2")
    }

    @Test
    fun `duty 2 - passes on what refused the upgrade`() = story {
        for (status in listOf(429, 503)) {
            gateway.refusal = { "HTTP/1.1 $status Later\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n" }
            val client = gateway.client()
            val connecting = launch { client.connect() }
            val next = client.state.first { it.nextAttempt != null }.nextAttempt
            assertTrue(Duration.between(Instant.now(), next).seconds in 5..31, "$status: $next")
            connecting.cancelAndJoin()
        }
        gateway.refusal = { "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n" }
        val client = gateway.client()
        failureOf<GatewayException> { client.connect() }
        assertEquals(Status.FAILED, client.state.value.status)
    }

    @Test
    fun `duty 3 - accepts large messages`() = story {
        val (client, peer) = gateway.connect()
        val subscription = peer.subscribe(client)
        for (size in listOf(256 shl 10, 3 shl 20)) {
            io {
                peer.write(TEXT, """{"type":"a_later_type","clanId":"c","more":"${"x".repeat(size)}"}""")
                peer.write(TEXT, chat(size.toLong(), "after it"))
            }
            assertEquals(size.toLong(), subscription.readChat().offset)
        }
    }

    @Test
    fun `duty 4 - leaves silence and compression to the core`() = story {
        val (client, peer) = gateway.connect()
        assertNull(gateway.headers["sec-websocket-extensions"])
        assertEquals("gateway.v1.json", gateway.headers["sec-websocket-protocol"])
        // The answer keeps the connection.
        client.skip(26_000)
        io {
            peer.reply(peer.command("ping"), "pong", "\"timestamp\":\"2026-01-31T12:00:00.000Z\"")
            assertNull(peer.read(50), "more than a ping was sent")
            peer.write(PING, "are you there")
            peer.frame(PONG)
        }
        // Without an answer there is another connection.
        client.skip(26_000)
        io { peer.command("ping") }
        client.skip(26_000)
        io { gateway.accepted() }
    }

    @Test
    fun `duty 5 - keeps cancellation away from the socket`() = story {
        val (client, peer) = gateway.connect()
        val subscription = peer.subscribe(client)
        val sending = async { client.clanChat("c").send("hello") }
        val sent = io { peer.command("chat") }
        sending.cancelAndJoin()
        assertEquals(0, client.engine.calls.count)
        val reading = async { subscription.next() }
        reading.cancelAndJoin()
        // The late reply is dropped, and the connection still works.
        io {
            peer.reply(sent, "message_sent", "\"messageId\":\"m1\",\"clanId\":\"c\",\"offset\":1")
            peer.write(TEXT, chat(1, "hello"))
        }
        assertEquals("hello", subscription.readChat().content)
    }

    @Test
    fun `duty 6 - receives while the gateway does not read`() = story {
        val small = object : SocketFactory() {
            override fun createSocket() = Socket().apply { sendBufferSize = 4 shl 10 }

            override fun createSocket(host: String?, port: Int) = error("not used")

            override fun createSocket(host: String?, port: Int, from: java.net.InetAddress?, at: Int) = error("not used")

            override fun createSocket(host: java.net.InetAddress?, port: Int) = error("not used")

            override fun createSocket(host: java.net.InetAddress?, port: Int, from: java.net.InetAddress?, at: Int) =
                error("not used")
        }
        val http = OkHttpClient.Builder().socketFactory(small).build()
        val options = GatewayOptions().withHttpClient(http).withTimeout(Duration.ofMinutes(1))
        val (client, peer) = gateway.connect(options)
        val subscription = peer.subscribe(client)
        val count = 400
        val senders = List(count) { number ->
            async { runCatching { client.clanChat("clan$number").send("🐺".repeat(2_000)) } }
        }
        eventually("all wait") { client.engine.calls.count == count }
        io { for (offset in 1L..100) peer.write(TEXT, chat(offset, "news")) }
        for (offset in 1L..100) assertEquals(offset, subscription.readChat().offset)
        val began = System.nanoTime()
        client.close()
        assertTrue(System.nanoTime() - began < 3_500_000_000, "close takes too long")
        senders.awaitAll().forEach { assertIs<GatewayException.Closed>(it.exceptionOrNull()) }
    }

    @Test
    fun `duty 7 - closes within two seconds`() = story {
        val late = AtomicInteger()
        val (client, peer) = gateway.connect(
            GatewayOptions().withTap { if (!it.isSent && "late" in it.text) late.incrementAndGet() },
        )
        val subscription = peer.subscribe(client)
        val closed = async {
            val began = System.nanoTime()
            client.close()
            TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - began)
        }
        io {
            peer.frame(CLOSE)
            peer.write(TEXT, chat(1, "late"))
        }
        assertTrue(closed.await() in 1_000..3_000, "close took ${closed.await()} ms")
        failureOf<GatewayException.Closed> { subscription.next() }
        assertEquals(0, late.get(), "a frame was reported after close")
    }

    @Test
    fun `duty 8 - obeys the deadline`() = story {
        val (client, peer) = gateway.connect(GatewayOptions().withTimeout(Duration.ofMillis(50)))
        val failed = async { failureOf<GatewayException.TimedOut> { client.clanChat("c").history() } }
        io { peer.command("chat_history") }
        assertEquals("timed_out", failed.await().code)
    }

    @Test
    fun `duty 9 - notices sleep`() = story {
        val (client, peer) = gateway.connect()
        client.skip(10_000)
        client.engine.locked { client.engine.clock.skew += 3_600_000 }
        // Any input shows that the device has slept.
        client.clanChat("c").setTyping(true)
        io { peer.command("ping") }
        client.wake()
    }

    @Test
    fun `duty 9 - the clock notices each sleep once`() {
        val clock = Clock()
        val readings = listOf(10L to 11L, 20L to 80L, 21L to 81L, 30L to 5L, 31L to 6L, 40L to 40L, 41L to 44L, 42L to 45L)
        val slept = readings.map { (monotonic, wall) -> clock.hasSlept(monotonic * 1_000, wall * 1_000) }
        assertEquals(listOf(false, true, false, false, false, false, true, false), slept)
    }

    @Test
    fun `duty 10 - drops late tokens`() = story {
        val late = CountDownLatch(1)
        val second = CountDownLatch(1)
        val calls = LinkedBlockingQueue<Int>()
        val count = AtomicInteger()
        val client = gateway.client(
            tokens = TokenProvider {
                val call = count.incrementAndGet()
                calls.add(call)
                // A provider that blocks its thread does not notice that it is cancelled.
                (if (call == 1) late else second).await()
                "token $call"
            },
        )
        val connecting = launch { client.connect() }
        io { calls.take() }
        while (io { calls.poll(10, TimeUnit.MILLISECONDS) } == null) client.skip(31_000)
        late.countDown()
        assertFalse(io { gateway.connectsWithin(100) }, "the client connects with the late token")
        second.countDown()
        val peer = io { gateway.next() }
        val authenticate = io { peer.command("authenticate") }
        assertEquals("token 2", authenticate["token"]?.jsonPrimitive?.content)
        peer.greet(authenticate)
        connecting.join()
    }

    @Test
    fun `duty 11 - drops events of closed connections`() = story {
        val (client, peer) = gateway.connect()
        val subscription = peer.subscribe(client)
        // The core closes a connection that does not answer, and opens another one.
        client.skip(26_000)
        client.skip(26_000)
        io {
            val successor = gateway.accepted()
            peer.write(TEXT, chat(1, "late"))
            peer.writeRaw(closing(1001))
            successor.confirm(successor.command("subscribe_clan_chat"), recovered = true)
            successor.write(TEXT, chat(1, "in time"))
        }
        assertEquals("in time", subscription.readChat().content)
    }

    @Test
    fun `duty 12 - pulls items`() = story {
        val arrived = CountDownLatch(10)
        val (client, peer) = gateway.connect(
            GatewayOptions().withBuffer(3).withTap { if ("news" in it.text) arrived.countDown() },
        )
        val subscription = peer.subscribe(client)
        io {
            for (offset in 1L..10) peer.write(TEXT, chat(offset, "news"))
            arrived.await()
        }
        var gaps = 0
        var last = 0L
        while (last < 10) {
            when (val event = subscription.read()) {
                is GapEvent -> {
                    gaps++
                    last = event.after.offset
                    assertEquals("slow", event.reason)
                }
                is MessageEvent -> {
                    val chat = assertIs<Chat>(event.message)
                    assertEquals(last + 1, chat.offset)
                    last = chat.offset
                }
                is MissedEvent -> error("unexpected")
            }
        }
        assertEquals(1, gaps)
        assertEquals(Position(10, "e1"), subscription.position)
    }

    @Test
    fun `duty 13 - leaves subscriptions in every way`() = story {
        val (client, peer) = gateway.connect()
        val flow = client.clanChat("c").events()
        val ways: Map<String, suspend () -> Unit> = mapOf(
            "first" to {
                val read = async { flow.first() }
                io {
                    peer.confirm(peer.command("subscribe_clan_chat"))
                    peer.write(TEXT, chat(1, "news"))
                }
                read.await()
            },
            "exception" to {
                val read = async { runCatching { flow.collect { error("in the collector") } } }
                io {
                    peer.confirm(peer.command("subscribe_clan_chat"))
                    peer.write(TEXT, chat(1, "news"))
                }
                assertIs<IllegalStateException>(read.await().exceptionOrNull())
            },
            "cancel" to {
                val read = launch { flow.collect() }
                io { peer.confirm(peer.command("subscribe_clan_chat")) }
                read.cancelAndJoin()
            },
            "close" to { peer.subscribe(client).close() },
            "forget" to { peer.subscribe(client) },
        )
        for ((way, leave) in ways) {
            leave()
            val left = async { io { peer.command("unsubscribe_clan_chat") } }
            while (!left.isCompleted) {
                if (way == "forget") System.gc()
                kotlinx.coroutines.delay(5)
            }
            assertNotNull(left.await(), way)
            peer.reply(left.await(), "subscription_confirmed", """"service":"clan_chat","clanId":"c","status":"unsubscribed"""")
        }
    }

    @Test
    fun `duty 13 - cancelled while it subscribes`() = story {
        val (client, peer) = gateway.connect()
        val subscribing = launch { client.clanChat("c").subscribe() }
        val subscribe = io { peer.command("subscribe_clan_chat") }
        subscribing.cancelAndJoin()
        io {
            peer.confirm(subscribe)
            peer.command("unsubscribe_clan_chat")
        }
    }

    @Test
    fun `duty 14 - runs no code of the app under its lock`() = story {
        lateinit var client: GatewayClient
        val answered = LinkedBlockingQueue<Int>()
        val once = AtomicInteger()
        val options = GatewayOptions().withTap {
            if ("connected" in it.text && once.getAndIncrement() == 0) {
                // A listener that makes a call and waits for it.
                kotlinx.coroutines.runBlocking { answered.add(client.clanChat("c").presence().users.size) }
            }
        }
        client = gateway.client(options, TokenProvider { "token ${client.state.value.status}" })
        val connecting = launch { client.connect() }
        io {
            val peer = gateway.accepted()
            peer.reply(peer.command("presence"), "presence", """"clanId":"c","users":[],"count":0""")
            assertEquals(0, answered.poll(20, TimeUnit.SECONDS))
        }
        connecting.join()
    }

    @Test
    fun `duty 14 - survives exceptions of the app`() = story {
        val calls = AtomicInteger()
        val options = GatewayOptions().withTap { error("in the tap") }.withLogger { _, _, _ -> error("in the logger") }
        val client = gateway.client(
            options,
            TokenProvider {
                if (calls.incrementAndGet() ==
                    1
                ) {
                    throw StackOverflowError()
                } else {
                    "t"
                }
            },
        )
        val connecting = async { client.connect() }
        io { gateway.accepted() }
        connecting.await()
    }

    @Test
    fun `duty 14 - a blocked listener and an unconfined collector block nothing else`() = story {
        val block = CountDownLatch(1)
        try {
            val (client, peer) = gateway.connect(GatewayOptions().withTap { block.await() })
            val blocked = launch(kotlinx.coroutines.Dispatchers.Unconfined) {
                client.state.collect { if (it.status == Status.RECONNECTING) block.await() }
            }
            val subscription = peer.subscribe(client)
            launch(kotlinx.coroutines.Dispatchers.Unconfined) {
                runCatching { client.clanChat("c").presence() }
                block.await()
            }
            io { peer.reply(peer.command("presence"), "presence", """"clanId":"c","users":[],"count":0""") }
            io { peer.write(TEXT, chat(1, "news")) }
            assertEquals("news", subscription.readChat().content)
            io { peer.socket.close() }
            io {
                val successor = gateway.accepted()
                successor.confirm(successor.command("subscribe_clan_chat"), recovered = true)
                successor.write(TEXT, chat(2, "more"))
            }
            assertEquals("more", subscription.readChat().content)
            blocked.cancel()
        } finally {
            // Otherwise a failure would not end the test.
            block.countDown()
        }
    }

    @Test
    fun `duty 15 - masks tokens`() = story {
        val frames = LinkedBlockingQueue<TappedFrame>()
        gateway.connect(GatewayOptions().withTap(frames::add))
        val frame = io { frames.take() }
        assertTrue(frame.isSent)
        assertEquals(1, frame.connection)
        assertFalse("the token" in frame.text, frame.text)
        assertContains(frame.text, "\"token\":\"…\"")
    }

    @Test
    fun `duty 16 - ends with a trap and starts again`() = story {
        val (client, peer) = gateway.connect()
        val subscription = peer.subscribe(client)
        val call = async { failureOf<GatewayException.Trap> { client.clanChat("c").presence() } }
        val read = async { failureOf<GatewayException.Trap> { subscription.next() } }
        io { peer.command("presence") }
        client.engine.sabotage()
        client.wake()
        assertEquals(Outcome.UNKNOWN, call.await().outcome)
        read.await()
        failureOf<GatewayException.Trap> { client.clanChat("c").presence() }
        failureOf<GatewayException.Trap> { client.clanChat("c").events().toList() }
        assertEquals(Status.FAILED, client.state.value.status)
        val connecting = async { client.connect() }
        val successor = io { gateway.accepted() }
        connecting.await()
        successor.subscribe(client)
    }
}
