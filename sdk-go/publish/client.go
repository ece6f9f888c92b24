// Package publish is for backends: it publishes notifications, chat messages and events of declared services over the HTTP API
// of the realtime gateway, and verifies the requests that the gateway sends to a backend. It does not contain the core of the
// SDK, and opens no WebSocket.
//
//	client, err := publish.NewClient("https://gateway.example.com", os.Getenv("GATEWAY_API_KEY"), nil)
//	…
//	accepted, err := client.SendNotification(ctx, publish.SendNotification{UserID: "ada", Title: "Quest", Message: "Done", ID: "quest-7"})
//
// Every request has an idempotency key: the member ID of its body, which the package makes if it is empty. So requests are
// repeated after a failure, and stored once. Only events of topics without history may arrive twice.
package publish

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxAnswerBytes is the most that is read of an answer.
const maxAnswerBytes = 1 << 20

// Options are the options of a client. The zero value of each has the default.
type Options struct {
	// HTTPClient sends the requests. The default follows no redirect, which would take the API key to another host.
	HTTPClient *http.Client
	// Attempts is how often a request is sent at most. The default is 5.
	Attempts int
	// Timeout is how long one attempt may take. The default is 10 s. The context of a call limits all attempts together.
	Timeout time.Duration
	// MinBackoff and MaxBackoff are the bounds of the wait between attempts, by default 200 ms and 30 s. The waits grow at
	// random. A Retry-After of the gateway is waited for if it is not longer than MaxBackoff; otherwise the call fails.
	MinBackoff, MaxBackoff time.Duration
}

// Client publishes to one gateway. All its methods can be called from any goroutine.
type Client struct {
	base    string
	key     string
	options Options
}

// NewClient returns a client of the gateway at an address such as https://gateway.example.com. The API key needs the scope
// publish. options may be nil.
func NewClient(address, apiKey string, options *Options) (*Client, error) {
	parsed, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("publish: address: %w", err)
	}
	if parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.Host == "" {
		return nil, fmt.Errorf("publish: address: %q is not like https://gateway.example.com", parsed.Redacted())
	}
	if parsed.RawQuery != "" || parsed.Fragment != "" || parsed.User != nil {
		return nil, errors.New("publish: address: it has a user, a query or a fragment: leave them out")
	}
	if apiKey == "" || strings.ContainsFunc(apiKey, func(c rune) bool { return c < ' ' || c > '~' }) {
		return nil, errors.New("publish: API key: it is empty or has characters that no key has")
	}
	own := Options{}
	if options != nil {
		own = *options
	}
	if own.Attempts < 0 || own.Timeout < 0 || own.MinBackoff < 0 || own.MaxBackoff < 0 {
		return nil, errors.New("publish: options: numbers and times must not be negative")
	}
	own.setDefaults()
	return &Client{strings.TrimRight(address, "/"), apiKey, own}, nil
}

func (o *Options) setDefaults() {
	if o.HTTPClient == nil {
		refuse := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		o.HTTPClient = &http.Client{CheckRedirect: refuse}
	}
	if o.Attempts == 0 {
		o.Attempts = 5
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.MinBackoff == 0 {
		o.MinBackoff = 200 * time.Millisecond
	}
	if o.MaxBackoff == 0 {
		o.MaxBackoff = 30 * time.Second
	}
}

// send sends a request until it is answered, and decodes the answer; nil for an answer without a body.
func send[T any](ctx context.Context, c *Client, method, path string, body any) (*T, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, &Error{Code: CodeInvalid, Message: err.Error(), Outcome: NotSent, cause: err}
	}
	answer, err := c.repeat(ctx, method, path, text)
	if err != nil || len(answer) == 0 {
		return nil, err
	}
	decoded := new(T)
	if err := json.Unmarshal(answer, decoded); err != nil {
		return nil, &Error{Code: CodeUnreadable, Message: "the answer is no JSON of its type", Outcome: Unknown, cause: err}
	}
	return decoded, nil
}

// repeat sends a request until it succeeds, fails for good, or there are no attempts left.
func (c *Client) repeat(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	outcome := NotSent
	for attempt := 1; ; attempt++ {
		answer, failure := c.attempt(ctx, method, path, body)
		if failure == nil {
			return answer, nil
		}
		// An earlier attempt may have had its effect.
		if outcome != Unknown {
			outcome = failure.Outcome
		}
		failure.Outcome = outcome
		if !failure.Retryable || attempt == c.options.Attempts || ctx.Err() != nil {
			return nil, failure
		}
		wait := max(failure.RetryAfter, c.options.backoff(attempt))
		if failure.RetryAfter > c.options.MaxBackoff {
			return nil, failure
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			failure.cause = errors.Join(ctx.Err(), failure.cause)
			return nil, failure
		}
	}
}

// attempt sends a request once.
func (c *Client) attempt(ctx context.Context, method, path string, body []byte) ([]byte, *Error) {
	if err := ctx.Err(); err != nil {
		return nil, &Error{Code: CodeCanceled, Message: "the context has ended", Outcome: NotSent, cause: err}
	}
	limited, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(limited, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, &Error{Code: CodeInvalid, Message: err.Error(), Outcome: NotSent, cause: err}
	}
	request.Header.Set("Authorization", "Bearer "+c.key)
	request.Header.Set("Content-Type", "application/json")
	response, err := c.options.HTTPClient.Do(request)
	if err != nil {
		return nil, connectionError(ctx, err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes))
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return nil, refusal(response, answer)
	}
	if err != nil {
		return nil, connectionError(ctx, err)
	}
	return answer, nil
}

// newID returns a random id.
func newID() string {
	var bytes [16]byte
	// Reading of randomness never fails.
	_, _ = rand.Read(bytes[:])
	return hex.EncodeToString(bytes[:])
}
