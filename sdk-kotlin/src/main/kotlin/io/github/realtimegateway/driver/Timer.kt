package io.github.realtimegateway.driver

import kotlinx.coroutines.Job
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch

/**
 * The one timer of a client. The deadline moves with each frame, so a timer that is set to an earlier time stays, and is set
 * again when it fires. The lock of the client guards it.
 */
internal class Timer(private val engine: Engine) {
    private var deadline = NEVER

    /** The time at which the timer fires. */
    private var armed = NEVER
    private var job: Job? = null

    /** Sets the timer to a time of the clock, or to never. The lock is held. */
    fun set(deadline: Long) {
        this.deadline = deadline
        // A timer that should have fired already is of a clock that has jumped.
        if (deadline == NEVER || armed in engine.clock.now..deadline) return
        arm()
    }

    private fun arm() {
        job?.cancel()
        armed = deadline
        val wait = maxOf(0, deadline - engine.clock.now)
        job = engine.scope.launch {
            delay(wait)
            fire(this@launch.coroutineContext[Job])
        }
    }

    private fun fire(from: Job?) {
        val isDue = engine.locked {
            if (job !== from) return
            armed = NEVER
            if (deadline == NEVER) return
            val isDue = engine.clock.now >= deadline
            if (!isDue) arm()
            isDue
        }
        if (isDue) engine.tick()
    }

    /** Stops the timer. The lock is held. */
    fun stop() {
        job?.cancel()
        job = null
        armed = NEVER
        deadline = NEVER
    }

    private companion object {
        private const val NEVER = -1L
    }
}
