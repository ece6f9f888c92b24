package io.github.realtimegateway.conformance

import io.github.realtimegateway.GatewayClient
import java.util.concurrent.ConcurrentHashMap
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.put

/**
 * The adapter of the SDK for Kotlin for `gateway conformance`: carries out commands from stdin, and writes what happens to stdout.
 * docs/conformance.md has the protocol.
 */
fun main() {
    emit("hello") {
        put("protocol", 1)
        put("name", "gateway-kotlin")
        put("version", GatewayClient.VERSION)
        put("core", GatewayClient.coreDigest)
        put("skip", JsonArray(emptyList()))
    }
    val commands = Commands()
    val scope = CoroutineScope(SupervisorJob() + Dispatchers.Default)
    val running = ConcurrentHashMap<Long, Job>()
    System.`in`.bufferedReader().forEachLine { line ->
        val command = Json.parseToJsonElement(line).jsonObject
        val id = command.whole("id") ?: 0
        if (command.text("do") == "cancel") {
            running[command.whole("of")]?.cancel()
            done(id)
        } else {
            // A call begins before it waits for the first time, so the order of the lines is the order of the calls.
            val job = scope.launch(start = CoroutineStart.UNDISPATCHED) { carryOut(commands, id, command) }
            running[id] = job
            job.invokeOnCompletion { running.remove(id) }
        }
    }
    runBlocking { commands.reset() }
}

private suspend fun carryOut(commands: Commands, id: Long, command: Command) {
    try {
        done(id, commands.carryOut(command))
    } catch (_: CancellationException) {
        emit("done") {
            put("id", id)
            put("error", CANCELED)
        }
    } catch (failure: Exception) {
        emit("done") {
            put("id", id)
            put("error", failureOf(failure))
        }
    }
}
