package calendar

import (
	"context"
	"strings"
)

type requestIDKey struct{}

// WithRequestID returns a context that carries the id of the request at the
// edge, for the log key "req". DWP passes it on to the back end.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID returns the id given to WithRequestID, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

type tokenKey struct{}

// WithToken returns a context that carries the request token of one write. The
// token must be unguessable and new for each write; DWP makes and passes it on.
func WithToken(ctx context.Context, token string) context.Context {
	return context.WithValue(ctx, tokenKey{}, token)
}

// Token returns the token given to WithToken, or "".
func Token(ctx context.Context) string {
	token, _ := ctx.Value(tokenKey{}).(string)
	return token
}

// Agent is what a client calls itself (User-Agent), as logs have it.
func Agent(s string) string {
	const most = 120
	return strings.ToValidUTF8(s[:min(len(s), most)], "?")
}

type fleetingKey struct{}

// Fleeting returns a context whose caller looks at what he is called with while
// he is called, and keeps nothing of it: the place of an object may be used for
// the next one.
func Fleeting(ctx context.Context) context.Context {
	return context.WithValue(ctx, fleetingKey{}, true)
}

// Lasting undoes Fleeting: who is called keeps what he is called with.
func Lasting(ctx context.Context) context.Context {
	return context.WithValue(ctx, fleetingKey{}, false)
}

// IsFleeting tells whether the context is one of Fleeting.
func IsFleeting(ctx context.Context) bool { f, _ := ctx.Value(fleetingKey{}).(bool); return f }
