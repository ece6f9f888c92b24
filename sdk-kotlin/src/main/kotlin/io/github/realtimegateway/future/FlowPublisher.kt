package io.github.realtimegateway.future

import java.util.concurrent.Flow
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Job
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.launch

/** A flow of Kotlin as a publisher of Java: each subscriber collects the flow, and an item waits until it is requested. */
internal class FlowPublisher<T>(private val scope: CoroutineScope, private val flow: kotlinx.coroutines.flow.Flow<T>) :
    Flow.Publisher<T> {
    override fun subscribe(subscriber: Flow.Subscriber<in T>) {
        Collection(subscriber).begin()
    }

    private inner class Collection(private val subscriber: Flow.Subscriber<in T>) : Flow.Subscription {
        /** Has a value when more was requested. */
        private val signal = Channel<Unit>(Channel.CONFLATED)
        private var requested = 0L

        @Volatile
        private var mistake: IllegalArgumentException? = null
        private lateinit var job: Job

        fun begin() {
            job = scope.launch(start = CoroutineStart.LAZY) { collect() }
            subscriber.onSubscribe(this)
            job.start()
        }

        private suspend fun collect() {
            try {
                flow.collect { item ->
                    awaitRequest()
                    subscriber.onNext(item)
                }
            } catch (failure: CancellationException) {
                throw failure
            } catch (failure: Throwable) {
                subscriber.onError(failure)
                return
            }
            subscriber.onComplete()
        }

        private suspend fun awaitRequest() {
            while (true) {
                mistake?.let { throw it }
                val isRequested = synchronized(this) {
                    val isRequested = requested > 0
                    if (isRequested && requested != Long.MAX_VALUE) requested--
                    isRequested
                }
                if (isRequested) return
                signal.receive()
            }
        }

        override fun request(n: Long) {
            if (n <= 0) {
                // Reactive Streams, rule 3.9.
                mistake = IllegalArgumentException("a positive number has to be requested")
            } else {
                synchronized(this) { requested = if (requested + n < 0) Long.MAX_VALUE else requested + n }
            }
            signal.trySend(Unit)
        }

        override fun cancel() {
            job.cancel()
        }
    }
}
