package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"
)

// Frame is one message of the connection, as [Options.Tap] gets it.
type Frame struct {
	// Sent is whether the SDK sent the message; otherwise the gateway did.
	Sent bool
	// Text is the JSON. A token in it is shown as "…".
	Text string
	// Connection is the number of the connection, from 1.
	Connection uint64
	// Time is when the message was sent or received.
	Time time.Time
	// Dropped is the number of frames before this one that were dropped, because Tap was too slow.
	Dropped int
}

// maxNotices is how many frames and log records wait for the app.
const maxNotices = 1_000

// listener calls the tap and the logger of the app in order, in a goroutine that ends when there is nothing to do. App code
// never runs under the lock of the client.
type listener struct {
	mu      sync.Mutex
	queue   []func(dropped int)
	dropped int
	running bool
	closed  bool
}

// notify calls a function later.
func (l *listener) notify(call func(dropped int)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	if len(l.queue) >= maxNotices {
		l.dropped++
		return
	}
	l.queue = append(l.queue, call)
	if !l.running {
		l.running = true
		go l.run()
	}
}

func (l *listener) run() {
	for {
		l.mu.Lock()
		if len(l.queue) == 0 {
			l.running, l.queue = false, nil
			l.mu.Unlock()
			return
		}
		call, dropped := l.queue[0], l.dropped
		l.queue, l.dropped = l.queue[1:], 0
		l.mu.Unlock()
		call(dropped)
	}
}

// close takes nothing more, because the client has ended. What waits is still shown.
func (l *listener) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
}

// tap shows a frame to the app. The text is copied.
func (c *Client) tap(sent bool, connection uint64, text []byte) {
	tap := c.options.Tap
	if tap == nil {
		return
	}
	frame := Frame{Sent: sent, Connection: connection, Time: time.Now(), Text: string(masked(text))}
	c.listener.notify(func(dropped int) {
		defer c.logPanic("the tap panicked")
		frame.Dropped = dropped
		tap(frame)
	})
}

// masked returns a frame without its token.
func masked(text []byte) []byte {
	if !bytes.Contains(text, []byte(`"authenticate"`)) {
		return text
	}
	var message struct {
		Type  string
		Token json.RawMessage
	}
	if json.Unmarshal(text, &message) != nil || message.Type != "authenticate" || len(message.Token) == 0 {
		return text
	}
	return bytes.ReplaceAll(text, message.Token, []byte(`"…"`))
}

// log writes the change of the state to the logger of the app.
func (c *Client) log(state State) {
	logger := c.options.Logger
	if logger == nil {
		return
	}
	c.listener.notify(func(int) {
		defer func() { _ = recover() }()
		level, attributes := slog.LevelInfo, []slog.Attr{slog.String("status", string(state.Status))}
		if state.Err != nil {
			level = slog.LevelWarn
			attributes = append(attributes, slog.String("code", state.Err.Code), slog.String("error", state.Err.Message))
		}
		logger.LogAttrs(context.Background(), level, "the state of the gateway client has changed", attributes...)
	})
}

// logPanic writes a panic of the app's code to its logger.
func (c *Client) logPanic(event string) {
	cause := recover()
	// The logger is code of the app too.
	defer func() { _ = recover() }()
	if cause != nil && c.options.Logger != nil {
		c.options.Logger.Error(event, "panic", cause)
	}
}
