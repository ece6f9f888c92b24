package io.github.realtimegateway.support

import io.github.realtimegateway.GatewayClient
import io.github.realtimegateway.GatewayOptions
import io.github.realtimegateway.Subscription
import io.github.realtimegateway.TokenProvider
import java.io.BufferedInputStream
import java.net.InetAddress
import java.net.ServerSocket
import java.net.Socket
import java.security.MessageDigest
import java.util.Base64
import java.util.concurrent.CopyOnWriteArrayList
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.TimeUnit
import kotlin.concurrent.thread
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext

/** The limit of every wait in the tests. */
const val PATIENCE_SECONDS: Long = 30

/** A gateway that does what a test says, byte by byte. */
class ScriptedGateway(
    private val server: ServerSocket = ServerSocket(0, 200, InetAddress.getByName("127.0.0.1")),
    private val scheme: String = "ws",
    private val host: String = "127.0.0.1",
) : AutoCloseable {
    private val connections = LinkedBlockingQueue<Peer>()
    private val clients = CopyOnWriteArrayList<GatewayClient>()
    private val sockets = CopyOnWriteArrayList<Socket>()

    /** Answers an upgrade with other bytes instead, if it returns some. */
    @Volatile
    var refusal: (headers: Map<String, String>) -> String? = { null }

    /** The headers of the last upgrade, with names in lower case. */
    @Volatile
    var headers: Map<String, String> = emptyMap()

    val url: String get() = "$scheme://$host:${server.localPort}/ws"
    val port: Int get() = server.localPort

    init {
        thread(isDaemon = true, name = "scripted gateway") {
            while (!server.isClosed) {
                val socket = runCatching { server.accept() }.getOrNull() ?: continue
                sockets.add(socket)
                thread(isDaemon = true, name = "scripted connection") { runCatching { accept(socket) } }
            }
        }
    }

    private fun accept(socket: Socket) {
        socket.tcpNoDelay = true
        val input = BufferedInputStream(socket.getInputStream())
        val headers = HashMap<String, String>()
        line(input)
        while (true) {
            val line = line(input)
            if (line.isEmpty()) break
            headers[line.substringBefore(':').lowercase()] = line.substringAfter(':').trim()
        }
        this.headers = headers
        val answer = refusal(headers)
        if (answer != null) {
            socket.getOutputStream().write(answer.toByteArray())
            socket.close()
            return
        }
        val key = headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        val sum = Base64.getEncoder().encodeToString(MessageDigest.getInstance("SHA-1").digest(key.toByteArray()))
        socket.getOutputStream().write(
            (
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
                    "Sec-WebSocket-Protocol: gateway.v1.json\r\nSec-WebSocket-Accept: $sum\r\n\r\n"
            ).toByteArray(),
        )
        connections.add(Peer(socket, input))
    }

    private fun line(input: BufferedInputStream): String {
        val line = StringBuilder()
        while (true) {
            val byte = input.read()
            if (byte < 0 || byte == '\n'.code) return line.toString().trimEnd('\r')
            line.append(byte.toChar())
        }
    }

    fun client(options: GatewayOptions = GatewayOptions(), tokens: TokenProvider = TokenProvider.of("the token")) =
        GatewayClient(url, tokens, options).also(clients::add)

    /** Returns the next connection. */
    fun next(): Peer = connections.poll(PATIENCE_SECONDS, TimeUnit.SECONDS) ?: error("the client does not connect")

    /** Returns whether a client connects within a time. */
    fun connectsWithin(milliseconds: Long): Boolean = connections.poll(milliseconds, TimeUnit.MILLISECONDS) != null

    /** Returns the next connection, with an authenticated client. */
    fun accepted(): Peer = next().also { it.greet(it.command("authenticate")) }

    /** Returns a client that is online, and its connection. */
    suspend fun connect(options: GatewayOptions = GatewayOptions()): Pair<GatewayClient, Peer> = coroutineScope {
        val client = client(options)
        val connected = async { client.connect() }
        val peer = io { accepted() }
        connected.await()
        client to peer
    }

    /** Ends all connections, so that clients need not wait for an answer to their close frames. */
    fun drop() {
        sockets.forEach { runCatching { it.close() } }
    }

    override fun close() {
        server.close()
        drop()
        runBlocking { clients.forEach { it.close() } }
    }
}

/** Runs something that blocks. */
suspend fun <T> io(block: () -> T): T = withContext(Dispatchers.IO) { block() }

/** Subscribes a client to the clan c. */
suspend fun Peer.subscribe(client: GatewayClient): Subscription = coroutineScope {
    val subscription = async { client.clanChat("c").subscribe() }
    io { confirm(command("subscribe_clan_chat")) }
    subscription.await()
}
