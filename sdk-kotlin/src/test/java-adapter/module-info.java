module conformance {
    requires com.google.gson;
    requires io.github.realtimegateway;
    requires okhttp3;
}
