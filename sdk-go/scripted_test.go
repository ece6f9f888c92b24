package gateway

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// scripted is a gateway that does what a test says, byte by byte.
type scripted struct {
	t      *testing.T
	server *httptest.Server
	// connections has each accepted connection.
	connections chan *peer
	// refuse answers an upgrade instead, if it returns true.
	refuse func(http.ResponseWriter) bool
}

// peer is one connection, from the side of the gateway.
type peer struct {
	t      *testing.T
	socket net.Conn
	reader *bufio.Reader
	mu     sync.Mutex
}

// frame is a WebSocket frame of the client.
type frame struct {
	opcode byte
	text   []byte
}

// command is a message of the client.
type command struct {
	Type            string
	RequestID       string
	ClanID          string
	Token           string
	ClientMessageID string
	raw             string
}

const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10
)

func startScripted(t *testing.T) *scripted {
	t.Helper()
	g := &scripted{t: t, connections: make(chan *peer, 2_000)}
	g.server = httptest.NewServer(http.HandlerFunc(g.accept))
	t.Cleanup(g.server.Close)
	return g
}

func (g *scripted) accept(response http.ResponseWriter, request *http.Request) {
	if g.refuse != nil && g.refuse(response) {
		return
	}
	if request.Header.Get("Sec-WebSocket-Protocol") != subprotocol || request.Header.Get("Sec-WebSocket-Extensions") != "" {
		g.t.Errorf("the upgrade has the headers %v", request.Header)
	}
	socket, buffer, err := response.(http.Hijacker).Hijack()
	if err != nil {
		g.t.Error(err)
		return
	}
	sum := sha1.Sum([]byte(request.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(socket, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Protocol: %s\r\nSec-WebSocket-Accept: %s\r\n\r\n", subprotocol, base64.StdEncoding.EncodeToString(sum[:]))
	g.connections <- &peer{t: g.t, socket: socket, reader: buffer.Reader}
}

func (g *scripted) client(options *Options) *Client {
	g.t.Helper()
	return g.clientWith(StaticToken("the token"), options)
}

func (g *scripted) clientWith(token TokenProvider, options *Options) *Client {
	g.t.Helper()
	client, err := NewClient(g.server.URL, token, options)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = client.Close() })
	return client
}

// accepted returns the next connection, with an authenticated client.
func (g *scripted) accepted() *peer {
	g.t.Helper()
	peer := g.next()
	peer.greet(peer.command("authenticate"))
	return peer
}

// next returns the next connection.
func (g *scripted) next() *peer {
	g.t.Helper()
	select {
	case peer := <-g.connections:
		g.t.Cleanup(func() { _ = peer.socket.Close() })
		return peer
	case <-time.After(20 * time.Second):
		g.t.Fatal("the client does not connect")
		return nil
	}
}

// connect returns a client that is online, and its connection.
func (g *scripted) connect(options *Options) (*Client, *peer) {
	g.t.Helper()
	client := g.client(options)
	done := make(chan error, 1)
	go func() { done <- client.Connect(context.Background()) }()
	peer := g.accepted()
	if err := <-done; err != nil {
		g.t.Fatal(err)
	}
	return client, peer
}

// subscribe returns a subscription of a client to the clan c.
func (p *peer) subscribe(client *Client) *Subscription {
	p.t.Helper()
	type subscribed struct {
		subscription *Subscription
		err          error
	}
	done := make(chan subscribed, 1)
	go func() {
		subscription, err := client.ClanChat("c").Subscribe(context.Background(), nil)
		done <- subscribed{subscription, err}
	}()
	p.confirm(p.command("subscribe_clan_chat"))
	end := <-done
	if end.err != nil {
		p.t.Fatal(end.err)
	}
	return end.subscription
}

func (p *peer) greet(authenticate command) {
	p.reply(authenticate, "connected", `"userId":"ada","message":"hi","sessionId":"s1","protocolVersion":1,"features":[],`+
		`"services":["notifications","clan_chat"],"expiresAt":"2099-01-01T00:00:00.000Z","serverTime":"2026-01-01T00:00:00.000Z",`+
		`"heartbeatIntervalMs":25000,"maxMessageBytes":65536,"limits":{"messagesPerSecond":100000,"burst":100000,"subscriptions":1000}`)
}

func (p *peer) confirm(subscribe command) {
	p.reply(subscribe, "subscription_confirmed",
		`"service":"clan_chat","clanId":"c","status":"subscribed","offset":0,"epoch":"e1","recovered":false`)
}

func (p *peer) reply(to command, kind, members string) {
	p.write(opText, fmt.Sprintf(`{"type":%q,"requestId":%q,%s}`, kind, to.RequestID, members))
}

// chat returns the text of a chat message with an offset.
func chat(offset int, content string) string {
	return fmt.Sprintf(`{"type":"chat","userId":"bob","clanId":"c","messageId":"m%d","messageType":"TEXT","content":%q,`+
		`"sentAt":"2026-01-31T12:00:00.000Z","offset":%d}`, offset, content, offset)
}

// encoded returns a frame of a server.
func encoded(opcode byte, payload string) []byte {
	frame := []byte{0x80 | opcode}
	switch length := len(payload); {
	case length < 126:
		frame = append(frame, byte(length))
	case length < 1<<16:
		frame = binary.BigEndian.AppendUint16(append(frame, 126), uint16(length))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, 127), uint64(length))
	}
	return append(frame, payload...)
}

func (p *peer) write(opcode byte, payload string) {
	p.writeRaw(encoded(opcode, payload))
}

func (p *peer) writeRaw(bytes []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := p.socket.Write(bytes); err != nil {
		p.t.Logf("the gateway's write: %v", err)
	}
}

func (p *peer) close(code uint16) {
	p.write(opClose, string(binary.BigEndian.AppendUint16(nil, code)))
}

// read returns the next frame of the client.
func (p *peer) read(wait time.Duration) (frame, error) {
	_ = p.socket.SetReadDeadline(time.Now().Add(wait))
	var head [2]byte
	if _, err := io.ReadFull(p.reader, head[:]); err != nil {
		return frame{}, err
	}
	length := uint64(head[1] & 0x7f)
	if length >= 126 {
		size := 2
		if length == 127 {
			size = 8
		}
		var more [8]byte
		if _, err := io.ReadFull(p.reader, more[8-size:]); err != nil {
			return frame{}, err
		}
		length = binary.BigEndian.Uint64(more[:])
	}
	payload := make([]byte, 4+length)
	if _, err := io.ReadFull(p.reader, payload); err != nil {
		return frame{}, err
	}
	mask, text := payload[:4], payload[4:]
	for i := range text {
		text[i] ^= mask[i%4]
	}
	return frame{head[0] & 0x0f, text}, nil
}

// command returns the next message of the client of a type.
func (p *peer) command(kind string) command {
	p.t.Helper()
	for {
		frame, err := p.read(20 * time.Second)
		if err != nil {
			p.t.Fatalf("the client sends no %s: %v", kind, err)
		}
		if frame.opcode != opText {
			continue
		}
		message := command{raw: string(frame.text)}
		if err := json.Unmarshal(frame.text, &message); err != nil {
			p.t.Fatal(err)
		}
		if message.Type == kind {
			return message
		}
	}
}

// skip moves the clock of a client ahead, as if this time had passed.
func skip(client *Client, ahead time.Duration) {
	client.mu.Lock()
	defer client.mu.Unlock()
	client.clock.started = client.clock.started.Add(-ahead)
	if client.core != nil {
		_ = client.handle([]byte("{\"type\":\"tick\"}\n"), nil)
	}
}

// mustEnd fails the test if a call does not return.
func mustEnd(t *testing.T, what string, call func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		call()
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s does not return", what)
	}
}

// next returns the next event.
func next(t *testing.T, subscription *Subscription) Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	event, err := subscription.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return event
}
