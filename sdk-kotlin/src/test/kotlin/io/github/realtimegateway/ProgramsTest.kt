package io.github.realtimegateway

import io.github.realtimegateway.support.OrdersGateway
import io.github.realtimegateway.support.PATIENCE_SECONDS
import io.github.realtimegateway.support.RealGateway
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

    /** Compiles a module of Java with the SDK as a module, and returns the module path to run it. */
    private fun compileModule(sources: File): String {
        val folder = kotlin.io.path.createTempDirectory("modules").toFile()
        val sdk = File("target/classes").absoluteFile
        val libraries = classPath.filter { path ->
            listOf("kotlin-stdlib", "kotlinx-", "okhttp", "okio", "chicory").any { it in path } && path.endsWith(".jar")
        }
        val path = (libraries + sdk.path).joinToString(File.pathSeparator)
        val files = sources.walk().filter { it.extension == "java" }.map { it.path }.toList().toTypedArray()
        val out = File(folder, "out").path
        val lint = arrayOf("-Xlint:all", "-Werror", "--release", "11")
        process("$jdk/javac", *lint, "--module-path", path, "-d", out, *files).output()
        return path + File.pathSeparator + out
    }

    @Test
    fun `quick starts of the README are those of the examples`() {
        val readme = File("README.md").readText()
        val examples = mapOf(
            "kotlin" to "examples/kotlin/quickstart/QuickStart.kt",
            "java" to "examples/java/src/quickstart/QuickStart.java",
        )
        for ((language, path) in examples) {
            val code = readme.substringAfter("```$language\n").substringBefore("\n```")
            val source = File(path).readLines().joinToString("\n") { it.trim() }
            assertContains(source, code.lines().joinToString("\n") { it.trim() }, message = path)
        }
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
    fun `the facade works in a pure Java module`() = OrdersGateway().use { orders ->
        val gateway = orders.gateway
        gateway.notify("ada", "for Java")
        val path = compileModule(File("src/test/java-module"))
        val arguments = arrayOf(gateway.url, gateway.token("ada"), gateway.token("bob"))
        val output = process("$jdk/java", "-ea", "-p", path, "-m", "facade/facade.Facade", *arguments).output()
        assertContains(output, "passed")
    }

    /** Whatever a method of the façade takes or returns is no type of Kotlin. */
    @Test
    fun `signatures of the facade have no types of Kotlin`() {
        val facade = listOf("GatewayClient", "ClanChat", "Notifications", "Topic", "Subscription", "TokenProvider")
            .map { Class.forName("io.github.realtimegateway.future.Future$it") }
        for (type in facade + listOf(GatewayOptions::class.java, GatewayException::class.java, Event::class.java)) {
            val signatures = type.declaredMethods.filter { java.lang.reflect.Modifier.isPublic(it.modifiers) && '$' !in it.name }
            assertTrue(signatures.isNotEmpty())
            for (method in signatures) {
                val generic = method.toGenericString()
                assertTrue("kotlin" !in generic, generic)
            }
        }
    }
}
