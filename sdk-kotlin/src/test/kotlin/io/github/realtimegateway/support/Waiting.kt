package io.github.realtimegateway.support

import io.github.realtimegateway.Event
import io.github.realtimegateway.GatewayClient
import io.github.realtimegateway.GatewayException
import io.github.realtimegateway.MessageEvent
import io.github.realtimegateway.Subscription
import io.github.realtimegateway.driver.Inputs
import io.github.realtimegateway.protocol.Chat
import kotlin.test.assertFailsWith
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.delay
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import kotlinx.coroutines.withTimeout

/** Runs a test, which fails if it takes too long. */
fun story(seconds: Long = PATIENCE_SECONDS * 2, test: suspend CoroutineScope.() -> Unit) = runBlocking {
    withTimeout(seconds * 1_000) { withContext(Dispatchers.Default, test) }
}

/** Returns the next event. */
suspend fun Subscription.read(): Event = withTimeout(PATIENCE_SECONDS * 1_000) { next() }

/** Returns the next chat message. */
suspend fun Subscription.readChat(): Chat = readMessage()

/** Returns the next message of a type. */
suspend inline fun <reified M> Subscription.readMessage(): M {
    while (true) {
        val event = read()
        if (event is MessageEvent && event.message is M) return event.message as M
    }
}

/** Moves the clock of a client ahead, as if this time had passed. */
fun GatewayClient.skip(milliseconds: Long) {
    engine.locked {
        engine.clock.skip(milliseconds)
        if (engine.hasCore) engine.report(Inputs.TICK)
    }
}

/** Waits for a condition that nothing reports. */
suspend fun eventually(what: String, condition: () -> Boolean) {
    try {
        withTimeout(PATIENCE_SECONDS * 1_000) { while (!condition()) delay(5) }
    } catch (failure: kotlinx.coroutines.TimeoutCancellationException) {
        throw AssertionError("it does not happen: $what", failure)
    }
}

/** Returns the error of the SDK that a call throws. */
suspend inline fun <reified E : GatewayException> failureOf(crossinline call: suspend () -> Unit): E =
    assertFailsWith<E> { call() }
