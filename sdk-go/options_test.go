package gateway

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// online connects a client, and returns the connection.
func online(t *testing.T, g *scripted, client *Client) *peer {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- client.Connect(context.Background()) }()
	peer := g.accepted()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return peer
}

func TestOptionsOfTheConnection(t *testing.T) {
	g := &scripted{t: t, connections: make(chan *peer, 10)}
	var headers http.Header
	g.refuse = func(http.ResponseWriter) bool { return false }
	g.server = httptest.NewTLSServer(http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		headers = request.Header.Clone()
		g.accept(response, request)
	}))
	t.Cleanup(g.server.Close)
	authorities := x509.NewCertPool()
	authorities.AddCert(g.server.Certificate())
	header := http.Header{"X-Tenant": {"wolves"}}
	for name, options := range map[string]*Options{
		"TLS":        {TLS: &tls.Config{RootCAs: authorities}, Header: header},
		"HTTPClient": {HTTPClient: g.server.Client(), Header: header},
	} {
		t.Run(name, func(t *testing.T) {
			client := g.client(options)
			online(t, g, client)
			if headers.Get("X-Tenant") != "wolves" {
				t.Errorf("the gateway got the headers %v", headers)
			}
		})
	}
	t.Run("an unknown authority", func(t *testing.T) {
		client := g.client(nil)
		go func() { _ = client.Connect(context.Background()) }()
		for state := range client.States(context.Background()) {
			if state.Err != nil {
				if !strings.Contains(state.Err.Message, "certificate") {
					t.Errorf("got %v", state.Err)
				}
				break
			}
		}
	})
}

func TestConnectsThroughAProxy(t *testing.T) {
	g := startScripted(t)
	proxy, err := url.Parse(g.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	client, err := NewClient("ws://gateway.invalid/ws", StaticToken("token"), &Options{Proxy: http.ProxyURL(proxy)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	online(t, g, client)
}

// buffer is a log that can be read while it is written.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (b *buffer) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(text)
}

// String returns what was written.
func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func TestLogsChangesOfTheStateAndNoTokens(t *testing.T) {
	g := startScripted(t)
	log := new(buffer)
	_, peer := g.connect(&Options{Logger: slog.New(slog.NewTextHandler(log, nil))})
	peer.close(4401)
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(log.String(), "status=reconnecting") &&
		!strings.Contains(log.String(), "status=unauthorized"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the log has\n%s", log)
		}
	}
	if !strings.Contains(log.String(), "status=online") || strings.Contains(log.String(), "the token") {
		t.Errorf("the log has\n%s", log)
	}
}

func TestATapThatIsTooSlowLosesFramesAndIsToldSo(t *testing.T) {
	g := startScripted(t)
	block := make(chan struct{})
	var mu sync.Mutex
	seen, dropped := 0, 0
	client, peer := g.connect(&Options{Tap: func(frame Frame) {
		<-block
		mu.Lock()
		defer mu.Unlock()
		seen++
		dropped += frame.Dropped
	}})
	subscription := peer.subscribe(client)
	const count = 1_500
	for offset := 1; offset <= count; offset++ {
		peer.write(opText, chat(offset, "news"))
		next(t, subscription)
	}
	close(block)
	// Four frames have made the connection and the subscription.
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		// Another frame tells about what was dropped before it.
		client.ClanChat("c").SetTyping(true)
		mu.Lock()
		seenNow, droppedNow := seen, dropped
		mu.Unlock()
		if seenNow+droppedNow >= count+4 {
			if droppedNow == 0 {
				t.Error("nothing was dropped")
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d frames were seen and %d dropped", seenNow, droppedNow)
		}
	}
}
