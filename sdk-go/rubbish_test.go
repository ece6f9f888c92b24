package gateway

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

// What a gateway must not send leads to another connection or is ignored, and never to a crash or a hanging call.
func TestAGatewayThatSendsRubbish(t *testing.T) {
	rubbish := map[string][]byte{
		"no JSON":              encoded(opText, "hello"),
		"empty":                encoded(opText, ""),
		"no type":              encoded(opText, "{}"),
		"deep":                 encoded(opText, strings.Repeat("[", 60_000)),
		"binary":               encoded(2, "\x00\xff"),
		"no UTF-8":             encoded(opText, "{\"type\":\"\xff\"}"),
		"another greeting":     encoded(opText, `{"type":"connected"}`),
		"a result of nothing":  encoded(opText, `{"type":"message_sent","requestId":"99","messageId":"m","offset":1}`),
		"a masked frame":       {0x81, 0x81, 0, 0, 0, 0, 'x'},
		"a reserved bit":       {0xf1, 0x01, 'x'},
		"an unknown opcode":    {0x83, 0x00},
		"a bad close code":     encoded(opClose, "\x00\x01"),
		"a short close":        encoded(opClose, "\x00"),
		"a frame of 8 MiB":     encoded(opText, strings.Repeat("x", 8<<20)),
		"the end":              nil,
		"an error of no words": encoded(opText, `{"type":"error","code":"later","message":"x"}`),
	}
	for name, bytes := range rubbish {
		t.Run(name, func(t *testing.T) {
			g := startScripted(t)
			client, peer := g.connect(&Options{Timeout: 5 * time.Second})
			subscription := peer.subscribe(client)
			go func() {
				peer.writeRaw(bytes)
				_ = peer.socket.Close()
			}()
			successor := g.accepted()
			successor.reply(successor.command("subscribe_clan_chat"), "subscription_confirmed",
				`"service":"clan_chat","clanId":"c","status":"subscribed","offset":0,"epoch":"e1","recovered":true`)
			successor.write(opText, chat(1, "hello"))
			if got := next(t, subscription).Message.(*Chat).Content; got != "hello" {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestAServerThatIsNoGateway(t *testing.T) {
	answers := map[string]func(http.ResponseWriter) bool{
		"a page": func(response http.ResponseWriter) bool {
			_, _ = response.Write([]byte("<html>"))
			return true
		},
		"a redirect to itself": func(response http.ResponseWriter) bool {
			response.Header().Set("Location", "/")
			response.WriteHeader(http.StatusFound)
			return true
		},
		"a wrong key": func(response http.ResponseWriter) bool {
			response.Header().Set("Connection", "Upgrade")
			response.Header().Set("Upgrade", "websocket")
			response.Header().Set("Sec-WebSocket-Accept", "wrong")
			response.WriteHeader(http.StatusSwitchingProtocols)
			return true
		},
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			g := startScripted(t)
			g.refuse = answer
			client := g.client(nil)
			go func() { _ = client.Connect(context.Background()) }()
			for state := range client.States(context.Background()) {
				if state.Err != nil {
					if state.Status.isFinal() || state.Err.Code != CodeConnection {
						t.Errorf("got %+v", state)
					}
					break
				}
			}
			mustEnd(t, "Close", func() { _ = client.Close() })
		})
	}
}

// Calls and reads of many goroutines at the same time, while the client is closed: each ends, and with a typed error.
func TestEveryCallEndsWhenTheClientIsClosed(t *testing.T) {
	g := startScripted(t)
	client, peer := g.connect(nil)
	subscription := peer.subscribe(client)
	ends := make(chan error, 64)
	for number := range 64 {
		go func() {
			var err error
			switch number % 4 {
			case 0:
				_, err = client.ClanChat("c").Send(context.Background(), "hello", nil)
			case 1:
				_, err = subscription.Next(context.Background())
			case 2:
				_, err = client.ClanChat("d").Subscribe(context.Background(), nil)
			case 3:
				_, err = client.Request(context.Background(), "ping", nil)
			}
			ends <- err
		}()
	}
	peer.command("ping")
	mustEnd(t, "Close", func() { _ = client.Close() })
	for range 64 {
		mustEnd(t, "a call", func() {
			var failure *Error
			if err := <-ends; !errors.As(err, &failure) || failure.Code != CodeClosed {
				t.Errorf("a call ends with %v", err)
			}
		})
	}
}
