package io.github.realtimegateway.publish

import io.github.realtimegateway.GatewayException
import io.github.realtimegateway.Outcome
import io.github.realtimegateway.driver.json
import io.github.realtimegateway.newId
import java.io.IOException
import java.time.Duration
import java.util.concurrent.SynchronousQueue
import java.util.concurrent.ThreadPoolExecutor
import java.util.concurrent.TimeUnit
import kotlin.coroutines.resume
import kotlin.random.Random
import kotlinx.coroutines.delay
import kotlinx.coroutines.suspendCancellableCoroutine
import kotlinx.serialization.SerializationException
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import okhttp3.Call
import okhttp3.Callback
import okhttp3.ConnectionPool
import okhttp3.Dispatcher
import okhttp3.HttpUrl.Companion.toHttpUrlOrNull
import okhttp3.MediaType.Companion.toMediaType
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.RequestBody.Companion.toRequestBody
import okhttp3.Response

/** An answer of any status. */
internal class HttpAnswer(val status: Int, val body: String, val retryAfter: String?)

/** Sends requests until they are answered. Both clients for backends have one. */
internal class Sending(url: String, private val apiKey: String, private val options: PublishOptions) {
    private val base: String = checkedAddress(url)
    private val http: OkHttpClient

    /** What belongs to this client and not to the app. */
    private val own: OkHttpClient?

    @Volatile
    private var isClosed = false

    init {
        // The error must not show the key.
        if (apiKey.isEmpty() || apiKey.any { it !in ' '..'~' }) {
            throw GatewayException.Invalid("apiKey: it is empty or has characters that no key has")
        }
        own = if (options.httpClient == null) ownClient() else null
        http = (own ?: options.httpClient ?: OkHttpClient()).newBuilder()
            .callTimeout(options.timeout)
            // The limit of the whole attempt counts.
            .connectTimeout(Duration.ZERO)
            .readTimeout(Duration.ZERO)
            .writeTimeout(Duration.ZERO)
            // The key must not reach another host.
            .followRedirects(false)
            .followSslRedirects(false)
            .build()
    }

    /** Sends a request until it succeeds, fails for good, or there are no attempts left. */
    suspend fun <T> send(operation: Operation<T>): T {
        val request = request(operation)
        var outcome = Outcome.NOT_SENT
        var attempt = 1
        while (true) {
            val failure = try {
                return read(operation, attempt(request))
            } catch (failure: PublishException) {
                failure
            }
            // An earlier attempt may have had its effect.
            if (outcome != Outcome.UNKNOWN) outcome = failure.outcome
            val asked = failure.retryAfter ?: Duration.ZERO
            if (!failure.isRetryable || attempt >= options.attempts || asked > options.maxBackoff) throw failure.with(outcome)
            delay(maxOf(asked.toMillis(), backoff(attempt)))
            if (isClosed) throw PublishException.closed(outcome, failure)
            attempt++
        }
    }

    private fun request(operation: Operation<*>): Request {
        if (isClosed) throw PublishException.closed()
        val members = operation.body as? JsonObject
        val body: JsonElement = if (operation.key == null || members == null || operation.key in members) {
            operation.body
        } else {
            JsonObject(members + (operation.key to JsonPrimitive(newId())))
        }
        return Request.Builder()
            .url(base + operation.path)
            .header("Authorization", "Bearer $apiKey")
            // Bytes, because OkHttp adds a character set to the type of a text.
            .method(operation.method, body.toString().toByteArray().toRequestBody(JSON))
            .build()
    }

    /** Sends a request once. */
    private suspend fun attempt(request: Request): HttpAnswer {
        val result = suspendCancellableCoroutine<Result<HttpAnswer>> { waiting ->
            val call = http.newCall(request)
            waiting.invokeOnCancellation { call.cancel() }
            call.enqueue(
                object : Callback {
                    override fun onFailure(call: Call, e: IOException) = waiting.resume(Result.failure(e))

                    override fun onResponse(call: Call, response: Response) = waiting.resume(runCatching { answer(response) })
                },
            )
        }
        val answer = result.getOrElse { failure ->
            if (isClosed) throw PublishException.closed(Outcome.UNKNOWN, failure)
            throw if (failure is IOException) PublishException.noAnswer(failure) else failure
        }
        if (answer.status !in 200..299) throw PublishException.refusal(answer)
        return answer
    }

    private fun answer(response: Response): HttpAnswer = response.use {
        val source = response.body.source()
        if (source.request(MAX_ANSWER_BYTES + 1)) throw IOException("the answer has more than $MAX_ANSWER_BYTES bytes")
        HttpAnswer(response.code, source.buffer.readUtf8(), response.header("Retry-After"))
    }

    private fun <T> read(operation: Operation<T>, answer: HttpAnswer): T = try {
        json.decodeFromString(operation.answer, answer.body.ifEmpty { "null" })
    } catch (failure: SerializationException) {
        throw PublishException.unreadable(answer.status, failure)
    }

    /** Returns a random wait in milliseconds, whose bounds grow with each attempt. */
    private fun backoff(attempt: Int): Long {
        val (shortest, longest) = options.minBackoff.toMillis() to options.maxBackoff.toMillis()
        // A larger shift would lose bits, and the longest wait is reached before.
        val doublings = minOf(attempt - 1, 30)
        val most = if (shortest > longest shr doublings) longest else shortest shl doublings
        return Random.nextLong(most / 2, most + 1)
    }

    /** Ends the requests that are being sent, and closes the connections. Those of the app's own HTTP client stay open. */
    fun close() {
        isClosed = true
        val client = own ?: return
        client.dispatcher.cancelAll()
        client.dispatcher.executorService.shutdown()
        client.connectionPool.evictAll()
    }

    private companion object {
        /** How much of an answer is read at most. */
        const val MAX_ANSWER_BYTES = 1L shl 20
        val JSON = "application/json".toMediaType()

        fun checkedAddress(url: String): String {
            val address = url.toHttpUrlOrNull()
                ?: throw GatewayException.Invalid("url: it has to be like https://gateway.example.com")
            val hasUser = address.username.isNotEmpty() || address.password.isNotEmpty()
            if (hasUser || address.query != null || address.fragment != null) {
                throw GatewayException.Invalid("url: it has a user, a query or a fragment: leave them out")
            }
            return address.toString().trimEnd('/')
        }

        /** Returns a client with threads and connections of its own, whose number is not limited per host. */
        fun ownClient(): OkHttpClient {
            val threads = ThreadPoolExecutor(0, Int.MAX_VALUE, 1, TimeUnit.SECONDS, SynchronousQueue()) { task ->
                Thread(task, "gateway-publish").apply { isDaemon = true }
            }
            val dispatcher = Dispatcher(threads).apply {
                maxRequests = MAX_REQUESTS
                maxRequestsPerHost = MAX_REQUESTS
            }
            val pool = ConnectionPool(MAX_REQUESTS, 1, TimeUnit.MINUTES)
            return OkHttpClient.Builder().dispatcher(dispatcher).connectionPool(pool).build()
        }

        /** How many requests are sent at a time. Further ones wait. */
        const val MAX_REQUESTS = 64
    }
}
