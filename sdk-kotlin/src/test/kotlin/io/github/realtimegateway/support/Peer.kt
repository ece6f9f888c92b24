package io.github.realtimegateway.support

import java.io.BufferedInputStream
import java.io.ByteArrayOutputStream
import java.io.EOFException
import java.io.IOException
import java.net.Socket
import java.net.SocketTimeoutException
import java.nio.ByteBuffer
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive

/** Opcodes of WebSocket frames (RFC 6455, section 5.2). */
const val TEXT: Int = 1
const val BINARY: Int = 2
const val CLOSE: Int = 8
const val PING: Int = 9
const val PONG: Int = 10

/** A WebSocket frame of the client. */
class ClientFrame(val opcode: Int, val payload: ByteArray) {
    val text: String get() = payload.decodeToString()
}

/** Returns a frame of a server. */
fun encoded(opcode: Int, payload: ByteArray): ByteArray {
    val head = ByteBuffer.allocate(10)
    head.put((0x80 or opcode).toByte())
    when {
        payload.size < 126 -> head.put(payload.size.toByte())
        payload.size < 1 shl 16 -> head.put(126).putShort(payload.size.toShort())
        else -> head.put(127).putLong(payload.size.toLong())
    }
    return head.array().copyOf(head.position()) + payload
}

fun encoded(opcode: Int, text: String): ByteArray = encoded(opcode, text.encodeToByteArray())

/** Returns a close frame. */
fun closing(code: Int): ByteArray = encoded(CLOSE, byteArrayOf((code shr 8).toByte(), code.toByte()))

/** Returns the text of a chat message with an offset. */
fun chat(offset: Long, content: String): String =
    """{"type":"chat","userId":"bob","clanId":"c","messageId":"m$offset","messageType":"TEXT",""" +
        """"content":${JsonPrimitive(content)},"sentAt":"2026-01-31T12:00:00.000Z","offset":$offset}"""

/** One connection, from the side of the gateway. */
class Peer(val socket: Socket, private val input: BufferedInputStream) {
    fun greet(authenticate: JsonObject) {
        reply(
            authenticate,
            "connected",
            """"userId":"ada","message":"hi","sessionId":"s1","protocolVersion":1,"features":[],""" +
                """"services":["notifications","clan_chat"],"expiresAt":"2099-01-01T00:00:00.000Z",""" +
                """"serverTime":"2026-01-01T00:00:00.000Z","heartbeatIntervalMs":25000,"maxMessageBytes":65536,""" +
                """"limits":{"messagesPerSecond":100000,"burst":100000,"subscriptions":1000}""",
        )
    }

    fun confirm(subscribe: JsonObject, recovered: Boolean = false) {
        reply(
            subscribe,
            "subscription_confirmed",
            """"service":"clan_chat","clanId":"c","status":"subscribed","offset":0,"epoch":"e1","recovered":$recovered""",
        )
    }

    fun reply(to: JsonObject, type: String, members: String) {
        write(TEXT, """{"type":"$type","requestId":${to["requestId"]},$members}""")
    }

    fun write(opcode: Int, text: String) {
        writeRaw(encoded(opcode, text))
    }

    fun writeRaw(bytes: ByteArray) {
        try {
            synchronized(this) { socket.getOutputStream().write(bytes) }
        } catch (_: IOException) {
            // The client has gone, which is what some tests are about.
        }
    }

    /** Returns the next frame of the client, or null after a wait without one. */
    fun read(waitMs: Int = PATIENCE_SECONDS.toInt() * 1_000): ClientFrame? {
        socket.soTimeout = waitMs
        val first = try {
            byte()
        } catch (_: SocketTimeoutException) {
            return null
        }
        var length = (byte() and 0x7f).toLong()
        if (length >= 126) {
            val size = if (length == 127L) 8 else 2
            length = 0
            repeat(size) { length = length shl 8 or byte().toLong() }
        }
        val mask = bytes(4)
        val payload = bytes(length.toInt())
        for (i in payload.indices) payload[i] = (payload[i].toInt() xor mask[i % 4].toInt()).toByte()
        return ClientFrame(first and 0x0f, payload)
    }

    private fun byte(): Int = input.read().also { if (it < 0) throw EOFException("the client has closed") }

    private fun bytes(count: Int): ByteArray {
        val bytes = ByteArrayOutputStream(count)
        while (bytes.size() < count) bytes.write(byte())
        return bytes.toByteArray()
    }

    /** Returns the next frame of a kind. */
    fun frame(opcode: Int): ClientFrame {
        while (true) {
            val frame = read() ?: error("the client sends no frame $opcode")
            if (frame.opcode == opcode) return frame
        }
    }

    /** Returns the next message of the client of a type. */
    fun command(type: String): JsonObject {
        while (true) {
            val message = Json.parseToJsonElement(frame(TEXT).text).jsonObject
            if (message["type"]?.jsonPrimitive?.content == type) return message
        }
    }
}
