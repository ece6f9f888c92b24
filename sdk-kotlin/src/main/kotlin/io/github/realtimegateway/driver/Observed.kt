package io.github.realtimegateway.driver

import kotlinx.coroutines.ExperimentalForInheritanceCoroutinesApi
import kotlinx.coroutines.flow.FlowCollector
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow

/**
 * A value of the client as a flow. It is set under the lock of the client, and collectors get it later, outside of the lock. A
 * slow collector gets the latest value.
 */
@OptIn(ExperimentalForInheritanceCoroutinesApi::class)
internal class Observed<T>(initial: T, private val app: AppCode) : StateFlow<T> {
    private val flow = MutableStateFlow(initial)
    private var isPublishing = false

    @Volatile
    private var latest: T = initial

    override val value: T get() = latest

    override val replayCache: List<T> get() = listOf(latest)

    override suspend fun collect(collector: FlowCollector<T>): Nothing = flow.collect(collector)

    /** Sets the value under the lock of the client. The result has to be called after the lock. */
    fun set(value: T): () -> Unit {
        latest = value
        return ::publish
    }

    private fun publish() {
        synchronized(this) {
            if (isPublishing) return
            isPublishing = true
        }
        app.run {
            do {
                val published = latest
                flow.value = published
                val isLatest = synchronized(this) {
                    val isLatest = published === latest
                    if (isLatest) isPublishing = false
                    isLatest
                }
            } while (!isLatest)
        }
    }
}
