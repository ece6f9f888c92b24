package codegentest_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	hostile "github.com/realtime-gateway/realtime-gateway/sdk-go/internal/codegentest/hostile"
	orders "github.com/realtime-gateway/realtime-gateway/sdk-go/internal/codegentest/orders"
	status "github.com/realtime-gateway/realtime-gateway/sdk-go/internal/codegentest/without_calls"
)

// read reads JSON into a type.
func read[T any](t *testing.T, text string) T {
	t.Helper()
	var value T
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return value
}

// written returns the JSON of a value.
func written(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// roundTrip reads JSON into a type, and fails if something else is written back.
func roundTrip[T any](t *testing.T, text string) T {
	t.Helper()
	value := read[T](t, text)
	if got, want := read[any](t, written(t, value)), read[any](t, text); !reflect.DeepEqual(got, want) {
		t.Errorf("%v is written instead of %v", got, want)
	}
	return value
}

func TestKnownBranchesAreReadAndWritten(t *testing.T) {
	placed := `{"type":"placed","items":[{"sku":"AB-1","qty":2,"size":"M","customisation":{"a":1e2}}],
		"total":{"cents":9007199254740993,"currency":"EUR"},"at":"2026-01-31T12:00:00Z"}`
	order, isPlaced := roundTrip[orders.OrderEvent](t, placed).Value.(*orders.OrderPlaced)
	if !isPlaced || len(order.Items) != 1 || order.Total.Cents != 9007199254740993 {
		t.Errorf("got %+v", order)
	}
	for _, text := range []string{
		`{"type":"status","status":"in-progress","courier":null,"attributes":{"a":"b"}}`,
		`{"type":"comment","text":"a","quoted":{"type":"comment","text":"b"},"replies":[]}`,
		`{"type":"split","parcels":[{"id":"1"},{"id":"2","weightGrams":3}]}`,
	} {
		if value := roundTrip[orders.OrderEvent](t, text).Value; reflect.TypeOf(value) == reflect.TypeFor[*orders.UnknownOrderEvent]() {
			t.Errorf("%s is unknown", text)
		}
	}
}

func TestUnknownBranchesAndWordsAreWrittenBack(t *testing.T) {
	for _, text := range []string{
		`{"z":1.00,"type":"returned","a":{"deep":[12345678901234567890123,1e400]}}`, `{"type":7}`, `{"Type":"placed"}`,
		`{"status":"shipped"}`, `[1,2]`, `"later"`, `null`,
	} {
		event := read[orders.OrderEvent](t, text)
		if _, isUnknown := event.Value.(*orders.UnknownOrderEvent); !isUnknown {
			t.Errorf("%s is read as %T", text, event.Value)
		}
		if got := written(t, event); got != text {
			t.Errorf("%s is written as %s", text, got)
		}
	}
	roundTrip[orders.OrderPage](t, `[{"orderId":"1","status":"lost"},{"orderId":"2","status":"shipped"}]`)
}

func TestClosedUnionsAndEnumerationsRefuseWhatTheyDoNotKnow(t *testing.T) {
	roundTrip[orders.CancelReason](t, `{"kind":"too_slow","days":3}`)
	var reason orders.CancelReason
	if err := json.Unmarshal([]byte(`{"kind":"other"}`), &reason); err == nil || !strings.Contains(err.Error(), `no branch "other"`) {
		t.Errorf("an unknown branch: %v", err)
	}
	var currency orders.Currency
	if err := json.Unmarshal([]byte(`"CHF"`), &currency); err == nil || !strings.Contains(err.Error(), `no word "CHF"`) {
		t.Errorf("an unknown word: %v", err)
	}
	if _, err := json.Marshal(orders.CancelRequest{OrderID: "1"}); err == nil || !strings.Contains(err.Error(), "CancelReason has no Value") {
		t.Errorf("a union without a value: %v", err)
	}
}

func TestOptionalAndNullableDiffer(t *testing.T) {
	order := func(note string) orders.Optional[string] {
		return roundTrip[orders.OrderPlaced](t, `{"type":"placed","items":[],"total":{"cents":1,"currency":"EUR"}`+note+`}`).Note
	}
	if note := order(""); note.IsSet {
		t.Errorf("a missing member is %+v", note)
	}
	if note := order(`,"note":null`); !note.IsSet || note.Value != nil {
		t.Errorf("null is %+v", note)
	}
	if note := order(`,"note":"a"`); !note.IsSet || *note.Value != "a" {
		t.Errorf("a value is %+v", note)
	}
}

func TestConstantsAndEmptyListsAreWritten(t *testing.T) {
	for want, value := range map[string]any{
		`{"type":"comment","text":"hello"}`:                              &orders.OrderComment{Text: "hello"},
		`{"kind":"changed_mind"}`:                                        orders.ChangedMind{},
		`{"type":"placed","items":[],"total":{"cents":0,"currency":""}}`: orders.OrderPlaced{},
		`[]`:                                     orders.OrderPage(nil),
		`[{"type":"split","parcels":[]}]`:        []orders.OrderEventSplit{{}},
		`{"event":{"type":"comment","text":""}}`: map[string]any{"event": orders.OrderEvent{Value: &orders.OrderComment{}}},
		`{"load":[]}`:                            status.ServerStatus{},
		`{"k\"ind":"nested \"quoted\"","inner":{"k\"ind":"unknown","kind":"x"}}`: unionWithin("x"),
	} {
		if got := written(t, value); got != want {
			t.Errorf("got %s instead of %s", got, want)
		}
	}
}

func unionWithin(kind string) any {
	return hostile.UnionNestedQuoted{Inner: &hostile.UnionValue{Value: &hostile.Unknown{Kind: &kind}}}
}

func TestMembersWithDifficultNamesAreReadAndWritten(t *testing.T) {
	roundTrip[hostile.Promise](t, `{"type":"a","fn":"b","self":"c","Self":"d","constructor":"e","__proto__":"f","a-b c":"h","größe":"i",
		"大小":"j","3d":true,"await":"a b","async":-9007199254740993,"crate":true,"super":7,"static":"always","nothing":null,"union":[1.50]}`)
	for _, word := range []string{"", "Self", "Unknown", "+", "größe", `quote"\`, "later"} {
		roundTrip[hostile.Option](t, written(t, word))
	}
}

func TestRecursiveTypesAreReadAndWritten(t *testing.T) {
	roundTrip[hostile.Vec](t, `[[],[[[]]]]`)
	roundTrip[hostile.Record](t, `{"a":{"b":{}},"c":{}}`)
	roundTrip[hostile.Box](t, `{"left":{"left":null,"maybe":null},"maybe":{"left":null,"maybe":null},"right":{"Error":{"value":1.5}}}`)
	roundTrip[hostile.Deep](t, `{"a":{"b":{"c":[[{"d":"x","e":null}],[{"e":{"up":{"a":{}}}}]]}}}`)
	nested := "null"
	for range 50 {
		nested = `{"k\"ind":"nested \"quoted\"","inner":` + nested + `}`
	}
	roundTrip[hostile.Union](t, nested)
	roundTrip[hostile.Union](t, `{"k\"ind":"Self","extra":"second constant"}`)
	roundTrip[hostile.Union](t, `{"k\"ind":"later","x":[1,{"y":null}]}`)
}
