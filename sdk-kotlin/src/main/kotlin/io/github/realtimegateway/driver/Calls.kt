package io.github.realtimegateway.driver

import io.github.realtimegateway.Failure
import io.github.realtimegateway.GatewayException
import io.github.realtimegateway.Outcome
import java.time.Duration
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive
import kotlinx.serialization.DeserializationStrategy
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.put

/** The end of a call: the reply of the gateway, or an error. */
internal class CallEnd(val body: String, val failure: GatewayException?)

/** The calls of a client that wait for their results. The lock of the client guards them. */
internal class Calls(private val engine: Engine) {
    private val waiting = HashMap<Long, CompletableDeferred<CallEnd>>()

    /**
     * Makes a request and waits for the gateway's reply. `kind` is `call`, which is repeated after a lost connection if that is safe,
     * or `request`, which never is. A cancelled coroutine only ends the waiting: the connection does not notice.
     */
    suspend fun call(kind: String, command: String, fields: JsonObject, timeout: Duration? = engine.options.timeout): String {
        currentCoroutineContext().ensureActive()
        val done = CompletableDeferred<CallEnd>()
        val number = begin(kind, command, fields, timeout, done)
        try {
            val end = done.await()
            end.failure?.let { throw traced(it) }
            return end.body
        } finally {
            engine.locked { waiting.remove(number) }
        }
    }

    /** Passes a request to the core. Its result completes [done], if that is not null. */
    fun begin(kind: String, command: String, fields: JsonObject, timeout: Duration?, done: CompletableDeferred<CallEnd>?): Long {
        val body = fields.toString().encodeToByteArray()
        engine.sockets.prepare()
        return engine.locked {
            val number = engine.nextNumber()
            if (done != null) waiting[number] = done
            try {
                val head = head(kind) {
                    put("call", number)
                    put("command", command)
                    timeout?.let { put("timeoutMs", it.toMillis()) }
                    put("body", body.size)
                }
                engine.handle(head, body)
            } catch (failure: GatewayException) {
                waiting.remove(number)
                throw traced(failure)
            }
            number
        }
    }

    /** The number of calls that wait. For tests. */
    val count: Int get() = engine.locked { waiting.size }

    /** Ends a call. The lock is held. */
    fun settle(number: Long, end: CallEnd) {
        waiting.remove(number)?.let { engine.complete(it, end) }
    }

    /** Ends all calls with an error. The lock is held. */
    fun settleAll(failure: GatewayException) {
        waiting.keys.toList().forEach { settle(it, CallEnd("", failure)) }
    }
}

/** Returns the error with the stack of this call: one exception may end many calls. */
internal fun traced(failure: GatewayException): GatewayException = GatewayException.of(
    Failure(
        failure.code,
        failure.sentence,
        failure.outcome,
        failure.isRetryable,
        failure.retryAfter,
        failure.closeCode,
        failure.details,
        failure.clientMessageId,
        failure.cause,
    ),
)

/** Reads the gateway's reply to a call. */
internal fun <T> decodeReply(deserializer: DeserializationStrategy<T>, body: String): T = try {
    json.decodeFromString(deserializer, body)
} catch (failure: IllegalArgumentException) {
    throw GatewayException.Invalid("the gateway's reply: ${failure.message}", Outcome.UNKNOWN, failure)
}
