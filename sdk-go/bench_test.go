package gateway

import "testing"

// onlineStream returns a client whose core believes to be online and subscribed, without a socket.
func onlineStream(b testing.TB) (*Client, *stream) {
	b.Helper()
	client, err := NewClient("ws://127.0.0.1:9/", StaticToken("token"), nil)
	if err != nil {
		b.Fatal(err)
	}
	s := &stream{client: client, settled: make(chan struct{}), signal: make(chan struct{}, 1), over: make(chan struct{}), number: 1}
	client.mu.Lock()
	defer client.mu.Unlock()
	client.streams[1] = s
	connected := `{"type":"connected","requestId":"1","userId":"ada","message":"hi","sessionId":"s1","protocolVersion":1,` +
		`"features":[],"services":["clan_chat"],"expiresAt":"2099-01-01T00:00:00.000Z","serverTime":"2026-01-01T00:00:00.000Z",` +
		`"heartbeatIntervalMs":25000,"maxMessageBytes":65536,"limits":{"messagesPerSecond":100,"burst":100,"subscriptions":100}}`
	confirmed := `{"type":"subscription_confirmed","requestId":"2","service":"clan_chat","clanId":"c","status":"subscribed",` +
		`"offset":0,"epoch":"e1","recovered":false}`
	subscribe := `{"clanId":"c"}`
	inputs := [][2]string{
		{"{\"type\":\"connect\"}\n"},
		{"{\"type\":\"token\",\"token\":\"t\"}\n"},
		{"{\"type\":\"opened\",\"connection\":1}\n"},
		{string(appendNumbers(nil, "frame", number{"connection", 1}, number{"body", uint64(len(connected))})), connected},
		{string(headOf(callHead{Type: "subscribe", Stream: 1, Command: "subscribe_clan_chat", Body: len(subscribe)})), subscribe},
		{string(appendNumbers(nil, "frame", number{"connection", 1}, number{"body", uint64(len(confirmed))})), confirmed},
	}
	for _, input := range inputs {
		if err := client.handle([]byte(input[0]), []byte(input[1])); err != nil {
			b.Fatal(err)
		}
		// The core's attempt is the only connection, and it is not a real one.
		for _, socket := range client.sockets {
			socket.cancel()
		}
		clear(client.sockets)
	}
	if client.state.Status != Online || !s.isConfirmed {
		b.Fatalf("the client is %s", client.state.Status)
	}
	return client, s
}

// frames returns chat frames of 330 bytes, with rising offsets.
func frames(count int) [][]byte {
	content := make([]byte, 128)
	for i := range content {
		content[i] = 'x'
	}
	all := make([][]byte, count)
	for i := range all {
		all[i] = []byte(chat(i+1, string(content)))
	}
	return all
}

// BenchmarkFrame is one frame in and one event out, before it is decoded.
func BenchmarkFrame(b *testing.B) {
	client, stream := onlineStream(b)
	defer client.Close()
	all := frames(b.N)
	b.ReportAllocs()
	b.ResetTimer()
	for _, text := range all {
		pass(b, client, stream, text)
	}
}

// BenchmarkFrameDecoded also decodes it.
func BenchmarkFrameDecoded(b *testing.B) {
	client, stream := onlineStream(b)
	defer client.Close()
	all := frames(b.N)
	b.ReportAllocs()
	b.ResetTimer()
	for _, text := range all {
		event := pass(b, client, stream, text)
		event.decode()
	}
}

// pass gives a frame to the core, as a socket does, and takes the event, as an app does.
func pass(b testing.TB, client *Client, stream *stream, text []byte) Event {
	client.mu.Lock()
	client.scratch = appendNumbers(client.scratch[:0], "frame", number{"connection", 1}, number{"body", uint64(len(text))})
	err := client.handle(client.scratch, text)
	client.mu.Unlock()
	event, found, takeErr := stream.take()
	if err != nil || takeErr != nil || !found {
		b.Fatal(err, takeErr, found)
	}
	return event
}

func TestAFrameHasAtMostThreeAllocations(t *testing.T) {
	client, stream := onlineStream(t)
	defer client.Close()
	all, next := frames(2_001), 0
	allocations := testing.AllocsPerRun(2_000, func() {
		pass(t, client, stream, all[next])
		next++
	})
	if allocations > 3 {
		t.Errorf("%v allocations", allocations)
	}
}
