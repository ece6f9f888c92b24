package io.github.realtimegateway.core

import io.github.realtimegateway.GatewayClient
import java.io.File
import java.security.MessageDigest
import java.util.concurrent.CompletableFuture
import java.util.concurrent.TimeUnit
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertTrue
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonElement

/** A line of a transcript, or of the seeded inputs. */
@Serializable
private class Line(
    val open: JsonElement? = null,
    val now: Long = 0,
    val input: String = "",
    val take: Long? = null,
    val output: String? = null,
    val deadline: Long? = null,
    val inputs: Int? = null,
    val sha256: String? = null,
) {
    /** Passes the input or the take to a client. */
    fun carryOut(client: CoreClient): ByteArray =
        if (take != null) client.take(take) else client.handle(now, input.encodeToByteArray(), ByteArray(0))
}

private val json = Json { ignoreUnknownKeys = true }

private const val CONFIG = """{"seed":[1,2,3,4],"name":"test","version":"1.0.0"}"""

private fun open(config: String = CONFIG, onTrap: (CoreTrap) -> Unit = {}): CoreClient = CoreClient.open(config, onTrap)

private fun CoreClient.handle(input: String, now: Long = 0) = handle(now, input.encodeToByteArray(), ByteArray(0))

class CoreTest {
    private val repository = File("..")

    @Test
    fun `replays transcripts byte for byte`() {
        val transcripts = File(repository, "sdk-core/transcripts").listFiles().orEmpty().filter { it.extension == "jsonl" }
        assertTrue(transcripts.size >= 7, "the transcripts are in the repository")
        for (transcript in transcripts) {
            val lines = transcript.readLines().map { json.decodeFromString<Line>(it) }
            val client = open(lines.first().open.toString())
            for ((number, line) in lines.drop(1).withIndex()) {
                val place = "${transcript.name}, line ${number + 2}"
                assertEquals(line.output, line.carryOut(client).decodeToString(), place)
                assertEquals(line.deadline ?: -1, client.deadline(), place)
            }
            client.close()
        }
    }

    /** The step `kotlin` of `cargo xtask test` names the file, which the crate's example `seeded` prints. */
    @Test
    fun `gives the outputs of the crate for seeded inputs`() {
        val path = System.getenv("GATEWAY_SEEDED") ?: "../target/core/seeded.jsonl"
        assertTrue(File(path).isFile, "$path is missing: run `cargo xtask test kotlin`")
        val digest = MessageDigest.getInstance("SHA-256")
        var client: CoreClient? = null
        var count = 0
        var end: Line? = null
        File(path).forEachLine { text ->
            val line = json.decodeFromString<Line>(text)
            when {
                line.sha256 != null -> end = line
                line.open != null -> {
                    client?.close()
                    client = open(line.open.toString())
                }
                else -> {
                    val current = checkNotNull(client)
                    digest.update(line.carryOut(current))
                    digest.update("\n${current.deadline()}\n".encodeToByteArray())
                    count++
                }
            }
        }
        client?.close()
        assertEquals(end?.inputs, count)
        assertEquals(end?.sha256, digest.digest().joinToString("") { "%02x".format(it) })
    }

    @Test
    fun `has the digest of the sources`() {
        val source = File(repository, "sdk-core/src/digest.rs").readText()
        assertTrue("\"${CoreInstance.digest}\"" in source, "the core was built from other sources: run `cargo xtask core`")
    }

    @Test
    fun `has the version of the gateway`() {
        val version = Regex("^version = \"(.*)\"", RegexOption.MULTILINE).find(File(repository, "Cargo.toml").readText())
        assertEquals(version?.groupValues?.get(1), GatewayClient.VERSION)
        assertTrue("<version>${GatewayClient.VERSION}</version>" in File("pom.xml").readText().substringBefore("<packaging>"))
    }

    @Test
    fun `an instance has 64 clients and ends with the last`() {
        val before = CoreInstance.count()
        val clients = List(130) { open() }
        assertTrue(CoreInstance.count() - before in 2..3, "130 clients have ${CoreInstance.count() - before} instances")
        clients.forEach { it.close() }
        assertEquals(before, CoreInstance.count())
    }

    @Test
    fun `refuses invalid input without effect`() {
        val failure = assertFailsWith<InvalidInput> { open("{}") }
        assertTrue("seed" in failure.message.orEmpty())
        val client = open()
        for (input in listOf("", "{}\n", "{\"type\":\"tick\"}\nx")) assertFailsWith<InvalidInput> { client.handle(input) }
        assertFailsWith<InvalidInput> { client.handle(0, byteArrayOf(-1), ByteArray(0)) }
        assertEquals(0, client.take(1).size)
        client.close()
    }

    @Test
    fun `accepts inputs of any size`() {
        val client = open()
        for (size in listOf(10, 300_000, 4 shl 20, 10)) {
            val head = "{\"type\":\"frame\",\"connection\":7,\"body\":$size}\n".encodeToByteArray()
            client.handle(0, head, ByteArray(size) { 'x'.code.toByte() })
        }
        client.close()
    }

    @Test
    fun `a trap ends the clients of its instance only`() {
        val told = CompletableFuture<CoreTrap>()
        // Fills the instances that other tests have.
        val clients = List(64) { open() }
        val first = open()
        val second = open(onTrap = { told.complete(it) })
        assertTrue(first.sharesInstanceWith(second))
        first.sabotage()
        assertFailsWith<CoreTrap> { first.handle("{\"type\":\"connect\"}\n") }
        told.get(10, TimeUnit.SECONDS)
        assertFailsWith<CoreTrap> { second.take(1) }
        assertFailsWith<CoreTrap> { second.deadline() }
        val third = open()
        assertFalse(third.sharesInstanceWith(first), "a new client got the ended instance")
        (clients.filterNot { it.sharesInstanceWith(first) }).forEach { it.take(1) }
        (clients + first + second + third).forEach { it.close() }
    }

    @Test
    fun `an interrupted thread does not end the core`() {
        val client = open()
        val interrupted = CompletableFuture<Throwable?>()
        Thread {
            Thread.currentThread().interrupt()
            interrupted.complete(runCatching { client.handle("{\"type\":\"connect\"}\n") }.exceptionOrNull())
        }.start()
        assertEquals(null, interrupted.get(10, TimeUnit.SECONDS))
        client.close()
    }
}
