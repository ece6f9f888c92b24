package io.github.realtimegateway.driver

import java.util.concurrent.TimeUnit

/**
 * Counts milliseconds from its start. The JVM's monotonic clock stands still while most devices sleep, so the wall clock shows
 * that. If the wall clock was set instead, a ping does no harm. The lock of the client guards it.
 */
internal class Clock {
    private var started = System.nanoTime()
    private val startedAt = System.currentTimeMillis()

    /** How far the wall clock was ahead at the last reading; 0 if it was behind. */
    private var ahead = 0L

    /** What tests add to the wall clock. */
    var skew: Long = 0

    /** The time. */
    val now: Long get() = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - started)

    /** Returns whether the device has slept since the last call. */
    fun hasSlept(): Boolean = hasSlept(now, System.currentTimeMillis() - startedAt + skew)

    fun hasSlept(monotonic: Long, wall: Long): Boolean {
        val before = ahead
        ahead = maxOf(0, wall - monotonic)
        return ahead - before >= MIN_SLEEP
    }

    /** Moves the clock ahead, as if this time had passed. For tests. */
    fun skip(milliseconds: Long) {
        started -= TimeUnit.MILLISECONDS.toNanos(milliseconds)
        skew += milliseconds
    }

    private companion object {
        /** The least advance of the wall clock that counts as sleep. A smaller one is an adjustment of the clock. */
        private const val MIN_SLEEP = 2_000L
    }
}
