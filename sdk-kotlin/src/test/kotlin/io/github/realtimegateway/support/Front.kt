package io.github.realtimegateway.support

import com.sun.net.httpserver.HttpExchange
import com.sun.net.httpserver.HttpServer
import java.net.HttpURLConnection
import java.net.InetAddress
import java.net.InetSocketAddress
import java.net.URI
import java.util.concurrent.Executors
import java.util.concurrent.atomic.AtomicInteger

/** A server in front of a gateway, or a backend: it does what a test says with each request, which has a number from 1. */
class Front(private val respond: (Int, HttpExchange) -> Unit) : AutoCloseable {
    private val threads = Executors.newCachedThreadPool()
    private val count = AtomicInteger()
    private val server = HttpServer.create(InetSocketAddress(InetAddress.getByName("127.0.0.1"), 0), 0)

    val url: String get() = "http://127.0.0.1:${server.address.port}"

    init {
        server.executor = threads
        server.createContext("/") { exchange -> exchange.use { respond(count.incrementAndGet(), it) } }
        server.start()
    }

    override fun close() {
        server.stop(0)
        threads.shutdownNow()
    }
}

/** Answers a request. */
fun HttpExchange.answer(status: Int, body: String = "", vararg headers: Pair<String, String>) {
    headers.forEach { (name, value) -> responseHeaders[name] = value }
    val bytes = body.toByteArray()
    sendResponseHeaders(status, if (bytes.isEmpty()) -1 else bytes.size.toLong())
    if (bytes.isNotEmpty()) responseBody.write(bytes)
}

/** Sends the request to a gateway, and returns its status and answer. */
fun HttpExchange.passTo(gateway: RealGateway, body: ByteArray = requestBody.readBytes()): Pair<Int, String> {
    val connection = URI("http://${gateway.address}${requestURI.rawPath}").toURL().openConnection() as HttpURLConnection
    connection.requestMethod = requestMethod
    connection.doOutput = true
    for (name in listOf("Authorization", "Content-Type")) connection.setRequestProperty(name, requestHeaders.getFirst(name))
    connection.outputStream.use { it.write(body) }
    val status = connection.responseCode
    val stream = if (status < 300) connection.inputStream else connection.errorStream
    return status to stream.bufferedReader().readText()
}
