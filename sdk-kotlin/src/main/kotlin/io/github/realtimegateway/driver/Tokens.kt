package io.github.realtimegateway.driver

import io.github.realtimegateway.SignedOutException
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.Job
import kotlinx.coroutines.job
import kotlinx.coroutines.launch
import kotlinx.serialization.json.put

/** Calls the token provider of the app, and gives its result to the core. The lock of the client guards it. */
internal class Tokens(private val engine: Engine) {
    private var job: Job? = null

    /** Calls the provider. The result of an earlier call is no longer wanted. The lock is held. */
    fun request() {
        cancel()
        job = engine.scope.launch(engine.app.dispatcher) {
            // Not `cancelled`: a provider may throw a CancellationException of its own, such as that of a timeout.
            val head = try {
                val token = engine.provider.token()
                head("token") { put("token", token) }
            } catch (failure: Throwable) {
                failed(failure)
            }
            give(coroutineContext.job, head)
        }
    }

    private fun failed(failure: Throwable): ByteArray = head("token_failed") {
        put("message", failure.message ?: failure.toString())
        if (failure is SignedOutException || failure.cause is SignedOutException) put("signedOut", true)
    }

    private fun give(from: Job, head: ByteArray) {
        engine.locked {
            if (job !== from) return
            job = null
            engine.report(head)
        }
    }

    /** Lets the result of a call go that is under way. The lock is held. */
    fun cancel() {
        val job = job ?: return
        this.job = null
        // Cancelling may continue code of the app.
        engine.later { job.cancel(CancellationException("the token is no longer wanted")) }
    }
}
