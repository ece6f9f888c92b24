package io.github.realtimegateway

import io.github.realtimegateway.protocol.Notification
import io.github.realtimegateway.publish.FuturePublishClient
import io.github.realtimegateway.publish.FuturePublishOperations
import io.github.realtimegateway.publish.Verifier
import io.github.realtimegateway.support.API_KEY
import io.github.realtimegateway.support.KEY
import io.github.realtimegateway.support.OrdersGateway
import io.github.realtimegateway.support.PATIENCE_SECONDS
import io.github.realtimegateway.support.RealGateway
import io.github.realtimegateway.support.readMessage
import io.github.realtimegateway.support.story
import java.io.File
import java.util.concurrent.TimeUnit
import kotlin.test.Test
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertTrue
import kotlinx.coroutines.flow.first

/** The programs that the README shows, in processes of their own; those in Java are compiled as modules. */
class ProgramsTest {
    private val jdk = File(System.getProperty("java.home"), "bin").path
    private val classPath = System.getProperty("java.class.path").split(File.pathSeparator).filter(String::isNotEmpty)

    /** Returns a program with its output in one stream. */
    private fun process(vararg command: String, environment: Map<String, String> = emptyMap()): Process {
        val builder = ProcessBuilder(*command).redirectErrorStream(true)
        builder.environment().putAll(environment)
        return builder.start()
    }

    /** Waits for the end of a program, and returns its output. */
    private fun Process.output(): String {
        val output = inputStream.bufferedReader().readText()
        assertTrue(waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS), output)
        assertEquals(0, exitValue(), output)
        return output
    }

    /** Waits for a line that contains a text. */
    private fun Process.awaitLine(text: String) {
        val seen = StringBuilder()
        val reader = inputStream.bufferedReader()
        while (true) {
            val line = reader.readLine() ?: error("the program ended without \"$text\":\n$seen")
            seen.appendLine(line)
            if (text in line) return
        }
    }

    /**
     * Compiles a module of Java with the SDK as a module, and returns the module path to run it. [generated] are packages of the tests
     * that become part of the module, as in a project of Maven with Kotlin and Java.
     */
    private fun compileModule(sources: File, generated: List<String> = emptyList()): String {
        val folder = kotlin.io.path.createTempDirectory("modules").toFile()
        val sdk = File("target/classes").absoluteFile
        val libraries = classPath.filter { path ->
            listOf("kotlin-stdlib", "kotlinx-", "okhttp", "okio", "chicory").any { it in path } && path.endsWith(".jar")
        }
        val path = (libraries + sdk.path).joinToString(File.pathSeparator)
        val files = sources.walk().filter { it.extension == "java" }.map { it.path }.toList().toTypedArray()
        val out = File(folder, "out").path
        for (name in generated) File("target/test-classes", name).copyRecursively(File(out, name))
        val lint = arrayOf("-Xlint:all", "-Werror", "--release", "11")
        process("$jdk/javac", *lint, "--module-path", path, "-d", out, *files).output()
        return path + File.pathSeparator + out
    }

    @Test
    fun `programs of the README are those of the examples`() {
        val readme = File("README.md").readText()
        val backends = readme.substringAfter("## Backends")
        val services = File("../docs/services.md").readText()
        val examples = listOf(
            Triple(readme, "kotlin", "examples/kotlin/quickstart/QuickStart.kt"),
            Triple(readme, "java", "examples/java/src/quickstart/QuickStart.java"),
            Triple(backends, "kotlin", "examples/kotlin/publishing/Publishing.kt"),
            Triple(backends, "java", "examples/java/src/backend/Backend.java"),
            Triple(services, "java", "examples/services/src/main/java/com/example/app/Orders.java"),
            Triple(services, "xml", "examples/services/pom.xml"),
        )
        for ((text, language, path) in examples) {
            val code = text.substringAfter("```$language\n").substringBefore("\n```")
            val source = File(path).readLines().joinToString("\n") { it.trim() }
            assertContains(source, code.lines().joinToString("\n") { it.trim() }, message = path)
        }
    }

    @Test
    fun `examples depend on this version`() {
        for (example in listOf("kotlin", "java", "services")) {
            assertContains(File("examples/$example/pom.xml").readText(), "<sdk.version>${GatewayClient.VERSION}</sdk.version>")
        }
        assertContains(File("README.md").readText(), "<version>${GatewayClient.VERSION}</version>")
    }

    @Test
    fun `quick start in Kotlin`() = RealGateway().use { gateway ->
        val environment = mapOf("GATEWAY_URL" to gateway.url, "GATEWAY_TOKEN" to gateway.token("ada"))
        val path = classPath.joinToString(File.pathSeparator)
        val output = process("$jdk/java", "-cp", path, "quickstart.QuickStartKt", environment = environment).output()
        assertContains(output, "\"content\":\"hello\"")
    }

    @Test
    fun `chat in the terminal sends lines and shows them`() = RealGateway().use { gateway ->
        val environment = mapOf("GATEWAY_HTTP" to "http://${gateway.address}")
        val path = classPath.joinToString(File.pathSeparator)
        val chat = process("$jdk/java", "-cp", path, "chat.ChatKt", "ada", "wolves", environment = environment)
        chat.outputStream.write("hello wolves\n".toByteArray())
        chat.outputStream.flush()
        chat.awaitLine("ada: hello wolves")
        chat.outputStream.close()
        chat.output()
        Unit
    }

    @Test
    fun `programs in Java are a module and work`() = RealGateway().use { gateway ->
        val path = compileModule(File("examples/java/src"))
        val environment = mapOf("GATEWAY_URL" to gateway.url, "GATEWAY_TOKEN" to gateway.token("ada"))
        val module = "io.github.realtimegateway.examples"
        val quickStart = process("$jdk/java", "-p", path, "-m", "$module/quickstart.QuickStart", environment = environment)
        assertContains(quickStart.output(), "stored at offset 1")

        gateway.notify("ada", "an order has arrived")
        val worker = process("$jdk/java", "-p", path, "-m", "$module/worker.NotificationWorker", environment = environment)
        worker.awaitLine("an order has arrived: m")
        worker.awaitLine("acknowledged")
        worker.destroy()
        assertTrue(worker.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS))
        story {
            val client = gateway.client("ada")
            client.notifications.subscribe()
            assertEquals(0, client.notifications.pending.first { it != null })
        }
    }

    @Test
    fun `publishing needs neither the runtime of the core nor its classes`() = RealGateway(API_KEY).use { gateway ->
        val environment = mapOf("GATEWAY_HTTP" to "http://${gateway.address}", "GATEWAY_API_KEY" to KEY)
        val path = classPath.filter { "chicory" !in it }
        assertTrue(path.size < classPath.size)
        val log = "-Xlog:class+load"
        val program = arrayOf("$jdk/java", log, "-cp", path.joinToString(File.pathSeparator), "publishing.PublishingKt")
        val output = process(*program, environment = environment).output()
        assertContains(output, "stored at offset 1")
        assertContains(output, "io.github.realtimegateway.publish.PublishClient")
        assertTrue("io.github.realtimegateway.core." !in output)
    }

    @Test
    fun `a backend in Java answers webhooks`() = RealGateway(API_KEY).use { gateway ->
        val path = compileModule(File("examples/java/src"))
        val environment = mapOf(
            "GATEWAY_HTTP" to "http://${gateway.address}",
            "GATEWAY_API_KEY" to KEY,
            "WEBHOOK_SECRET" to SECRET,
            "PORT" to "0",
        )
        val module = "io.github.realtimegateway.examples"
        val backend = process("$jdk/java", "-p", path, "-m", "$module/backend.Backend", environment = environment)
        try {
            val address = backend.inputStream.bufferedReader().readLine().substringAfterLast('/')
            // The program and the gateway name each other. The address of the gateway stays the same.
            gateway.kill()
            val webhook = "webhooks.shop.url = \"http://$address\"\nwebhooks.shop.secret_file = \"secret\"\n" +
                "webhooks.shop.events = [\"chat.message\"]\n"
            gateway.configure(API_KEY + webhook, mapOf("secret" to "$SECRET\n"))
            gateway.start()
            story {
                val ada = gateway.client("ada")
                val notifications = ada.notifications.subscribe()
                ada.clanChat("wolves").send("hello")
                assertEquals("for your message", notifications.readMessage<Notification>().message)
            }
        } finally {
            backend.destroy()
        }
    }

    @Test
    fun `the facade works in a pure Java module`() = OrdersGateway().use { orders ->
        val gateway = orders.gateway
        gateway.notify("ada", "for Java")
        val path = compileModule(File("src/test/java-module"))
        val arguments = arrayOf(gateway.url, gateway.token("ada"), gateway.token("bob"))
        val output = process("$jdk/java", "-ea", "-p", path, "-m", "facade/facade.Facade", *arguments).output()
        assertContains(output, "passed")
    }

    @Test
    fun `generated code works in a pure Java module`() {
        val packages = listOf("example", "hostile", "orders", "publishers").map { "golden/$it" }
        val path = compileModule(File("src/test/java-generated"), packages)
        for ((story, folder) in listOf("example" to "../docs/examples/orders", "declared" to "../codegen/tests/contracts")) {
            OrdersGateway(File("$folder/orders.service.toml"), API_KEY).use { orders ->
                val tokens = arrayOf(orders.gateway.token("ada"), orders.gateway.token("bob"))
                val arguments = arrayOf(story, orders.gateway.address, *tokens, KEY)
                val output = process("$jdk/java", "-ea", "-p", path, "-m", "generated/generated.Generated", *arguments).output()
                assertContains(output, "passed")
            }
        }
    }

    @Test
    fun `signatures of generated code for Java have no types of Kotlin`() {
        val handles = listOf("orders.OrdersFutureService", "orders.OrdersOrderFutureTopic", "orders.OrdersDepotFutureTopic") +
            listOf("hostile.TypeFutureService", "hostile.TypeDeleteFutureTopic", "publishers.OrdersFuturePublisher")
        for (type in handles.map { Class.forName("golden.$it") }) assertHasNoTypesOfKotlin(type)
    }

    /** Whatever a method of the façade takes or returns is no type of Kotlin. */
    @Test
    fun `signatures of the facade have no types of Kotlin`() {
        val typed = listOf("Event", "Message", "History", "Subscription")
            .map { Class.forName("io.github.realtimegateway.future.Typed$it") }
        val facade = listOf("GatewayClient", "ClanChat", "Notifications", "Topic", "Subscription", "TokenProvider")
            .map { Class.forName("io.github.realtimegateway.future.Future$it") } +
            typed +
            listOf(FuturePublishOperations::class.java, FuturePublishClient::class.java, Verifier::class.java)
        val types = facade + listOf(GatewayOptions::class.java, GatewayException::class.java, Event::class.java)
        types.forEach(::assertHasNoTypesOfKotlin)
    }

    private fun assertHasNoTypesOfKotlin(type: Class<*>) {
        val signatures = type.declaredMethods.filter { java.lang.reflect.Modifier.isPublic(it.modifiers) && '$' !in it.name }
        assertTrue(signatures.isNotEmpty())
        for (method in signatures) {
            // Any JSON is an element, which `json` reads.
            val generic = method.toGenericString().replace("kotlinx.serialization.json.JsonElement", "")
            assertTrue("kotlin" !in generic && '-' !in method.name, generic)
        }
    }

    private companion object {
        const val SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    }
}
