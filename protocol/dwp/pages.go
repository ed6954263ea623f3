package dwp

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"sync"

	"google.golang.org/protobuf/proto"

	"factotum/protocol/dwp/internal/wire"
	"factotum/server/calendar"
)

// Lists of objects cross in pages: a message for each object costs ten times as
// much as finding it. A page tells of each what differs from the one before:
//
//	bits                      what follows, and what is as before
//	calendar, component, type strings, unless they are as before
//	name                      a string
//	uid                       a string; a length where the name begins with it
//	change                    from the one before
//	of an object: schedule tag, created, modified from it, size
//	of a tombstone: deleted, and by whom
//	properties, refusal       where there are any
//	text                      its length; itself it is in texts
//
// Numbers are varints, those that may be negative in zigzag; a string is its
// length and its octets. Each page begins anew.
const (
	bitObject = 1 << iota
	bitGone   // beside an object: it comes next
	bitCalendar
	bitComponent
	bitType
	bitUID // is how the name begins
	bitTag // is the change
	bitData
	bitMasked
	bitProps
	bitRefused
)

// pageItems is how many items a page has at most.
const pageItems = 1024

// previous is what the numbers and bits of a page refer to.
type previous struct {
	calendar, component, kind string
	change, created, deleted  int64
}

// packer makes pages and sends each when it is full.
type packer struct {
	page wire.Page
	last previous
	send func(*wire.Page) error
}

// packers keep their room.
var packers = sync.Pool{New: func() any { return new(packer) }}

// newPacker returns one that is to be freed after the last page.
func newPacker(send func(*wire.Page) error) *packer {
	p := packers.Get().(*packer)
	p.send = send
	return p
}

func (p *packer) free() {
	if cap(p.page.Texts)+cap(p.page.Heads) > maxKeptPage { // one text was large
		p.page.Heads, p.page.Texts = nil, nil
	}
	p.clear()
	p.send = nil
	packers.Put(p)
}

// maxKeptPage is more than what a page of ordinary texts takes.
const maxKeptPage = 64 << 10

func (p *packer) clear() {
	p.page.Items, p.page.Heads, p.page.Texts, p.last = 0, p.page.Heads[:0], p.page.Texts[:0], previous{}
}

func (p *packer) object(o *calendar.Object) error {
	p.item(o, nil)
	return p.full()
}

func (p *packer) syncItem(it calendar.SyncItem) error {
	p.item(it.Object, it.Gone)
	return p.full()
}

// full sends the page if it is.
func (p *packer) full() error {
	if p.page.Items < pageItems && len(p.page.Heads)+len(p.page.Texts) < batchBytes {
		return nil
	}
	err := p.send(&p.page)
	p.clear()
	if err != nil {
		return &sendError{err}
	}
	return nil
}

// rest is what has not been sent, or nil.
func (p *packer) rest() *wire.Page {
	if p.page.Items == 0 {
		return nil
	}
	return &p.page
}

func (p *packer) item(o *calendar.Object, g *calendar.Tombstone) {
	p.page.Items++
	if g != nil || o == nil {
		p.gone(o, g)
		return
	}
	p.put(o, 0)
}

func (p *packer) put(o *calendar.Object, bits uint64) {
	last := &p.last
	bits |= bitObject | p.names(string(o.Calendar), o.Name, o.UID, o.Component, o.Data)
	if o.ContentType == last.kind {
		bits |= bitType
	}
	if o.ScheduleTag == o.Change {
		bits |= bitTag
	}
	if o.Masked {
		bits |= bitMasked
	}
	if len(o.Props) > 0 {
		bits |= bitProps
	}
	if o.Refused != nil {
		bits |= bitRefused
	}
	b := p.head(bits, string(o.Calendar), o.Name, o.UID, o.Component, o.Change)
	if bits&bitType == 0 {
		b, last.kind = appendString(b, o.ContentType), o.ContentType
	}
	if bits&bitTag == 0 {
		b = binary.AppendVarint(b, o.ScheduleTag-o.Change)
	}
	created, modified := toTime(o.Created), toTime(o.Modified)
	b = binary.AppendVarint(b, created-last.created)
	b = binary.AppendVarint(b, modified-created)
	b = binary.AppendVarint(b, int64(o.Size))
	last.created = created
	if bits&bitProps != 0 {
		b = binary.AppendUvarint(b, uint64(len(o.Props)))
		for i := range o.Props {
			b = appendString(appendString(appendString(b, o.Props[i].Space), o.Props[i].Local), o.Props[i].Value)
		}
	}
	if bits&bitRefused != 0 {
		refused, _ := proto.Marshal(toFailure(o.Refused)) // it has no string, which could be invalid
		b = appendString(b, string(refused))
	}
	p.page.Heads = b
	p.text(bits, o.Data)
}

func (p *packer) gone(o *calendar.Object, g *calendar.Tombstone) {
	if g == nil {
		p.page.Heads = binary.AppendUvarint(p.page.Heads, 0)
		return
	}
	if o != nil {
		p.put(o, bitGone)
	}
	last := &p.last
	bits := bitGone | p.names(string(g.Calendar), g.Name, g.UID, g.Component, g.Data)
	b := p.head(bits, string(g.Calendar), g.Name, g.UID, g.Component, g.Change)
	deleted := toTime(g.Deleted)
	b = binary.AppendVarint(b, deleted-last.deleted)
	last.deleted = deleted
	p.page.Heads = appendString(b, string(g.By))
	p.text(bits, g.Data)
}

// names are the bits of what objects and tombstones have.
func (p *packer) names(cal, name, uid, component string, data []byte) (bits uint64) {
	if cal == p.last.calendar {
		bits |= bitCalendar
	}
	if component == p.last.component {
		bits |= bitComponent
	}
	if len(uid) <= len(name) && name[:len(uid)] == uid {
		bits |= bitUID
	}
	if data != nil {
		bits |= bitData
	}
	return bits
}

func (p *packer) head(bits uint64, cal, name, uid, component string, change int64) []byte {
	last := &p.last
	b := binary.AppendUvarint(p.page.Heads, bits)
	if bits&bitCalendar == 0 {
		b, last.calendar = appendString(b, cal), cal
	}
	if bits&bitComponent == 0 {
		b, last.component = appendString(b, component), component
	}
	b = appendString(b, name)
	if bits&bitUID != 0 {
		b = binary.AppendUvarint(b, uint64(len(uid)))
	} else {
		b = appendString(b, uid)
	}
	b = binary.AppendVarint(b, change-last.change)
	last.change = change
	return b
}

func (p *packer) text(bits uint64, data []byte) {
	if bits&bitData != 0 {
		p.page.Heads = binary.AppendUvarint(p.page.Heads, uint64(len(data)))
		p.page.Texts = append(p.page.Texts, data...)
	}
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

var errPage = errors.New("a page of objects does not make sense")

// unpacker reads a page. Strings are parts of one, texts parts of the message's.
type unpacker struct {
	s     string
	texts []byte
	last  previous
	bad   bool
	slab  []calendar.Object
	left  int              // objects that the page may have still
	again *calendar.Object // is used for each, where nobody keeps them
}

// slabObjects share an allocation.
const slabObjects = 64

// takePage hands the items of a page to emit.
func takePage(ctx context.Context, page *wire.Page, emit func(*calendar.Object, *calendar.Tombstone) error) error {
	if page == nil {
		return nil
	}
	u := unpacker{s: string(page.Heads), texts: page.Texts, left: int(min(page.Items, math.MaxInt32))}
	if calendar.IsFleeting(ctx) {
		u.again = new(calendar.Object)
	}
	for range page.Items {
		o, g := u.item()
		if u.bad {
			return errPage
		}
		if err := emit(o, g); err != nil {
			return err
		}
	}
	if u.s != "" || len(u.texts) > 0 {
		return errPage
	}
	return nil
}

// takePageObjects is takePage where there are objects only.
func takePageObjects(ctx context.Context, page *wire.Page, emit func(*calendar.Object) error) error {
	return takePage(ctx, page, func(o *calendar.Object, g *calendar.Tombstone) error {
		if o == nil || g != nil {
			return errPage
		}
		return emit(o)
	})
}

// takePageItems is takePage for what a sync tells.
func takePageItems(ctx context.Context, page *wire.Page, emit func(calendar.SyncItem) error) error {
	return takePage(ctx, page, func(o *calendar.Object, g *calendar.Tombstone) error {
		return emit(calendar.SyncItem{Object: o, Gone: g})
	})
}

func (u *unpacker) item() (o *calendar.Object, g *calendar.Tombstone) {
	bits := u.uvarint()
	if bits&bitObject != 0 {
		o = u.object(bits)
		if bits&bitGone == 0 {
			return o, nil
		}
		bits = u.uvarint()
	}
	if bits&bitGone != 0 {
		g = u.gone(bits)
	} else if bits != 0 {
		u.bad = true
	}
	return o, g
}

func (u *unpacker) object(bits uint64) *calendar.Object {
	o, last := u.room(), &u.last
	o.Calendar = calendar.ID(u.calendar(bits))
	o.Component = u.component(bits)
	o.Name, o.UID = u.named(bits)
	o.Change = u.change()
	if bits&bitType == 0 {
		last.kind = u.string()
	}
	o.ContentType = last.kind
	o.ScheduleTag = o.Change
	if bits&bitTag == 0 {
		o.ScheduleTag += u.varint()
	}
	last.created += u.varint()
	modified := last.created + u.varint()
	o.Created, o.Modified = fromTime(last.created), fromTime(modified)
	o.Size = int(u.varint())
	o.Masked = bits&bitMasked != 0
	if bits&bitProps != 0 {
		n := u.uvarint()
		if n > uint64(len(u.s)) {
			u.bad = true
			return o
		}
		o.Props = make([]calendar.DeadProp, n)
		for i := range o.Props {
			o.Props[i] = calendar.DeadProp{Space: u.string(), Local: u.string(), Value: u.string()}
		}
	}
	if bits&bitRefused != 0 {
		var m wire.Failure
		u.bad = proto.Unmarshal([]byte(u.string()), &m) != nil || u.bad
		o.Refused = fromFailure(&m)
	}
	o.Data = u.text(bits)
	return o
}

// room is where the next object goes.
func (u *unpacker) room() *calendar.Object {
	if u.again != nil {
		*u.again = calendar.Object{}
		return u.again
	}
	if len(u.slab) == 0 {
		u.slab = make([]calendar.Object, max(1, min(u.left, slabObjects)))
	}
	o := &u.slab[0]
	u.slab = u.slab[1:]
	u.left--
	return o
}

func (u *unpacker) gone(bits uint64) *calendar.Tombstone {
	g := &calendar.Tombstone{Calendar: calendar.ID(u.calendar(bits)), Component: u.component(bits)}
	g.Name, g.UID = u.named(bits)
	g.Change = u.change()
	u.last.deleted += u.varint()
	g.Deleted = fromTime(u.last.deleted)
	g.By = calendar.UserID(u.string())
	g.Data = u.text(bits)
	return g
}

func (u *unpacker) calendar(bits uint64) string {
	if bits&bitCalendar == 0 {
		u.last.calendar = u.string()
	}
	return u.last.calendar
}

func (u *unpacker) component(bits uint64) string {
	if bits&bitComponent == 0 {
		u.last.component = u.string()
	}
	return u.last.component
}

func (u *unpacker) named(bits uint64) (name, uid string) {
	name = u.string()
	if bits&bitUID == 0 {
		return name, u.string()
	}
	n := u.uvarint()
	if n > uint64(len(name)) {
		u.bad = true
		return name, ""
	}
	return name, name[:n]
}

func (u *unpacker) change() int64 {
	u.last.change += u.varint()
	return u.last.change
}

func (u *unpacker) text(bits uint64) []byte {
	if bits&bitData == 0 {
		return nil
	}
	n := u.uvarint()
	if n > uint64(len(u.texts)) {
		u.bad = true
		return nil
	}
	if n == 0 {
		return []byte{}
	}
	text := u.texts[:n:n]
	u.texts = u.texts[n:]
	return text
}

func (u *unpacker) string() string {
	n := u.uvarint()
	if n > uint64(len(u.s)) {
		u.bad = true
		return ""
	}
	s := u.s[:n]
	u.s = u.s[n:]
	return s
}

// uvarint is binary.Uvarint of a string.
func (u *unpacker) uvarint() (n uint64) {
	for i := 0; i < len(u.s) && i < binary.MaxVarintLen64; i++ {
		c := u.s[i]
		n |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			u.s = u.s[i+1:]
			return n
		}
	}
	u.bad = true
	u.s = ""
	return 0
}

func (u *unpacker) varint() int64 {
	n := u.uvarint()
	return int64(n>>1) ^ -int64(n&1)
}
