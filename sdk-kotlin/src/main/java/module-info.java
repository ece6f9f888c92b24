/** The SDK of the realtime gateway for Kotlin and Java. */
module io.github.realtimegateway {
    requires transitive java.logging;
    requires transitive kotlin.stdlib;
    requires transitive kotlinx.coroutines.core;
    requires transitive kotlinx.serialization.core;
    requires transitive kotlinx.serialization.json;
    requires transitive okhttp3;
    requires com.dylibso.chicory.runtime;
    requires com.dylibso.chicory.wasm;

    exports io.github.realtimegateway;
    exports io.github.realtimegateway.codegen;
    exports io.github.realtimegateway.future;
    exports io.github.realtimegateway.protocol;
    exports io.github.realtimegateway.publish;
}
