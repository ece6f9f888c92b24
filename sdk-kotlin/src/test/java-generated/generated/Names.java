package generated;

import static generated.Checks.failure;
import static generated.Checks.same;

import golden.hostile.Box;
import golden.hostile.Deep;
import golden.hostile.DeepA;
import golden.hostile.DeepABCItemItemD;
import golden.hostile.Option;
import golden.hostile.Record;
import golden.hostile.Serialize;
import golden.hostile.String_;
import golden.hostile.TypeFutureService;
import golden.hostile.UnionNestedQuoted;
import golden.hostile.Unknown;
import golden.hostile.Vec;
import golden.hostile.Words;
import io.github.realtimegateway.GatewayException;
import io.github.realtimegateway.future.FutureGatewayClient;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/** Java can use names that are difficult, and types that contain themselves. */
final class Names {
    private Names() {}

    /** The gateway has no service `type`. The calls are refused, so the data was written. */
    static void check(FutureGatewayClient client) {
        var service = new TypeFutureService(client);
        var nested = new Vec(List.of(new Vec(List.of()), new Vec(List.of(new Vec(List.of())))));
        unknown(service.new_(new String_(Option.EUR, List.of(nested))));
        unknown(service.new_(new String_()));
        unknown(service.toString_(nested));
        unknown(service.yield_(new Record(Map.of("a", new Record(Map.of())))));
        unknown(service.delete("f", "s", "t", "a").publish(new UnionNestedQuoted(new UnionNestedQuoted(new Serialize()))));
        unknown(service.delete("f", "s", "t", "a").publish(null));
        unknown(service.delete("f", "s", "t", "a").publish(new Unknown("kind")));
        unknown(service.clone_("box").history());
        unknown(service.then().subscribe());
        unknown(service.constructor("a", "b", "c", "ada").history());
        unknown(service.aTopicWithQuiteALongName("a", "b").history());
        same("a-b", Words.WITH_DASH.getWord());
        same(new Option("EUR"), Option.EUR);
        same(DeepABCItemItemD.X, DeepABCItemItemD.valueOf("X"));
        same(new Deep(new DeepA()), new Deep(new DeepA(null)));
        same(new Box(null, null), new Box(null, null, null));
        same(List.of(), new Vec(List.of()).getValue());
    }

    private static void unknown(CompletableFuture<?> call) {
        same("unknown_service", failure(GatewayException.Refused.class, call).getCode());
    }
}
