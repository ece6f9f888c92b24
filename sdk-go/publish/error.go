package publish

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// Codes of errors that this package itself makes. All other codes are those of the gateway, such as "conflict" and
// "rate_limited"; docs/protocol.md in the repository lists them.
const (
	// CodeInvalid means that an argument cannot be sent.
	CodeInvalid = "invalid"
	// CodeCanceled means that the context of a call has ended.
	CodeCanceled = "canceled"
	// CodeConnection means that there was no connection, or no answer in time.
	CodeConnection = "connection"
	// CodeUnreadable means that the answer is not one of a gateway.
	CodeUnreadable = "unreadable"
)

// Outcome says what a failed call has done.
type Outcome string

const (
	// NotSent means that the gateway never got the request.
	NotSent Outcome = "not_sent"
	// Refused means that the gateway refused the request, which had no effect.
	Refused Outcome = "refused"
	// Unknown means that the request may have had its effect. Repeat it only with the same id.
	Unknown Outcome = "unknown"
)

// Error is the error of a failed call:
//
//	var failure *publish.Error
//	if errors.As(err, &failure) && failure.Code == "conflict" { … }
type Error struct {
	// Status is the HTTP status; 0 if there was no answer.
	Status int
	// Code is for programs: a code of the gateway, or one of the constants of this package.
	Code string
	// Message is for people.
	Message string
	// Outcome says what the call has done.
	Outcome Outcome
	// Retryable is whether the same call may succeed later.
	Retryable bool
	// RetryAfter is how long the gateway asks to wait; 0 if it does not say.
	RetryAfter time.Duration
	// Details are the details of the gateway's error, as JSON; nil if there are none.
	Details json.RawMessage

	cause error
}

// Error returns the message and the code.
func (e *Error) Error() string {
	return "publish: " + e.Message + " (" + e.Code + ")"
}

// Unwrap returns the cause, or nil.
func (e *Error) Unwrap() error {
	return e.cause
}

// connectionError returns the error of an attempt without an answer. The gateway may have got the request.
func connectionError(ctx context.Context, err error) *Error {
	if ctx.Err() != nil {
		return &Error{Code: CodeCanceled, Message: "the context has ended", Outcome: Unknown, cause: errors.Join(ctx.Err(), err)}
	}
	return &Error{Code: CodeConnection, Message: err.Error(), Outcome: Unknown, Retryable: true, cause: err}
}

// refusal returns the error of an answer with another status than 2xx.
func refusal(response *http.Response, answer []byte) *Error {
	failure := &Error{Status: response.StatusCode, Code: CodeUnreadable, Outcome: Refused}
	var problem Problem
	if json.Unmarshal(answer, &problem) == nil && problem.Code != "" {
		failure.Code, failure.Message, failure.Details = problem.Code, problem.Detail, problem.Details
	} else {
		// A proxy has answered, or something that is no gateway.
		failure.Message = "the answer is " + response.Status
	}
	switch response.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		failure.Retryable = true
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		// The gateway may have stored it, although it could not confirm it.
		failure.Retryable, failure.Outcome = true, Unknown
	}
	failure.RetryAfter = retryAfter(response.Header.Get("Retry-After"), time.Now())
	if problem.RetryAfterMs != nil && failure.RetryAfter == 0 {
		failure.RetryAfter = time.Duration(*problem.RetryAfterMs) * time.Millisecond
	}
	return failure
}

// retryAfter reads the header: seconds or a date.
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// backoff returns a random wait, whose bounds grow with each attempt.
func (o *Options) backoff(attempt int) time.Duration {
	most := o.MinBackoff
	for range attempt - 1 {
		most = min(2*most, o.MaxBackoff)
	}
	most = min(most, o.MaxBackoff)
	return most/2 + rand.N(most/2+1)
}
