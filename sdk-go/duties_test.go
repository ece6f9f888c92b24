package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The tests of the duties of a driver. docs/sdk-core.md numbers them.

func TestDuty01KeepsTheOrderOfTheSocket(t *testing.T) {
	g := startScripted(t)
	client, peer := g.connect(nil)
	subscription := peer.subscribe(client)
	segment := append(encoded(opText, chat(1, "first")), encoded(opText, chat(2, "second"))...)
	peer.writeRaw(append(segment, encoded(opClose, "\x03\xe9")...))
	for _, want := range []string{"first", "second"} {
		if got := next(t, subscription).Message.(*Chat).Content; got != want {
			t.Errorf("got %q instead of %q", got, want)
		}
	}
	// The client continues after what came before the close frame.
	peer = g.accepted()
	if again := peer.command("subscribe_clan_chat"); !strings.Contains(again.raw, `"recover":{"offset":2,`) {
		t.Errorf("subscribes again by %s", again.raw)
	}
}

func TestDuty02PassesOnWhatRefusedTheUpgrade(t *testing.T) {
	g := startScripted(t)
	var status atomic.Int64
	g.refuse = func(response http.ResponseWriter) bool {
		response.Header().Set("Retry-After", "7")
		response.WriteHeader(int(status.Load()))
		return true
	}
	for _, refusal := range []int64{429, 503} {
		status.Store(refusal)
		client := g.client(nil)
		go func() { _ = client.Connect(context.Background()) }()
		for state := range client.States(context.Background()) {
			if state.NextAttempt.IsZero() {
				continue
			}
			if wait := time.Until(state.NextAttempt); wait < 6*time.Second || wait > 31*time.Second {
				t.Errorf("%d: waits %s", refusal, wait)
			}
			break
		}
	}
	status.Store(403)
	client := g.client(nil)
	if err := client.Connect(context.Background()); err == nil || client.State().Status != Failed {
		t.Errorf("403: %v, %s", err, client.State().Status)
	}
}

func TestDuty03AcceptsLargeMessages(t *testing.T) {
	g := startScripted(t)
	client, peer := g.connect(nil)
	subscription := peer.subscribe(client)
	for _, size := range []int{256 << 10, 3 << 20} {
		peer.write(opText, `{"type":"a_later_type","clanId":"c","more":"`+strings.Repeat("x", size)+`"}`)
		peer.write(opText, chat(size, "after it"))
		for {
			event := next(t, subscription)
			if message, isChat := event.Message.(*Chat); isChat {
				if message.Offset != int64(size) {
					t.Errorf("got %+v", message)
				}
				break
			}
		}
	}
}

func TestDuty04LeavesSilenceToTheCore(t *testing.T) {
	g := startScripted(t)
	client, peer := g.connect(nil)
	// The answer keeps the connection.
	skip(client, 26*time.Second)
	ping := peer.command("ping")
	peer.reply(ping, "pong", `"timestamp":"2026-01-31T12:00:00.000Z"`)
	if _, err := peer.read(50 * time.Millisecond); !isTimeout(err) {
		t.Errorf("more than a ping was sent: %v", err)
	}
	peer.write(opPing, "are you there")
	if frame, err := peer.read(5 * time.Second); err != nil || frame.opcode != opPong {
		t.Errorf("a WebSocket ping is answered by %+v, %v", frame, err)
	}
	// Without an answer there is another connection.
	skip(client, 26*time.Second)
	peer.command("ping")
	skip(client, 26*time.Second)
	g.accepted()
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

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

func TestDuty06ReceivesWhileTheGatewayDoesNotRead(t *testing.T) {
	g := startScripted(t)
	dialer := net.Dialer{}
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		connection, err := dialer.DialContext(ctx, network, address)
		if err == nil {
			err = connection.(*net.TCPConn).SetWriteBuffer(4 << 10)
		}
		return connection, err
	}}
	client, peer := g.connect(&Options{HTTPClient: &http.Client{Transport: transport}, Timeout: time.Minute})
	subscription := peer.subscribe(client)
	_ = peer.socket.(*net.TCPConn).SetReadBuffer(4 << 10)
	const count = 400
	var senders sync.WaitGroup
	for number := range count {
		senders.Add(1)
		go func() {
			defer senders.Done()
			_, _ = client.ClanChat(fmt.Sprint("clan", number)).Send(context.Background(), strings.Repeat("🐺", 4_000), nil)
		}()
	}
	// The calls are 6 MB, for which the buffers of both sides have no room.
	isWriting := func() bool {
		client.mu.Lock()
		defer client.mu.Unlock()
		return len(client.calls) == count && client.sockets[1].writing
	}
	for !isWriting() {
		time.Sleep(time.Millisecond)
	}
	for offset := 1; offset <= 100; offset++ {
		peer.write(opText, chat(offset, "news"))
	}
	for range 100 {
		next(t, subscription)
	}
	if !isWriting() {
		t.Error("nothing waits to be written")
	}
	within(t, 3500*time.Millisecond, "Close", func() { _ = client.Close() })
	senders.Wait()
}

func TestDuty07ClosesWithinTwoSeconds(t *testing.T) {
	g := startScripted(t)
	var frames atomic.Int64
	client, peer := g.connect(&Options{Tap: func(frame Frame) {
		if !frame.Sent && strings.Contains(frame.Text, "late") {
			frames.Add(1)
		}
	}})
	subscription := peer.subscribe(client)
	closed := make(chan time.Duration, 1)
	go func() {
		began := time.Now()
		_ = client.Close()
		closed <- time.Since(began)
	}()
	for {
		frame, err := peer.read(20 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if frame.opcode == opClose {
			break
		}
	}
	peer.write(opText, chat(1, "late"))
	if took := <-closed; took > 3*time.Second || took < time.Second {
		t.Errorf("Close took %s", took)
	}
	for range subscription.Events(context.Background()) {
		t.Error("an event came after Close")
	}
	if frames.Load() > 0 {
		t.Error("a frame was reported after Close")
	}
}

func TestDuty08ObeysTheDeadline(t *testing.T) {
	g := startScripted(t)
	client, peer := g.connect(&Options{Timeout: 50 * time.Millisecond})
	failed := make(chan error, 1)
	go func() {
		_, err := client.ClanChat("c").History(context.Background(), nil)
		failed <- err
	}()
	peer.command("chat_history")
	var failure *Error
	if err := <-failed; !errors.As(err, &failure) || failure.Code != CodeTimedOut || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a call without a reply ends with %v", err)
	}
}

func TestDuty09NoticesSleep(t *testing.T) {
	g := startScripted(t)
	client, peer := g.connect(nil)
	skip(client, 10*time.Second)
	client.mu.Lock()
	client.clock.skew += time.Hour
	client.mu.Unlock()
	// Any input shows that the device has slept.
	peer.write(opPing, "")
	peer.command("ping")
	client.Wake()
}

func TestDuty09ClockNoticesEachSleepOnce(t *testing.T) {
	var clock clock
	readings := [][2]int{{10, 11}, {20, 80}, {21, 81}, {30, 5}, {31, 6}, {40, 40}, {41, 44}, {42, 45}}
	want := []bool{false, true, false, false, false, false, true, false}
	for i, reading := range readings {
		if slept := clock.hasSlept(time.Duration(reading[0])*time.Second, time.Duration(reading[1])*time.Second); slept != want[i] {
			t.Errorf("reading %v: %t", reading, slept)
		}
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

func TestDuty11DropsEventsOfClosedConnections(t *testing.T) {
	g := startScripted(t)
	client, peer := g.connect(nil)
	subscription := peer.subscribe(client)
	// The core closes a connection that does not answer, and opens another one.
	skip(client, 26*time.Second)
	skip(client, 26*time.Second)
	successor := g.accepted()
	peer.write(opText, chat(1, "late"))
	peer.close(1001)
	successor.reply(successor.command("subscribe_clan_chat"), "subscription_confirmed",
		`"service":"clan_chat","clanId":"c","status":"subscribed","offset":0,"epoch":"e1","recovered":true`)
	successor.write(opText, chat(1, "in time"))
	if got := next(t, subscription).Message.(*Chat).Content; got != "in time" {
		t.Errorf("got %q", got)
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
			within(t, 3*time.Second, "unsubscribing", func() { peer.command("unsubscribe_clan_chat") })
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

func TestDuty16LeavesNothingAfterClose(t *testing.T) {
	g := startScripted(t)
	answer := make(chan struct{})
	go func() {
		defer close(answer)
		for peer := range g.connections {
			go func() {
				peer.greet(peer.command("authenticate"))
				for {
					frame, err := peer.read(20 * time.Second)
					if err != nil {
						return
					}
					if frame.opcode == opClose {
						peer.write(opClose, string(frame.text))
						_ = peer.socket.Close()
						return
					}
				}
			}()
		}
	}()
	before := runtime.NumGoroutine()
	descriptors := openDescriptors(t)
	for range 100 {
		var clients sync.WaitGroup
		for range 10 {
			clients.Add(1)
			go func() {
				defer clients.Done()
				client, err := NewClient(g.server.URL, StaticToken("token"), nil)
				if err != nil {
					t.Error(err)
					return
				}
				if err := client.Connect(context.Background()); err != nil {
					t.Error(err)
				}
				_ = client.Close()
			}()
		}
		clients.Wait()
	}
	close(g.connections)
	<-answer
	// The goroutines of the server end a little later than those of the client.
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		goroutines, now := runtime.NumGoroutine(), openDescriptors(t)
		if goroutines <= before && now <= descriptors {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines instead of %d, %d descriptors instead of %d", goroutines, before, now, descriptors)
		}
	}
}

func TestDuty16EndsWithATrapAndStartsAgain(t *testing.T) {
	g := startScripted(t)
	client, peer := g.connect(nil)
	subscription := peer.subscribe(client)
	failed := make(chan error, 1)
	go func() {
		_, err := client.ClanChat("c").Presence(context.Background())
		failed <- err
	}()
	peer.command("presence")
	client.mu.Lock()
	client.endByTrap(errors.New("a bug of the core"))
	client.mu.Unlock()
	var failure *Error
	if err := <-failed; !errors.As(err, &failure) || failure.Code != CodeTrap {
		t.Errorf("a call ends with %v", err)
	}
	if _, err := subscription.Next(context.Background()); !errors.As(err, &failure) || failure.Code != CodeTrap {
		t.Errorf("a subscription ends with %v", err)
	}
	if _, err := client.ClanChat("c").Presence(context.Background()); !errors.As(err, &failure) || failure.Code != CodeTrap {
		t.Errorf("a later call ends with %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- client.Connect(context.Background()) }()
	peer = g.accepted()
	if err := <-done; err != nil {
		t.Error(err)
	}
	peer.subscribe(client)
}
