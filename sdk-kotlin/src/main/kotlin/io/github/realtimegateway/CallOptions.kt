package io.github.realtimegateway

import io.github.realtimegateway.future.jsonElement
import io.github.realtimegateway.future.jsonObject
import java.time.Duration
import java.util.UUID
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject

/** Where a subscription begins. */
public data class SubscribeOptions
    @JvmOverloads
    constructor(
        /** The number of past messages to begin with, 0 to 100. */
        public val history: Int = 0,
        /** Continues after the position of an earlier subscription. */
        public val from: Position? = null,
        /** Adds messages about users who become present or leave. */
        public val presence: Boolean = false,
        /** What others see of the user in a topic of a declared service: at most 1 KiB of JSON. */
        public val presenceData: JsonElement? = null,
    ) {
        /** Returns the same options with presence and with what others see of the user. */
        public fun withPresence(data: JsonElement?): SubscribeOptions = copy(presence = true, presenceData = data)

        /** Returns the same options with presence and with what others see of the user, as JSON. */
        public fun withPresenceJson(data: String): SubscribeOptions = withPresence(jsonElement(data))
    }

/** A page of the history: the newest messages, or those before or after an offset. */
public data class HistoryOptions
    @JvmOverloads
    constructor(
        /** Messages before this offset. */
        public val before: Long? = null,
        /** Messages after this offset. */
        public val after: Long? = null,
        /** The number of messages, 1 to 100; null for the default of the gateway, 50. */
        public val limit: Int? = null,
    )

/** The rarer parts of a message. */
public data class SendOptions
    @JvmOverloads
    constructor(
        /** Makes repeating safe, and comes back in the message. It is made by default. */
        public val clientMessageId: String? = null,
        /** `TEXT`, `IMAGE` or `FILE`; null for `TEXT`. For chat messages only. */
        public val messageType: String? = null,
        /** Replies, mentions, attachments: at most 8 KiB of JSON. For chat messages only. */
        public val data: JsonObject? = null,
    ) {
        /** Returns the same options with an id of the message. */
        public fun withClientMessageId(id: String): SendOptions = copy(clientMessageId = id)

        /** Returns the same options with data, as a JSON object. */
        public fun withDataJson(data: String): SendOptions = copy(data = jsonObject(data))
    }

/** The options of a call to a backend. */
public data class CallOptions
    @JvmOverloads
    constructor(
        /** Makes repeating safe: the backend sees one call. It is made by default. */
        public val callId: String? = null,
        /** How long the call may take; null for [GatewayOptions.timeout]. */
        public val timeout: Duration? = null,
    )

/** What was published to a topic of a declared service. */
@Serializable
public data class Published(
    /** The id of the message; null in a topic without history. */
    public val messageId: String? = null,
    /** The offset in the log of the topic; null in a topic without history. */
    public val offset: Long? = null,
    /** The id with which the message was sent. */
    public val clientMessageId: String? = null,
    /** Whether an earlier attempt had stored it already. */
    public val duplicate: Boolean = false,
)

/** Returns a random id. */
internal fun newId(): String = UUID.randomUUID().toString()
