package io.github.realtimegateway.driver

import kotlin.random.Random
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlinx.serialization.json.Json

/** The quick way to read a head has to give what the parser gives, or leave the head to it. */
class FrequentHeadTest {
    private fun quick(line: String): Head? = line.encodeToByteArray().let { FrequentHead.read(it, 0, it.size) }

    private fun assertSame(line: String) {
        val quick = quick(line) ?: return
        // The core writes valid JSON only.
        val slow = runCatching { json.decodeFromString(Head.serializer(), line) }.getOrNull() ?: return
        val members = { head: Head -> listOf(head.type, head.stream, head.position, head.due, head.body) }
        assertEquals(members(slow), members(quick), line)
    }

    @Test
    fun `reads what the core writes`() {
        assertNotNull(quick("""{"type":"ready","stream":7}"""))
        assertNotNull(quick("""{"type":"item","position":{"offset":9,"epoch":"e1"},"body":12}"""))
        assertNotNull(quick("""{"type":"item","position":{"offset":9,"epoch":"e1"},"due":true,"body":12}"""))
        assertNotNull(quick("""{"type":"item","body":12}"""))
        for (other in listOf(
            """{"type":"item","position":{"offset":9,"epoch":"\u0065"},"body":12}""",
            """{"type":"result","call":1}""",
            """{"type":"item","body":99999999999999999999}""",
            """{"type":"ready","stream":7,"x":1}""",
            """{"type":"item",""",
            "",
        )) {
            assertNull(quick(other), other)
        }
    }

    @Test
    fun `gives what the parser gives for changed heads`() {
        val random = Random(1)
        val heads = listOf(
            """{"type":"ready","stream":7}""",
            """{"type":"item","position":{"offset":9,"epoch":"e1"},"due":true,"body":12}""",
        )
        repeat(20_000) {
            val line = StringBuilder(heads[random.nextInt(heads.size)])
            repeat(random.nextInt(3)) {
                val at = random.nextInt(line.length)
                if (random.nextBoolean()) line.deleteCharAt(at) else line.insert(at, "\"{}:,\\0tre9".random(random))
            }
            assertSame(line.toString())
        }
    }

    @Test
    fun `refuses output that is cut off`() {
        for (output in listOf("{\"type\":\"tick\"}", "{}\n{", "{\"type\":\"item\",\"body\":5}\nx", "no head\n")) {
            assertFailsWith<UnreadableOutput>(output) { forEachMessage(output.encodeToByteArray()) { _, _ -> } }
        }
    }

    @Test
    fun `masks tokens wherever they stand`() {
        assertEquals("""{"type":"ping"}""", masked("""{"type":"ping"}"""))
        val frame = masked("""{"a":1,"token":"secret","type":"authenticate"}""")
        assertEquals(
            "…",
            Json.parseToJsonElement(frame).let {
                (it as kotlinx.serialization.json.JsonObject)["token"]
            }.toString().trim('"'),
        )
        assertEquals("\"authenticate\" is no JSON", masked("\"authenticate\" is no JSON"))
    }
}
