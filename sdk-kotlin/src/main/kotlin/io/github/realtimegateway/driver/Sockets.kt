package io.github.realtimegateway.driver

import java.util.concurrent.SynchronousQueue
import java.util.concurrent.ThreadPoolExecutor
import java.util.concurrent.TimeUnit
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import okhttp3.ConnectionPool
import okhttp3.Dispatcher
import okhttp3.Interceptor
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.Response

/** The connections of a client. The lock of the client guards them. */
internal class Sockets(private val engine: Engine) {
    private val current = HashMap<Long, Socket>()

    /** All sockets that have not ended, also those that the core no longer wants to know about. */
    private val open = LinkedHashSet<Socket>()
    private val threads = ThreadPoolExecutor(0, Int.MAX_VALUE, 1, TimeUnit.SECONDS, SynchronousQueue()) { task ->
        Thread(task, "gateway-connection").apply { isDaemon = true }
    }
    private val pool = ConnectionPool(0, 1, TimeUnit.SECONDS)
    private val http: OkHttpClient by lazy(::client)
    private val request: Request by lazy {
        val request = Request.Builder().url(engine.url).header("Sec-WebSocket-Protocol", SUBPROTOCOL)
        engine.options.headers.forEach { (name, value) -> request.header(name, value) }
        request.build()
    }

    /** Switches off what the core does. The connections of other clients do not count. */
    private fun client(): OkHttpClient {
        // By default OkHttp makes 64 requests at a time, and 5 to a host.
        val dispatcher = Dispatcher(threads).apply {
            maxRequests = Int.MAX_VALUE
            maxRequestsPerHost = Int.MAX_VALUE
        }
        val client = (engine.options.httpClient ?: shared).newBuilder()
            .dispatcher(dispatcher)
            .connectionPool(pool)
            .retryOnConnectionFailure(false)
            // As in browsers: the response has to come from the address that the app has named.
            .followRedirects(false)
            .followSslRedirects(false)
            .callTimeout(0, TimeUnit.SECONDS)
            .connectTimeout(0, TimeUnit.SECONDS)
            .readTimeout(0, TimeUnit.SECONDS)
            .writeTimeout(0, TimeUnit.SECONDS)
            .pingInterval(0, TimeUnit.SECONDS)
        return client.addInterceptor(WithoutCompression).build()
    }

    /** Makes the HTTP client, which takes a while, outside of the lock. */
    fun prepare() {
        http
    }

    /** Begins to open a connection. The lock is held. */
    fun open(number: Long) {
        val socket = Socket(engine, number)
        current[number] = socket
        open.add(socket)
        socket.start(http, request)
    }

    /** Returns whether the core wants to know about a connection. The lock is held. */
    fun isCurrent(socket: Socket): Boolean = current[socket.number] === socket

    /** Lets the core know nothing more about a connection. The lock is held. */
    fun forget(socket: Socket) {
        // After a failure of the core, another connection may have the number.
        if (isCurrent(socket)) current.remove(socket.number)
    }

    fun send(number: Long, text: String) {
        engine.tap(true, number, text)
        current[number]?.send(text)
    }

    fun close(number: Long, code: Int) {
        current[number]?.close(code)
    }

    fun closeAll() {
        current.values.toList().forEach { it.close(NORMAL_CLOSURE) }
    }

    /** Is called when a connection has ended. The lock is held. */
    fun ended(socket: Socket) {
        open.remove(socket)
    }

    /** Waits until all connections of a closed client have ended, and gives their threads back. */
    suspend fun awaitEnd() {
        engine.locked { open.toList() }.forEach { it.ended.await() }
        threads.shutdown()
        pool.evictAll()
    }

    internal companion object {
        const val SUBPROTOCOL: String = "gateway.v1.json"
        const val NORMAL_CLOSURE: Int = 1000

        /** The options that all clients begin with. Its own dispatcher and pool are not used. */
        private val shared: OkHttpClient by lazy { OkHttpClient() }

        /** Ends connections whose end takes too long, also after their client has ended. */
        val expiry = CoroutineScope(SupervisorJob() + Dispatchers.Default)
    }
}

/** Removes the offer of compression that OkHttp makes. */
private object WithoutCompression : Interceptor {
    override fun intercept(chain: Interceptor.Chain): Response =
        chain.proceed(chain.request().newBuilder().removeHeader("Sec-WebSocket-Extensions").build())
}
