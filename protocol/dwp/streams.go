package dwp

import (
	"google.golang.org/protobuf/proto"

	"factotum/protocol/dwp/internal/wire"
	"factotum/server/calendar"
)

// Streams. Items are gathered to batches, so that a message costs little for
// each of them and still the first ones leave soon.

type batch[T any] struct {
	items []*T
	bytes int
	send  func([]*T) error
}

func (b *batch[T]) add(item *T, bytes int) error {
	b.items = append(b.items, item)
	b.bytes += bytes
	if len(b.items) < batchItems && b.bytes < batchBytes {
		return nil
	}
	return b.flush()
}

// put is add for items whose size is not known.
func (b *batch[T]) put(item *T) error {
	return b.add(item, proto.Size(any(item).(proto.Message)))
}

func (b *batch[T]) flush() error {
	if len(b.items) == 0 {
		return nil
	}
	err := b.send(b.items)
	b.items, b.bytes = b.items[:0], 0
	if err != nil {
		return &sendError{err}
	}
	return nil
}

// emitEach hands a message's items to emit.
func emitEach[A, B any](in []*A, from func(*A) B, emit func(B) error) error {
	for _, m := range in {
		if err := emit(from(m)); err != nil {
			return err
		}
	}
	return nil
}

// takeObjects is emitEach for objects, which are handed on by pointer.
func takeObjects(in []*wire.Object, emit func(*calendar.Object) error) error {
	for _, m := range in {
		o := fromObject(m)
		if err := emit(&o); err != nil {
			return err
		}
	}
	return nil
}
