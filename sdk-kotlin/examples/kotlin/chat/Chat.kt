/**
 * A chat in the terminal: `ChatKt USER CLAN`.
 *
 * It needs a gateway with --dev, which makes the tokens: http://127.0.0.1:4000, or the address in GATEWAY_HTTP.
 */
package chat

import io.github.realtimegateway.ClanChat
import io.github.realtimegateway.GapEvent
import io.github.realtimegateway.GatewayClient
import io.github.realtimegateway.GatewayException
import io.github.realtimegateway.MessageEvent
import io.github.realtimegateway.Status
import io.github.realtimegateway.SubscribeOptions
import io.github.realtimegateway.TokenProvider
import io.github.realtimegateway.protocol.Chat
import java.net.URI
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse
import kotlin.system.exitProcess
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.flow.drop
import kotlinx.coroutines.future.await
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive

public fun main(arguments: Array<String>) {
    if (arguments.size != 2) {
        System.err.println("usage: chat USER CLAN")
        exitProcess(2)
    }
    chat(System.getenv("GATEWAY_HTTP") ?: "http://127.0.0.1:4000", arguments[0], arguments[1])
}

private fun chat(address: String, user: String, clanId: String) = runBlocking {
    val client = GatewayClient("$address/ws", TokenProvider { devToken(address, user) })
    val clan = client.clanChat(clanId)
    val showing = launch { show(clan) }
    val watching = launch { client.state.drop(1).collect { if (it.status != Status.ONLINE) println("* $it") } }
    while (true) {
        val line = withContext(Dispatchers.IO) { readlnOrNull() } ?: break
        send(clan, line)
    }
    showing.cancel()
    watching.cancel()
    client.close()
}

/** Sends a line. A refused one does not end the program. */
private suspend fun send(clan: ClanChat, line: String) {
    try {
        clan.send(line)
    } catch (failure: GatewayException.Refused) {
        println("! not sent: ${failure.message}")
    }
}

/** Prints what comes. */
private suspend fun show(clan: ClanChat) {
    clan.events(SubscribeOptions(history = 20)).collect { event ->
        when (event) {
            is MessageEvent -> (event.message as? Chat)?.let { println("${it.userId}: ${it.content}") }
            is GapEvent -> println("… some messages are missing: ${event.reason}")
            else -> {}
        }
    }
}

/** Asks a gateway that runs with --dev for a token. A real app asks its own backend. */
private suspend fun devToken(address: String, user: String): String {
    val request = HttpRequest.newBuilder(URI("$address/dev/token"))
        .header("Content-Type", "application/json")
        .POST(HttpRequest.BodyPublishers.ofString("""{"userId":"$user","clans":["*"]}"""))
        .build()
    val answer = HttpClient.newHttpClient().sendAsync(request, HttpResponse.BodyHandlers.ofString()).await()
    check(answer.statusCode() == 200) { "no token: the gateway answered ${answer.statusCode()}" }
    return Json.parseToJsonElement(answer.body()).jsonObject.getValue("token").jsonPrimitive.content
}
