package publish

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Tolerance is how far the time of a signature may be from the clock of the backend.
const Tolerance = 5 * time.Minute

// MaxRequestBytes is the most that [Verifier.ReadBody] reads. The gateway sends at most 1 MiB, or one event.
const MaxRequestBytes = 4 << 20

var (
	// ErrSignature means that no signature of a request is valid, or that it has none.
	ErrSignature = errors.New("publish: the request has no valid signature")
	// ErrTime means that a request was signed more than [Tolerance] ago, or so far in the future. It may be a copy of an earlier
	// one.
	ErrTime = errors.New("publish: the time of the signature is not now")
)

// Verifier verifies the requests that the gateway sends: webhooks, calls, and questions about topics. They are signed as Standard
// Webhooks defines it.
type Verifier struct {
	keys [][]byte
}

// NewVerifier returns a verifier for requests that are signed with any of these secrets, each as in the secret_file of the
// gateway: whsec_ and base64. With two of them, a secret can be replaced without a gap.
func NewVerifier(secrets ...string) (*Verifier, error) {
	if len(secrets) == 0 {
		return nil, errors.New("publish: at least one secret is needed")
	}
	verifier := new(Verifier)
	for number, secret := range secrets {
		// The error must not show the secret.
		encoded, found := strings.CutPrefix(strings.TrimSpace(secret), "whsec_")
		key, err := base64.StdEncoding.DecodeString(encoded)
		if !found || err != nil || len(key) == 0 {
			return nil, fmt.Errorf("publish: secret %d is not whsec_ and base64", number+1)
		}
		verifier.keys = append(verifier.keys, key)
	}
	return verifier, nil
}

// ReadBody reads the body of a request, and verifies it. Parse the body only if there is no error, and answer 401 otherwise.
func (v *Verifier) ReadBody(request *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(request.Body, MaxRequestBytes+1))
	if err != nil {
		return nil, err
	}
	if len(body) > MaxRequestBytes {
		return nil, fmt.Errorf("publish: the body has more than %d bytes", MaxRequestBytes)
	}
	if err := v.Verify(request.Header, body, time.Now()); err != nil {
		return nil, err
	}
	return body, nil
}

// Verify verifies the headers and the body of a request at this time. The error is [ErrSignature] or [ErrTime].
func (v *Verifier) Verify(header http.Header, body []byte, now time.Time) error {
	id, timestamp := header.Get("webhook-id"), header.Get("webhook-timestamp")
	// Unsigned, because the gateway writes no sign.
	seconds, err := strconv.ParseUint(timestamp, 10, 63)
	if err != nil || id == "" {
		return ErrSignature
	}
	isValid := false
	for _, key := range v.keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + timestamp + "."))
		mac.Write(body)
		expected := mac.Sum(nil)
		for _, signature := range strings.Fields(header.Get("webhook-signature")) {
			encoded, isVersion1 := strings.CutPrefix(signature, "v1,")
			received, err := base64.StdEncoding.DecodeString(encoded)
			// The comparison takes the same time wherever they differ.
			isValid = isValid || isVersion1 && err == nil && hmac.Equal(received, expected)
		}
	}
	if !isValid {
		return ErrSignature
	}
	// After the signature, so that the error is about a request of the gateway.
	if age := now.Sub(time.Unix(int64(seconds), 0)); age > Tolerance || age < -Tolerance {
		return ErrTime
	}
	return nil
}
