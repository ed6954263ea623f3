package service

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"factotum/server/cache"
	"factotum/server/calendar"
)

// A write whose answer was lost may have happened. A caller that gives it a
// request token can send it again: what the first one answered is kept with
// its transaction, and answers the repetition.

// bind ties the request token in ctx, if there is one, to who writes and what:
// under the same token another user's write, or another text, is another one,
// and nobody is given the outcome of what he did not ask for.
func bind(ctx context.Context, who calendar.Actor, req ...any) context.Context {
	token := calendar.Token(ctx)
	if token == "" {
		return ctx
	}
	sum := sha256.New()
	enc := json.NewEncoder(sum)
	for _, part := range append(req, token, who.User, who.Admin, who.Administers) {
		if text, ok := part.([]byte); ok { // may be long: as it is
			fmt.Fprintln(sum, len(text))
			sum.Write(text)
			continue
		}
		if err := enc.Encode(part); err != nil { // a time that JSON has no form for
			fmt.Fprintf(sum, "%+v", part)
		}
	}
	return calendar.WithToken(ctx, base64.RawURLEncoding.EncodeToString(sum.Sum(nil)))
}

// onceKey is what an outcome is kept under: the parts of one request that are
// told apart by op do not take each other's.
func onceKey(ctx context.Context, op string) string {
	if token := calendar.Token(ctx); token != "" {
		return op + " " + token
	}
	return ""
}

func recall(tx calendar.ReadTx, key string, res any) (done bool, err error) {
	text, ok, err := tx.Token(key)
	if err != nil || !ok || res == nil {
		return ok, err
	}
	return true, json.Unmarshal(text, res)
}

// outcomePatience is how long a write whose outcome is not known looks for it.
const outcomePatience = 2 * time.Second

// unlessDone looks at a failure of a write that has a token: when it is repeated
// after it was committed, what it took away may be missed before its
// transaction begins. It is nil if the write was done.
func (s *Service) unlessDone(ctx context.Context, op string, owner calendar.Owner, res any, err error) error {
	key := onceKey(ctx, op)
	if err == nil || key == "" {
		return err
	}
	switch calendar.KindOf(err) {
	case calendar.Canceled:
		return err
	case calendar.Unavailable: // a commit whose answer was lost: if it is soon known what came of it
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, outcomePatience)
		defer cancel()
	}
	done := false
	looked := s.store.View(ctx, owner, func(tx calendar.ReadTx) (err error) {
		done, err = recall(tx, key, res)
		return err
	})
	if looked == nil && done {
		return nil
	}
	return err
}

// savedError is a refusal as a kept outcome has it: without its cause.
type savedError struct {
	Kind    calendar.Kind
	Reason  calendar.Reason
	Op, Ref string
	Msg     string
}

func saveError(err error) *savedError {
	if err == nil {
		return nil
	}
	saved := &savedError{Kind: calendar.KindOf(err)}
	var e *calendar.Error
	if errors.As(err, &e) {
		*saved = savedError{e.Kind, e.Reason, e.Op, e.Ref, e.Msg}
	}
	return saved
}

func (e *savedError) error() error {
	if e == nil {
		return nil
	}
	return &calendar.Error{Kind: e.Kind, Reason: e.Reason, Op: e.Op, Ref: e.Ref, Msg: e.Msg}
}

// savedEdit is the outcome of EditObject without the objects' texts.
type savedEdit struct {
	calendar.EditItemResult
	Err *savedError // in the place of the embedded one
}

func saveEdit(items []calendar.EditItemResult) []savedEdit {
	out := make([]savedEdit, len(items))
	for i, it := range items {
		if it.Object != nil {
			it.Object = it.Object.Meta()
		}
		out[i] = savedEdit{it, saveError(it.Err)}
		out[i].EditItemResult.Err = nil
	}
	return out
}

// restoreEdit makes an outcome of EditObject again. With texts they are those
// that are stored now, as they are shown: an object that has been changed since is
// given as it is.
func restoreEdit(tx calendar.ReadTx, row calendar.CalendarRow, id calendar.ID, saved []savedEdit, texts bool, shown func(*cache.Object) *cache.Object) ([]calendar.EditItemResult, error) {
	out := make([]calendar.EditItemResult, len(saved))
	for i, it := range saved {
		out[i] = it.EditItemResult
		out[i].Err = it.Err.error()
		if !texts || it.Object == nil {
			continue
		}
		o, ok, err := tx.Object(row.ID, it.Object.Name, true)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		props, err := tx.Props(row.ID, o.Name)
		if err != nil {
			return nil, err
		}
		out[i].Object = shown(&cache.Object{Object: cache.ObjectOf(&o, id, props)}).Object
	}
	return out, nil
}

// savedPut is the outcome of one item of an import.
type savedPut struct {
	calendar.PutItemResult
	Err *savedError // in the place of the embedded one
}

func savePuts(items []calendar.PutItemResult) []savedPut {
	out := make([]savedPut, len(items))
	for i, it := range items {
		out[i] = savedPut{it, saveError(it.Err)}
		out[i].PutItemResult.Err = nil
	}
	return out
}

func restorePuts(saved []savedPut, out []calendar.PutItemResult) {
	for i, it := range saved {
		out[i] = it.PutItemResult
		out[i].Err = it.Err.error()
	}
}
