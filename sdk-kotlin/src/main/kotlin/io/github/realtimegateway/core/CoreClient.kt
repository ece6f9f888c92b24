package io.github.realtimegateway.core

/** One client of the core. Its methods can be called from any thread. `docs/sdk-core.md` describes the messages. */
internal class CoreClient private constructor(private val instance: CoreInstance, private val number: Int) {
    /** Passes a message to the core, and returns the core's messages. */
    fun handle(now: Long, head: ByteArray, body: ByteArray): ByteArray = instance.handle(number, now, head, body)

    /** Takes the next item of a stream as a message, or nothing. */
    fun take(stream: Long): ByteArray = instance.take(number, stream)

    /** Returns when the core wants a tick, or -1 for never. */
    fun deadline(): Long = instance.deadline(number)

    /** Ends the client. Nothing may follow. */
    fun close() {
        instance.close(number)
    }

    /** Returns whether two clients share an instance. For tests. */
    fun sharesInstanceWith(other: CoreClient): Boolean = instance === other.instance

    /** Makes the next call fail. For tests. */
    fun sabotage() {
        instance.sabotage()
    }

    internal companion object {
        /**
         * Makes a client. [onTrap] is called after a trap that another client of the instance has caused, in the thread of
         * that client and without a lock of the core.
         */
        fun open(config: String, onTrap: (CoreTrap) -> Unit): CoreClient {
            val instance = CoreInstance.reserve()
            try {
                return CoreClient(instance, instance.open(config, onTrap))
            } catch (failure: RuntimeException) {
                instance.giveBack()
                throw failure
            }
        }
    }
}
