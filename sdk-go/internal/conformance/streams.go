package main

import (
	"context"
	"errors"

	gateway "github.com/realtime-gateway/realtime-gateway/sdk-go"
)

// reader reads a subscription, as many events as the kit allows.
type reader struct {
	// more has the number of further events to read. A negative one is all of them.
	more  chan int64
	leave chan struct{}
}

func (a *adapter) subscribe(ctx context.Context, c command) (any, error) {
	client, err := a.client(c)
	if err != nil {
		return nil, err
	}
	about, options := c.topic(), &gateway.SubscribeOptions{History: c.History, From: c.From, Presence: c.Presence}
	var subscription *gateway.Subscription
	switch {
	case about.isNotifications():
		subscription, err = client.Notifications().Subscribe(ctx)
	case about.Clan != "":
		subscription, err = client.ClanChat(about.Clan).Subscribe(ctx, options)
	default:
		subscription, err = client.Topic(about.Service, about.Topic).Subscribe(ctx, options)
	}
	if err != nil {
		return nil, err
	}
	own := &reader{make(chan int64, 16), make(chan struct{}, 1)}
	a.mu.Lock()
	a.streams[c.Stream] = own
	a.mu.Unlock()
	allowed := int64(-1)
	if c.Read != nil {
		allowed = *c.Read
	}
	position := subscription.Position()
	go own.run(c.Stream, subscription, allowed)
	if position == nil {
		return nil, nil
	}
	return position, nil
}

func (a *adapter) order(c command) error {
	a.mu.Lock()
	own := a.streams[c.Stream]
	a.mu.Unlock()
	if own == nil {
		return errors.New("there is no stream " + c.Stream)
	}
	if c.Do == "leave" {
		own.leave <- struct{}{}
	} else {
		own.more <- c.Count
	}
	return nil
}

// run reads until the subscription ends, or the app leaves it.
func (r *reader) run(stream string, subscription *gateway.Subscription, allowed int64) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	left := false
	go func() {
		select {
		case <-r.leave:
			left = true
			subscription.Close()
			cancel()
		case <-ctx.Done():
		}
	}()
	for {
		if allowed == 0 {
			select {
			case count := <-r.more:
				allowed += count
			case <-ctx.Done():
				emit(line{Event: "end", Stream: stream})
				return
			}
			continue
		}
		event, err := subscription.Next(ctx)
		if err != nil {
			end := line{Event: "end", Stream: stream, Error: failureOf(err)}
			// The app has left the stream or closed the client.
			if left || end.Error.Code == gateway.CodeClosed && end.Error.CloseCode <= 1000 {
				end.Error = nil
			}
			emit(end)
			return
		}
		if allowed > 0 {
			allowed--
		}
		emit(line{Event: "item", Stream: stream, Item: event.Raw, Position: event.Position})
	}
}
