package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/realtime-gateway/realtime-gateway/sdk-go/internal/core"
)

// Version is the version of this SDK.
const Version = "0.1.0"

// CoreDigest returns the digest of the sources of the SDK's core. SDKs with the same digest make the same decisions.
func CoreDigest() string {
	return core.Digest()
}

// Client is a client of one gateway. It connects at its first use, keeps the connection, and continues subscriptions after a
// lost one. All methods can be called from any goroutine, also from the token provider and the tap.
type Client struct {
	url      string
	provider TokenProvider
	options  Options
	listener listener
	// running counts the goroutines of sockets.
	running sync.WaitGroup

	// mu guards all that follows. No code of the app runs while it is held, and nothing waits under it but for the core.
	mu    sync.Mutex
	core  *core.Client
	clock clock
	// opened counts the clients of the core, and trap is why the last one has ended; nil while it works.
	opened int
	trap   *Error
	state  State
	// changed is closed when the state or the number of pending notifications has changed.
	changed chan struct{}
	// pending is the number of pending notifications; -1 while it is not known.
	pending int
	// last is the number of the last call or stream.
	last      uint64
	calls     map[uint64]chan result
	streams   map[uint64]*stream
	sockets   map[uint64]*socket
	stopToken context.CancelFunc
	timer     *time.Timer
	// deadline is what the timer is set to; -1 for nothing.
	deadline int64
	// scratch and output are memory for the head of a frame, and for what the core returns.
	scratch, output []byte
}

// NewClient makes a client of the gateway at an address such as wss://gateway.example.com/ws. It does not connect yet. nil
// options are the defaults. An error says what is wrong with the arguments.
func NewClient(url string, token TokenProvider, options *Options) (*Client, error) {
	var own Options
	if options != nil {
		own = *options
	}
	address, err := own.check(url, token)
	if err != nil {
		return nil, err
	}
	c := &Client{
		url:      address.String(),
		provider: token,
		options:  own,
		clock:    newClock(),
		state:    State{Status: Idle},
		changed:  make(chan struct{}),
		pending:  -1,
		calls:    map[uint64]chan result{},
		streams:  map[uint64]*stream{},
		sockets:  map[uint64]*socket{},
		deadline: -1,
	}
	return c, nil
}

// Connect connects, and waits until that has succeeded. It starts again after a final state. Without it the first request
// connects.
func (c *Client) Connect(ctx context.Context) error {
	if err := c.beginConnect(); err != nil {
		return err
	}
	for {
		c.mu.Lock()
		state, changed := c.state, c.changed
		c.mu.Unlock()
		switch {
		case state.Status == Online:
			return nil
		case state.Status == Closed:
			return closedByApp()
		case state.Status.isFinal() && state.Err != nil:
			return state.Err
		case state.Status.isFinal():
			return &Error{Code: string(state.Status), Message: "the client is " + string(state.Status), Outcome: NotSent}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			failure := canceled(ctx, NotSent)
			if state.Err != nil {
				failure.Message += fmt.Sprintf("; the last problem was: %s", state.Err.Message)
			}
			return failure
		}
	}
}

func (c *Client) beginConnect() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	// After a failure of the core a new one begins.
	c.trap = nil
	if c.state.Status.isFinal() && c.state.Status != Closed && c.core != nil {
		return c.handle([]byte("{\"type\":\"resume\"}\n"), nil)
	}
	if c.state.Status == Failed {
		c.become(State{Status: Idle})
	}
	return c.handle([]byte("{\"type\":\"connect\"}\n"), nil)
}

// Wake tells the client that the network or the app is back, so that it checks the connection or connects now. The SDK notices
// by itself that the device has slept.
func (c *Client) Wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.core != nil {
		c.report([]byte("{\"type\":\"woken\"}\n"), nil)
	}
}

// Close closes the client: subscriptions end without an error, and calls are refused. It waits until the gateway has answered
// the close frame, for at most two seconds. After that no goroutine and no socket of the client is left. A second call does
// nothing.
func (c *Client) Close() error {
	c.mu.Lock()
	if c.state.Status != Closed {
		if c.core != nil {
			c.report([]byte("{\"type\":\"close\"}\n"), nil)
		}
		c.dropCore()
		// What the core has left, if there was one.
		for _, socket := range c.sockets {
			socket.close(1000)
		}
		for number := range c.calls {
			c.settle(number, result{failure: closedByApp()})
		}
		for _, stream := range c.streams {
			stream.ended(closedByApp())
		}
		clear(c.streams)
		if c.state.Status != Closed {
			c.become(State{Status: Closed})
		}
		c.listener.close()
	}
	c.mu.Unlock()
	c.running.Wait()
	return nil
}

// Request sends any command, and returns the gateway's reply. It is never repeated. fields is encoded as a JSON object, without
// type and requestId; nil has none.
func (c *Client) Request(ctx context.Context, command string, fields any) (json.RawMessage, error) {
	if fields == nil {
		fields = struct{}{}
	}
	return c.call(ctx, "request", command, fields)
}

// Call calls the backend of a declared service. data is encoded as JSON, and the response is decoded into response, unless that
// is nil. A call is never repeated: after an error with the outcome [Unknown] the backend may have carried it out.
func (c *Client) Call(ctx context.Context, service, method string, data, response any) error {
	return c.CallWithID(ctx, newID(), service, method, data, response)
}

// CallWithID is like [Client.Call] with an id of the call. Repeating a call with the same id is safe.
func (c *Client) CallWithID(ctx context.Context, id, service, method string, data, response any) error {
	fields := struct {
		Service   string `json:"service"`
		Method    string `json:"method"`
		Data      any    `json:"data"`
		CallID    string `json:"callId"`
		TimeoutMs *int64 `json:"timeoutMs,omitempty"`
	}{service, method, data, id, c.timeoutMs(ctx)}
	message, err := reply[CallResult](c.call(ctx, "request", "call", fields))
	if err != nil {
		return err
	}
	if response == nil {
		return nil
	}
	if err := json.Unmarshal(message.Data, response); err != nil {
		return &Error{Code: CodeInvalid, Message: fmt.Sprintf("the response of %s: %v", method, err), Outcome: Unknown, cause: err}
	}
	return nil
}
