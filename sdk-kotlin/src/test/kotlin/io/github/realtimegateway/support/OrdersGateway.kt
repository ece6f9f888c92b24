package io.github.realtimegateway.support

import com.sun.net.httpserver.HttpServer
import java.io.File
import java.net.InetAddress
import java.net.InetSocketAddress

/**
 * A gateway with the service of a contract, by default docs/examples/orders, and its backend, which places order 42, lists it, and allows
 * what it is asked for.
 */
class OrdersGateway(contract: File = File("../docs/examples/orders/orders.service.toml"), settings: String = "") :
    AutoCloseable {
    private val backend = startBackend()

    val gateway: RealGateway = RealGateway(
        settings +
            "services.orders.contract = \"${contract.canonicalPath}\"\n" +
            "services.orders.backend.url = \"http://127.0.0.1:${backend.address.port}\"\n" +
            "services.orders.backend.secret_file = \"secret\"\n",
        mapOf("secret" to "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"),
    )

    override fun close() {
        gateway.close()
        backend.stop(0)
    }
}

private fun startBackend(): HttpServer {
    val backend = HttpServer.create(InetSocketAddress(InetAddress.getByName("127.0.0.1"), 0), 0)
    backend.createContext("/") { exchange ->
        val body = exchange.requestBody.readBytes().decodeToString()
        val (status, answer) = when {
            "\"type\":\"subscribe\"" in body -> 200 to """{"allowed":true}"""
            "\"type\":\"publish\"" in body -> 204 to ""
            "\"place\"" in body -> 200 to """{"data":{"orderId":"42"}}"""
            "\"list\"" in body -> 200 to """{"data":[{"orderId":"42","status":"shipped"}]}"""
            else -> 409 to """{"code":"too_late","message":"the order has left"}"""
        }
        exchange.responseHeaders["Content-Type"] = "application/json"
        exchange.sendResponseHeaders(status, if (answer.isEmpty()) -1 else answer.length.toLong())
        exchange.responseBody.use { it.write(answer.toByteArray()) }
    }
    backend.start()
    return backend
}
