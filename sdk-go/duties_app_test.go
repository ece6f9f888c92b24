package gateway

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The tests of the duties of a driver for the app: its cancellation, tokens, streams and code. docs/sdk-core.md numbers them.

func TestDuty05KeepsCancellationAwayFromTheSocket(t *testing.T) {
	g := startScripted(t)
	client, peer := g.connect(nil)
	subscription := peer.subscribe(client)
	ctx, cancel := context.WithCancel(context.Background())
	failed := make(chan error, 1)
	go func() {
		_, err := client.ClanChat("c").Send(ctx, "hello", nil)
		failed <- err
	}()
	sent := peer.command("chat")
	cancel()
	var failure *Error
	err := <-failed
	if !errors.As(err, &failure) || failure.Code != CodeCanceled || failure.Outcome != Unknown || !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled call ends with %v", err)
	}
	if failure.ClientMessageID != sent.ClientMessageID {
		t.Errorf("the error has the id %q", failure.ClientMessageID)
	}
	// The late reply is dropped, and the connection still works.
	peer.reply(sent, "message_sent", `"messageId":"m1","clanId":"c","offset":1`)
	if _, err := subscription.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled read ends with %v", err)
	}
	peer.write(opText, chat(1, "hello"))
	if got := next(t, subscription).Message.(*Chat).Content; got != "hello" {
		t.Errorf("got %q", got)
	}
	if _, err := client.ClanChat("c").Presence(ctx); !errors.As(err, &failure) || failure.Outcome != NotSent {
		t.Errorf("a call with an ended context: %v", err)
	}
}

func TestDuty10DropsLateTokens(t *testing.T) {
	g := startScripted(t)
	late, second, calls := make(chan struct{}), make(chan struct{}), make(chan int, 10)
	var count atomic.Int64
	client := g.clientWith(func(ctx context.Context) (string, error) {
		call := int(count.Add(1))
		calls <- call
		if call == 1 {
			<-late
			if ctx.Err() == nil {
				t.Error("the context of the late call has not ended")
			}
		} else {
			<-second
		}
		return fmt.Sprint("token ", call), nil
	}, nil)
	go func() { _ = client.Connect(context.Background()) }()
	<-calls
	for done := false; !done; {
		skip(client, 31*time.Second)
		select {
		case <-calls:
			done = true
		case <-time.After(10 * time.Millisecond):
		}
	}
	close(late)
	select {
	case <-g.connections:
		t.Fatal("the client connects with the late token")
	case <-time.After(100 * time.Millisecond):
	}
	close(second)
	peer := g.next()
	authenticate := peer.command("authenticate")
	if authenticate.Token != "token 2" {
		t.Errorf("authenticates by %q", authenticate.Token)
	}
	peer.greet(authenticate)
	if err := client.Connect(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestDuty12PullsItems(t *testing.T) {
	g := startScripted(t)
	arrived := make(chan struct{}, 100)
	client, peer := g.connect(&Options{Buffer: 3, Tap: func(frame Frame) {
		if strings.Contains(frame.Text, "news") {
			arrived <- struct{}{}
		}
	}})
	subscription := peer.subscribe(client)
	for offset := 1; offset <= 10; offset++ {
		peer.write(opText, chat(offset, "news"))
	}
	for range 10 {
		<-arrived
	}
	gaps, last := 0, int64(0)
	for last < 10 {
		switch message := next(t, subscription).Message.(type) {
		case *Gap:
			gaps++
			last = message.After.Offset
			if message.Reason != "slow" {
				t.Errorf("gap %+v", message)
			}
		case *Chat:
			if message.Offset != last+1 {
				t.Errorf("%d follows %d", message.Offset, last)
			}
			last = message.Offset
		}
	}
	if gaps != 1 {
		t.Errorf("%d gaps", gaps)
	}
}

func TestDuty13LeavesSubscriptions(t *testing.T) {
	ways := map[string]func(*Subscription, *peer){
		"break": func(subscription *Subscription, peer *peer) {
			peer.write(opText, chat(1, "news"))
			for range subscription.Events(context.Background()) {
				break
			}
		},
		"panic": func(subscription *Subscription, peer *peer) {
			defer func() { _ = recover() }()
			peer.write(opText, chat(1, "news"))
			for range subscription.Events(context.Background()) {
				panic("in the loop")
			}
		},
		"context": func(subscription *Subscription, _ *peer) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			for _, err := range subscription.Events(ctx) {
				if !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			}
		},
		"close":  func(subscription *Subscription, _ *peer) { subscription.Close() },
		"forget": func(*Subscription, *peer) {},
	}
	for way, leave := range ways {
		t.Run(way, func(t *testing.T) {
			g := startScripted(t)
			client, peer := g.connect(nil)
			leave(peer.subscribe(client), peer)
			isUnsubscribed := make(chan struct{})
			if way == "forget" {
				go func() {
					for {
						select {
						case <-isUnsubscribed:
							return
						default:
							runtime.GC()
						}
					}
				}()
			}
			mustEnd(t, "unsubscribing", func() { peer.command("unsubscribe_clan_chat") })
			close(isUnsubscribed)
		})
	}
}

func TestDuty14RunsNoCodeOfTheAppUnderItsLock(t *testing.T) {
	g := startScripted(t)
	var client *Client
	answered := make(chan error, 1)
	var once sync.Once
	client = g.clientWith(func(context.Context) (string, error) {
		// State waits for the lock.
		return "token " + string(client.State().Status), nil
	}, &Options{Tap: func(frame Frame) {
		if strings.Contains(frame.Text, "connected") {
			once.Do(func() {
				_, err := client.ClanChat("c").Presence(context.Background())
				answered <- err
			})
		}
	}})
	go func() { _ = client.Connect(context.Background()) }()
	peer := g.accepted()
	peer.reply(peer.command("presence"), "presence", `"clanId":"c","users":[],"count":0`)
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

func TestDuty14SurvivesPanicsOfTheApp(t *testing.T) {
	g := startScripted(t)
	var calls atomic.Int64
	client := g.clientWith(func(context.Context) (string, error) {
		if calls.Add(1) == 1 {
			panic("no token")
		}
		return "token", nil
	}, &Options{Tap: func(Frame) { panic("in the tap") }})
	done := make(chan error, 1)
	go func() { done <- client.Connect(context.Background()) }()
	g.accepted()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestDuty15MasksTokens(t *testing.T) {
	g := startScripted(t)
	frames := make(chan Frame, 100)
	_, peer := g.connect(&Options{Tap: func(frame Frame) { frames <- frame }})
	peer.write(opPing, "")
	frame := <-frames
	if !frame.Sent || frame.Connection != 1 || strings.Contains(frame.Text, "the token") || !strings.Contains(frame.Text, `"token":"…"`) {
		t.Errorf("the tap shows %+v", frame)
	}
}
