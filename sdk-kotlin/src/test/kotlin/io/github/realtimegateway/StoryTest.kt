package io.github.realtimegateway

import io.github.realtimegateway.protocol.Chat
import io.github.realtimegateway.protocol.Notification
import io.github.realtimegateway.protocol.Pong
import io.github.realtimegateway.protocol.PresenceChanged
import io.github.realtimegateway.protocol.PresenceStatus
import io.github.realtimegateway.protocol.Typing
import io.github.realtimegateway.support.RealGateway
import io.github.realtimegateway.support.failureOf
import io.github.realtimegateway.support.io
import io.github.realtimegateway.support.readChat
import io.github.realtimegateway.support.readMessage
import io.github.realtimegateway.support.story
import java.util.concurrent.LinkedBlockingQueue
import kotlin.test.Test
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertNotNull
import kotlin.test.assertTrue
import kotlinx.coroutines.TimeoutCancellationException
import kotlinx.coroutines.async
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.mapNotNull
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.withTimeout
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.put

/** Stories with the real gateway. */
class StoryTest {
    private fun withGateway(settings: String = "", test: suspend (RealGateway) -> Unit) =
        story { RealGateway(settings).use { test(it) } }

    @Test
    fun `members of a clan chat`() = withGateway { gateway ->
        val ada = gateway.client("ada")
        val bob = gateway.client("bob")
        assertEquals(Status.IDLE, ada.state.value.status)
        val subscription = ada.clanChat("wolves").subscribe(SubscribeOptions(presence = true))
        bob.clanChat("wolves").subscribe()
        val changed = subscription.readMessage<PresenceChanged>()
        assertEquals("bob" to PresenceStatus.ONLINE, changed.userId to changed.status)
        bob.clanChat("wolves").setTyping(true)
        assertTrue(subscription.readMessage<Typing>().isTyping)
        val data = buildJsonObject { put("replyTo", "m0") }
        val sent = bob.clanChat("wolves").send("hi \"🐺\"\n", SendOptions(data = data))
        val chat = subscription.readChat()
        assertEquals("hi \"🐺\"\n", chat.content)
        assertEquals(sent.messageId, chat.messageId)
        assertEquals(sent.clientMessageId, chat.clientMessageId)
        assertEquals<Map<String, Any>?>(data, chat.data)
        assertEquals(chat.offset, subscription.position?.offset)
        val history = ada.clanChat("wolves").history(HistoryOptions(limit = 10))
        assertEquals(listOf(sent.messageId), history.messages.map { it.messageId })
        assertTrue(ada.clanChat("wolves").presence().count > 0)
        assertEquals("ada", ada.state.value.session?.userId)
    }

    @Test
    fun `a flow is a subscription of its own and ends with the client`() = withGateway { gateway ->
        val ada = gateway.client("ada")
        val chat = ada.clanChat("wolves")
        chat.send("one")
        val flow = chat.events(SubscribeOptions(history = 5)).mapNotNull { (it as? MessageEvent)?.message as? Chat }
        assertEquals("one", flow.first().content)
        chat.send("two")
        assertEquals(listOf("one", "two"), flow.take(2).toList().map { it.content })
        val whole = kotlinx.coroutines.coroutineScope {
            val read = async { flow.toList() }
            flow.first()
            ada.close()
            read.await()
        }
        assertTrue(whole.size <= 2)
    }

    @Test
    fun `continues after a position and a restart`() = withGateway { gateway ->
        val ada = gateway.client("ada")
        val chat = gateway.client("bob").clanChat("wolves")
        listOf("one", "two", "three").forEach { chat.send(it) }
        val first = ada.clanChat("wolves").subscribe(SubscribeOptions(history = 2))
        assertEquals("two", first.readChat().content)
        val position = assertNotNull(first.position)
        first.close()
        val subscription = ada.clanChat("wolves").subscribe(SubscribeOptions(from = position))
        assertEquals("three", subscription.readChat().content)
        io { gateway.kill() }
        kotlinx.coroutines.coroutineScope {
            val sending = async { chat.send("while it is down") }
            io { gateway.start() }
            sending.await()
        }
        chat.send("when it is back")
        assertEquals("while it is down", subscription.readChat().content)
        assertEquals("when it is back", subscription.readChat().content)
    }

    @Test
    fun `notifications come once, and are counted and acknowledged`() = withGateway { gateway ->
        gateway.notify("ada", "first")
        val ada = gateway.client("ada")
        val subscription = ada.notifications.subscribe()
        gateway.notify("ada", "second")
        val notifications = List(2) { subscription.readMessage<Notification>() }
        assertEquals(listOf("first", "second"), notifications.map { it.title })
        ada.notifications.pending.first { it == 2 }
        ada.notifications.ack(notifications.map { it.id })
        ada.notifications.pending.first { it == 0 }
        assertEquals(0, ada.notifications.pending.value)
        ada.notifications.ack(emptyList())
    }

    @Test
    fun `errors name the mistake`() = withGateway { gateway ->
        val tokens = TokenProvider.of("t")
        val wrong = mapOf(
            "gateway.example.com" to "ws://",
            "ws://" to "url",
            "ftp://x/" to "ws://",
            "ws://a b" to "url",
            "" to "ws",
        )
        for ((url, sentence) in wrong) {
            assertContains(assertFailsWith<GatewayException.Invalid> { GatewayClient(url, tokens) }.message!!, sentence)
        }
        assertFailsWith<GatewayException.Invalid> { GatewayOptions().withBuffer(0) }
        val stranger = gateway.client(TokenProvider.of(gateway.token("eve", """"clans":["cats"]""")))
        val forbidden = failureOf<GatewayException.Refused> { stranger.clanChat("wolves").send("hi") }
        assertEquals(
            listOf("forbidden", Outcome.REFUSED, false),
            listOf(forbidden.code, forbidden.outcome, forbidden.isRetryable),
        )
        assertNotNull(forbidden.clientMessageId)
        assertEquals("forbidden", failureOf<GatewayException.Refused> { stranger.clanChat("wolves").subscribe() }.code)
        assertEquals(
            "forbidden",
            failureOf<GatewayException.Refused> { stranger.clanChat("wolves").events().toList() }.code,
        )
        assertEquals(Outcome.NOT_SENT, failureOf<GatewayException.Invalid> { stranger.clanChat("cats").send("") }.outcome)
        failureOf<GatewayException> { stranger.request("no_such_command") }

        val refused = gateway.client(TokenProvider.of("no token at all"))
        failureOf<GatewayException.SessionEnded> { refused.connect() }
        assertEquals(Status.UNAUTHORIZED, refused.state.value.status)
        val signedOut = gateway.client(TokenProvider { throw SignedOutException() })
        failureOf<GatewayException.SessionEnded> { signedOut.connect() }
        assertEquals(Status.UNAUTHORIZED, signedOut.state.value.status)

        stranger.close()
        assertEquals(Outcome.NOT_SENT, failureOf<GatewayException.Closed> { stranger.clanChat("cats").presence() }.outcome)
        failureOf<GatewayException.Closed> { stranger.notifications.subscribe() }
        failureOf<GatewayException.Closed> { stranger.connect() }
        failureOf<GatewayException.Closed> { stranger.notifications.events().toList() }
        stranger.wake()
        stranger.close()
    }

    @Test
    fun `no gateway there`() = story {
        val client = GatewayClient("ws://127.0.0.1:9/ws", TokenProvider.of("t"))
        assertFailsWith<TimeoutCancellationException> { withTimeout(500) { client.connect() } }
        assertContains(client.state.value.error?.message.orEmpty(), "127.0.0.1:9")
        client.close()
    }

    @Test
    fun `a session is replaced and taken back`() = withGateway("sessions.max_per_user = 1") { gateway ->
        val first = gateway.client("ada", GatewayOptions().withDeviceId("phone"))
        val subscription = first.notifications.subscribe()
        val second = gateway.client("ada", GatewayOptions().withDeviceId("phone"))
        second.connect()
        first.state.first { it.status == Status.REPLACED }
        assertEquals("replaced", failureOf<GatewayException.SessionEnded> { first.clanChat("wolves").presence() }.code)
        second.close()
        first.connect()
        gateway.notify("ada", "it continues")
        assertEquals("it continues", subscription.readMessage<Notification>().title)
    }

    @Test
    fun `raw requests and frames`() = withGateway { gateway ->
        val frames = LinkedBlockingQueue<TappedFrame>()
        val client = gateway.client("ada", GatewayOptions().withTap(frames::add))
        val pong = Json.decodeFromString(Pong.serializer(), client.request("ping"))
        assertTrue(pong.timestamp.isNotEmpty())
        for (type in listOf("authenticate", "connected", "ping", "pong")) {
            val frame = io { frames.take() }
            assertContains(frame.text, "\"type\":\"$type\"")
            assertFalse("eyJ" in frame.text, frame.text)
        }
    }

    @Test
    fun `cancelled while it connects`() = withGateway { gateway ->
        val client = gateway.client(TokenProvider { kotlinx.coroutines.awaitCancellation() })
        kotlinx.coroutines.coroutineScope {
            val jobs = listOf(
                launch { client.connect() },
                launch { client.clanChat("c").send("x") },
                launch { client.clanChat("c").subscribe() },
                launch { client.clanChat("c").events().toList() },
                launch { client.request("ping") },
            )
            client.state.first { it.status == Status.CONNECTING }
            jobs.forEach { it.cancel() }
        }
        client.close()
    }
}
