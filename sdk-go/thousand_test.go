package gateway

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"
)

// The aim of the contract, and what is allowed here for each client.
const maxClientBytes = 64 << 10

// TestAThousandClients measures what a client costs with a real connection and a subscription, and that it has one goroutine.
// The gateway's side of the connections is in the same process and counted too, with 16 KiB each.
func TestAThousandClients(t *testing.T) {
	const count = 1_000
	g := startScripted(t)
	var gateways sync.WaitGroup
	stop := make(chan struct{})
	before, goroutines := memory(), runtime.NumGoroutine()
	gateways.Add(1)
	go func() {
		defer gateways.Done()
		for range count {
			peer := g.next()
			peer.greet(peer.command("authenticate"))
			peer.confirm(peer.command("subscribe_clan_chat"))
			peer.write(opText, chat(1, "hello"))
			gateways.Add(1)
			go func() {
				defer gateways.Done()
				<-stop
				_ = peer.socket.Close()
			}()
		}
	}()
	clients := make([]*Client, count)
	subscriptions := make([]*Subscription, count)
	for i := range clients {
		clients[i] = g.client(nil)
		subscription, err := clients[i].ClanChat("c").Subscribe(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		subscriptions[i] = subscription
	}
	for _, subscription := range subscriptions {
		if got := next(t, subscription).Message.(*Chat).Content; got != "hello" {
			t.Errorf("got %q", got)
		}
	}
	each := (memory() - before) / count
	// The gateway's side has a goroutine for each connection, and one of the server's if it is not hijacked.
	each1000 := float64(runtime.NumGoroutine()-goroutines-count) / count
	t.Logf("%d clients: %d KiB each, %.2f goroutines each", count, each>>10, each1000)
	if each > maxClientBytes {
		t.Errorf("a client has %d KiB", each>>10)
	}
	if each1000 > 1.1 {
		t.Errorf("a client has %.2f goroutines", each1000)
	}
	runtime.KeepAlive(subscriptions)
	close(stop)
	gateways.Wait()
	var closing sync.WaitGroup
	for _, client := range clients {
		closing.Add(1)
		go func() {
			defer closing.Done()
			_ = client.Close()
		}()
	}
	closing.Wait()
}

// memory returns the bytes of the heap and of stacks in use.
func memory() uint64 {
	var stats runtime.MemStats
	for range 3 {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	runtime.ReadMemStats(&stats)
	return stats.HeapInuse + stats.StackInuse
}

// Goroutines of a client while it writes, taps and reads: at most three.
func TestABusyClientHasAtMostThreeGoroutines(t *testing.T) {
	g := startScripted(t)
	block := make(chan struct{})
	client, peer := g.connect(&Options{Tap: func(Frame) { <-block }})
	before := runtime.NumGoroutine()
	// The listener hangs in the tap, and the reader reads: both are counted in before.
	for range 100 {
		client.ClanChat("c").SetTyping(true)
	}
	peer.command("typing")
	if more := runtime.NumGoroutine() - before; more > 1 {
		t.Errorf("%d goroutines besides reader and listener", more)
	}
	close(block)
}
