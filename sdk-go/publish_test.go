package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	gateway "github.com/realtime-gateway/realtime-gateway/sdk-go"
	gatewaygen "github.com/realtime-gateway/realtime-gateway/sdk-go/internal/codegentest/publishers"
	"github.com/realtime-gateway/realtime-gateway/sdk-go/publish"
)

// quick are options whose waits are short.
var quick = &publish.Options{MinBackoff: time.Millisecond}

func newPublisher(t *testing.T, address string, options *publish.Options) *publish.Client {
	t.Helper()
	client, err := publish.NewClient(address, apiKey, options)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// publisher makes a client for backends.
func (g *realGateway) publisher(t *testing.T) *publish.Client {
	t.Helper()
	return newPublisher(t, "http://"+g.listen, quick)
}

// publishError returns the error of the package, and fails the test if it is another one.
func publishError(t *testing.T, err error) *publish.Error {
	t.Helper()
	var failure *publish.Error
	if !errors.As(err, &failure) {
		t.Fatalf("%v is no error of the package", err)
	}
	return failure
}

func TestPublishesNotificationsMessagesAndEvents(t *testing.T) {
	server := startWithOrders(t)
	ctx := testContext(t)
	ada, publisher := server.client("ada", nil), server.publisher(t)
	notifications, err := ada.Notifications().Subscribe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	chat, err := ada.ClanChat("wolves").Subscribe(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	orders, err := ada.Topic("orders", "order-4/2").Subscribe(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}

	sent, err := publisher.SendNotification(ctx, publish.SendNotification{
		UserIDs: []string{"ada", "bob"}, Title: "Quest", Message: "Done", Data: map[string]int{"quest": 7},
	})
	if err != nil || len(sent.IDs) != 2 {
		t.Fatalf("%+v, %v", sent, err)
	}
	if got := nextOf[*gateway.Notification](t, notifications); got.ID != sent.IDs[0] || string(got.Data) != `{"quest":7}` {
		t.Errorf("got %+v", got)
	}
	posted, err := publisher.PostMessage(ctx, "wolves", publish.PostMessage{UserID: "bob", Content: "hello"})
	if err != nil {
		t.Fatal(err)
	}
	if got := nextOf[*gateway.Chat](t, chat); got.MessageID != posted.MessageID || got.UserID != "bob" || got.Offset != posted.Offset {
		t.Errorf("got %+v instead of %+v", got, posted)
	}
	type comment struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	event, err := publisher.PublishEvent(ctx, "orders", "order-4/2", publish.PublishEvent{Data: comment{"comment", "hello"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := nextOf[*gateway.TopicMessage](t, orders); got.Offset != event.Offset || string(got.Data) != `{"type":"comment","text":"hello"}` {
		t.Errorf("got %+v instead of %+v", got, event)
	}
}

func TestARepeatedPublicationIsStoredOnce(t *testing.T) {
	server := startWithOrders(t)
	ctx, publisher := testContext(t), server.publisher(t)
	message := publish.PostMessage{UserID: "bob", Content: "hello", ID: "m1"}
	first, err := publisher.PostMessage(ctx, "wolves", message)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := publisher.PostMessage(ctx, "wolves", message); err != nil || *again != *first {
		t.Errorf("a repeat is stored as %+v instead of %+v, %v", again, first, err)
	}
	message.Content = "something else"
	_, err = publisher.PostMessage(ctx, "wolves", message)
	if failure := publishError(t, err); failure.Code != "conflict" || failure.Status != 409 || failure.Outcome != publish.Refused || failure.Retryable {
		t.Errorf("other content: %+v", failure)
	}
}

// proxy is in front of a gateway. It asks before each request what to do with it.
func proxy(t *testing.T, server *realGateway, before func(number int64, response http.ResponseWriter, pass func()) bool) string {
	t.Helper()
	target, err := url.Parse("http://" + server.listen)
	if err != nil {
		t.Fatal(err)
	}
	behind := httputil.NewSingleHostReverseProxy(target)
	var count atomic.Int64
	front := httptest.NewServer(http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		pass := func() { behind.ServeHTTP(httptest.NewRecorder(), request) }
		if !before(count.Add(1), response, pass) {
			behind.ServeHTTP(response, request)
		}
	}))
	t.Cleanup(front.Close)
	return front.URL
}

func TestRepeatsAfterLostAnswersAndRefusalsThatPass(t *testing.T) {
	server := startGateway(t, "")
	ctx := testContext(t)
	chat, err := server.client("ada", nil).ClanChat("wolves").Subscribe(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	var attempts atomic.Int64
	address := proxy(t, server, func(number int64, response http.ResponseWriter, pass func()) bool {
		attempts.Store(number)
		switch number {
		case 1:
			response.Header().Set("Retry-After", "0")
			response.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			response.WriteHeader(http.StatusTooManyRequests)
		case 3:
			// The gateway stores the message, and its answer is lost.
			pass()
			panic(http.ErrAbortHandler)
		default:
			return false
		}
		return true
	})
	posted, err := newPublisher(t, address, quick).PostMessage(ctx, "wolves", publish.PostMessage{UserID: "bob", Content: "hello"})
	if err != nil || attempts.Load() != 4 {
		t.Fatalf("%+v, %v after %d attempts", posted, err, attempts.Load())
	}
	marker, err := server.publisher(t).PostMessage(ctx, "wolves", publish.PostMessage{UserID: "bob", Content: "the end"})
	if err != nil || marker.Offset != posted.Offset+1 {
		t.Errorf("%+v follows %+v, %v", marker, posted, err)
	}
	for _, want := range []string{"hello", "the end"} {
		if got := nextOf[*gateway.Chat](t, chat); got.Content != want {
			t.Errorf("got %q instead of %q", got.Content, want)
		}
	}
}

func TestWaitsAsLongAsTheGatewayAsks(t *testing.T) {
	server := startGateway(t, "limits.http_per_key_per_second = 1\n")
	ctx, publisher := testContext(t), server.publisher(t)
	once := newPublisher(t, "http://"+server.listen, &publish.Options{Attempts: 1})
	notification := publish.SendNotification{UserID: "ada", Title: "t", Message: "m"}
	var refused *publish.Error
	for refused == nil {
		if _, err := once.SendNotification(ctx, notification); err != nil {
			refused = publishError(t, err)
		}
	}
	if refused.Status != 429 || refused.Code != "rate_limited" || !refused.Retryable || refused.RetryAfter <= 0 {
		t.Errorf("got %+v", refused)
	}
	if _, err := publisher.SendNotification(ctx, notification); err != nil {
		t.Errorf("it is not repeated: %v", err)
	}
	// A wait that is longer than the bound is left to the caller.
	bounded := newPublisher(t, proxy(t, server, func(_ int64, response http.ResponseWriter, _ func()) bool {
		response.Header().Set("Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		response.WriteHeader(http.StatusServiceUnavailable)
		return true
	}), quick)
	_, err := bounded.SendNotification(ctx, notification)
	if failure := publishError(t, err); failure.RetryAfter < 50*time.Minute || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %+v", failure)
	}
}

func TestTheKeyIsNotSentToAnotherHost(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a redirect is followed")
	}))
	t.Cleanup(other.Close)
	redirect := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	t.Cleanup(redirect.Close)
	_, err := newPublisher(t, redirect.URL, quick).SendNotification(testContext(t), publish.SendNotification{UserID: "ada", Title: "t", Message: "m"})
	if failure := publishError(t, err); failure.Status != 307 || failure.Code != publish.CodeUnreadable || failure.Retryable {
		t.Errorf("got %+v", failure)
	}
}

func TestPublishingFailsWithATypedError(t *testing.T) {
	server := startWithOrders(t)
	ctx := testContext(t)
	for name, test := range map[string]struct {
		call   func(*publish.Client) error
		status int
		code   string
	}{
		"no title": {func(c *publish.Client) error {
			_, err := c.SendNotification(ctx, publish.SendNotification{UserID: "ada", Message: "m"})
			return err
		}, 400, "invalid_message"},
		"other data": {func(c *publish.Client) error {
			_, err := c.PublishEvent(ctx, "orders", "order-1", publish.PublishEvent{Data: map[string]string{"type": "comment"}})
			return err
		}, 422, "invalid_message"},
		"no service": {func(c *publish.Client) error {
			_, err := c.PublishEvent(ctx, "none", "a", publish.PublishEvent{Data: 1})
			return err
		}, 404, "unknown_service"},
		"a channel": {func(c *publish.Client) error {
			_, err := c.PublishEvent(ctx, "orders", "order-1", publish.PublishEvent{Data: make(chan int)})
			return err
		}, 0, publish.CodeInvalid},
	} {
		failure := publishError(t, test.call(server.publisher(t)))
		if failure.Status != test.status || failure.Code != test.code || failure.Retryable || failure.Message == "" {
			t.Errorf("%s: %+v", name, failure)
		}
	}
	wrong, err := publish.NewClient("http://"+server.listen, "another key", quick)
	if err != nil {
		t.Fatal(err)
	}
	_, err = wrong.SendNotification(ctx, publish.SendNotification{UserID: "ada", Title: "t", Message: "m"})
	if failure := publishError(t, err); failure.Code != "unauthorized" || strings.Contains(failure.Error(), "another key") {
		t.Errorf("a wrong key: %+v", failure)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	_, err = server.publisher(t).SendNotification(ended, publish.SendNotification{UserID: "ada", Title: "t", Message: "m"})
	if failure := publishError(t, err); failure.Outcome != publish.NotSent || !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %+v", failure)
	}
	server.kill()
	_, err = newPublisher(t, "http://"+server.listen, &publish.Options{Attempts: 2, MinBackoff: time.Millisecond}).
		PostMessage(ctx, "wolves", publish.PostMessage{UserID: "bob", Content: "hello"})
	if failure := publishError(t, err); failure.Code != publish.CodeConnection || failure.Outcome != publish.Unknown || !failure.Retryable {
		t.Errorf("no gateway: %+v", failure)
	}
	for _, wrong := range [][2]string{{"", "k"}, {"gateway.example.com", "k"}, {"ftp://a", "k"}, {"http://u:hush@a", "k"}, {"http://a", ""}, {"http://a", "hush\n"}} {
		if _, err := publish.NewClient(wrong[0], wrong[1], nil); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

func TestGeneratedPublisherPublishesEvents(t *testing.T) {
	contract, err := filepath.Abs("../codegen/tests/contracts/orders.service.toml")
	if err != nil {
		t.Fatal(err)
	}
	address, _ := receiver(t)
	server := startGateway(t, fmt.Sprintf(
		"services.orders.contract = %q\nservices.orders.backend.url = %q\nservices.orders.backend.secret_file = %q\n",
		contract, address, secretFile(t),
	))
	ctx, orders := testContext(t), gatewaygen.NewOrdersPublisher(server.publisher(t))
	ada := server.client("ada", nil)
	subscribe := func(topic string) *gateway.Subscription {
		subscription, err := ada.Topic("orders", topic).Subscribe(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		return subscription
	}
	news, depot := subscribe("news"), subscribe("depot-eu--1")

	summary := gatewaygen.OrderSummary{OrderID: "42", Status: gatewaygen.StatusShipped}
	first, err := orders.NewsWithID(ctx, "e1", summary)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := orders.NewsWithID(ctx, "e1", summary); err != nil || *again != *first {
		t.Errorf("a repeat is stored as %+v instead of %+v, %v", again, first, err)
	}
	if got := nextOf[*gateway.TopicMessage](t, news); got.Offset != first.Offset || string(got.Data) != `{"orderId":"42","status":"shipped"}` {
		t.Errorf("got %+v", got)
	}
	if err := orders.Depot(ctx, "eu", "1", gatewaygen.CourierPosition{Lat: 52.5, Lon: 13.4}); err != nil {
		t.Fatal(err)
	}
	if got := nextOf[*gateway.EphemeralEvent](t, depot); string(got.Data) != `{"lat":52.5,"lon":13.4}` {
		t.Errorf("got %+v", got)
	}
	placed := gatewaygen.OrderEvent{Value: &gatewaygen.OrderComment{Text: "Please ring."}}
	if _, err := orders.Order(ctx, "42", placed); err != nil {
		t.Error(err)
	}
	err = orders.Depot(ctx, "eu-", "1", gatewaygen.CourierPosition{})
	if failure := publishError(t, err); failure.Code != publish.CodeInvalid || failure.Outcome != publish.NotSent {
		t.Errorf("a value that no topic has: %+v", failure)
	}
	err = orders.Depot(ctx, "eu", "1", gatewaygen.CourierPosition{Lat: 100})
	if failure := publishError(t, err); failure.Status != 422 || !strings.Contains(string(failure.Details), "/lat") {
		t.Errorf("data outside of its bounds: %+v", failure)
	}
}

func TestPublishingDoesNotContainTheCore(t *testing.T) {
	output, err := exec.Command("go", "list", "-deps", "./publish", "./internal/codegentest/publishers").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, dependency := range strings.Fields(string(output)) {
		if strings.HasSuffix(dependency, "/sdk-go") || strings.Contains(dependency, "internal/core") || strings.Contains(dependency, "coder/websocket") {
			t.Errorf("it contains %s", dependency)
		}
	}
}
