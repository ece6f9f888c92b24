package io.github.realtimegateway

import io.github.realtimegateway.support.BINARY
import io.github.realtimegateway.support.CLOSE
import io.github.realtimegateway.support.ScriptedGateway
import io.github.realtimegateway.support.TEXT
import io.github.realtimegateway.support.chat
import io.github.realtimegateway.support.encoded
import io.github.realtimegateway.support.io
import io.github.realtimegateway.support.readChat
import io.github.realtimegateway.support.story
import io.github.realtimegateway.support.subscribe
import java.time.Duration
import java.util.concurrent.TimeUnit
import kotlin.test.AfterTest
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertIs
import kotlin.test.assertTrue
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.launch
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.TestFactory

/** What a gateway must not send leads to another connection or is ignored, and never to a crash or a hanging call. */
class RubbishTest {
    private val gateway = ScriptedGateway()

    @AfterTest
    fun close() = gateway.close()

    private fun bytes(vararg values: Int) = ByteArray(values.size) { values[it].toByte() }

    @TestFactory
    fun `a gateway that sends rubbish`(): List<DynamicTest> = mapOf(
        "no JSON" to encoded(TEXT, "hello"),
        "empty" to encoded(TEXT, ""),
        "no type" to encoded(TEXT, "{}"),
        "deep" to encoded(TEXT, "[".repeat(60_000)),
        "binary" to encoded(BINARY, bytes(0, 0xff)),
        "no UTF-8" to encoded(TEXT, "{\"type\":\"".encodeToByteArray() + bytes(0xff) + "\"}".encodeToByteArray()),
        "half a surrogate" to encoded(TEXT, "{\"type\":\"\\ud800\"}"),
        "another greeting" to encoded(TEXT, """{"type":"connected"}"""),
        "a result of nothing" to encoded(TEXT, """{"type":"message_sent","requestId":"99","messageId":"m","offset":1}"""),
        "a masked frame" to bytes(0x81, 0x81, 0, 0, 0, 0, 'x'.code),
        "a reserved bit" to bytes(0xf1, 0x01, 'x'.code),
        "an unknown opcode" to bytes(0x83, 0x00),
        "a bad close code" to encoded(CLOSE, bytes(0, 1)),
        "a short close" to encoded(CLOSE, bytes(0)),
        "a frame of 8 MiB" to encoded(TEXT, "x".repeat(8 shl 20)),
        "the end" to ByteArray(0),
        "an error of no words" to encoded(TEXT, """{"type":"error","code":"later","message":"x"}"""),
    ).map { (name, rubbish) -> dynamicTest(name) { connectsAgainAfter(rubbish) } }

    private fun connectsAgainAfter(rubbish: ByteArray) = story {
        val (client, peer) = gateway.connect(GatewayOptions().withTimeout(Duration.ofSeconds(5)))
        val subscription = peer.subscribe(client)
        launch {
            io {
                peer.writeRaw(rubbish)
                peer.socket.close()
            }
        }
        io {
            val successor = gateway.accepted()
            successor.confirm(successor.command("subscribe_clan_chat"), recovered = true)
            successor.write(TEXT, chat(1, "hello"))
        }
        assertEquals("hello", subscription.readChat().content)
        gateway.drop()
        client.close()
    }

    @TestFactory
    fun `a server that is no gateway`(): List<DynamicTest> = mapOf(
        "a page" to "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
        "a redirect to itself" to "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
        "a wrong key" to "HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n",
        "no HTTP" to "SSH-2.0-OpenSSH\r\n\r\n",
        "nothing" to "",
    ).map { (name, answer) ->
        dynamicTest(name) {
            story {
                gateway.refusal = { answer }
                val client = gateway.client()
                val connecting = launch { client.connect() }
                val state = client.state.first { it.error != null }
                assertFalse(state.status.isFinal, "$state")
                assertEquals("connection", state.error?.code)
                connecting.cancelAndJoin()
                val began = System.nanoTime()
                client.close()
                assertTrue(System.nanoTime() - began < TimeUnit.SECONDS.toNanos(3))
            }
        }
    }

    /** Calls and reads at the same time, while the client is closed: each ends, and with a typed error. */
    @Test
    fun `every call ends when the client is closed`() = story {
        val (client, peer) = gateway.connect()
        val subscription = peer.subscribe(client)
        val calls = List(64) { number ->
            async {
                runCatching {
                    when (number % 4) {
                        0 -> client.clanChat("c").send("hello")
                        1 -> subscription.next()
                        2 -> client.clanChat("d").subscribe()
                        else -> client.request("ping")
                    }
                }
            }
        }
        io { peer.command("ping") }
        client.close()
        calls.awaitAll().forEach { assertIs<GatewayException.Closed>(it.exceptionOrNull()) }
    }

    @Test
    fun `a stream that is left unread costs the connection nothing`() = story {
        val (client, peer) = gateway.connect(GatewayOptions().withBuffer(10))
        val unread = peer.subscribe(client)
        val call = async { client.clanChat("c").presence() }
        io {
            for (offset in 1L..5_000) peer.write(TEXT, chat(offset, "news"))
            peer.reply(peer.command("presence"), "presence", """"clanId":"c","users":[],"count":0""")
        }
        assertEquals(0, call.await().count)
        unread.close()
    }
}
