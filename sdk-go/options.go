package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"
)

// TokenProvider returns a fresh token. It is called in a goroutine of its own whenever one is needed, and may call the client.
// Its context ends when the result is no longer wanted. A failed call is repeated with backoff, unless it returns
// [ErrSignedOut].
type TokenProvider func(ctx context.Context) (string, error)

// StaticToken returns a provider of one token, for scripts and tests.
func StaticToken(token string) TokenProvider {
	return func(context.Context) (string, error) { return token, nil }
}

// Options are the options of a client. The zero value of each has the default.
type Options struct {
	// DeviceID is the id of the device, at most 128 bytes. The next session of a device replaces its own predecessor.
	DeviceID string
	// Timeout is how long a call may take together with the connection that it needs. The default is 10 s. A negative value
	// waits indefinitely. A deadline of the call's context that is earlier counts instead.
	Timeout time.Duration
	// Buffer is how many messages a subscription holds for a slow reader before it gets a [Gap]. The default is 1,000.
	Buffer int
	// MinReconnect and MaxReconnect are the bounds of the wait between attempts, by default 0 and 30 s. The waits grow at random
	// from one to the other. The gateway may ask for a longer wait.
	MinReconnect, MaxReconnect time.Duration

	// Header has more headers of the upgrade request.
	Header http.Header
	// Proxy chooses the proxy of a request. The default is [http.ProxyFromEnvironment].
	Proxy func(*http.Request) (*url.URL, error)
	// TLS is the configuration of TLS, such as own authorities.
	TLS *tls.Config
	// HTTPClient sends the upgrade request instead of the SDK's own, so Proxy and TLS must not be set. Its Transport must
	// support upgrades, as [http.Transport] does. Its Timeout is ignored.
	HTTPClient *http.Client

	// Logger gets the changes of the state. No content and no token is logged.
	Logger *slog.Logger
	// Tap gets all frames of the connection, for debugging. It is called by one goroutine at a time. While it is slow, 1,000
	// frames wait; further ones are dropped and counted in Frame.Dropped.
	Tap func(Frame)
}

// defaultTimeout is the time limit of a call.
const defaultTimeout = 10 * time.Second

// check refuses invalid options with a sentence about how to correct them, and fills in defaults.
func (o *Options) check(address string, token TokenProvider) (*url.URL, error) {
	parsed, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("gateway: url: %w", err)
	}
	switch parsed.Scheme {
	case "ws", "wss", "http", "https":
	default:
		return nil, fmt.Errorf("gateway: url: %q has to begin with ws://, wss://, http:// or https://", address)
	}
	if parsed.Host == "" {
		return nil, fmt.Errorf("gateway: url: %q names no host", address)
	}
	if token == nil {
		return nil, errors.New("gateway: token: a provider is needed, such as gateway.StaticToken(\"…\")")
	}
	if o.HTTPClient != nil && (o.Proxy != nil || o.TLS != nil) {
		return nil, errors.New("gateway: HTTPClient: set Proxy and TLS of its Transport instead of Options.Proxy and Options.TLS")
	}
	if o.Buffer < 0 {
		return nil, errors.New("gateway: Buffer: a positive number is expected")
	}
	o.Header = o.Header.Clone()
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.MaxReconnect == 0 {
		o.MaxReconnect = max(30*time.Second, o.MinReconnect)
	}
	if o.MinReconnect < 0 || o.MaxReconnect < o.MinReconnect {
		return nil, errors.New("gateway: MinReconnect has to be at most MaxReconnect, and not negative")
	}
	if o.HTTPClient == nil {
		// As in browsers, a redirect is not followed: the response has to come from the address that the app has named.
		refuse := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		o.HTTPClient = &http.Client{Transport: o.transport(), CheckRedirect: refuse}
	} else {
		// The core decides about timeouts, and a Timeout would end the connection.
		own := *o.HTTPClient
		own.Timeout = 0
		o.HTTPClient = &own
	}
	return parsed, nil
}

// transport returns a transport that keeps no connection: refused upgrades would leave some after Close.
func (o *Options) transport() *http.Transport {
	proxy := o.Proxy
	if proxy == nil {
		proxy = http.ProxyFromEnvironment
	}
	dialer := &net.Dialer{KeepAlive: 30 * time.Second}
	return &http.Transport{Proxy: proxy, TLSClientConfig: o.TLS, DialContext: dialer.DialContext, DisableKeepAlives: true}
}
