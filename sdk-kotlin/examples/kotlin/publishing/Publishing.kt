/** The program for backends of the README: `GATEWAY_HTTP=http://127.0.0.1:4000 GATEWAY_API_KEY=… `. It needs no core. */
package publishing

import io.github.realtimegateway.publish.PostMessage
import io.github.realtimegateway.publish.PublishClient
import io.github.realtimegateway.publish.SendNotification
import kotlinx.coroutines.runBlocking

public fun main(): Unit = runBlocking {
    val environment = System.getenv()
    run(environment.getValue("GATEWAY_HTTP"), environment.getValue("GATEWAY_API_KEY"))
}

internal suspend fun run(address: String, apiKey: String) {
    val backend = PublishClient(address, apiKey)
    backend.sendNotification(SendNotification(userId = "ada", title = "Quest", message = "Done", id = "quest-7"))
    val posted = backend.postMessage("clan123", PostMessage("hello from a backend"))
    println("stored at offset ${posted.offset}")
    backend.close()
}
