package io.github.realtimegateway

import java.time.Duration
import java.time.Instant
import java.util.concurrent.Executor
import java.util.logging.Level
import okhttp3.OkHttpClient

/** Gives a fresh token. A failed call is repeated with backoff, unless it throws [SignedOutException]. */
public fun interface TokenProvider {
    /**
     * Returns a token. It is called whenever one is needed, and may call the client. It is cancelled when its result is no longer
     * wanted.
     */
    public suspend fun token(): String

    public companion object {
        /** Returns a provider of one token, for scripts and tests. */
        @JvmStatic
        public fun of(token: String): TokenProvider = TokenProvider { token }
    }
}

/** Gets the changes of the state. No content and no token is logged. */
public fun interface GatewayLogger {
    /** Takes a sentence with its error, if there is one. */
    public fun log(level: Level, message: String, error: Throwable?)
}

/** Gets the frames of the connection, for debugging. */
public fun interface FrameTap {
    /** Takes one frame. One call is made at a time. While it is slow, 1,000 frames wait, and further ones are dropped. */
    public fun onFrame(frame: TappedFrame)
}

/** One message of the connection. */
public class TappedFrame internal constructor(
    /** Whether the SDK sent the message; otherwise the gateway did. */
    public val isSent: Boolean,
    /** The JSON. A token in it is shown as `…`. */
    public val text: String,
    /** The number of the connection, from 1. */
    public val connection: Long,
    /** When the message was sent or received. */
    public val time: Instant,
    /** The number of frames before this one that were dropped, because the tap was too slow. */
    public val dropped: Int,
) {
    override fun toString(): String = (if (isSent) "→ " else "← ") + text
}

/**
 * The options of a client. They are immutable, and each method returns a changed copy:
 * `GatewayOptions().withDeviceId("phone")`.
 */
public class GatewayOptions private constructor(private val values: Values) {
    /** The default options. */
    public constructor() : this(Values())

    internal data class Values(
        val deviceId: String? = null,
        val timeout: Duration? = Duration.ofSeconds(10),
        val buffer: Int = 1_000,
        val minReconnect: Duration = Duration.ZERO,
        val maxReconnect: Duration = Duration.ofSeconds(30),
        val headers: Map<String, String> = emptyMap(),
        val httpClient: OkHttpClient? = null,
        val logger: GatewayLogger? = null,
        val tap: FrameTap? = null,
        val executor: Executor? = null,
    )

    /** The id of the device. */
    public val deviceId: String? get() = values.deviceId

    /** How long a call may take. */
    public val timeout: Duration? get() = values.timeout

    /** How many messages a subscription holds. */
    public val buffer: Int get() = values.buffer

    /** The shortest wait between two attempts. */
    public val minReconnect: Duration get() = values.minReconnect

    /** The longest wait between two attempts. */
    public val maxReconnect: Duration get() = values.maxReconnect

    /** More headers of the upgrade request. */
    public val headers: Map<String, String> get() = values.headers

    /** The HTTP client, if it is the app's own. */
    public val httpClient: OkHttpClient? get() = values.httpClient

    /** What gets the changes of the state. */
    public val logger: GatewayLogger? get() = values.logger

    /** What gets the frames. */
    public val tap: FrameTap? get() = values.tap

    /** What runs the code of the app, if it is the app's own. */
    public val executor: Executor? get() = values.executor

    /** Sets the id of the device, at most 128 bytes. The next session of a device replaces its own predecessor. */
    public fun withDeviceId(deviceId: String?): GatewayOptions = GatewayOptions(values.copy(deviceId = deviceId))

    /**
     * Sets how long a call may take together with the connection that it needs. The default is 10 s. With null a call waits
     * indefinitely.
     */
    public fun withTimeout(timeout: Duration?): GatewayOptions {
        if (timeout?.isNegative == true) throw GatewayException.Invalid("timeout: it must not be negative")
        return GatewayOptions(values.copy(timeout = timeout))
    }

    /** Sets how many messages a subscription holds for a slow reader before it gets a gap. The default is 1,000. */
    public fun withBuffer(buffer: Int): GatewayOptions {
        if (buffer < 1) throw GatewayException.Invalid("buffer: a positive number is expected")
        return GatewayOptions(values.copy(buffer = buffer))
    }

    /**
     * Sets the bounds of the wait between attempts, by default 0 and 30 s. The waits grow at random from one to the other. The
     * gateway may ask for a longer wait.
     */
    public fun withReconnect(min: Duration, max: Duration): GatewayOptions {
        if (min.isNegative || max < min) {
            throw GatewayException.Invalid("reconnect: the minimum has to be at most the maximum, and not negative")
        }
        return GatewayOptions(values.copy(minReconnect = min, maxReconnect = max))
    }

    /** Adds a header of the upgrade request. */
    public fun withHeader(name: String, value: String): GatewayOptions =
        GatewayOptions(values.copy(headers = values.headers + (name to value)))

    /**
     * Sets the HTTP client that makes the connection: for a proxy, TLS, DNS, interceptors. Its dispatcher, its pool of
     * connections and its timeouts are not used, because they would limit or end the connections of the SDK.
     */
    public fun withHttpClient(client: OkHttpClient?): GatewayOptions = GatewayOptions(values.copy(httpClient = client))

    /** Sets what gets the changes of the state. */
    public fun withLogger(logger: GatewayLogger?): GatewayOptions = GatewayOptions(values.copy(logger = logger))

    /** Sets what gets the frames. */
    public fun withTap(tap: FrameTap?): GatewayOptions = GatewayOptions(values.copy(tap = tap))

    /**
     * Sets what runs the token provider, the logger, the tap, and what waits for results: stages of futures, subscribers of
     * publishers, collectors without a dispatcher of their own. The default is `Dispatchers.IO`. It has to accept tasks until
     * the client is closed.
     */
    public fun withExecutor(executor: Executor?): GatewayOptions = GatewayOptions(values.copy(executor = executor))
}
