package gateway_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	gateway "github.com/realtime-gateway/realtime-gateway/sdk-go"
	gatewaygen "github.com/realtime-gateway/realtime-gateway/sdk-go/internal/codegentest/example"
)

// nextEvent returns the data of the next event of an order.
func nextEvent(t *testing.T, topic gatewaygen.OrdersOrderTopic, subscription *gateway.Subscription) any {
	t.Helper()
	event, err := topic.Decode(nextOf[*gateway.TopicMessage](t, subscription).Data)
	if err != nil {
		t.Fatal(err)
	}
	return event.Value
}

func orderTopic(t *testing.T, client *gateway.Client, id string) gatewaygen.OrdersOrderTopic {
	t.Helper()
	topic, err := gatewaygen.NewOrdersService(client).Order(id)
	if err != nil {
		t.Fatal(err)
	}
	return topic
}

func TestGeneratedCodeUsesADeclaredServiceAndItsBackend(t *testing.T) {
	server := startWithOrders(t)
	ctx := testContext(t)
	ada, bob := server.client("ada", nil), server.client("bob", nil)
	placed, err := gatewaygen.NewOrdersService(ada).Place(ctx, gatewaygen.PlaceRequest{Items: []string{"tea"}})
	if err != nil {
		t.Fatal(err)
	}
	ofAda, ofBob := orderTopic(t, ada, placed.OrderID), orderTopic(t, bob, placed.OrderID)
	name := "Ada"
	subscription, err := ofAda.SubscribeWith(ctx, gatewaygen.Viewer{Name: &name}, &gateway.SubscribeOptions{History: 10})
	if err != nil {
		t.Fatal(err)
	}
	present, err := ofBob.Presence(ctx)
	if err != nil || len(present.Users) != 1 {
		t.Fatalf("%+v, %v", present, err)
	}
	if viewer, err := ofBob.DecodePresence(present.Users[0].Data); err != nil || *viewer.Name != name {
		t.Errorf("%+v, %v", viewer, err)
	}

	comment := gatewaygen.OrderComment{Text: "Please ring."}
	sent, err := ofBob.PublishWithID(ctx, "c1", comment)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ofBob.PublishWithID(ctx, "c1", comment); err != nil || again.MessageID != sent.MessageID {
		t.Errorf("a repeat is stored as %+v, %v", again, err)
	}
	if event := nextEvent(t, ofAda, subscription); !reflect.DeepEqual(event, &comment) {
		t.Errorf("got %+v", event)
	}
	page, err := ofAda.History(ctx, &gateway.HistoryOptions{Limit: 1})
	if err != nil || len(page.Events) != 1 || page.Events[0].Offset != sent.Offset {
		t.Errorf("%+v, %v", page, err)
	}

	_, err = gatewaygen.NewOrdersService(ada).CancelWithID(ctx, "c2", gatewaygen.CancelRequest{OrderID: placed.OrderID})
	if failure := failureOf(t, err); failure.Code != "call_failed" || !strings.Contains(string(failure.Details), "too_late") {
		t.Errorf("cancel: %+v", failure)
	}
	_, err = gatewaygen.NewOrdersService(ada).Order("")
	if failure := failureOf(t, err); failure.Code != gateway.CodeInvalid || failure.Message != "the value of orderId is empty" {
		t.Errorf("an empty id: %+v", failure)
	}
	_, err = ofBob.Publish(ctx, gatewaygen.OrderComment{})
	if failure := failureOf(t, err); failure.Code != "invalid_message" || failure.Outcome != gateway.Refused {
		t.Errorf("an empty comment: %+v", failure)
	}
}

func TestGeneratedCodeReadsWhatANewerContractAdds(t *testing.T) {
	server := startWithOrders(t, func(schema map[string]any) {
		definitions := schema["$defs"].(map[string]any)
		definitions["OrderReturned"] = map[string]any{
			"type": "object", "required": []string{"type"},
			"properties": map[string]any{"type": map[string]any{"const": "returned"}, "weight": map[string]any{"type": "number"}},
		}
		event := definitions["OrderEvent"].(map[string]any)
		event["oneOf"] = append(event["oneOf"].([]any), map[string]any{"$ref": "#/$defs/OrderReturned"})
		status := definitions["OrderStatus"].(map[string]any)["properties"].(map[string]any)["status"].(map[string]any)
		status["enum"] = append(status["enum"].([]any), "lost")
	})
	topic := orderTopic(t, server.client("ada", nil), "42")
	subscription, err := topic.Subscribe(testContext(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	returned := `{"weight":1.50,"type":"returned"}`
	for _, data := range []string{returned, `{"type":"status","status":"lost"}`, `{"type":"comment","text":"found","later":1}`} {
		server.post("/api/v1/services/orders/topics/order-42/events", map[string]any{"data": json.RawMessage(data)})
	}
	unknown := nextEvent(t, topic, subscription)
	if text, err := json.Marshal(unknown); err != nil || string(text) != returned {
		t.Errorf("an unknown branch is written back as %s, %v", text, err)
	}
	if status, isStatus := nextEvent(t, topic, subscription).(*gatewaygen.OrderStatus); !isStatus || status.Status != "lost" {
		t.Errorf("got %+v", status)
	}
	if comment, isComment := nextEvent(t, topic, subscription).(*gatewaygen.OrderComment); !isComment || comment.Text != "found" {
		t.Errorf("got %+v", comment)
	}
}

func TestGeneratedCodeIsWhatTheRunningGatewayDescribes(t *testing.T) {
	server := startWithOrders(t)
	folder := t.TempDir()
	codegen := exec.Command(program(t), "codegen", "--lang", "go", "--url", "http://"+server.listen, "--out", folder)
	if output, err := codegen.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	// The first line names the command.
	body := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(text), "\n")
		return rest
	}
	if body(filepath.Join(folder, "gateway_gen.go")) != body("internal/codegentest/example/gateway_gen.go") {
		t.Error("internal/codegentest/example is not what the gateway describes")
	}
}
