package io.github.realtimegateway.driver

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Job
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.serialization.json.put
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.Response
import okhttp3.WebSocket
import okhttp3.WebSocketListener

/** One connection. OkHttp calls it in the thread that reads the connection. The lock of the client guards it. */
internal class Socket(private val engine: Engine, val number: Long) : WebSocketListener() {
    /** Is completed when nothing of the connection is left. */
    val ended = CompletableDeferred<Unit>()
    private var webSocket: WebSocket? = null
    private var isOpen = false
    private var isClosing = false

    /** Ends the connection if its end takes too long. */
    private var expiry: Job? = null

    /** Begins to open the connection. The lock is held. */
    fun start(client: OkHttpClient, request: Request) {
        webSocket = client.newWebSocket(request, this)
    }

    override fun onOpen(webSocket: WebSocket, response: Response) {
        engine.locked {
            isOpen = true
            when {
                engine.sockets.isCurrent(this) -> engine.report(head("opened") { put("connection", number) })
                // Closed while it was being opened.
                else -> close(Sockets.NORMAL_CLOSURE)
            }
        }
    }

    override fun onMessage(webSocket: WebSocket, text: String) {
        if (text.length > MAX_MESSAGE) return webSocket.cancel()
        engine.locked {
            if (engine.sockets.isCurrent(this)) {
                engine.tap(false, number, text)
                val body = text.encodeToByteArray()
                engine.report(Inputs.frame(number, body.size), body)
            }
        }
    }

    override fun onClosing(webSocket: WebSocket, code: Int, reason: String) {
        engine.locked {
            reportClosed(code)
            close(Sockets.NORMAL_CLOSURE)
        }
    }

    override fun onClosed(webSocket: WebSocket, code: Int, reason: String) {
        end { reportClosed(code) }
    }

    override fun onFailure(webSocket: WebSocket, t: Throwable, response: Response?) {
        end {
            when {
                isOpen -> reportClosed(CLOSED_ABNORMALLY)
                engine.sockets.isCurrent(this) -> {
                    engine.sockets.forget(this)
                    engine.report(openFailed(t, response))
                }
            }
        }
    }

    /** Reports the end of the connection once. The lock is held. */
    private fun reportClosed(code: Int) {
        if (!engine.sockets.isCurrent(this)) return
        engine.sockets.forget(this)
        engine.report(
            head("closed") {
                put("connection", number)
                put("code", code)
            },
        )
    }

    private fun openFailed(failure: Throwable, response: Response?): ByteArray = head("open_failed") {
        put("connection", number)
        put("message", failure.message ?: failure.toString())
        if (response != null && response.code != SWITCHING_PROTOCOLS) {
            put("status", response.code)
            response.header("Retry-After")?.let { put("retryAfter", it) }
        }
    }

    private inline fun end(report: () -> Unit) {
        engine.locked {
            report()
            expiry?.cancel()
            engine.sockets.ended(this)
            engine.later { ended.complete(Unit) }
        }
    }

    /** Queues a message. OkHttp writes in a thread of its own. The lock is held. */
    fun send(text: String) {
        val webSocket = webSocket ?: return
        // OkHttp queues 16 MiB, far beyond what the core has under way.
        if (!isClosing && !webSocket.send(text)) engine.later(webSocket::cancel)
    }

    /**
     * Closes the connection after what is queued, and at the latest after two seconds. Nothing more is reported about it. The lock is
     * held.
     */
    fun close(code: Int) {
        engine.sockets.forget(this)
        val webSocket = webSocket ?: return
        if (isClosing) return
        if (!isOpen) return engine.later(webSocket::cancel)
        isClosing = true
        // False if the connection has failed already.
        webSocket.close(code, null)
        expiry = Sockets.expiry.launch {
            delay(CLOSE_TIMEOUT_MS)
            webSocket.cancel()
        }
    }

    /** Whether something waits to be written. For tests. */
    val isWriting: Boolean get() = (webSocket?.queueSize() ?: 0) > 0

    private companion object {
        /** The length of the longest message, in UTF-16. The gateway stays under 256 KiB. */
        private const val MAX_MESSAGE = 4 * 1024 * 1024
        private const val CLOSE_TIMEOUT_MS = 2_000L
        private const val CLOSED_ABNORMALLY = 1006
        private const val SWITCHING_PROTOCOLS = 101
    }
}
