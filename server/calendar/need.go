package calendar

import "context"

// Need says what a transaction will probably read, so that a Store that is far
// away can have it together, with the transaction's beginning. It is a hint:
// nothing else is read because of it, and what it does not name can be read too.
type Need struct {
	Calendar ID
	Row      int64    // CalendarRow.ID, as it was seen last
	Names    []string // objects there, with their texts, instances and dead properties
	UIDs     []string // which objects have these
	ByUID    bool     // and those objects as if they were in Names
	Token    string   // see ReadTx.Token
}

type needKey struct{}

// WithNeed gives the Need of the Updates that are made with ctx.
func WithNeed(ctx context.Context, n Need) context.Context {
	return context.WithValue(ctx, needKey{}, &n)
}

// NeedOf returns it, nil if there is none.
func NeedOf(ctx context.Context) *Need {
	n, _ := ctx.Value(needKey{}).(*Need)
	return n
}

type onlyReadsKey struct{}

// OnlyReads gives a context for Views of who keeps writers waiting: one that could not go on before
// something is written fails as Unavailable.
func OnlyReads(ctx context.Context) context.Context {
	return context.WithValue(ctx, onlyReadsKey{}, true)
}

// ReadsOnly tells whether it is one.
func ReadsOnly(ctx context.Context) bool { return ctx.Value(onlyReadsKey{}) != nil }
