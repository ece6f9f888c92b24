package gateway

import (
	"encoding/json"
	"os"
	"reflect"
	"testing"
	"time"
)

// The quick way to read a head has to give what encoding/json gives, or leave the head to it.
func FuzzFrequentHeads(f *testing.F) {
	for _, line := range []string{
		`{"type":"ready","stream":7}`, `{"type":"ready","stream":7,"x":1}`, `{"type":"item","body":0}`,
		`{"type":"item","position":{"offset":9,"epoch":"e1"},"due":true,"body":12}`,
		`{"type":"item","position":{"offset":9,"epoch":"e\"1"},"body":12}`, `{"type":"item","due":true}`,
		`{"type":"item","position":{"offset":9,"epoch":"e1"},"body":99999999999999999999}`, `{"type":"item",`, "",
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var quick head
		if !quick.parseFrequent(line, "e1") {
			return
		}
		var slow head
		if err := json.Unmarshal(line, &slow); err != nil {
			// The core writes valid JSON only.
			return
		}
		if !reflect.DeepEqual(quick, slow) {
			t.Errorf("%s: %+v instead of %+v", line, quick, slow)
		}
	})
}

func TestReadsWhatTheCoreWrites(t *testing.T) {
	for line, isFrequent := range map[string]bool{
		`{"type":"ready","stream":7}`:                                               true,
		`{"type":"item","position":{"offset":9,"epoch":"e1"},"body":12}`:            true,
		`{"type":"item","position":{"offset":9,"epoch":"e1"},"due":true,"body":12}`: true,
		`{"type":"item","body":12}`:                                                 true,
		`{"type":"item","position":{"offset":9,"epoch":"\u0065"},"body":12}`:        false,
		`{"type":"result","call":1}`:                                                false,
	} {
		if got := new(head).parseFrequent([]byte(line), ""); got != isFrequent {
			t.Errorf("%s: %t", line, got)
		}
	}
	for _, output := range []string{"{}\n{", `{"type":"item","body":5}` + "\nx", "no head"} {
		if _, _, rest, err := nextMessage([]byte(output), ""); err == nil && len(rest) == 0 {
			t.Errorf("%q is accepted", output)
		}
	}
}

// The vectors of the protocol show that the generated types read every message and lose no member.
func TestGeneratedTypesKeepTheVectorsOfTheProtocol(t *testing.T) {
	text, err := os.ReadFile("../protocol/vectors/server/accepted.json")
	if err != nil {
		t.Fatalf("the vectors are in the repository: %v", err)
	}
	var vectors []struct {
		Name, Type, Text   string
		Message, EncodesAs json.RawMessage
		Known              *bool
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, vector := range vectors {
		event := Event{Raw: vector.Message}
		if len(vector.Message) == 0 {
			event.Raw = json.RawMessage(vector.Text)
		}
		want := vector.EncodesAs
		if len(want) == 0 {
			want = event.Raw
		}
		event.decode()
		if event.Message.Type() != vector.Type {
			t.Errorf("%s: type %q", vector.Name, event.Message.Type())
		}
		_, isUnknown := event.Message.(*UnknownMessage)
		if isKnown := vector.Known == nil || *vector.Known; isKnown == isUnknown {
			t.Errorf("%s: %T", vector.Name, event.Message)
		}
		if isUnknown {
			continue
		}
		encoded, err := json.Marshal(event.Message)
		if err != nil {
			t.Error(err)
		}
		got := normalized(t, encoded).(map[string]any)
		got["type"] = vector.Type
		if expected := normalized(t, want); !reflect.DeepEqual(expected, any(got)) {
			t.Errorf("%s:\n%v\nwant\n%v", vector.Name, got, expected)
		}
	}
}

// normalized returns JSON as a value, without the zeros of times and flags that are false, which Go leaves
// out.
func normalized(t *testing.T, text []byte) any {
	t.Helper()
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	var visit func(any) any
	visit = func(value any) any {
		switch value := value.(type) {
		case map[string]any:
			for name, member := range value {
				value[name] = visit(member)
				if member == false {
					delete(value, name)
				}
			}
		case []any:
			for i, member := range value {
				value[i] = visit(member)
			}
		case string:
			if at, err := time.Parse(time.RFC3339, value); err == nil {
				return at.UTC().Format(time.RFC3339Nano)
			}
		}
		return value
	}
	return visit(value)
}
