package gateway

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
)

const (
	subprotocol = "gateway.v1.json"
	// closeTimeout is how long the gateway may take to answer a close frame.
	closeTimeout = 2 * time.Second
	// maxMessageBytes is far beyond what the gateway sends, so that later versions may send more.
	maxMessageBytes = 4 << 20
	// keptBufferBytes is how much memory a connection keeps for its next message.
	keptBufferBytes = 8 << 10

	closedAbnormally  = 1006
	closedWithoutCode = 1005
)

// socket is one connection: a goroutine that opens and reads it, and one that writes while there is something to write. All
// fields but the first three are guarded by the lock of the client.
type socket struct {
	client *Client
	number uint64
	// cancel ends the attempt to open the connection. It has no effect on an open one.
	cancel context.CancelFunc

	conn *websocket.Conn
	// raw is the connection below conn, which can be closed at any time.
	raw net.Conn
	// queue has what waits to be written. It is bounded, because the core has one unanswered command per topic.
	queue   [][]byte
	writing bool
	// closing is the code with which the connection has to be closed after the queue; 0 for not.
	closing int
	// expire ends the connection if its end takes too long.
	expire *time.Timer
}

// openSocket begins to open a connection. The lock is held.
func (c *Client) openSocket(number uint64) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &socket{client: c, number: number, cancel: cancel}
	c.sockets[number] = s
	c.running.Add(1)
	go s.run(ctx)
}

// isCurrent returns whether the core wants to know about the connection. The lock is held.
func (s *socket) isCurrent() bool {
	return s.client.sockets[s.number] == s
}

func (s *socket) run(ctx context.Context) {
	c := s.client
	defer c.running.Done()
	defer s.cancel()
	conn, err := s.open(ctx)
	if err != nil {
		return
	}
	code := s.read(conn)
	c.mu.Lock()
	if s.isCurrent() {
		delete(c.sockets, s.number)
		c.report(appendNumbers(nil, "closed", number{"connection", s.number}, number{"code", uint64(code)}), nil)
	}
	if s.expire != nil {
		s.expire.Stop()
	}
	// What is queued is dropped, and nothing more is written.
	s.queue, s.writing = nil, true
	c.mu.Unlock()
	_ = conn.CloseNow()
}

// open opens the connection and tells the core what has become of it.
func (s *socket) open(ctx context.Context) (*websocket.Conn, error) {
	c := s.client
	var raw net.Conn
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { raw = info.Conn }}
	conn, response, err := websocket.Dial(httptrace.WithClientTrace(ctx, trace), c.url, &websocket.DialOptions{
		HTTPClient:      c.options.HTTPClient,
		HTTPHeader:      c.options.Header,
		Subprotocols:    []string{subprotocol},
		CompressionMode: websocket.CompressionDisabled,
		OnPingReceived: func(context.Context, []byte) bool {
			s.activity()
			return true
		},
		OnPongReceived: func(context.Context, []byte) { s.activity() },
	})
	if err == nil {
		conn.SetReadLimit(maxMessageBytes)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !s.isCurrent() {
		// Closed while it was being opened.
		if err == nil {
			s.conn, s.raw = conn, raw
			s.close(int(websocket.StatusNormalClosure))
		}
		return conn, err
	}
	if err != nil {
		delete(c.sockets, s.number)
		c.report(openFailed(s.number, response, err), nil)
		return nil, err
	}
	s.conn, s.raw = conn, raw
	c.report(appendNumbers(nil, "opened", number{"connection", s.number}), nil)
	return conn, nil
}

// openFailed returns the input about a connection that could not be opened.
func openFailed(number uint64, response *http.Response, err error) []byte {
	failure := struct {
		Type       string `json:"type"`
		Connection uint64 `json:"connection"`
		Message    string `json:"message"`
		Status     int    `json:"status,omitempty"`
		RetryAfter string `json:"retryAfter,omitempty"`
	}{Type: "open_failed", Connection: number, Message: err.Error()}
	if response != nil && response.StatusCode != http.StatusSwitchingProtocols {
		failure.Status = response.StatusCode
		failure.RetryAfter = response.Header.Get("Retry-After")
	}
	return headOf(failure)
}

func (s *socket) activity() {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	if s.isCurrent() {
		s.client.report(appendNumbers(nil, "activity", number{"connection", s.number}), nil)
	}
}

// read passes frames to the core until the connection ends. Returns the close code.
func (s *socket) read(conn *websocket.Conn) int {
	c := s.client
	var buffer []byte
	for {
		// No context of the app may get here: coder/websocket closes the connection when the context of a read ends.
		kind, reader, err := conn.Reader(context.Background())
		if err == nil {
			buffer, err = readAll(reader, buffer[:0])
		}
		if err != nil {
			return closeCode(err)
		}
		if kind != websocket.MessageText {
			continue
		}
		if !utf8.Valid(buffer) {
			return closedAbnormally
		}
		c.mu.Lock()
		if s.isCurrent() {
			c.tap(false, s.number, buffer)
			c.scratch = appendNumbers(c.scratch[:0], "frame", number{"connection", s.number}, number{"body", uint64(len(buffer))})
			c.report(c.scratch, buffer)
		}
		c.mu.Unlock()
		if cap(buffer) > keptBufferBytes {
			buffer = nil
		}
	}
}

// readAll reads a message into the memory of an earlier one.
func readAll(reader io.Reader, buffer []byte) ([]byte, error) {
	for {
		if len(buffer) == cap(buffer) {
			buffer = append(buffer, make([]byte, max(512, cap(buffer)))...)[:len(buffer)]
		}
		count, err := reader.Read(buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+count]
		if err == io.EOF {
			return buffer, nil
		}
		if err != nil {
			return buffer, err
		}
	}
}

func closeCode(err error) int {
	switch code := websocket.CloseStatus(err); code {
	case -1:
		return closedAbnormally
	case websocket.StatusNoStatusRcvd:
		return closedWithoutCode
	default:
		return int(code)
	}
}

// send queues a message. The lock is held.
func (s *socket) send(text []byte) {
	s.queue = append(s.queue, append([]byte(nil), text...))
	s.startWriting()
}

// close closes the connection after what is queued, and at the latest after two seconds. Nothing more is reported about it. The
// lock is held.
func (s *socket) close(code int) {
	// After a failure of the core, another connection may have the number.
	if s.isCurrent() {
		delete(s.client.sockets, s.number)
	}
	if s.conn == nil {
		s.cancel()
		return
	}
	s.closing = code
	s.expire = time.AfterFunc(closeTimeout, s.force)
	s.startWriting()
}

// force ends the connection without a closing handshake. It can block, so it is not called under the lock.
func (s *socket) force() {
	// Conn.CloseNow would wait for a Close that is under way, for up to 15 s.
	if s.raw != nil {
		_ = s.raw.Close()
	} else {
		_ = s.conn.CloseNow()
	}
}

// startWriting starts the goroutine that writes, unless it runs. The lock is held.
func (s *socket) startWriting() {
	if !s.writing {
		s.writing = true
		s.client.running.Add(1)
		go s.write()
	}
}

// write writes what is queued, and then closes the connection if that was requested.
func (s *socket) write() {
	c := s.client
	defer c.running.Done()
	for {
		c.mu.Lock()
		queue, closing := s.queue, s.closing
		s.queue = nil
		if len(queue) == 0 && closing == 0 {
			s.writing = false
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		for _, text := range queue {
			if s.conn.Write(context.Background(), websocket.MessageText, text) != nil {
				s.failed()
				return
			}
		}
		if len(queue) == 0 {
			_ = s.conn.Close(websocket.StatusCode(closing), "")
			return
		}
	}
}

// failed ends a connection that cannot be written. A close frame with the reason may still wait to be read, so the reader has
// some time for it. The flag writing stays, so that nothing more is written.
func (s *socket) failed() {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	if s.expire == nil {
		s.expire = time.AfterFunc(closeTimeout, s.force)
	}
}
