package gateway

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// The tests of the duties of a driver for the connection: order, refusals, sizes, silence, deadlines, sleep, and what comes late. docs/sdk-core.md numbers them.

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
