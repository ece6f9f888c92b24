/** A module in Java with the code that `gateway codegen --lang kotlin` writes. */
module generated {
    requires io.github.realtimegateway;
}
