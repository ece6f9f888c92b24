package io.github.realtimegateway.support

import io.github.realtimegateway.GatewayClient
import io.github.realtimegateway.GatewayOptions
import io.github.realtimegateway.TokenProvider
import java.io.File
import java.net.HttpURLConnection
import java.net.URI
import java.security.MessageDigest
import java.util.concurrent.CompletableFuture
import java.util.concurrent.CopyOnWriteArrayList
import java.util.concurrent.TimeUnit
import kotlin.concurrent.thread
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive

/** The API key of backends, and the setting of the gateway that allows it. */
const val KEY: String = "an api key of the tests"
val API_KEY: String = MessageDigest.getInstance("SHA-256").digest(KEY.toByteArray())
    .joinToString("") { "%02x".format(it) }
    .let { "auth.api_keys = [{ name = \"tests\", sha256 = \"$it\" }]\n" }

/** The gateway's program in a process of its own. [settings] are lines of TOML. */
class RealGateway(settings: String = "", files: Map<String, String> = emptyMap()) : AutoCloseable {
    private val folder: File = createTempFolder()
    private val clients = CopyOnWriteArrayList<GatewayClient>()
    private lateinit var process: Process

    /** The address, which stays the same after a restart. */
    var address: String = "127.0.0.1:0"
        private set

    val url: String get() = "ws://$address/ws"

    init {
        configure(settings, files)
        start()
    }

    /** Writes the configuration, with which the gateway starts the next time. */
    fun configure(settings: String, files: Map<String, String> = emptyMap()) {
        files.forEach { (name, text) -> File(folder, name).writeText(text) }
        File(folder, "gateway.toml").writeText(
            "$settings\nstore.url = \"redb:${File(folder, "gateway.redb")}\"\n" +
                "auth.jwt_secret = \"a secret of the tests, of more than 32 bytes\"\n",
        )
    }

    /** Starts the gateway, or starts it again on the same port with the same data. */
    fun start() {
        val program = File(System.getenv("GATEWAY") ?: "../target/debug/gateway").absoluteFile
        check(program.isFile) { "$program is missing: build it by `cargo build --bin gateway`, or name it by GATEWAY" }
        val command = listOf(program.path, "serve", "--dev", "--config", "gateway.toml", "--listen", address)
        val builder = ProcessBuilder(command).directory(folder).redirectErrorStream(true)
        builder.environment()["GATEWAY_LOG__FORMAT"] = "json"
        process = builder.start()
        val found = CompletableFuture<String>()
        val output = process.inputStream.bufferedReader()
        thread(isDaemon = true, name = "log of the gateway") {
            val log = StringBuilder()
            val pattern = Regex("127\\.0\\.0\\.1:[1-9][0-9]*")
            output.forEachLine { line ->
                if (!found.isDone) {
                    log.appendLine(line)
                    pattern.find(line)?.let { found.complete(it.value) }
                }
            }
            found.completeExceptionally(IllegalStateException("the gateway ended:\n$log"))
        }
        address = found.get(PATIENCE_SECONDS, TimeUnit.SECONDS)
        val deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS)
        while (!isReady()) {
            check(process.isAlive && System.nanoTime() < deadline) { "the gateway is not ready" }
            Thread.sleep(2)
        }
    }

    private fun isReady(): Boolean = runCatching {
        val connection = URI("http://$address/health/ready").toURL().openConnection() as HttpURLConnection
        connection.responseCode == HttpURLConnection.HTTP_OK
    }.getOrDefault(false)

    fun kill() {
        process.destroyForcibly().waitFor()
    }

    /** Sends JSON, and returns the answer. */
    fun post(path: String, body: String): JsonObject {
        val connection = URI("http://$address$path").toURL().openConnection() as HttpURLConnection
        connection.requestMethod = "POST"
        connection.doOutput = true
        connection.setRequestProperty("Content-Type", "application/json")
        connection.outputStream.use { it.write(body.toByteArray()) }
        val isGood = connection.responseCode < 300
        val stream = if (isGood) connection.inputStream else connection.errorStream
        val answer = stream.bufferedReader().readText()
        check(isGood) { "$path: ${connection.responseCode}: $answer" }
        return Json.parseToJsonElement(answer).jsonObject
    }

    /** Returns a token of a user. [grants] are more members of the request. */
    fun token(user: String, grants: String = """"clans":["*"],"topics":{"orders":["*"]},"calls":{"orders":["*"]}""") =
        post("/dev/token", """{"userId":"$user",$grants}""").getValue("token").jsonPrimitive.content

    fun notify(user: String, title: String) {
        post("/dev/notifications", """{"userId":"$user","title":"$title","message":"m"}""")
    }

    fun client(user: String, options: GatewayOptions = GatewayOptions()): GatewayClient =
        client(TokenProvider.of(token(user)), options)

    fun client(tokens: TokenProvider, options: GatewayOptions = GatewayOptions()): GatewayClient =
        GatewayClient(url, tokens, options).also(clients::add)

    override fun close() {
        runBlocking { clients.forEach { it.close() } }
        kill()
        folder.deleteRecursively()
    }
}

private fun createTempFolder(): File = kotlin.io.path.createTempDirectory("gateway").toFile()
