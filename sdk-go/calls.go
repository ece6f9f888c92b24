package gateway

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// result is the end of a call.
type result struct {
	body    []byte
	failure *Error
}

// callHead is the head of a request of the app.
type callHead struct {
	Type      string    `json:"type"`
	Call      uint64    `json:"call,omitempty"`
	Stream    uint64    `json:"stream,omitempty"`
	Command   string    `json:"command"`
	TimeoutMs *int64    `json:"timeoutMs,omitempty"`
	Buffer    int       `json:"buffer,omitempty"`
	Position  *Position `json:"position,omitempty"`
	Body      int       `json:"body"`
}

// call makes a request and waits for its result. kind is "call", which is repeated after a lost connection if that is safe, or
// "request", which never is.
func (c *Client) call(ctx context.Context, kind, command string, fields any) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, canceled(ctx, NotSent)
	}
	// Encoding calls code of the app, so it does not happen under the lock.
	body, err := json.Marshal(fields)
	if err != nil {
		return nil, invalid(fmt.Sprintf("%s: %v", command, err))
	}
	done := make(chan result, 1)
	number, err := c.begin(kind, command, body, c.timeoutMs(ctx), done)
	if err != nil {
		return nil, err
	}
	select {
	case end := <-done:
		return end.orError()
	case <-ctx.Done():
	}
	c.mu.Lock()
	delete(c.calls, number)
	c.mu.Unlock()
	select {
	case end := <-done:
		return end.orError()
	default:
		// Only the waiting ends. The connection does not notice.
		return nil, canceled(ctx, Unknown)
	}
}

// begin passes a request to the core. Its result is sent to done, if that is not nil.
func (c *Client) begin(kind, command string, body []byte, timeoutMs *int64, done chan result) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	number := c.last
	if done != nil {
		c.calls[number] = done
	}
	head := headOf(callHead{Type: kind, Call: number, Command: command, TimeoutMs: timeoutMs, Body: len(body)})
	if err := c.handle(head, body); err != nil {
		delete(c.calls, number)
		return 0, err
	}
	return number, nil
}

func (r result) orError() ([]byte, error) {
	if r.failure != nil {
		return nil, r.failure
	}
	return r.body, nil
}

// settle ends a call. The lock is held.
func (c *Client) settle(number uint64, end result) {
	if done := c.calls[number]; done != nil {
		delete(c.calls, number)
		done <- end
	}
}

// timeoutMs returns the time limit of a call: the earlier one of the client's and the context's; nil for none.
func (c *Client) timeoutMs(ctx context.Context) *int64 {
	limit := c.options.Timeout
	if deadline, found := ctx.Deadline(); found {
		if left := time.Until(deadline); limit < 0 || left < limit {
			limit = max(0, left)
		}
	}
	if limit < 0 {
		return nil
	}
	milliseconds := limit.Milliseconds()
	return &milliseconds
}

// reply decodes the gateway's reply to a call.
func reply[T any](body []byte, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	message := new(T)
	if err := json.Unmarshal(body, message); err != nil {
		return nil, &Error{Code: CodeInvalid, Message: fmt.Sprintf("the gateway's reply: %v", err), Outcome: Unknown, cause: err}
	}
	return message, nil
}

// newID returns a random id.
func newID() string {
	var bytes [16]byte
	// Reading of randomness never fails.
	_, _ = rand.Read(bytes[:])
	return hex.EncodeToString(bytes[:])
}
