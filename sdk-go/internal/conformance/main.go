// Command conformance is the adapter of the Go SDK for `gateway conformance`: it carries out commands from stdin, and writes
// what happens to stdout. docs/conformance.md has the protocol.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"log"
	"os"
	"sync"

	gateway "github.com/realtime-gateway/realtime-gateway/sdk-go"
)

// maxLine is the length of the longest line, in bytes.
const maxLine = 1 << 20

// command is a line of the kit.
type command struct {
	ID              int64           `json:"id"`
	Do              string          `json:"do"`
	Client          string          `json:"client"`
	URL             string          `json:"url"`
	DeviceID        string          `json:"deviceId"`
	TimeoutMs       int64           `json:"timeoutMs"`
	Buffer          int             `json:"buffer"`
	Stream          string          `json:"stream"`
	Topic           json.RawMessage `json:"topic"`
	History         int             `json:"history"`
	From            *gateway.Position
	Presence        bool            `json:"presence"`
	Read            *int64          `json:"read"`
	Count           int64           `json:"count"`
	Data            json.RawMessage `json:"data"`
	ClientMessageID string          `json:"clientMessageId"`
	IDs             []string        `json:"ids"`
	Before          *int64          `json:"before"`
	After           *int64          `json:"after"`
	Limit           int             `json:"limit"`
	IsTyping        bool            `json:"isTyping"`
	Service         string          `json:"service"`
	Call            string          `json:"call"`
	Type            string          `json:"type"`
	Fields          json.RawMessage `json:"fields"`
	Ask             int64           `json:"ask"`
	Token           string          `json:"token"`
	Error           string          `json:"error"`
	SignedOut       bool            `json:"signedOut"`
	CAFile          string          `json:"caFile"`
	Of              int64           `json:"of"`
}

// line is a line for the kit. The tags of its fields are those of the protocol of adapters.
type line struct {
	Event    string            `json:"event"`
	ID       int64             `json:"id,omitempty"`
	Client   string            `json:"client,omitempty"`
	Stream   string            `json:"stream,omitempty"`
	Ask      int64             `json:"ask,omitempty"`
	Status   gateway.Status    `json:"status,omitempty"`
	Count    *int              `json:"count,omitempty"`
	Item     json.RawMessage   `json:"item,omitempty"`
	Position *gateway.Position `json:"position,omitempty"`
	Value    any               `json:"value,omitempty"`
	Error    *failure          `json:"error,omitempty"`
}

// failure is an error in the words of all SDKs.
type failure struct {
	Code         string          `json:"code"`
	Outcome      gateway.Outcome `json:"outcome"`
	Retryable    bool            `json:"retryable"`
	RetryAfterMs int64           `json:"retryAfterMs,omitempty"`
	CloseCode    int             `json:"closeCode,omitempty"`
	Message      string          `json:"message,omitempty"`
}

var output struct {
	sync.Mutex
	encoder *json.Encoder
}

func emit(line line) {
	output.Lock()
	defer output.Unlock()
	if err := output.encoder.Encode(line); err != nil {
		log.Fatal(err)
	}
}

func failureOf(err error) *failure {
	if err == nil {
		return nil
	}
	var known *gateway.Error
	if !errors.As(err, &known) {
		return &failure{Code: gateway.CodeInvalid, Outcome: gateway.NotSent, Message: err.Error()}
	}
	return &failure{
		Code: known.Code, Outcome: known.Outcome, Retryable: known.Retryable, RetryAfterMs: known.RetryAfter.Milliseconds(),
		CloseCode: known.CloseCode, Message: known.Message,
	}
}

func unsupported(do string) error {
	return &gateway.Error{Code: "unsupported", Message: "no such command: " + do, Outcome: gateway.NotSent}
}

// begun is a context that tells when the SDK waits for the first time. The call has begun then, and the next one may follow.
type begun struct {
	context.Context
	once *sync.Once
	has  chan struct{}
}

func (b begun) Done() <-chan struct{} {
	b.once.Do(func() { close(b.has) })
	return b.Context.Done()
}

// cancels has the calls that wait.
type cancels struct {
	sync.Mutex
	all map[int64]context.CancelFunc
}

// start carries out a command in a goroutine of its own, and returns once its call has begun or returned.
func (c *cancels) start(a *adapter, command command) {
	ctx, cancel := context.WithCancel(context.Background())
	waits := begun{ctx, new(sync.Once), make(chan struct{})}
	c.Lock()
	c.all[command.ID] = cancel
	c.Unlock()
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		value, err := a.carryOut(waits, command)
		c.Lock()
		delete(c.all, command.ID)
		c.Unlock()
		cancel()
		emit(line{Event: "done", ID: command.ID, Value: value, Error: failureOf(err)})
	}()
	select {
	case <-waits.has:
	case <-returned:
	}
}

func (c *cancels) cancel(id int64) {
	c.Lock()
	defer c.Unlock()
	if cancel := c.all[id]; cancel != nil {
		cancel()
	}
}

func main() {
	output.encoder = json.NewEncoder(os.Stdout)
	output.encoder.SetEscapeHTML(false)
	hello := map[string]any{
		"event": "hello", "protocol": 1, "name": "gateway-go", "version": gateway.Version, "core": gateway.CoreDigest(),
		"skip": []string{},
	}
	if err := output.encoder.Encode(hello); err != nil {
		log.Fatal(err)
	}
	adapter, calls := newAdapter(), &cancels{all: map[int64]context.CancelFunc{}}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var command command
		if err := json.Unmarshal(lines.Bytes(), &command); err != nil {
			log.Fatal(err)
		}
		switch command.Do {
		case "cancel":
			calls.cancel(command.Of)
			emit(line{Event: "done", ID: command.ID})
		case "close", "reset":
			// They wait for no context, and nothing is expected to follow them in order.
			go func() {
				err := adapter.end(command)
				emit(line{Event: "done", ID: command.ID, Error: failureOf(err)})
			}()
		default:
			calls.start(adapter, command)
		}
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
	_ = adapter.end(command{Do: "reset"})
}
