package io.github.realtimegateway.conformance

import io.github.realtimegateway.CallOptions
import io.github.realtimegateway.GatewayClient
import io.github.realtimegateway.GatewayOptions
import io.github.realtimegateway.HistoryOptions
import io.github.realtimegateway.Position
import io.github.realtimegateway.SendOptions
import io.github.realtimegateway.SignedOutException
import io.github.realtimegateway.Status
import io.github.realtimegateway.SubscribeOptions
import io.github.realtimegateway.Subscription
import io.github.realtimegateway.TokenProvider
import java.time.Duration
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.atomic.AtomicLong
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.filterNotNull
import kotlinx.coroutines.flow.transformWhile
import kotlinx.coroutines.joinAll
import kotlinx.coroutines.launch
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.contentOrNull
import kotlinx.serialization.json.encodeToJsonElement
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.longOrNull

internal typealias Command = JsonObject

internal fun Command.text(name: String): String? = (get(name) as? JsonPrimitive)?.contentOrNull

internal fun Command.whole(name: String): Long? = (get(name) as? JsonPrimitive)?.longOrNull

/** The commands of the kit, as calls of the SDK, and what they have made. */
internal class Commands {
    private class Opened(val client: GatewayClient, val states: Job, val pending: Job)

    private val clients = ConcurrentHashMap<String, Opened>()
    private val readers = ConcurrentHashMap<String, Reader>()

    /** The calls of token providers that the kit has not answered. */
    private val questions = ConcurrentHashMap<Long, CompletableDeferred<String>>()
    private val lastQuestion = AtomicLong()
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.Default)

    /** Returns the value of a command. */
    suspend fun carryOut(c: Command): JsonElement {
        when (c.text("do")) {
            "open" -> open(c)
            "connect" -> client(c).connect()
            "subscribe" -> return subscribe(c)
            "read" -> reader(c).read(c.whole("count") ?: 0)
            "leave" -> reader(c).leave()
            "send" -> return send(c)
            "ack" -> client(c).notifications.ack(c.getValue("ids").jsonArray.map { it.jsonPrimitive.content })
            "history" -> return history(c)
            "presence" -> return presence(c)
            "typing" -> client(c).clanChat(clan(c)).setTyping(c.text("isTyping") == "true")
            "call" -> return call(c)
            "request" -> {
                val reply = client(c).request(c.text("type").orEmpty(), c.getValue("fields").jsonObject)
                return Json.parseToJsonElement(reply)
            }
            "token" -> answer(c)
            "wake" -> client(c).wake()
            "close" -> end(c.text("client").orEmpty())
            "reset" -> reset()
            else -> throw UnsupportedException("there is no command ${c.text("do")}")
        }
        return JsonNull
    }

    private fun open(c: Command) {
        val name = c.text("client").orEmpty()
        val tokens = TokenProvider {
            val question = CompletableDeferred<String>()
            val ask = lastQuestion.incrementAndGet()
            questions[ask] = question
            emit("token") {
                put("client", JsonPrimitive(name))
                put("ask", JsonPrimitive(ask))
            }
            question.await()
        }
        var options = GatewayOptions().withDeviceId(c.text("deviceId"))
        c.whole("timeoutMs")?.let { options = options.withTimeout(Duration.ofMillis(it)) }
        c.whole("buffer")?.let { options = options.withBuffer(it.toInt()) }
        c.text("caFile")?.let { options = options.withHttpClient(clientOfAuthority(it)) }
        val client = GatewayClient(c.text("url").orEmpty(), tokens, options)
        val (states, pending) = scope.launch { reportStates(name, client) } to scope.launch { reportPending(name, client) }
        clients[name] = Opened(client, states, pending)
    }

    private suspend fun reportStates(name: String, client: GatewayClient) {
        val untilClosed = client.state.transformWhile { state ->
            emit(state)
            state.status != Status.CLOSED
        }
        untilClosed.collect { state ->
            emit("state") {
                put("client", JsonPrimitive(name))
                put("status", JsonPrimitive(state.status.name.lowercase()))
                state.error?.takeIf { state.status != Status.CLOSED }?.let { put("error", failureOf(it)) }
            }
        }
    }

    private suspend fun reportPending(name: String, client: GatewayClient) {
        client.notifications.pending.filterNotNull().collect { count ->
            emit("pending") {
                put("client", JsonPrimitive(name))
                put("count", JsonPrimitive(count))
            }
        }
    }

    private suspend fun subscribe(c: Command): JsonElement {
        val from = c["from"]?.let { Json.decodeFromJsonElement(Position.serializer(), it) }
        val options = SubscribeOptions((c.whole("history") ?: 0).toInt(), from, c.text("presence") == "true")
        val subscription: Subscription = when (val topic = topic(c)) {
            null -> client(c).notifications.subscribe()
            else -> when (val clan = topic.text("clan")) {
                null -> client(c).topic(topic.text("service").orEmpty(), topic.text("topic").orEmpty()).subscribe(options)
                else -> client(c).clanChat(clan).subscribe(options)
            }
        }
        val position = subscription.position
        val stream = c.text("stream").orEmpty()
        val reader = Reader(stream, c.text("client").orEmpty(), subscription)
        readers[stream] = reader
        reader.job = scope.launch { reader.run(c.whole("read")) }
        return position?.let(::positionOf) ?: JsonNull
    }

    private suspend fun send(c: Command): JsonElement {
        val topic = topic(c) ?: throw UnsupportedException("notifications cannot be sent")
        val data = c.getValue("data")
        val id = SendOptions(c.text("clientMessageId"))
        val clan = topic.text("clan")
        if (clan != null) {
            val chat = data.jsonObject
            val options = id.copy(messageType = chat.text("messageType"), data = chat["data"]?.jsonObject)
            return encode(client(c).clanChat(clan).send(chat.text("content").orEmpty(), options))
        }
        val sent = client(c).topic(topic.text("service").orEmpty(), topic.text("topic").orEmpty()).publish(data, id)
        // The SDK leaves out what the app has said itself.
        val type = if (sent.offset == null) "publish_accepted" else "message_sent"
        return JsonObject(topic + encode(sent).jsonObject + ("type" to JsonPrimitive(type)))
    }

    private suspend fun history(c: Command): JsonElement {
        val topic = topic(c) ?: throw UnsupportedException("notifications have no history")
        val page = HistoryOptions(c.whole("before"), c.whole("after"), c.whole("limit")?.toInt())
        val clan = topic.text("clan")
        if (clan != null) return encode(client(c).clanChat(clan).history(page))
        return encode(client(c).topic(topic.text("service").orEmpty(), topic.text("topic").orEmpty()).history(page))
    }

    private suspend fun presence(c: Command): JsonElement {
        val topic = topic(c) ?: throw UnsupportedException("notifications have no presence")
        val clan = topic.text("clan")
        if (clan != null) return encode(client(c).clanChat(clan).presence())
        return encode(client(c).topic(topic.text("service").orEmpty(), topic.text("topic").orEmpty()).presence())
    }

    private suspend fun call(c: Command): JsonElement {
        val options = CallOptions(timeout = c.whole("timeoutMs")?.let(Duration::ofMillis))
        return client(c).call(c.text("service").orEmpty(), c.text("call").orEmpty(), c.getValue("data"), options)
    }

    private fun answer(c: Command) {
        // The provider may no longer be asked.
        val question = questions.remove(c.whole("ask")) ?: return
        val token = c.text("token")
        when {
            token != null -> question.complete(token)
            c.text("signedOut") == "true" -> question.completeExceptionally(SignedOutException())
            else -> question.completeExceptionally(IllegalStateException(c.text("error")))
        }
    }

    /** Closes a client. A reader that waits for the permission of the kit does not notice the end by itself. */
    private suspend fun end(name: String) {
        val opened = clients[name] ?: throw IllegalArgumentException("there is no client $name")
        opened.client.close()
        readers.values.filter { it.client == name }.forEach(Reader::leave)
    }

    /** Closes all clients and forgets all names. What ends by it is reported first. */
    suspend fun reset() {
        coroutineScope { clients.keys.forEach { name -> launch { end(name) } } }
        readers.values.mapNotNull(Reader::job).joinAll()
        clients.values.forEach {
            it.states.join()
            it.pending.cancel()
        }
        clients.clear()
        readers.clear()
        questions.clear()
    }

    private fun client(c: Command): GatewayClient {
        val name = c.text("client").orEmpty()
        return (clients[name] ?: throw IllegalArgumentException("there is no client $name")).client
    }

    private fun reader(c: Command): Reader {
        val name = c.text("stream").orEmpty()
        return readers[name] ?: throw IllegalArgumentException("there is no stream $name")
    }

    /** Returns the names of the topic; null for notifications. */
    private fun topic(c: Command): JsonObject? = c["topic"] as? JsonObject

    private fun clan(c: Command): String = topic(c)?.text("clan") ?: throw UnsupportedException("only a clan has this command")

    private inline fun <reified T> encode(value: T): JsonElement = Json.encodeToJsonElement(value)
}
