/** A module in Java that uses the whole façade. */
module facade {
    requires io.github.realtimegateway;
}
