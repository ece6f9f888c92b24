package io.github.realtimegateway.driver

import io.github.realtimegateway.Position

/**
 * Reads the two heads that come with each message of a subscription, for which a JSON parser would be much of the work. It
 * leaves all others, and what it does not expect, to the parser.
 */
internal class FrequentHead private constructor(private val bytes: ByteArray, private var at: Int, private val to: Int) {
    private fun skip(text: ByteArray): Boolean {
        if (to - at < text.size) return false
        for (index in text.indices) if (bytes[at + index] != text[index]) return false
        at += text.size
        return true
    }

    /** Reads a whole number of at most 16 digits. Returns -1 if there is none. */
    private fun number(): Long {
        val from = at
        var value = 0L
        while (at < to && at - from < MAX_DIGITS && bytes[at] in ZERO..NINE) value = value * 10 + (bytes[at++] - ZERO)
        return if (at == from) -1 else value
    }

    /** Reads a text up to its quote. Returns null if it has an escape. */
    private fun text(): String? {
        val from = at
        while (at < to && bytes[at] != QUOTE) if (bytes[at++] == BACKSLASH) return null
        if (at == to) return null
        return bytes.decodeToString(from, at++)
    }

    private fun ready(): Head? {
        val stream = number()
        return if (stream >= 0 && skip(END) && at == to) Head("ready", stream = stream) else null
    }

    private fun item(): Head? {
        var position: Position? = null
        if (skip(POSITION)) {
            val offset = number()
            if (offset < 0 || !skip(EPOCH)) return null
            val epoch = text() ?: return null
            if (!skip(END_OF_POSITION)) return null
            position = Position(offset, epoch)
        }
        val due = skip(DUE)
        if (!skip(BODY)) return null
        val body = number()
        val isWhole = body in 0..Int.MAX_VALUE && skip(END) && at == to
        return if (isWhole) Head("item", position = position, due = due, body = body.toInt()) else null
    }

    internal companion object {
        private const val MAX_DIGITS = 16
        private const val ZERO = '0'.code.toByte()
        private const val NINE = '9'.code.toByte()
        private const val QUOTE = '"'.code.toByte()
        private const val BACKSLASH = '\\'.code.toByte()
        private val READY = """{"type":"ready","stream":""".encodeToByteArray()
        private val ITEM = """{"type":"item",""".encodeToByteArray()
        private val POSITION = """"position":{"offset":""".encodeToByteArray()
        private val EPOCH = ""","epoch":"""".encodeToByteArray()
        private val END_OF_POSITION = "},".encodeToByteArray()
        private val DUE = """"due":true,""".encodeToByteArray()
        private val BODY = """"body":""".encodeToByteArray()
        private val END = "}".encodeToByteArray()

        /** Returns the head of a line, or null to leave it to the parser. */
        fun read(bytes: ByteArray, from: Int, to: Int): Head? {
            val head = FrequentHead(bytes, from, to)
            return when {
                head.skip(READY) -> head.ready()
                head.skip(ITEM) -> head.item()
                else -> null
            }
        }
    }
}
