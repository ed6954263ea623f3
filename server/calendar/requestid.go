package calendar

import "context"

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
