package gateway

import (
	"context"
	"iter"
	"time"
)

// Status is the state of the connection in a word. Later versions may add words.
type Status string

const (
	// Idle means that the app has made no request yet.
	Idle Status = "idle"
	// Connecting means that the first connection is being made.
	Connecting Status = "connecting"
	// Online means that commands reach the gateway. With an Err the token could not be renewed, and the session ends with it.
	Online Status = "online"
	// Reconnecting means that the connection is lost or could not be made. The SDK tries again by itself.
	Reconnecting Status = "reconnecting"
	// Replaced means that another session took the place of this one. [Client.Connect] takes it back.
	Replaced Status = "replaced"
	// Unauthorized means that the token was refused, and a fresh one too, or the user is signed out. [Client.Connect] tries again.
	Unauthorized Status = "unauthorized"
	// Failed means that the client has ended for another reason, which Err names. [Client.Connect] tries again.
	Failed Status = "failed"
	// Closed means that the app closed the client.
	Closed Status = "closed"
)

// isFinal returns whether the client makes no attempt by itself. Calls are refused, and subscriptions wait.
func (s Status) isFinal() bool {
	return s == Replaced || s == Unauthorized || s == Failed || s == Closed
}

// State is the state of the connection.
type State struct {
	Status Status
	// Session has the user, the limits and the features, while there is a connection; nil otherwise.
	Session *Connected
	// Err is the last error, if there was one since the client was online.
	Err *Error
	// NextAttempt is the time of the next attempt, while the client waits for it; zero otherwise.
	NextAttempt time.Time
}

// State returns the current state.
func (c *Client) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// States returns the current state and then each later one, until the context ends or the client is closed. A slow loop gets
// the latest state, and not all of those in between.
func (c *Client) States(ctx context.Context) iter.Seq[State] {
	return func(yield func(State) bool) {
		for {
			c.mu.Lock()
			state, changed := c.state, c.changed
			c.mu.Unlock()
			if !yield(state) || state.Status == Closed {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}
}

// become changes the state and wakes who waits for it. The lock is held.
func (c *Client) become(state State) {
	if state.Err == nil && (state.Status == Connecting || state.Status == Reconnecting) {
		// During an attempt the cause of the last failure is kept.
		state.Err = c.state.Err
	}
	if state.Status != c.state.Status {
		c.log(state)
	}
	c.state = state
	close(c.changed)
	c.changed = make(chan struct{})
}
