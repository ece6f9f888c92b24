package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// Codes of errors that the SDK itself makes. All other codes are those of the gateway, such as "forbidden" and "rate_limited";
// docs/protocol.md in the repository lists them. Later versions may add codes.
const (
	// CodeInvalid means that an argument is outside of its bounds, and nothing was sent.
	CodeInvalid = "invalid"
	// CodeTimedOut means that there was no connection or no reply in time.
	CodeTimedOut = "timed_out"
	// CodeCanceled means that the context of a call was cancelled.
	CodeCanceled = "canceled"
	// CodeQueueFull means that too many calls wait already.
	CodeQueueFull = "queue_full"
	// CodeDisconnected means that the connection was lost before the reply.
	CodeDisconnected = "disconnected"
	// CodeConnection means that the gateway could not be reached.
	CodeConnection = "connection"
	// CodeToken means that the token provider failed.
	CodeToken = "token"
	// CodeReplaced means that another session took the place of this one.
	CodeReplaced = "replaced"
	// CodeUnauthorized means that the token was refused, or that the user is signed out.
	CodeUnauthorized = "unauthorized"
	// CodeClosed means that the client or the subscription was closed by the app.
	CodeClosed = "closed"
	// CodeTrap means that the core of the SDK failed, which is a bug. [Client.Connect] starts again.
	CodeTrap = "trap"
)

// Outcome says what a failed call has done.
type Outcome string

const (
	// NotSent means that the gateway never got the command.
	NotSent Outcome = "not_sent"
	// Refused means that the gateway refused the command, which had no effect.
	Refused Outcome = "refused"
	// Unknown means that the command may have had its effect. Repeat a send only with the same ClientMessageID.
	Unknown Outcome = "unknown"
)

// ErrSignedOut is returned by a [TokenProvider], alone or wrapped, if the user is signed out. The client becomes
// [Unauthorized] and requests no token until [Client.Connect].
var ErrSignedOut = errors.New("the user is signed out")

// Error is the error of a failed call, of a subscription or of the client:
//
//	var failure *gateway.Error
//	if errors.As(err, &failure) && failure.Code == "rate_limited" { … }
//
// It wraps [context.Canceled] or [context.DeadlineExceeded] if that is its cause.
type Error struct {
	// Code is for programs: a code of the gateway, or one of the constants of this package.
	Code string
	// Message is for people.
	Message string
	// Outcome says what the call has done.
	Outcome Outcome
	// Retryable is whether the same call may succeed later.
	Retryable bool
	// RetryAfter is how long the gateway asks to wait before another attempt; 0 if it does not say.
	RetryAfter time.Duration
	// CloseCode is the close code, if the client has ended; 0 otherwise.
	CloseCode int
	// Details are the details of the gateway's error, as JSON; nil if there are none.
	Details json.RawMessage
	// ClientMessageID is the id of the message that was not confirmed, for a failed send.
	ClientMessageID string

	cause error
}

// Error returns the message and the code.
func (e *Error) Error() string {
	return "gateway: " + e.Message + " (" + e.Code + ")"
}

// Unwrap returns the cause, or nil.
func (e *Error) Unwrap() error {
	return e.cause
}

// wireError is an error as the core writes it.
type wireError struct {
	Code         string          `json:"code"`
	Message      string          `json:"message"`
	Outcome      Outcome         `json:"outcome"`
	Retryable    bool            `json:"retryable"`
	RetryAfterMs int64           `json:"retryAfterMs"`
	CloseCode    int             `json:"closeCode"`
	Details      json.RawMessage `json:"details"`
	Cause        *wireError      `json:"cause"`
}

// toError returns the error for the app, or nil.
func (w *wireError) toError() *Error {
	if w == nil {
		return nil
	}
	failure := &Error{
		Code:       w.Code,
		Message:    w.Message,
		Outcome:    w.Outcome,
		Retryable:  w.Retryable,
		RetryAfter: time.Duration(w.RetryAfterMs) * time.Millisecond,
		CloseCode:  w.CloseCode,
		Details:    w.Details,
	}
	if w.Cause != nil {
		failure.cause = w.Cause.toError()
	} else if w.Code == CodeTimedOut {
		failure.cause = context.DeadlineExceeded
	}
	return failure
}

// invalid returns the error of an argument that cannot be sent.
func invalid(message string) *Error {
	return &Error{Code: CodeInvalid, Message: message, Outcome: NotSent}
}

// closedByApp returns the error of a call after [Client.Close].
func closedByApp() *Error {
	return &Error{Code: CodeClosed, Message: "the client is closed", Outcome: NotSent}
}

// canceled returns the error of a call whose context has ended.
func canceled(ctx context.Context, outcome Outcome) *Error {
	cause := context.Cause(ctx)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &Error{
			Code: CodeTimedOut, Message: "the deadline of the context has passed", Outcome: outcome, Retryable: true, cause: cause,
		}
	}
	return &Error{Code: CodeCanceled, Message: "the context was cancelled", Outcome: outcome, Retryable: true, cause: cause}
}
