package gateway_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	gateway "github.com/realtime-gateway/realtime-gateway/sdk-go"
)

func TestMembersOfAClanChat(t *testing.T) {
	server := startGateway(t, "")
	ctx := testContext(t)
	ada, bob := server.client("ada", nil), server.client("bob", nil)
	if status := ada.State().Status; status != gateway.Idle {
		t.Errorf("a client is %s before its first use", status)
	}
	subscription, err := ada.ClanChat("wolves").Subscribe(ctx, &gateway.SubscribeOptions{Presence: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bob.ClanChat("wolves").Subscribe(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if changed := nextOf[*gateway.PresenceChanged](t, subscription); changed.UserID != "bob" || changed.Status != "online" {
		t.Errorf("got %+v", changed)
	}
	bob.ClanChat("wolves").SetTyping(true)
	if typing := nextOf[*gateway.Typing](t, subscription); typing.UserID != "bob" || !typing.IsTyping {
		t.Errorf("got %+v", typing)
	}
	options := &gateway.SendOptions{Data: map[string]any{"replyTo": "m0"}}
	sent, err := bob.ClanChat("wolves").Send(ctx, "hi \"🐺\"\n", options)
	if err != nil {
		t.Fatal(err)
	}
	for event, err := range subscription.Events(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		chat, isChat := event.Message.(*gateway.Chat)
		if !isChat {
			continue
		}
		if chat.Content != "hi \"🐺\"\n" || chat.UserID != "bob" || chat.MessageID != sent.MessageID ||
			chat.ClientMessageID != sent.ClientMessageID || string(chat.Data) != `{"replyTo":"m0"}` {
			t.Errorf("got %+v", chat)
		}
		if event.Position == nil || event.Position.Offset != chat.Offset || *subscription.Position() != *event.Position {
			t.Errorf("position %+v", event.Position)
		}
		break
	}
	history, err := ada.ClanChat("wolves").History(ctx, &gateway.HistoryOptions{Limit: 10})
	if err != nil || len(history.Messages) != 1 || history.Messages[0].MessageID != sent.MessageID {
		t.Errorf("history %+v, %v", history, err)
	}
	present, err := ada.ClanChat("wolves").Presence(ctx)
	if err != nil || present.Count == 0 {
		t.Errorf("presence %+v, %v", present, err)
	}
	if session := ada.State().Session; session == nil || session.UserID != "ada" {
		t.Errorf("session %+v", session)
	}
}

func TestContinuesAfterAPositionAndARestart(t *testing.T) {
	server := startGateway(t, "")
	ctx := testContext(t)
	ada, bob := server.client("ada", nil), server.client("bob", nil)
	chat := bob.ClanChat("wolves")
	for _, content := range []string{"one", "two", "three"} {
		if _, err := chat.Send(ctx, content, nil); err != nil {
			t.Fatal(err)
		}
	}
	first, err := ada.ClanChat("wolves").Subscribe(ctx, &gateway.SubscribeOptions{History: 2})
	if err != nil {
		t.Fatal(err)
	}
	if message := nextOf[*gateway.Chat](t, first); message.Content != "two" {
		t.Errorf("history of 2 begins with %q", message.Content)
	}
	position := first.Position()
	first.Close()
	subscription, err := ada.ClanChat("wolves").Subscribe(ctx, &gateway.SubscribeOptions{From: position})
	if err != nil {
		t.Fatal(err)
	}
	if message := nextOf[*gateway.Chat](t, subscription); message.Content != "three" {
		t.Errorf("the position is followed by %q", message.Content)
	}

	server.kill()
	sent := make(chan error, 1)
	go func() {
		_, err := chat.Send(ctx, "while it is down", nil)
		sent <- err
	}()
	server.run()
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if _, err := chat.Send(ctx, "when it is back", nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"while it is down", "when it is back"} {
		if message := nextOf[*gateway.Chat](t, subscription); message.Content != want {
			t.Errorf("got %q instead of %q", message.Content, want)
		}
	}
}

func TestNotificationsComeOnceAndAreCountedAndAcknowledged(t *testing.T) {
	server := startGateway(t, "")
	ctx := testContext(t)
	server.notify("ada", "first")
	ada := server.client("ada", nil)
	subscription, err := ada.Notifications().Subscribe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	server.notify("ada", "second")
	var ids []string
	for _, want := range []string{"first", "second"} {
		notification := nextOf[*gateway.Notification](t, subscription)
		if notification.Title != want {
			t.Errorf("got %q instead of %q", notification.Title, want)
		}
		ids = append(ids, notification.ID)
	}
	if err := ada.Notifications().Ack(ctx, ids...); err != nil {
		t.Fatal(err)
	}
	for count := range ada.Notifications().PendingCounts(ctx) {
		if count == 0 {
			break
		}
	}
	if count, known := ada.Notifications().Pending(); count != 0 || !known {
		t.Errorf("%d are pending, %t", count, known)
	}
}

func TestErrorsNameTheMistake(t *testing.T) {
	server := startGateway(t, "")
	ctx := testContext(t)
	for url, sentence := range map[string]string{"gateway.example.com": "ws://", "ws://": "no host", "ftp://x/": "ws://", "ws://a b": "url"} {
		if _, err := gateway.NewClient(url, gateway.StaticToken("t"), nil); err == nil || !strings.Contains(err.Error(), sentence) {
			t.Errorf("%s: %v", url, err)
		}
	}
	if _, err := gateway.NewClient(server.url(), nil, nil); err == nil || !strings.Contains(err.Error(), "StaticToken") {
		t.Errorf("no token: %v", err)
	}
	both := &gateway.Options{HTTPClient: http.DefaultClient, TLS: &tls.Config{}}
	if _, err := gateway.NewClient(server.url(), gateway.StaticToken("t"), both); err == nil {
		t.Error("both HTTPClient and TLS are accepted")
	}

	stranger := newClient(t, server.url(), gateway.StaticToken(server.token("eve", map[string]any{"clans": []string{"cats"}})), nil)
	_, err := stranger.ClanChat("wolves").Send(ctx, "hi", nil)
	if failure := failureOf(t, err); failure.Code != "forbidden" || failure.Outcome != gateway.Refused || failure.Retryable {
		t.Errorf("a clan of others: %+v", failure)
	}
	if _, err := stranger.ClanChat("wolves").Subscribe(ctx, nil); failureOf(t, err).Code != "forbidden" {
		t.Errorf("a subscription to a clan of others: %v", err)
	}
	_, err = stranger.ClanChat("cats").Send(ctx, "", nil)
	if failure := failureOf(t, err); failure.Code != gateway.CodeInvalid || failure.Outcome != gateway.NotSent {
		t.Errorf("an empty message: %+v", failure)
	}
	_, err = stranger.ClanChat("cats").Send(ctx, "hi", &gateway.SendOptions{Data: make(chan int)})
	if failure := failureOf(t, err); failure.Code != gateway.CodeInvalid {
		t.Errorf("data that is no JSON: %+v", failure)
	}
	if _, err := stranger.Request(ctx, "presence", []int{1}); failureOf(t, err).Code != gateway.CodeInvalid {
		t.Errorf("fields that are no object: %v", err)
	}
	if _, err := stranger.Request(ctx, "no_such_command", nil); err == nil {
		t.Error("an unknown command is accepted")
	}

	refused := newClient(t, server.url(), gateway.StaticToken("no token at all"), nil)
	if err := refused.Connect(ctx); err == nil || refused.State().Status != gateway.Unauthorized {
		t.Errorf("a wrong token: %v, %s", err, refused.State().Status)
	}
	signedOut := newClient(t, server.url(), func(context.Context) (string, error) { return "", gateway.ErrSignedOut }, nil)
	if err := signedOut.Connect(ctx); err == nil || signedOut.State().Status != gateway.Unauthorized {
		t.Errorf("a user who is signed out: %v, %s", err, signedOut.State().Status)
	}

	_ = stranger.Close()
	_, err = stranger.ClanChat("cats").Presence(ctx)
	if failure := failureOf(t, err); failure.Code != gateway.CodeClosed || failure.Outcome != gateway.NotSent {
		t.Errorf("after Close: %+v", failure)
	}
	if _, err := stranger.Notifications().Subscribe(ctx); failureOf(t, err).Code != gateway.CodeClosed {
		t.Errorf("a subscription after Close: %v", err)
	}
	if err := stranger.Connect(ctx); failureOf(t, err).Code != gateway.CodeClosed {
		t.Errorf("Connect after Close: %v", err)
	}
	stranger.Wake()
	if err := stranger.Close(); err != nil {
		t.Error(err)
	}
}

func TestNoGatewayThere(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	client := newClient(t, "ws://127.0.0.1:9/ws", gateway.StaticToken("token"), nil)
	err := client.Connect(ctx)
	if failure := failureOf(t, err); failure.Code != gateway.CodeTimedOut || !strings.Contains(failure.Message, "127.0.0.1:9") {
		t.Errorf("Connect: %+v", failure)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Connect: %v is no context.DeadlineExceeded", err)
	}
}

func TestASessionIsReplacedAndTakenBack(t *testing.T) {
	server := startGateway(t, `sessions.max_per_user = 1`)
	ctx := testContext(t)
	first := server.client("ada", &gateway.Options{DeviceID: "phone"})
	subscription, err := first.Notifications().Subscribe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	second := server.client("ada", &gateway.Options{DeviceID: "phone"})
	if err := second.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	for state := range first.States(ctx) {
		if state.Status == gateway.Replaced {
			break
		}
	}
	if _, err := first.ClanChat("wolves").Presence(ctx); failureOf(t, err).Code != gateway.CodeReplaced {
		t.Errorf("a call of the replaced client: %v", err)
	}
	_ = second.Close()
	if err := first.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	server.notify("ada", "it continues")
	if notification := nextOf[*gateway.Notification](t, subscription); notification.Title != "it continues" {
		t.Errorf("got %+v", notification)
	}
}

func TestRawRequestsAndFrames(t *testing.T) {
	server := startGateway(t, "")
	ctx := testContext(t)
	frames := make(chan gateway.Frame, 100)
	client := server.client("ada", &gateway.Options{Tap: func(frame gateway.Frame) { frames <- frame }})
	reply, err := client.Request(ctx, "ping", nil)
	if err != nil {
		t.Fatal(err)
	}
	var pong gateway.Pong
	if err := json.Unmarshal(reply, &pong); err != nil || pong.Timestamp.IsZero() {
		t.Errorf("ping: %s, %v", reply, err)
	}
	for _, want := range []string{"authenticate", "connected", "ping", "pong"} {
		if frame := <-frames; !strings.Contains(frame.Text, `"type":"`+want+`"`) || strings.Contains(frame.Text, "eyJ") {
			t.Errorf("the tap shows %s instead of %s", frame.Text, want)
		}
	}
}
