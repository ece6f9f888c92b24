package io.github.realtimegateway.publish

import io.github.realtimegateway.GatewayException
import java.time.Duration
import okhttp3.OkHttpClient

/**
 * The options of a client for backends. They are immutable, and each method returns a changed copy:
 * `PublishOptions().withAttempts(3)`.
 */
public class PublishOptions private constructor(private val values: Values) {
    /** The default options. */
    public constructor() : this(Values())

    internal data class Values(
        val attempts: Int = 5,
        val timeout: Duration = Duration.ofSeconds(10),
        val minBackoff: Duration = Duration.ofMillis(200),
        val maxBackoff: Duration = Duration.ofSeconds(30),
        val httpClient: OkHttpClient? = null,
    )

    /** How often a request is sent at most. */
    public val attempts: Int get() = values.attempts

    /** How long one attempt may take. */
    public val timeout: Duration get() = values.timeout

    /** The shortest wait between two attempts. */
    public val minBackoff: Duration get() = values.minBackoff

    /** The longest wait between two attempts. */
    public val maxBackoff: Duration get() = values.maxBackoff

    /** The HTTP client, if it is the app's own. */
    public val httpClient: OkHttpClient? get() = values.httpClient

    /** Sets how often a request is sent at most. The default is 5. */
    public fun withAttempts(attempts: Int): PublishOptions {
        if (attempts < 1) throw GatewayException.Invalid("attempts: a positive number is expected")
        return PublishOptions(values.copy(attempts = attempts))
    }

    /** Sets how long one attempt may take. The default is 10 s. */
    public fun withTimeout(timeout: Duration): PublishOptions {
        if (timeout < MILLISECOND) throw GatewayException.Invalid("timeout: at least a millisecond is expected")
        return PublishOptions(values.copy(timeout = timeout))
    }

    /**
     * Sets the bounds of the wait between attempts, by default 200 ms and 30 s. The waits grow at random. A `Retry-After` of the
     * gateway is waited for if it is not longer than [max]; otherwise the call fails.
     */
    public fun withBackoff(min: Duration, max: Duration): PublishOptions {
        if (min < MILLISECOND || max < min) {
            throw GatewayException.Invalid("backoff: the minimum has to be at least a millisecond, and at most the maximum")
        }
        return PublishOptions(values.copy(minBackoff = min, maxBackoff = max))
    }

    /**
     * Sets the HTTP client that sends the requests: for a proxy, TLS, DNS, interceptors. Its dispatcher and its pool of
     * connections are used, and stay open when the client for backends is closed. It follows no redirect, which would take
     * the API key to another host.
     */
    public fun withHttpClient(client: OkHttpClient?): PublishOptions = PublishOptions(values.copy(httpClient = client))

    private companion object {
        val MILLISECOND: Duration = Duration.ofMillis(1)
    }
}
