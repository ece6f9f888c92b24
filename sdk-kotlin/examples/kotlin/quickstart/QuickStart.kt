/** The quick start of the README: GATEWAY_URL and GATEWAY_TOKEN name the gateway and the token. */
package quickstart

import io.github.realtimegateway.GatewayClient
import io.github.realtimegateway.TokenProvider
import kotlinx.coroutines.runBlocking

public fun main(): Unit = runBlocking {
    val environment = System.getenv()
    run(environment.getValue("GATEWAY_URL"), environment.getValue("GATEWAY_TOKEN"))
}

internal suspend fun run(url: String, token: String) {
    val client = GatewayClient(url, TokenProvider.of(token))
    val chat = client.clanChat("clan123").subscribe()
    client.clanChat("clan123").send("hello")
    println(chat.next())
    client.close()
}
