package io.github.realtimegateway

import golden.example.CancelRequest
import golden.example.OrderComment
import golden.example.OrderEvent
import golden.example.OrderPlaced
import golden.example.OrderStatus
import golden.example.OrderStatusStatus
import golden.example.OrdersService
import golden.example.PlaceRequest
import golden.example.Viewer
import golden.hostile.Box
import golden.hostile.Deep
import golden.hostile.Maybe
import golden.hostile.Option
import golden.hostile.Promise
import golden.hostile.Record
import golden.hostile.Union
import golden.hostile.Vec
import golden.hostile.Words
import golden.orders.CancelReason
import golden.orders.Currency
import golden.orders.OrderPlaced as FullOrderPlaced
import io.github.realtimegateway.codegen.Member
import io.github.realtimegateway.protocol.ClientMessage
import io.github.realtimegateway.protocol.ServerMessage
import io.github.realtimegateway.protocol.SubscriptionConfirmed
import io.github.realtimegateway.protocol.SubscriptionOrigin
import io.github.realtimegateway.protocol.TopicMessage
import io.github.realtimegateway.protocol.TopicPresence
import io.github.realtimegateway.support.OrdersGateway
import io.github.realtimegateway.support.failureOf
import io.github.realtimegateway.support.readMessage
import io.github.realtimegateway.support.story
import java.io.File
import kotlin.test.Test
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertIs
import kotlin.test.assertTrue
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.mapNotNull
import kotlinx.serialization.SerializationException
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.boolean
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.serializer

/** The code that `gateway codegen --lang kotlin` writes: it compiles with the SDK, keeps JSON, and works with a gateway. */
class GeneratedCodeTest {
    private val json = Json { ignoreUnknownKeys = true }

    private val promise =
        """{"type":"a","fn":"b","self":"c","Self":"d","constructor":"e","__proto__":"f","":"g","a-b c":"h","größe":"i",
        "大小":"j","3d":true,"quote\"back\\slash\nline":"k","await":"a b","async":-9007199254740993,"crate":true,
        "super":7,"static":"always","nothing":null,"union":[1.50]}"""

    private inline fun <reified T> assertRoundTrip(text: String) {
        val written = json.encodeToString(json.decodeFromString<T>(text))
        val element = json.parseToJsonElement(text)
        assertEquals(comparable(element), comparable(json.parseToJsonElement(written)))
        // Types are also read from a value that is in memory.
        assertEquals(comparable(element), comparable(json.encodeToJsonElement(json.decodeFromJsonElement<T>(element))))
    }

    private inline fun <reified T> Json.encodeToJsonElement(value: T): JsonElement = encodeToJsonElement(serializer(), value)

    private inline fun <reified T> Json.decodeFromJsonElement(value: JsonElement): T = decodeFromJsonElement(serializer(), value)

    @Test
    fun `members with difficult names are read and written`() {
        assertRoundTrip<Promise>(promise)
        for (word in listOf("", "Self", "Unknown", "+", "größe", "quote\"\\", "later")) {
            assertRoundTrip<Option>(json.encodeToString(word))
        }
        assertEquals("a-b", Words.WITH_DASH.word)
        assertEquals(Option("EUR"), Option.EUR)
    }

    @Test
    fun `untyped JSON keeps every digit`() {
        val numbers = """[1.50,1E400,0.12345678901234567890,123456789012345678901234567890,-0.0,null,true,"1.50",{"x":[2.0]}]"""
        val later = """{"k\"ind":"later","x":$numbers}"""
        assertEquals(later, encode(serializer<Union>(), json.decodeFromString(later)).toString())
        val value = json.decodeFromString<Promise>(promise.replace("[1.50]", numbers))
        assertContains(encode(serializer<Promise>(), value).toString(), numbers)
        assertContains(json.encodeToString(value), numbers)
        assertEquals(numbers, encode(serializer<JsonElement>(), json.parseToJsonElement(numbers)).toString())
    }

    @Test
    fun `recursive types are read and written`() {
        assertRoundTrip<Vec>("[[],[[[]]]]")
        assertRoundTrip<Record>("""{"a":{"b":{}},"c":{}}""")
        assertRoundTrip<Box>(
            """{"left":{"left":null,"maybe":null},"maybe":{"left":null,"maybe":null},"right":{"Error":{"value":1.5}}}""",
        )
        assertRoundTrip<Maybe>("null")
        assertRoundTrip<Deep>("""{"a":{"b":{"c":[[{"d":"x","e":null}],[{"e":{"up":{"a":{}}}}]]}}}""")
        var nested = "null"
        repeat(50) { nested = """{"k\"ind":"nested \"quoted\"","inner":$nested}""" }
        assertRoundTrip<Union>(nested)
        assertRoundTrip<Union>("""{"k\"ind":"Self","extra":"second constant"}""")
        assertRoundTrip<Union>("""{"k\"ind":"later","x":[1,{"y":null}]}""")
    }

    @Test
    fun `null differs from a member that is absent`() {
        val order = """{"type":"placed","items":[],"total":{"cents":1,"currency":"EUR"}%s}"""
        assertRoundTrip<FullOrderPlaced>(order.format(""))
        assertRoundTrip<FullOrderPlaced>(order.format(""","note":null,"coupon":null"""))
        assertRoundTrip<FullOrderPlaced>(order.format(""","note":"n","coupon":{"code":"A","percent":1.5}"""))
        assertEquals(Member.of(null), json.decodeFromString<FullOrderPlaced>(order.format(""","note":null""")).note)
        assertFalse(json.decodeFromString<FullOrderPlaced>(order.format("")).note.isPresent)
        assertEquals(Member.of("x").hashCode(), Member.of("x").hashCode())
        assertEquals("absent", Member.absent<String>().toString())
    }

    @Test
    fun `closed enumerations and unions refuse other words`() {
        assertEquals(Currency.EUR, json.decodeFromString("\"EUR\""))
        assertFailsWith<SerializationException> { json.decodeFromString<Currency>("\"GBP\"") }
        assertFailsWith<SerializationException> { json.decodeFromString<CancelReason>("""{"kind":"later"}""") }
        assertFailsWith<SerializationException> { json.decodeFromString<CancelReason>("7") }
    }

    @Test
    fun `built-in messages keep the vectors of the protocol`() {
        assertKeeps<ClientMessage>("client") { false }
        assertKeeps<ServerMessage>("server") { it is ServerMessage.Unknown }
    }

    private inline fun <reified T> assertKeeps(vectors: String, isUnknown: (T) -> Boolean) {
        val all = json.parseToJsonElement(File("../protocol/vectors/$vectors/accepted.json").readText()) as JsonArray
        assertTrue(all.size > 50)
        for (vector in all.map { it.jsonObject }) {
            val text = vector["text"]?.jsonPrimitive?.content ?: vector.getValue("message").toString()
            val message = json.decodeFromString<T>(text)
            assertEquals(vector["known"]?.jsonPrimitive?.boolean == false, isUnknown(message), text)
            val written = comparable(json.encodeToJsonElement(message))
            val isSame = written == comparable(json.parseToJsonElement(text))
            assertTrue(isSame || vector["encodesAs"]?.let(::comparable) == written, "$text is written as $written")
        }
    }

    /** Members have no order, and 1.50 is 1.5. */
    private fun comparable(element: JsonElement): Any = when (element) {
        is JsonObject -> element.mapValues { comparable(it.value) }
        is JsonArray -> element.map(::comparable)
        else -> element.jsonPrimitive.run { if (isString) "\"$content" else content.toDoubleOrNull() ?: content }
    }

    @Test
    fun `a declared service works with typed handles`() = story {
        OrdersGateway().use { orders ->
            val ada = orders.gateway.client("ada")
            val bob = orders.gateway.client("bob")
            val service = OrdersService(ada)
            assertEquals("42", service.place(PlaceRequest(listOf("tea"))).orderId)
            val refused = failureOf<GatewayException.Refused> { service.cancel(CancelRequest("1"), CallOptions(callId = "c1")) }
            assertEquals("call_failed" to Outcome.REFUSED, refused.code to refused.outcome)
            assertFailsWith<GatewayException.Invalid> { service.order("") }

            val order = service.order("42")
            val sent = OrdersService(bob).order("42").publish(OrderComment("where is it?"))
            assertEquals(1, sent.offset)
            val options = SubscribeOptions(history = 10)
            val messages = order.eventsWith(Viewer("Ada"), options).mapNotNull { (it as? MessageEvent)?.message }
            val comment = messages.mapNotNull { it as? TopicMessage }.first()
            assertEquals(OrderComment("where is it?"), order.decode(comment))
            assertEquals("bob", comment.userId)
            val present = messages.mapNotNull { it as? TopicPresence }.first()
            assertEquals(Viewer("Ada"), order.decodePresence(present.users.single { it.userId == "ada" }.data!!))
            assertEquals(listOf(comment.offset), order.history().events.map { it.offset })
            assertTrue(order.presence().count > 0)

            assertEquals(OrderStatusStatus.PACKED, (decode("""{"type":"status","status":"packed"}""") as OrderStatus).status)
            assertEquals(OrderStatusStatus("lost"), (decode("""{"type":"status","status":"lost"}""") as OrderStatus).status)
            assertIs<OrderEvent.Unknown>(decode("""{"type":"later","x":1}"""))
            assertIs<OrderPlaced>(decode("""{"type":"placed","items":["tea"],"totalCents":3,"later":true}"""))
            val wrong = assertFailsWith<GatewayException.Invalid> {
                order.topic.decode(serializer<OrderEvent>(), json.parseToJsonElement("""{"type":"comment"}"""))
            }
            assertEquals("invalid", wrong.code)
        }
    }

    @Test
    fun `subscriptions that the server makes`() = story {
        OrdersGateway().use { orders ->
            val grants = """"clans":["*"],"topics":{"orders":["*"]},"subscribe":[{"service":"orders","topic":"order-42"}]"""
            val ada = orders.gateway.client(TokenProvider.of(orders.gateway.token("ada", grants)))
            val subscription = ada.subscribeToServerSubscriptions()
            val confirmed = subscription.readMessage<SubscriptionConfirmed>()
            assertEquals("order-42" to SubscriptionOrigin.SERVER, confirmed.topic to confirmed.origin)
            OrdersService(orders.gateway.client("bob")).order("42").publish(OrderComment("where is it?"))
            assertEquals("order-42", subscription.readMessage<TopicMessage>().topic)
        }
    }

    private fun decode(text: String): OrderEvent = json.decodeFromString(text)
}
