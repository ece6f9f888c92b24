package gateway

import (
	"bytes"
	"encoding/json"
)

// Event is one item of a subscription.
type Event struct {
	// Message is the decoded message: a pointer to a message of the protocol such as [Chat] or [Notification], a [Gap], a
	// [Missed], or an [UnknownMessage]. Ignore types that you do not know, because later versions may add some.
	Message Message
	// Raw is the JSON text as the gateway sent it.
	Raw json.RawMessage
	// Position is the position of the subscription after this event; nil if the event is no entry of a log.
	Position *Position
}

// Message is a message of the gateway, or of the SDK.
type Message interface {
	// Type returns the word in the member type of the message.
	Type() string
}

// Gap says that the messages after Before, up to and including After, were not delivered.
type Gap struct {
	// Service and Topic are set in [Client.ServerSubscriptions] only.
	Service string `json:"service,omitempty"`
	Topic   string `json:"topic,omitempty"`
	// Before is the offset of the last message before the gap.
	Before int64 `json:"before"`
	// After is where the subscription continues.
	After Position `json:"after"`
	// Reason is "trimmed" (older than what is kept), "epoch_changed" (confirmed messages may be lost) or "slow" (the buffer was
	// full).
	Reason string `json:"reason"`
}

// Type returns "gap".
func (*Gap) Type() string { return "gap" }

// Missed says how many items of [Client.ServerSubscriptions] were dropped, because the app reads too slowly.
type Missed struct {
	Count int64 `json:"count"`
}

// Type returns "missed".
func (*Missed) Type() string { return "missed" }

// UnknownMessage is a message that this version of the SDK does not know, or cannot read. Event.Raw has its text.
type UnknownMessage struct {
	// TypeName is the type of the message; "unreadable" if a field of it is invalid.
	TypeName string
}

// Type returns the type.
func (m *UnknownMessage) Type() string { return m.TypeName }

// decode fills in the message. It does not happen under the lock of the client.
func (e *Event) decode() {
	messageType, found := typeOf(e.Raw)
	if !found {
		e.Message = &UnknownMessage{TypeName: "unreadable"}
		return
	}
	var message Message
	switch messageType {
	case "gap":
		message = new(Gap)
	case "missed":
		message = new(Missed)
	default:
		message = newMessage(messageType)
	}
	if message == nil || json.Unmarshal(e.Raw, message) != nil {
		message = &UnknownMessage{TypeName: messageType}
	}
	e.Message = message
}

// typeOf returns the type of a message. The gateway writes it first, so most messages need no parser for it.
func typeOf(text []byte) (messageType string, found bool) {
	if rest, isFirst := bytes.CutPrefix(text, []byte(`{"type":"`)); isFirst {
		if word, _, isWhole := bytes.Cut(rest, []byte(`"`)); isWhole && !bytes.ContainsRune(word, '\\') {
			return string(word), true
		}
	}
	var message struct {
		Type string `json:"type"`
	}
	err := json.Unmarshal(text, &message)
	return message.Type, err == nil
}

// String returns the JSON text.
func (e Event) String() string {
	return string(e.Raw)
}
