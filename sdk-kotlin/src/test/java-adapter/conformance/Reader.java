package conformance;

import io.github.realtimegateway.Event;
import io.github.realtimegateway.GatewayException;
import io.github.realtimegateway.future.FutureSubscription;
import java.util.concurrent.CompletionException;

import com.google.gson.JsonParser;

/** A thread that reads a subscription: as many events as the kit allows. */
final class Reader implements Runnable {
    /** The app has closed the client. Another close code is that of the gateway. */
    private static final int NORMAL_CLOSURE = 1000;

    final String client;
    final Thread thread = new Thread(this);
    private final String stream;
    private final FutureSubscription subscription;
    private long allowed;
    private boolean isLeft;

    Reader(String client, String stream, FutureSubscription subscription, long allowed) {
        this.client = client;
        this.stream = stream;
        this.subscription = subscription;
        this.allowed = allowed;
    }

    /** Allows this number of events more. */
    synchronized void read(long count) {
        allowed += count;
        notifyAll();
    }

    /** Leaves the subscription. Events that were not read are dropped. */
    void leave() {
        synchronized (this) {
            isLeft = true;
            notifyAll();
        }
        subscription.close();
    }

    /** Waits until the kit allows an event. Returns false if the app has left the subscription meanwhile. */
    private synchronized boolean isAllowed() throws InterruptedException {
        while (allowed == 0 && !isLeft) {
            wait();
        }
        allowed--;
        return !isLeft;
    }

    @Override
    public void run() {
        var end = Output.line("end");
        end.addProperty("stream", stream);
        try {
            while (isAllowed()) {
                emit(subscription.next().join());
            }
        } catch (CompletionException failure) {
            if (!isByApp(failure.getCause())) {
                end.add("error", Output.failure(failure.getCause()));
            }
        } catch (InterruptedException failure) {
            Thread.currentThread().interrupt();
        }
        Output.emit(end);
    }

    private synchronized boolean isByApp(Throwable failure) {
        if (isLeft || !(failure instanceof GatewayException.Closed)) {
            return isLeft;
        }
        var code = ((GatewayException.Closed) failure).getCloseCode();
        return code == null || code == NORMAL_CLOSURE;
    }

    private void emit(Event event) {
        var line = Output.line("item");
        line.addProperty("stream", stream);
        line.add("item", JsonParser.parseString(event.getJson()));
        if (event.getPosition() != null) {
            line.add("position", Output.position(event.getPosition()));
        }
        Output.emit(line);
    }
}
