package io.github.realtimegateway.core

import com.dylibso.chicory.runtime.ByteArrayMemory
import com.dylibso.chicory.runtime.ExportFunction
import com.dylibso.chicory.runtime.Instance
import java.util.concurrent.locks.ReentrantLock
import kotlin.concurrent.withLock

/** The core has failed because of a bug of its own. All clients of its instance have ended. */
internal class CoreTrap(cause: Throwable) :
    RuntimeException("the core of the SDK has failed, which is a bug of the SDK ($cause)", cause)

/** The core does not accept a configuration or an input, which had no effect. */
internal class InvalidInput(message: String) : RuntimeException(message)

/**
 * An instance of the core's module with up to 64 clients, under one lock. It is dropped with its last client, because its
 * memory never shrinks. This is the only class that knows how the module is run.
 */
internal class CoreInstance private constructor() {
    private val lock = ReentrantLock()
    private val instance: Instance =
        Instance.builder(CoreModule.load())
            .withMachineFactory(CoreModule::create)
            .withMemoryFactory(::ByteArrayMemory)
            .build()
    private val handle = function("gw_handle")
    private val take = function("gw_take")
    private val deadline = function("gw_deadline")
    private val alloc = function("gw_alloc")
    private val free = function("gw_free")

    /** Where the functions put the address and the length of a text. */
    private var out: Int
    private var input: Int
    private var capacity = INPUT_BYTES
    private var trap: CoreTrap? = null

    /** What the clients want to be told after a trap. */
    private val onTrap = HashMap<Int, (CoreTrap) -> Unit>()

    /** The number of clients, under the lock of the pool. */
    private var clients = 0

    init {
        val version = function("gw_abi").apply()[0].toInt()
        check(version == ABI) { "the core has version $version of its interface instead of $ABI" }
        out = alloc.apply(8)[0].toInt()
        input = alloc.apply(capacity.toLong())[0].toInt()
    }

    private fun function(name: String): ExportFunction = instance.export(name)

    /** Makes a client, and returns its number. */
    fun open(config: String, onTrap: (CoreTrap) -> Unit): Int = locked {
        val bytes = config.encodeToByteArray()
        write(bytes, NOTHING)
        val number = function("gw_open").apply(input.toLong(), bytes.size.toLong(), out.toLong())[0].toInt()
        val sentence = returned()
        if (number <= 0) throw InvalidInput(sentence.decodeToString())
        this.onTrap[number] = onTrap
        number
    }

    /** Passes a message to a client, which consists of a head with its LF and a body. Returns the client's messages. */
    fun handle(number: Int, now: Long, head: ByteArray, body: ByteArray): ByteArray = locked {
        write(head, body)
        val length = (head.size + body.size).toLong()
        text(handle.apply(number.toLong(), now, input.toLong(), length, out.toLong())[0].toInt())
    }

    /** Takes the next item of a stream, as a message. Returns nothing if there is none. */
    fun take(number: Int, stream: Long): ByteArray = locked {
        text(take.apply(number.toLong(), stream, out.toLong())[0].toInt())
    }

    /** Returns when a client wants a tick, or -1 for never. */
    fun deadline(number: Int): Long = locked { deadline.apply(number.toLong())[0] }

    /** Ends a client. After a trap there is nothing to end. */
    fun close(number: Int) {
        lock.withLock {
            onTrap.remove(number)
            if (trap == null) {
                try {
                    locked { function("gw_close").apply(number.toLong()) }
                } catch (_: CoreTrap) {
                    // The other clients know already.
                }
            }
        }
        release()
    }

    /** Makes the next call fail, as a bug of the core would. For tests. */
    fun sabotage() {
        lock.withLock { out = -1 }
    }

    /** Runs a call of the module. Whatever it throws has left the module in the middle, so that it is not called again. */
    private inline fun <T> locked(call: () -> T): T {
        val others: List<(CoreTrap) -> Unit>
        val failure: CoreTrap
        lock.lock()
        try {
            trap?.let { throw it }
            try {
                return call()
            } catch (invalid: InvalidInput) {
                throw invalid
            } catch (cause: Throwable) {
                failure = CoreTrap(cause)
                trap = failure
                others = onTrap.values.toList()
                onTrap.clear()
            }
        } finally {
            lock.unlock()
        }
        retire()
        others.forEach { it(failure) }
        throw failure
    }

    /** Copies an input to the memory of the module. */
    private fun write(head: ByteArray, body: ByteArray) {
        val length = head.size + body.size
        if (length > capacity) {
            free.apply(input.toLong(), capacity.toLong())
            capacity = length
            input = alloc.apply(length.toLong())[0].toInt()
            check(input != 0) { "the core has no memory" }
        }
        val memory = instance.memory()
        memory.write(input, head, 0, head.size)
        if (body.isNotEmpty()) memory.write(input + head.size, body, 0, body.size)
    }

    private fun text(status: Int): ByteArray {
        val text = returned()
        if (status != 0) throw InvalidInput("status $status: ${text.decodeToString()}")
        return text
    }

    /** Copies the text that a function has returned, and gives its memory back. */
    private fun returned(): ByteArray {
        val memory = instance.memory()
        val address = memory.readInt(out)
        val length = memory.readInt(out + 4)
        if (length == 0) return NOTHING
        val text = memory.readBytes(address, length)
        free.apply(address.toLong(), length.toLong())
        return text
    }

    private fun readDigest(): String = locked {
        val address = function("gw_digest").apply()[0].toInt()
        instance.memory().readBytes(address, DIGEST_LENGTH).decodeToString()
    }

    private fun retire() {
        pool.withLock { instances.remove(this) }
    }

    private fun release() {
        pool.withLock {
            clients--
            if (clients == 0) instances.remove(this)
        }
    }

    internal companion object {
        /** The version of the interface that this class is written for. */
        private const val ABI = 1
        private const val MAX_CLIENTS = 64

        /** The initial size of the memory for inputs. Larger inputs replace it. */
        private const val INPUT_BYTES = 16 * 1024
        private const val DIGEST_LENGTH = 64
        private val NOTHING = ByteArray(0)

        private val pool = ReentrantLock()
        private val instances = LinkedHashSet<CoreInstance>()

        /** The digest of the core's sources. */
        val digest: String by lazy { CoreInstance().readDigest() }

        /** The number of instances with clients. */
        fun count(): Int = pool.withLock { instances.size }

        /** Returns an instance with room for one client more. */
        fun reserve(): CoreInstance = pool.withLock {
            val instance = instances.firstOrNull { it.clients < MAX_CLIENTS } ?: CoreInstance().also { instances.add(it) }
            instance.clients++
            instance
        }
    }

    /** Gives the place of a client back that could not be made. */
    fun giveBack() {
        release()
    }
}
