package calendar

import "sync/atomic"

// memo keeps what a front made of an object's data, for all who hold the same
// cached object.
type memo struct{ text atomic.Pointer[[]byte] }

// Derived returns make(o.Data), remembered while the object stays in the
// cache: the XML form of a text is asked for far more often than the text
// changes. There is one memo, so all callers of a process must pass the same
// make. The result is read only. Objects from elsewhere (DWP, partial
// retrieval) are worked out each time.
func (o *Object) Derived(make func([]byte) []byte) []byte {
	if o.memo == nil {
		return make(o.Data)
	}
	if t := o.memo.text.Load(); t != nil {
		return *t
	}
	t := make(o.Data)
	o.memo.text.Store(&t)
	return t
}
