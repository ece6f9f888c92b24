package gateway_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/realtime-gateway/realtime-gateway/sdk-go/publish"
)

// received is a request of the gateway, as it came.
type received struct {
	header http.Header
	body   []byte
	err    error
}

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// secretFile returns the path of a file with the secret.
func secretFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// receiver verifies what it gets, and passes it on.
func receiver(t *testing.T) (address string, requests chan received) {
	t.Helper()
	verifier, err := publish.NewVerifier("whsec_"+strings.Repeat("A", 32), secret)
	if err != nil {
		t.Fatal(err)
	}
	requests = make(chan received, 10)
	server := httptest.NewServer(http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		body, err := verifier.ReadBody(request)
		requests <- received{request.Header, body, err}
		response.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(server.Close)
	return server.URL, requests
}

func TestVerifiesWebhooks(t *testing.T) {
	address, requests := receiver(t)
	server := startGateway(t, fmt.Sprintf("webhooks.shop.url = %q\nwebhooks.shop.secret_file = %q\nwebhooks.shop.events = [\"chat.message\"]\n", address, secretFile(t)))
	if _, err := server.client("ada", nil).ClanChat("wolves").Send(testContext(t), "hello", nil); err != nil {
		t.Fatal(err)
	}
	request := <-requests
	if request.err != nil || !bytes.Contains(request.body, []byte(`"content":"hello"`)) {
		t.Fatalf("%s, %v", request.body, request.err)
	}
	checkSignature(t, request)
}

func TestVerifiesCalls(t *testing.T) {
	address, requests := receiver(t)
	server := startGateway(t, fmt.Sprintf(
		"services.orders.contract = %q\nservices.orders.backend.url = %q\nservices.orders.backend.secret_file = %q\n",
		copyOfOrders(t, nil), address, secretFile(t),
	))
	// The answer of the backend is not the subject.
	_ = server.client("ada", nil).Call(testContext(t), "orders", "place", map[string]any{"items": []string{"tea"}}, nil)
	request := <-requests
	if request.err != nil || !bytes.Contains(request.body, []byte(`"items":["tea"]`)) {
		t.Fatalf("%s, %v", request.body, request.err)
	}
	checkSignature(t, request)
}

// checkSignature shows that changes of a request of the gateway are refused.
func checkSignature(t *testing.T, request received) {
	t.Helper()
	verifier, err := publish.NewVerifier(secret)
	if err != nil {
		t.Fatal(err)
	}
	other, err := publish.NewVerifier("whsec_" + strings.Repeat("B", 32))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if err := verifier.Verify(request.header, request.body, now); err != nil {
		t.Error(err)
	}
	if err := other.Verify(request.header, request.body, now); !errors.Is(err, publish.ErrSignature) {
		t.Errorf("another secret: %v", err)
	}
	if err := verifier.Verify(request.header, append(bytes.Clone(request.body), ' '), now); !errors.Is(err, publish.ErrSignature) {
		t.Errorf("another body: %v", err)
	}
	for _, name := range []string{"webhook-id", "webhook-timestamp", "webhook-signature"} {
		for _, value := range []string{"", "1", "v1,", "v2,AAAA", request.header.Get(name) + "0"} {
			header := request.header.Clone()
			header.Set(name, value)
			if err := verifier.Verify(header, request.body, now); !errors.Is(err, publish.ErrSignature) {
				t.Errorf("%s %q: %v", name, value, err)
			}
		}
	}
	for _, late := range []time.Duration{publish.Tolerance + 2*time.Second, -publish.Tolerance - 2*time.Second} {
		if err := verifier.Verify(request.header, request.body, now.Add(late)); !errors.Is(err, publish.ErrTime) {
			t.Errorf("%s later: %v", late, err)
		}
	}
	two := request.header.Clone()
	two.Set("webhook-signature", "v1,AAAA v1a,x "+two.Get("webhook-signature"))
	if err := verifier.Verify(two, request.body, now); err != nil {
		t.Errorf("several signatures: %v", err)
	}
}

func TestVectorsOfSignatures(t *testing.T) {
	text, err := os.ReadFile("../protocol/vectors/backend/signatures.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Name, Body, Result string
		Secrets            []string
		Headers            map[string]string
		Now                int64
	}
	if err := json.Unmarshal(text, &vectors); err != nil || len(vectors) < 30 {
		t.Fatalf("%d vectors, %v", len(vectors), err)
	}
	for _, vector := range vectors {
		result := "valid"
		verifier, err := publish.NewVerifier(vector.Secrets...)
		if err != nil {
			result = "secret"
			if strings.Contains(err.Error(), "hush") {
				t.Errorf("%s: %v", vector.Name, err)
			}
		} else {
			header := http.Header{}
			for name, value := range vector.Headers {
				header.Set(name, value)
			}
			err := verifier.Verify(header, []byte(vector.Body), time.Unix(vector.Now, 0))
			if errors.Is(err, publish.ErrSignature) {
				result = "signature"
			} else if errors.Is(err, publish.ErrTime) {
				result = "time"
			}
		}
		if result != vector.Result {
			t.Errorf("%s: %s instead of %s", vector.Name, result, vector.Result)
		}
	}
}
