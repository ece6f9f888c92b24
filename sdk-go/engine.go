package gateway

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/realtime-gateway/realtime-gateway/sdk-go/internal/core"
)

// keptOutputBytes is how much memory a client keeps for the next output of its core.
const keptOutputBytes = 8 << 10

// handle passes an input to the core and carries out its messages in order. The lock is held, so that the inputs have one order.
func (c *Client) handle(head, body []byte) error {
	if c.state.Status == Closed {
		return closedByApp()
	}
	if c.trap != nil {
		return c.trap
	}
	if c.core == nil {
		if err := c.openCore(); err != nil {
			return err
		}
	}
	now, slept := c.clock.read()
	if slept {
		if err := c.step(now, []byte("{\"type\":\"woken\"}\n"), nil); err != nil {
			return err
		}
	}
	err := c.step(now, head, body)
	c.setTimer()
	return err
}

// report passes on what has happened. An input that the core does not accept is a bug of this driver, which ends the client:
// otherwise it would wait for something that the core does not know. The lock is held.
func (c *Client) report(head, body []byte) {
	var failure *Error
	if err := c.handle(head, body); errors.As(err, &failure) && failure.Code == CodeInvalid {
		c.endByTrap(err)
	}
}

// step is one input of the core with its messages.
func (c *Client) step(now uint64, head, body []byte) error {
	if c.trap != nil {
		return c.trap
	}
	output, err := c.core.Handle(now, head, body, c.output[:0])
	if err != nil {
		if errors.Is(err, core.ErrTrap) {
			c.endByTrap(err)
			return c.trap
		}
		return invalid(err.Error())
	}
	c.output = output
	if cap(output) > keptOutputBytes {
		c.output = nil
	}
	for len(output) > 0 {
		message, body, rest, err := nextMessage(output, "")
		if err != nil {
			c.endByTrap(err)
			return c.trap
		}
		c.carryOut(&message, body)
		output = rest
	}
	return nil
}

// carryOut carries out a message of the core. It must not wait, and must not call the app or the core. The body is only valid
// during the call.
func (c *Client) carryOut(message *head, body []byte) {
	switch message.Type {
	case "open":
		c.openSocket(message.Connection)
	case "send":
		c.tap(true, message.Connection, body)
		if socket := c.sockets[message.Connection]; socket != nil {
			socket.send(body)
		}
	case "close":
		if socket := c.sockets[message.Connection]; socket != nil {
			socket.close(message.Code)
		}
	case "request_token":
		c.requestToken()
	case "subscribed":
		if stream := c.streams[message.Stream]; stream != nil {
			stream.subscribed(message.Position, message.Error.toError())
		}
	case "ready":
		if stream := c.streams[message.Stream]; stream != nil {
			stream.wake()
		}
	case "ended":
		if stream := c.streams[message.Stream]; stream != nil {
			stream.ended(message.Error.toError())
		}
	case "result":
		c.settle(message.Call, result{append([]byte(nil), body...), message.Error.toError()})
	case "state":
		c.become(c.stateOf(message, body))
	case "pending":
		c.setPending(message.Count)
	}
}

func (c *Client) stateOf(message *head, body []byte) State {
	state := State{Status: message.Status, Err: message.Error.toError()}
	if message.NextAttempt != nil {
		state.NextAttempt = time.Now().Add(c.clock.until(*message.NextAttempt))
	}
	if len(body) > 0 {
		session := new(Connected)
		// The core has checked the message. A field that this version cannot read leaves the rest.
		_ = json.Unmarshal(body, session)
		state.Session = session
	}
	return state
}

// openCore makes the client of the core. The lock is held.
func (c *Client) openCore() error {
	var seed [4]uint32
	// Reading of randomness never fails.
	_ = binary.Read(rand.Reader, binary.LittleEndian, &seed)
	config := headOf(struct {
		Seed      [4]uint32 `json:"seed"`
		Name      string    `json:"name"`
		Version   string    `json:"version"`
		DeviceID  string    `json:"deviceId,omitempty"`
		Reconnect [2]int64  `json:"reconnect"`
	}{seed, "gateway-go", Version, c.options.DeviceID, [2]int64{
		c.options.MinReconnect.Milliseconds(), c.options.MaxReconnect.Milliseconds(),
	}})
	opened := c.opened + 1
	client, err := core.Open(config, func(cause error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.core != nil && c.opened == opened {
			c.endByTrap(cause)
		}
	})
	if err != nil {
		return invalid(err.Error())
	}
	c.core, c.opened = client, opened
	return nil
}

// setTimer sets the one timer to the core's deadline. The lock is held.
func (c *Client) setTimer() {
	if c.core == nil {
		return
	}
	deadline := c.core.Deadline()
	if deadline == c.deadline {
		return
	}
	c.deadline = deadline
	switch {
	case deadline < 0:
		if c.timer != nil {
			c.timer.Stop()
		}
	case c.timer == nil:
		c.timer = time.AfterFunc(c.clock.until(deadline), c.tick)
	default:
		c.timer.Reset(c.clock.until(deadline))
	}
}

// tick is called by the timer. A tick that is early or late does no harm.
func (c *Client) tick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.core == nil {
		return
	}
	c.deadline = -1
	c.report([]byte("{\"type\":\"tick\"}\n"), nil)
}

// endByTrap ends everything after a failure of the core, until [Client.Connect] makes a new one. The lock is held.
func (c *Client) endByTrap(cause error) {
	c.trap = &Error{Code: CodeTrap, Message: cause.Error(), Outcome: Unknown, cause: cause}
	c.dropCore()
	for _, socket := range c.sockets {
		socket.close(1000)
	}
	for number := range c.calls {
		c.settle(number, result{failure: c.trap})
	}
	for _, stream := range c.streams {
		stream.ended(c.trap)
	}
	clear(c.streams)
	c.become(State{Status: Failed, Err: c.trap})
}

// dropCore gives the client of the core back and stops what works for it. The lock is held.
func (c *Client) dropCore() {
	if c.core == nil {
		return
	}
	c.core.Close()
	c.core, c.deadline = nil, -1
	if c.timer != nil {
		c.timer.Stop()
	}
	c.cancelToken()
}

// requestToken calls the app's token provider. The result of an earlier call is no longer wanted. The lock is held.
func (c *Client) requestToken() {
	c.cancelToken()
	ctx, cancel := context.WithCancel(context.Background())
	c.stopToken = cancel
	go func() {
		token, err := c.callProvider(ctx)
		c.mu.Lock()
		defer c.mu.Unlock()
		// Checked under the lock, under which the context ends.
		if ctx.Err() != nil {
			return
		}
		c.cancelToken()
		if err != nil {
			c.report(headOf(struct {
				Type      string `json:"type"`
				Message   string `json:"message"`
				SignedOut bool   `json:"signedOut,omitempty"`
			}{"token_failed", err.Error(), errors.Is(err, ErrSignedOut)}), nil)
			return
		}
		c.report(headOf(struct {
			Type  string `json:"type"`
			Token string `json:"token"`
		}{"token", token}), nil)
	}()
}

// callProvider calls the provider. Its panic is a failure of its own.
func (c *Client) callProvider(ctx context.Context) (token string, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the token provider panicked: %v", cause)
		}
	}()
	return c.provider(ctx)
}

func (c *Client) cancelToken() {
	if c.stopToken != nil {
		c.stopToken()
		c.stopToken = nil
	}
}
