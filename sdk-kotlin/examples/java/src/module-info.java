/** Programs in Java. The SDK is a module, and its futures and publishers need no class of Kotlin in the code. */
module io.github.realtimegateway.examples {
    requires io.github.realtimegateway;
    requires jdk.httpserver;
}
