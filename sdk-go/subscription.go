package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"runtime"
)

// Position is a position in the log of a topic. It can be stored, and passed as From later.
type Position struct {
	// Offset is the offset of the last received entry; 0 is before the first entry.
	Offset int64 `json:"offset"`
	// Epoch is the epoch of the store that the offset belongs to.
	Epoch string `json:"epoch"`
}

// SubscribeOptions say where a subscription begins.
type SubscribeOptions struct {
	// History is the number of past messages to begin with, 0 to 100.
	History int
	// From continues after the position of an earlier subscription.
	From *Position
	// Presence adds messages about users who become present or leave.
	Presence bool
	// PresenceData is what others see of the user in a topic of a declared service: JSON of at most 1 KiB.
	PresenceData any
}

// Subscription is one subscription of the app. It continues after a lost connection: each message comes once and in order, or
// there is a [Gap]. One goroutine reads it; others may call its other methods.
type Subscription struct {
	stream *stream
}

// stream is what a subscription consists of. The SDK refers to it, and not to the subscription, so that a forgotten subscription
// can be collected and left.
type stream struct {
	client *Client
	number uint64
	// settled is closed when the gateway has confirmed or refused the subscription, or the client has ended.
	settled chan struct{}
	// signal has a value if there may be something to take.
	signal chan struct{}
	// over is closed when the stream has ended or was left. Items may still be there.
	over chan struct{}

	// Guarded by the lock of the client.
	position    *Position
	isConfirmed bool
	end         *Error
	left        bool
	// output is memory for what the core returns.
	output []byte
}

// subscribe begins a subscription and waits until the gateway has confirmed it.
func (c *Client) subscribe(ctx context.Context, command string, fields any) (*Subscription, error) {
	if ctx.Err() != nil {
		return nil, canceled(ctx, NotSent)
	}
	body, err := json.Marshal(fields)
	if err != nil {
		return nil, invalid(fmt.Sprintf("%s: %v", command, err))
	}
	s := &stream{client: c, settled: make(chan struct{}), signal: make(chan struct{}, 1), over: make(chan struct{})}
	c.mu.Lock()
	c.last++
	s.number = c.last
	c.streams[s.number] = s
	head := headOf(callHead{Type: "subscribe", Stream: s.number, Command: command, Buffer: c.options.Buffer, Body: len(body)})
	err = c.handle(head, body)
	if err != nil {
		delete(c.streams, s.number)
	}
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case <-s.settled:
	case <-ctx.Done():
		s.leave()
		return nil, canceled(ctx, Unknown)
	}
	if err := s.refusal(); err != nil {
		return nil, err
	}
	subscription := &Subscription{s}
	runtime.AddCleanup(subscription, (*stream).forget, s)
	return subscription, nil
}

// refusal leaves a stream that was never confirmed, and returns why; nil for one that was.
func (s *stream) refusal() error {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	if s.isConfirmed {
		return nil
	}
	s.leaveLocked()
	return s.endOr(closedSubscription())
}

// Events returns the events until the subscription ends. Leaving the loop unsubscribes. If the context ends, or the subscription
// is ended by the gateway, the error comes as the last one; after [Client.Close] or [Subscription.Close] the loop just ends.
//
//	for event, err := range subscription.Events(ctx) {
//		if err != nil { … }
//		switch message := event.Message.(type) {
//		case *gateway.Chat: …
//		}
//	}
func (s *Subscription) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		defer s.Close()
		for {
			event, err := s.Next(ctx)
			if isClosed(err) {
				return
			}
			if !yield(event, err) || err != nil {
				return
			}
		}
	}
}

// Next waits for the next event. If the context ends, only the waiting ends. After [Client.Close] or [Subscription.Close] the
// error has the code [CodeClosed].
func (s *Subscription) Next(ctx context.Context) (Event, error) {
	for {
		event, found, err := s.stream.take()
		if found {
			event.decode()
		}
		if found || err != nil {
			return event, err
		}
		select {
		case <-s.stream.signal:
		case <-s.stream.over:
		case <-ctx.Done():
			return Event{}, canceled(ctx, Unknown)
		}
	}
}

// Position returns the position of the last event that was read, or where the subscription began; nil if it has none, as for
// notifications.
func (s *Subscription) Position() *Position {
	s.stream.client.mu.Lock()
	defer s.stream.client.mu.Unlock()
	return s.stream.position
}

// Close ends the subscription.
func (s *Subscription) Close() {
	s.stream.leave()
}

func isClosed(err error) bool {
	failure, isError := err.(*Error)
	return isError && failure.Code == CodeClosed && failure.CloseCode <= 1000
}

// take returns the next event, or the error with which the subscription has ended.
func (s *stream) take() (event Event, found bool, err error) {
	c := s.client
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.left {
		return Event{}, false, s.endOr(closedSubscription())
	}
	if c.core != nil && c.streams[s.number] == s {
		event, found, err = s.takeFromCore()
		if found || err != nil {
			return event, found, err
		}
	}
	if s.end != nil {
		s.leaveLocked()
		return Event{}, false, s.end
	}
	return Event{}, false, nil
}

// endOr returns the error with which the subscription has ended, or another one.
func (s *stream) endOr(other *Error) error {
	if s.end != nil {
		return s.end
	}
	return other
}

// takeFromCore takes an item out of the core's buffer. The lock is held.
func (s *stream) takeFromCore() (Event, bool, error) {
	c := s.client
	output, err := c.core.Take(s.number, s.output[:0])
	if err != nil {
		c.endByTrap(err)
		return Event{}, false, c.trap
	}
	s.output = output
	if cap(output) > keptOutputBytes {
		s.output = nil
	}
	if len(output) == 0 {
		return Event{}, false, nil
	}
	epoch := ""
	if s.position != nil {
		epoch = s.position.Epoch
	}
	item, body, _, err := nextMessage(output, epoch)
	if err != nil {
		c.endByTrap(err)
		return Event{}, false, c.trap
	}
	if item.Position != nil {
		s.position = item.Position
	}
	if item.Due {
		c.report([]byte("{\"type\":\"tick\"}\n"), nil)
	} else {
		c.setTimer()
	}
	return Event{Raw: append(json.RawMessage(nil), body...), Position: item.Position}, true, nil
}

// subscribed is called when the gateway has confirmed or refused the subscription. The lock is held.
func (s *stream) subscribed(position *Position, failure *Error) {
	if failure != nil {
		s.ended(failure)
		return
	}
	if s.position == nil {
		s.position = position
	}
	if !s.isConfirmed {
		s.isConfirmed = true
		close(s.settled)
	}
}

// ended is called when the stream has ended. Items that it still holds can be taken. The lock is held.
func (s *stream) ended(failure *Error) {
	if s.end != nil || s.left {
		return
	}
	s.end = failure
	close(s.over)
	if !s.isConfirmed {
		close(s.settled)
	}
}

// wake wakes the reader. The lock is held.
func (s *stream) wake() {
	select {
	case s.signal <- struct{}{}:
	default:
	}
}

// forget leaves a subscription that the app no longer refers to.
func (s *stream) forget() {
	s.leave()
}

// leave ends the subscription of the app.
func (s *stream) leave() {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	s.leaveLocked()
}

func (s *stream) leaveLocked() {
	if s.left {
		return
	}
	s.left = true
	if s.end == nil {
		close(s.over)
	}
	c := s.client
	if c.streams[s.number] == s {
		delete(c.streams, s.number)
		if c.core != nil {
			c.report(appendNumbers(nil, "leave", number{"stream", s.number}), nil)
		}
	}
}

func closedSubscription() *Error {
	return &Error{Code: CodeClosed, Message: "the subscription is closed", Outcome: NotSent}
}
