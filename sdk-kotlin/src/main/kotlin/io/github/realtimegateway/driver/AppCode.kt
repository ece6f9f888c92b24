package io.github.realtimegateway.driver

import java.util.concurrent.Executor
import java.util.concurrent.RejectedExecutionException
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.asExecutor

/** Where code of the app runs, and what may run it: never a lock or a loop of the SDK. */
internal class AppCode(executor: Executor?) {
    private val executor: Executor = executor ?: Dispatchers.IO.asExecutor()

    /** The dispatcher of the app's code. */
    val dispatcher: CoroutineDispatcher = executor?.asCoroutineDispatcher() ?: Dispatchers.IO

    /** Runs something that may continue code of the app. Must not be called under a lock. */
    fun run(task: Runnable) {
        try {
            executor.execute(task)
        } catch (_: RejectedExecutionException) {
            // The app has shut its executor down. What waits must end nevertheless.
            Dispatchers.IO.asExecutor().execute(task)
        }
    }
}
