package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gateway "github.com/realtime-gateway/realtime-gateway/sdk-go"
)

// startWithOrders starts a gateway with the service of docs/examples/orders, and its backend, which places order 42. The schema of
// the contract can be changed.
func startWithOrders(t *testing.T, changes ...func(schema map[string]any)) *realGateway {
	t.Helper()
	backend := httptest.NewServer(http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		var call struct {
			Method, UserID string
			Data           json.RawMessage
		}
		if err := json.NewDecoder(request.Body).Decode(&call); err != nil {
			t.Error(err)
		}
		response.Header().Set("Content-Type", "application/json")
		if call.Method == "place" {
			_, _ = response.Write([]byte(`{"data":{"orderId":"42"}}`))
			return
		}
		response.WriteHeader(http.StatusConflict)
		_, _ = response.Write([]byte(`{"code":"too_late","message":"the order has left"}`))
	}))
	t.Cleanup(backend.Close)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	contract := copyOfOrders(t, changes)
	return startGateway(t, fmt.Sprintf(
		"services.orders.contract = %q\nservices.orders.backend.url = %q\nservices.orders.backend.secret_file = %q\n",
		contract, backend.URL, secret,
	))
}

// copyOfOrders returns the path of a copy of the contract, whose schema is changed.
func copyOfOrders(t *testing.T, changes []func(schema map[string]any)) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"orders.service.toml", "orders.schema.json"} {
		text, err := os.ReadFile("../docs/examples/orders/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, ".json") && len(changes) > 0 {
			var schema map[string]any
			if err := json.Unmarshal(text, &schema); err != nil {
				t.Fatal(err)
			}
			for _, change := range changes {
				change(schema)
			}
			if text, err = json.Marshal(schema); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(folder, "orders.service.toml")
}

func TestTopicsAndCallsOfADeclaredService(t *testing.T) {
	server := startWithOrders(t)
	ctx := testContext(t)
	ada, bob := server.client("ada", nil), server.client("bob", nil)
	topic := ada.Topic("orders", "order-42")
	subscription, err := topic.Subscribe(ctx, &gateway.SubscribeOptions{Presence: true, PresenceData: map[string]string{"name": "Ada"}})
	if err != nil {
		t.Fatal(err)
	}
	if present := nextOf[*gateway.TopicPresence](t, subscription); present.Count != 1 {
		t.Errorf("present: %+v", present)
	}
	comment := map[string]any{"type": "comment", "text": "where is it?"}
	sent, err := bob.Topic("orders", "order-42").Publish(ctx, comment)
	if err != nil {
		t.Fatal(err)
	}
	message := nextOf[*gateway.TopicMessage](t, subscription)
	if message.UserID != "bob" || message.ClientMessageID != sent.ClientMessageID {
		t.Errorf("got %+v", message)
	}
	history, err := topic.History(ctx, nil)
	if err != nil || len(history.Events) != 1 || string(history.Events[0].Data) != string(message.Data) {
		t.Errorf("history %+v, %v", history, err)
	}
	if present, err := topic.Presence(ctx); err != nil || present.Count != 1 {
		t.Errorf("presence %+v, %v", present, err)
	}

	var placed struct{ OrderID string }
	request := map[string]any{"items": []string{"tea"}}
	if err := ada.Call(ctx, "orders", "place", request, &placed); err != nil || placed.OrderID != "42" {
		t.Errorf("place: %+v, %v", placed, err)
	}
	err = ada.Call(ctx, "orders", "cancel", map[string]any{"orderId": "42"}, nil)
	if failure := failureOf(t, err); failure.Code != "call_failed" || failure.Outcome != gateway.Refused {
		t.Errorf("cancel: %+v", failure)
	}
}

func TestSubscriptionsThatTheServerMakes(t *testing.T) {
	server := startWithOrders(t)
	ctx := testContext(t)
	token := server.token("ada", map[string]any{"subscribe": []map[string]string{{"service": "orders", "topic": "order-42"}}})
	ada, bob := newClient(t, server.url(), gateway.StaticToken(token), nil), server.client("bob", nil)
	subscription, err := ada.ServerSubscriptions(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if confirmed := nextOf[*gateway.SubscriptionConfirmed](t, subscription); confirmed.Topic != "order-42" || confirmed.Origin != "server" {
		t.Errorf("got %+v", confirmed)
	}
	comment := map[string]any{"type": "comment", "text": "where is it?"}
	if _, err := bob.Topic("orders", "order-42").Publish(ctx, comment); err != nil {
		t.Fatal(err)
	}
	if message := nextOf[*gateway.TopicMessage](t, subscription); message.Topic != "order-42" {
		t.Errorf("got %+v", message)
	}
}
