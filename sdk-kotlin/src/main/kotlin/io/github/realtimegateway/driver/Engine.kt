package io.github.realtimegateway.driver

import io.github.realtimegateway.ConnectionState
import io.github.realtimegateway.Failure
import io.github.realtimegateway.GatewayClient
import io.github.realtimegateway.GatewayException
import io.github.realtimegateway.GatewayOptions
import io.github.realtimegateway.Outcome
import io.github.realtimegateway.Status
import io.github.realtimegateway.TokenProvider
import io.github.realtimegateway.core.CoreClient
import io.github.realtimegateway.core.CoreTrap
import io.github.realtimegateway.core.InvalidInput
import io.github.realtimegateway.protocol.Connected
import java.security.SecureRandom
import java.time.Instant
import java.util.concurrent.locks.ReentrantLock
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.asExecutor
import kotlinx.coroutines.cancel
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.put

/**
 * The driver of a client. The thread that has an input (a frame, a call, the timer) passes it to the core under the lock of the
 * client, and carries out the output. Nothing waits under the lock but for the core, and no code of the app runs there: what may
 * continue code of the app is collected in [later], and happens after the lock.
 */
internal class Engine(val url: String, val provider: TokenProvider, val options: GatewayOptions) {
    val app = AppCode(options.executor)
    val notices = Notices(app)
    val scope = CoroutineScope(SupervisorJob() + Dispatchers.Default)
    val state = Observed(ConnectionState(Status.IDLE), app)
    val pending = Observed<Int?>(null, app)
    val sockets = Sockets(this)
    val streams = Streams(this)
    val calls = Calls(this)
    val clock = Clock()
    private val tokens = Tokens(this)
    private val timer = Timer(this)
    private val lock = ReentrantLock()

    // The lock guards all that follows.
    private val afterLock = ArrayList<() -> Unit>()
    private var core: CoreClient? = null

    /** Counts the clients of the core. */
    private var opened = 0

    /** Why the last client of the core has ended; null while it works. */
    private var trap: GatewayException? = null

    /** Is completed when the state has changed. */
    private var changed = CompletableDeferred<Unit>()

    /** The number of the last call or stream. */
    private var last = 0L

    /** Runs a block under the lock, and then what it has collected for later. */
    inline fun <T> locked(block: () -> T): T {
        val after: List<() -> Unit>
        val result: T
        lock.lock()
        try {
            result = block()
        } finally {
            after = collected()
            lock.unlock()
            after.forEach { it() }
        }
        return result
    }

    private fun collected(): List<() -> Unit> {
        if (lock.holdCount > 1 || afterLock.isEmpty()) return emptyList()
        val after = ArrayList(afterLock)
        afterLock.clear()
        return after
    }

    /** Does something after the lock, in this thread. The lock is held. */
    fun later(action: () -> Unit) {
        afterLock.add(action)
    }

    /** Completes what code of the app may wait for, where such code runs. The lock is held. */
    fun <T> complete(deferred: CompletableDeferred<T>, value: T) {
        later { app.run { deferred.complete(value) } }
    }

    /** Returns the next number of a call or stream. The lock is held. */
    fun nextNumber(): Long = ++last

    /** Whether there is a client of the core. The lock is held. */
    val hasCore: Boolean get() = core != null

    val isClosed: Boolean get() = state.value.status == Status.CLOSED

    /** What is completed at the next change of the state. The lock is held. */
    fun nextChange(): CompletableDeferred<Unit> = changed

    /**
     * Passes an input to the core and carries out its messages in order. The lock is held, so that the inputs have one order.
     */
    fun handle(head: ByteArray, body: ByteArray = Inputs.NOTHING) {
        if (isClosed) throw GatewayException.closedByApp()
        trap?.let { throw it }
        if (core == null) openCore()
        if (clock.hasSlept()) step(Inputs.WOKEN, Inputs.NOTHING)
        step(head, body)
        setTimer()
    }

    /**
     * Reports what has happened. An input that the core does not accept is a bug of this driver, which ends the client: otherwise
     * it would wait for something that the core does not know. The lock is held.
     */
    fun report(head: ByteArray, body: ByteArray = Inputs.NOTHING) {
        try {
            handle(head, body)
        } catch (failure: GatewayException.Invalid) {
            endByTrap(failure)
        } catch (_: GatewayException) {
            // The client has ended.
        }
    }

    private fun step(head: ByteArray, body: ByteArray) {
        trap?.let { throw it }
        val core = core ?: return
        try {
            forEachMessage(core.handle(clock.now, head, body), ::carryOut)
        } catch (failure: InvalidInput) {
            throw GatewayException.Invalid(failure.message ?: "the input is invalid", cause = failure)
        } catch (failure: CoreTrap) {
            throw endByTrap(failure)
        } catch (failure: UnreadableOutput) {
            throw endByTrap(failure)
        }
    }

    /** Carries out a message of the core. It must not wait, and must not call the app or the core. */
    private fun carryOut(head: Head, body: String) {
        when (head.type) {
            "open" -> sockets.open(head.connection)
            "send" -> sockets.send(head.connection, body)
            "close" -> sockets.close(head.connection, head.code)
            "request_token" -> tokens.request()
            "subscribed" -> streams.subscribed(head)
            "ready" -> streams.ready(head.stream)
            "ended" -> streams.ended(head)
            "result" -> calls.settle(head.call, CallEnd(body, head.error?.toException()))
            "state" -> become(stateOf(head, body))
            "pending" -> later(pending.set(head.count))
        }
    }

    private fun stateOf(head: Head, body: String): ConnectionState {
        val status = Status.of(head.status)
        var error = head.error?.toException()
        if (error == null && (status == Status.CONNECTING || status == Status.RECONNECTING)) {
            // During an attempt the cause of the last failure is kept.
            error = state.value.error
        }
        val next = head.nextAttempt?.let { Instant.now().plusMillis(maxOf(0, it - clock.now)) }
        return ConnectionState(status, sessionOf(body), error, next)
    }

    /** Reads the greeting, which the core has checked. A field that this version cannot read leaves the session away. */
    private fun sessionOf(body: String): Connected? = try {
        if (body.isEmpty()) null else json.decodeFromString(Connected.serializer(), body)
    } catch (_: IllegalArgumentException) {
        null
    }

    /** Changes the state and wakes who waits for it. The lock is held. */
    private fun become(next: ConnectionState) {
        if (next.status != state.value.status) later { log(next) }
        later(state.set(next))
        complete(changed, Unit)
        changed = CompletableDeferred()
    }

    private fun openCore() {
        val random = SecureRandom()
        val config = buildJsonObject {
            put("seed", JsonArray(List(4) { JsonPrimitive(random.nextInt().toUInt().toLong()) }))
            put("name", "gateway-kotlin")
            put("version", GatewayClient.VERSION)
            options.deviceId?.let { put("deviceId", it) }
            val bounds = listOf(options.minReconnect, options.maxReconnect)
            put("reconnect", JsonArray(bounds.map { JsonPrimitive(it.toMillis()) }))
        }
        val number = opened + 1
        try {
            core = CoreClient.open(config.toString()) { cause -> trappedElsewhere(number, cause) }
        } catch (failure: InvalidInput) {
            throw GatewayException.Invalid(failure.message ?: "the options are invalid", cause = failure)
        }
        opened = number
    }

    /** Is called in the thread of another client, which holds its own lock. */
    private fun trappedElsewhere(number: Int, cause: CoreTrap) {
        Dispatchers.Default.asExecutor().execute {
            locked { if (core != null && opened == number) endByTrap(cause) }
        }
    }

    /** Sets the timer to the core's deadline. The lock is held. */
    fun setTimer() {
        val core = core ?: return
        try {
            timer.set(core.deadline())
        } catch (failure: CoreTrap) {
            endByTrap(failure)
        }
    }

    /** Is called by the timer. */
    fun tick() {
        locked { if (core != null) report(Inputs.TICK) }
    }

    /** Takes the next item of a stream, or nothing. The lock is held. */
    fun take(stream: Long): ByteArray {
        val core = core ?: return Inputs.NOTHING
        try {
            return core.take(stream)
        } catch (failure: CoreTrap) {
            throw endByTrap(failure)
        } catch (failure: InvalidInput) {
            throw endByTrap(failure)
        }
    }

    /** Ends everything after a failure of the core, until [connect] makes a new one. The lock is held. */
    fun endByTrap(cause: Throwable): GatewayException {
        trap?.let { return it }
        val message = cause.message ?: cause.toString()
        val ended = GatewayException.of(Failure("trap", message, Outcome.UNKNOWN, cause = cause))
        trap = ended
        dropCore()
        sockets.closeAll()
        calls.settleAll(ended)
        streams.endAll(ended)
        become(ConnectionState(Status.FAILED, error = ended))
        return ended
    }

    /** Gives the client of the core back and stops what works for it. The lock is held. */
    private fun dropCore() {
        core?.close()
        core = null
        timer.stop()
        tokens.cancel()
    }

    /** Begins to connect, or starts again after a final state. */
    fun connect() {
        sockets.prepare()
        locked {
            // After a failure of the core a new one begins.
            trap = null
            val status = state.value.status
            if (status.isFinal && status != Status.CLOSED && core != null) {
                handle(Inputs.RESUME)
            } else {
                if (status == Status.FAILED) become(ConnectionState(Status.IDLE))
                handle(Inputs.CONNECT)
            }
        }
    }

    /** Reports that the network or the app is back. */
    fun wake() {
        locked { if (core != null) report(Inputs.WOKEN) }
    }

    /** Closes the client. A second call does nothing. */
    fun close() {
        locked {
            if (isClosed) return
            if (core != null) report(Inputs.CLOSE)
            dropCore()
            // What the core has left, if there was one.
            sockets.closeAll()
            calls.settleAll(GatewayException.closedByApp())
            streams.endAll(GatewayException.closedByApp())
            if (!isClosed) become(ConnectionState(Status.CLOSED))
            later(notices::close)
            later { scope.cancel() }
        }
    }

    /** Makes the next call of the core fail. For tests. */
    fun sabotage() {
        locked { core?.sabotage() }
    }

    private fun log(next: ConnectionState) {
        val logger = options.logger ?: return
        notices.notify { logger.report(next) }
    }
}
