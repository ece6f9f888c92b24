package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The tests of the duties of a driver for the end: closing, and what is left after it. docs/sdk-core.md numbers them.

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
	mustEnd(t, "Close", func() { _ = client.Close() })
	senders.Wait()
}

// recordedConn records who closes it first.
type recordedConn struct {
	net.Conn
	closedBy chan string
}

func (c recordedConn) Close() error {
	select {
	case c.closedBy <- string(debug.Stack()):
	default:
	}
	return c.Conn.Close()
}

func TestDuty07ClosesWithinTwoSeconds(t *testing.T) {
	g := startScripted(t)
	var frames atomic.Int64
	closedBy := make(chan string, 1)
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		connection, err := new(net.Dialer).DialContext(ctx, network, address)
		return recordedConn{connection, closedBy}, err
	}}
	client, peer := g.connect(&Options{HTTPClient: &http.Client{Transport: transport}, Tap: func(frame Frame) {
		if !frame.Sent && strings.Contains(frame.Text, "late") {
			frames.Add(1)
		}
	}})
	subscription := peer.subscribe(client)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_ = client.Close()
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
	select {
	case <-closed:
		t.Error("Close does not wait for the answer of the gateway")
	default:
	}
	// There is no answer, so the client ends the connection by its own limit, which is shorter than that of the library.
	if frame, err := peer.read(20 * time.Second); err == nil || isTimeout(err) {
		t.Errorf("the connection is not ended: %+v, %v", frame, err)
	}
	if stack := <-closedBy; !strings.Contains(stack, "socket).force") {
		t.Errorf("the connection is closed by %s", stack)
	}
	<-closed
	for range subscription.Events(context.Background()) {
		t.Error("an event came after Close")
	}
	if frames.Load() > 0 {
		t.Error("a frame was reported after Close")
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
