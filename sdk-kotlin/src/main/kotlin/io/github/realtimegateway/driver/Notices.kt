package io.github.realtimegateway.driver

import java.util.concurrent.locks.ReentrantLock
import kotlin.concurrent.withLock

/** Calls the tap and the logger of the app, one after the other and in order, while there is something to report. */
internal class Notices(private val app: AppCode) {
    private val lock = ReentrantLock()
    private val queue = ArrayDeque<(dropped: Int) -> Unit>()
    private var dropped = 0
    private var isRunning = false
    private var isClosed = false

    /** Calls a function later. Must not be called under a lock. */
    fun notify(call: (dropped: Int) -> Unit) {
        val starts = lock.withLock {
            if (isClosed) return
            if (queue.size >= MAX_NOTICES) {
                dropped++
                return
            }
            queue.addLast(call)
            val starts = !isRunning
            isRunning = true
            starts
        }
        if (starts) app.run(::run)
    }

    private fun run() {
        while (true) {
            val dropped: Int
            val call = lock.withLock {
                dropped = this.dropped
                val next = queue.removeFirstOrNull()
                if (next == null) isRunning = false else this.dropped = 0
                next
            } ?: return
            call(dropped)
        }
    }

    /** Takes nothing more, because the client has ended. What waits is still shown. */
    fun close() {
        lock.withLock { isClosed = true }
    }

    private companion object {
        /** How many frames and log records wait for the app. */
        private const val MAX_NOTICES = 1_000
    }
}
