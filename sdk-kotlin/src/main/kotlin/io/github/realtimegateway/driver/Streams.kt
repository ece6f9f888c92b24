package io.github.realtimegateway.driver

import io.github.realtimegateway.GatewayException
import io.github.realtimegateway.Position
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.put

/** The streams of a client. The lock of the client guards them. */
internal class Streams(private val engine: Engine) {
    private val streams = HashMap<Long, Stream>()

    /** Begins a stream and waits until the gateway has confirmed it. */
    suspend fun subscribe(command: String, fields: JsonObject): Stream {
        currentCoroutineContext().ensureActive()
        val body = fields.toString().encodeToByteArray()
        engine.sockets.prepare()
        val stream = engine.locked {
            val stream = Stream(engine, engine.nextNumber())
            streams[stream.number] = stream
            try {
                val head = head("subscribe") {
                    put("stream", stream.number)
                    put("command", command)
                    put("buffer", engine.options.buffer)
                    put("body", body.size)
                }
                engine.handle(head, body)
            } catch (failure: GatewayException) {
                streams.remove(stream.number)
                throw traced(failure)
            }
            stream
        }
        var isConfirmed = false
        try {
            stream.settled.await()
            stream.refusal()?.let { throw traced(it) }
            isConfirmed = true
        } finally {
            if (!isConfirmed) stream.leave()
        }
        return stream
    }

    /** Returns whether a stream is one of the current client of the core. The lock is held. */
    fun has(stream: Stream): Boolean = streams[stream.number] === stream

    fun remove(stream: Stream) {
        streams.remove(stream.number)
    }

    fun subscribed(head: Head) {
        streams[head.stream]?.subscribed(head)
    }

    fun ready(number: Long) {
        streams[number]?.wake()
    }

    fun ended(head: Head) {
        val error = head.error?.toException() ?: GatewayException.closedSubscription()
        streams[head.stream]?.ended(error)
    }

    /** Ends all streams, which the core no longer knows. The lock is held. */
    fun endAll(failure: GatewayException) {
        val all = streams.values.toList()
        streams.clear()
        all.forEach { it.ended(failure) }
    }
}

/** An item that was taken. */
internal class Item(val json: String, val position: Position?)

/** One subscription of the app. The lock of the client guards it. */
internal class Stream(private val engine: Engine, val number: Long) {
    /** Is completed when the gateway has confirmed or refused the subscription, or the client has ended. */
    val settled = CompletableDeferred<Unit>()
    private val waiting = ArrayList<CompletableDeferred<Unit>>()
    private var position: Position? = null
    private var isConfirmed = false
    private var end: GatewayException? = null
    private var isLeft = false

    /** The position of the last item that was read, or where the subscription began. */
    fun position(): Position? = engine.locked { position }

    /** Returns why the subscription was not confirmed; null if it was. */
    fun refusal(): GatewayException? = engine.locked {
        if (isConfirmed) null else end ?: GatewayException.closedSubscription()
    }

    /** Waits for the next item. */
    suspend fun next(): Item {
        currentCoroutineContext().ensureActive()
        while (true) {
            var signal: CompletableDeferred<Unit>? = null
            val item = engine.locked {
                val item = take()
                if (item == null) signal = CompletableDeferred<Unit>().also(waiting::add)
                item
            }
            if (item != null) return item
            val waited = signal ?: continue
            try {
                waited.await()
            } finally {
                engine.locked { waiting.remove(waited) }
            }
        }
    }

    /** Takes the next item. Throws the error with which the subscription has ended. The lock is held. */
    private fun take(): Item? {
        if (isLeft) throw traced(end ?: GatewayException.closedSubscription())
        if (engine.hasCore && engine.streams.has(this)) takeFromCore()?.let { return it }
        end?.let {
            leave()
            throw traced(it)
        }
        return null
    }

    private fun takeFromCore(): Item? {
        var item: Item? = null
        var isDue = false
        try {
            forEachMessage(engine.take(number)) { head, body ->
                if (head.position != null) position = head.position
                isDue = head.due
                item = Item(body, head.position)
            }
        } catch (failure: UnreadableOutput) {
            throw engine.endByTrap(failure)
        }
        if (isDue) engine.report(Inputs.TICK) else engine.setTimer()
        return item
    }

    fun subscribed(head: Head) {
        if (head.error != null) return ended(head.error.toException())
        if (position == null) position = head.position
        if (!isConfirmed) {
            isConfirmed = true
            engine.complete(settled, Unit)
        }
    }

    /** Is called when the stream has ended. Items that it still holds can be taken. The lock is held. */
    fun ended(failure: GatewayException) {
        if (end != null || isLeft) return
        end = failure
        engine.complete(settled, Unit)
        wake()
    }

    /** Wakes who waits for an item. The lock is held. */
    fun wake() {
        waiting.forEach { engine.complete(it, Unit) }
        waiting.clear()
    }

    /** Ends the subscription of the app. */
    fun leave() {
        engine.locked {
            if (isLeft) return
            isLeft = true
            wake()
            if (engine.streams.has(this)) {
                engine.streams.remove(this)
                if (engine.hasCore) engine.report(head("leave") { put("stream", number) })
            }
        }
    }
}
