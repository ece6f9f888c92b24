package io.github.realtimegateway

import io.github.realtimegateway.support.ScriptedGateway
import io.github.realtimegateway.support.TEXT
import io.github.realtimegateway.support.chat
import io.github.realtimegateway.support.closing
import io.github.realtimegateway.support.eventually
import io.github.realtimegateway.support.io
import io.github.realtimegateway.support.readChat
import io.github.realtimegateway.support.story
import io.github.realtimegateway.support.subscribe
import java.net.InetSocketAddress
import java.net.Proxy
import java.util.concurrent.CopyOnWriteArrayList
import java.util.concurrent.CountDownLatch
import java.util.concurrent.Executors
import java.util.concurrent.atomic.AtomicInteger
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertTrue
import kotlinx.coroutines.async
import okhttp3.OkHttpClient

class OptionsTest {
    private fun withGateway(test: suspend (ScriptedGateway) -> Unit) = story { ScriptedGateway().use { test(it) } }

    @Test
    fun `headers reach the gateway`() = withGateway { gateway ->
        gateway.connect(GatewayOptions().withHeader("X-Tenant", "wolves"))
        assertEquals("wolves", gateway.headers["x-tenant"])
    }

    @Test
    fun `connects through a proxy of the app's HTTP client`() = withGateway { gateway ->
        // The scripted gateway is the proxy too: a plain ws:// request is sent to it with the whole address.
        val proxy = Proxy(Proxy.Type.HTTP, InetSocketAddress("127.0.0.1", gateway.port))
        val http = OkHttpClient.Builder().proxy(proxy).build()
        val client = GatewayClient("ws://gateway.invalid/ws", TokenProvider.of("t"), GatewayOptions().withHttpClient(http))
        kotlinx.coroutines.coroutineScope {
            val connected = async { client.connect() }
            io { gateway.accepted() }
            connected.await()
        }
        assertEquals("gateway.invalid", gateway.headers["host"])
        client.close()
        assertFalse(http.dispatcher.executorService.isShutdown, "the app's HTTP client still works")
    }

    @Test
    fun `logs changes of the state and no tokens`() = withGateway { gateway ->
        val lines = CopyOnWriteArrayList<String>()
        val (_, peer) = gateway.connect(
            GatewayOptions().withLogger {
                level,
                message,
                error,
                ->
                lines.add("$level $message $error")
            },
        )
        io { peer.writeRaw(closing(4401)) }
        eventually("the log tells the end") { lines.any { "RECONNECTING" in it || "UNAUTHORIZED" in it } }
        assertTrue(lines.any { "ONLINE" in it }, "$lines")
        assertFalse(lines.any { "the token" in it }, "$lines")
    }

    @Test
    fun `a tap that is too slow loses frames and is told so`() = withGateway { gateway ->
        val block = CountDownLatch(1)
        val seen = AtomicInteger()
        val dropped = AtomicInteger()
        val (client, peer) = gateway.connect(
            GatewayOptions().withTap {
                block.await()
                seen.incrementAndGet()
                dropped.addAndGet(it.dropped)
            },
        )
        val subscription = peer.subscribe(client)
        val count = 1_500L
        for (offset in 1..count) {
            io { peer.write(TEXT, chat(offset, "news")) }
            subscription.readChat()
        }
        block.countDown()
        eventually("all frames are counted") {
            // Another frame tells about what was dropped before it.
            client.clanChat("c").setTyping(true)
            seen.get() + dropped.get() >= count + 4
        }
        assertTrue(dropped.get() > 0)
    }

    @Test
    fun `code of the app runs in the executor of the app`() = withGateway { gateway ->
        val executor = Executors.newFixedThreadPool(2) { task -> Thread(task, "app").apply { isDaemon = true } }
        val threads = CopyOnWriteArrayList<String>()

        fun note() = threads.add(Thread.currentThread().name.substringBefore(" @"))
        val client = gateway.client(
            GatewayOptions().withExecutor(executor).withTap { note() }.withLogger { _, _, _ -> note() },
            TokenProvider {
                note()
                "t"
            },
        )
        kotlinx.coroutines.coroutineScope {
            val connected = async(kotlinx.coroutines.Dispatchers.Unconfined) {
                client.connect()
                note()
            }
            io { gateway.accepted() }
            connected.await()
        }
        assertEquals(setOf("app"), threads.toSet())
        // Even after the app has shut it down, every call ends.
        executor.shutdown()
        client.close()
    }

    @Test
    fun `gives its threads and sockets back`() = withGateway { gateway ->
        suspend fun openAndClose() = kotlinx.coroutines.coroutineScope {
            val (client, peer) = gateway.connect()
            val closed = async { client.close() }
            io {
                peer.frame(io.github.realtimegateway.support.CLOSE)
                peer.writeRaw(closing(1000))
                peer.socket.close()
            }
            closed.await()
        }
        repeat(3) { openAndClose() }
        val descriptors = java.io.File("/proc/self/fd").list()?.size ?: 0
        repeat(300) { openAndClose() }
        eventually("no thread of a connection is left") {
            Thread.getAllStackTraces().keys.none { it.name == "gateway-connection" }
        }
        eventually("no socket is left") { (java.io.File("/proc/self/fd").list()?.size ?: 0) <= descriptors + 3 }
        assertEquals(0, io.github.realtimegateway.core.CoreInstance.count())
    }
}
