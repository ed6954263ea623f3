// Package importer stores calendar files, as other programs write them, in a
// calendar: it reads a file of any size and several calendars, sorts out old
// revisions, splits it into objects and sends them to the store in batches. A
// report says of every item what became of it.
package importer

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/object"
)

// Batches of an import: this many items, or this many octets, in one call.
const (
	batchItems = 100
	batchBytes = 8 << 20
)

// Importer stores calendar files in one calendar. What it stores has the UID
// it came with, or one made from its text, so that importing again doubles
// nothing.
type Importer struct {
	Store    Store
	Who      calendar.Actor
	Calendar calendar.ID
	Keep     bool // existing objects stay as they are
	// Name gives the name that the only object of a file is to have if it is new
	// and nothing else has it; nil, or an answer of "": one is made.
	Name func(file string) string
	// Guard, if it is set, is asked about what is to be stored: whether it is to be
	// left as it is here, or why it is refused.
	Guard func(it *Item) (leave bool, refused string, err error)
	Each  func(it *Item) // called with each outcome, may be nil

	Report  Report
	seen    map[string]seenItem // by UID
	pending []pendingItem
	size    int
}

// Store takes what an import stores.
type Store interface {
	PutObjects(ctx context.Context, who calendar.Actor, req calendar.PutObjectsRequest) ([]calendar.PutItemResult, error)
}

type pendingItem struct {
	it   Item
	name string // wanted
	data []byte
}

type seenItem struct {
	at  string
	sum string
}

// File imports one file. Only failures of the store are errors: what is wrong
// with the file is in the report.
func (im *Importer) File(ctx context.Context, name string, data []byte) error {
	im.Report.Calendar = im.Calendar
	im.Report.Files++
	if im.seen == nil {
		im.seen = map[string]seenItem{}
	}
	text, mended, err := textOf(data)
	if err != nil {
		im.Refuse(Item{File: name, Line: 1}, calendar.Invalid, err.Error())
		return nil
	}
	var parts []ical.Piece
	for p := range ical.Pieces(bytes.NewReader(text), Limits) {
		p.Text = slices.Clone(p.Text)
		parts = append(parts, p)
	}
	if len(parts) == 0 {
		im.Refuse(Item{File: name, Line: 1}, calendar.Invalid, "the file is empty")
		return nil
	}
	for _, x := range revisions(parts, len(parts) == 1) {
		if x.err != nil {
			im.Refuse(Item{File: name, Line: x.line}, calendar.Invalid, x.err.Error())
		} else if err := im.piece(ctx, name, x, text, mended); err != nil {
			return err
		}
	}
	return nil
}

// notCalendars are the methods of messages that hold no calendar of somebody's
// own. RFC 5546 §1.4.
var notCalendars = []string{"REPLY", "ADD", "CANCEL", "REFRESH", "COUNTER", "DECLINECOUNTER"}

// piece imports one VCALENDAR.
func (im *Importer) piece(ctx context.Context, file string, x *revised, text []byte, mended string) error {
	at := func(c numbered) Item {
		return Item{File: file, Line: c.line, Number: c.number, UID: object.UID(c.Component)}
	}
	m := x.Calendar.Word("METHOD")
	if slices.Contains(notCalendars, m) {
		im.Refuse(Item{File: file, Line: x.Line}, calendar.Unsupported, fmt.Sprintf("METHOD:%s is a scheduling message, not a calendar", m))
		return nil
	}
	for _, c := range x.dropped {
		switch best := c.instead; {
		case ical.Equal(c.Component, best.Component):
			it := at(c)
			it.Outcome = Unchanged
			im.done(it)
		case best.after(c.Component):
			im.Refuse(at(c), calendar.UIDConflict, fmt.Sprintf("a newer revision of it is in line %d", best.line))
		default:
			im.Refuse(at(c), calendar.UIDConflict, fmt.Sprintf("another version of it is in line %d", best.line))
		}
	}
	if x.whole {
		x.Text = text // with the blank lines around it
	}
	split := object.Split(x.Calendar, x.Text, uidsFor(x.Calendar))
	name := ""
	if im.Name != nil && x.whole && len(split) == 1 {
		name = im.Name(file)
	}
	for _, s := range split {
		it := at(x.comps[s.First-1])
		it.UID = s.UID
		if s.Err != nil {
			im.Refuse(it, calendar.KindOf(s.Err), plain.Reason(s.Err))
			continue
		}
		it.Mended = mended
		if it.UID == "" {
			it.UID = UIDOf(s.Data)
			it.Mended = join(it.Mended, "it had no UID")
		}
		if m != "" {
			it.Mended = join(it.Mended, "METHOD was left out")
		}
		it.Size = len(s.Data)
		sum := sha256.Sum256(s.Data)
		it.SHA256 = hex.EncodeToString(sum[:])
		if dup, ok := im.seen[it.UID]; ok {
			if dup.sum == it.SHA256 {
				it.Outcome = Unchanged
				im.done(it)
			} else {
				im.Refuse(it, calendar.UIDConflict, "its UID was met before, at "+dup.at)
			}
			continue
		}
		if im.Guard != nil {
			switch leave, refused, err := im.Guard(&it); {
			case err != nil:
				return err
			case refused != "":
				im.Refuse(it, calendar.Stale, refused)
				continue
			case leave:
				it.Outcome = Unchanged
				im.done(it)
				continue
			}
		}
		im.seen[it.UID] = seenItem{fmt.Sprintf("%s:%d", it.File, it.Line), it.SHA256}
		im.pending = append(im.pending, pendingItem{it, name, s.Data})
		if im.size += it.Size; len(im.pending) >= batchItems || im.size >= batchBytes {
			if err := im.Flush(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// Flush stores what is pending. An error means that the store cannot take
// anything: the items are reported as refused for that reason. Where ctx ends,
// what is on its way is waited for, so that the report says what is stored.
func (im *Importer) Flush(ctx context.Context) error {
	if len(im.pending) == 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	going := context.WithoutCancel(ctx)
	req := calendar.PutObjectsRequest{Calendar: im.Calendar, Replace: !im.Keep}
	for _, p := range im.pending {
		req.Items = append(req.Items, calendar.PutItem{Name: p.name, Data: p.data})
	}
	res, err := im.Store.PutObjects(going, im.Who, req)
	if err == nil {
		err = im.renamed(going, req, res)
	}
	for i, p := range im.pending {
		it := p.it
		var r calendar.PutItemResult
		switch {
		case i < len(res):
			r = res[i]
		case err != nil:
			r.Err = err
		}
		it.Name = r.Name
		switch {
		case r.Err != nil:
			it.Ended = err != nil
			im.Refuse(it, calendar.KindOf(r.Err), plain.Reason(r.Err))
			continue
		case r.Unchanged:
			it.Outcome = Unchanged
		case r.Created:
			it.Outcome = Created
		default:
			it.Outcome = Replaced
		}
		im.done(it)
	}
	im.pending, im.size = im.pending[:0], 0
	return cmp.Or(err, ctx.Err())
}

// renamed stores what was refused for its name under another one: it is there
// already with one of its own, or something else has the name.
func (im *Importer) renamed(ctx context.Context, req calendar.PutObjectsRequest, res []calendar.PutItemResult) error {
	again := calendar.PutObjectsRequest{Calendar: req.Calendar, Replace: req.Replace}
	var at []int
	for i := range res {
		if res[i].Err != nil && req.Items[i].Name != "" {
			at = append(at, i)
			again.Items = append(again.Items, calendar.PutItem{Data: req.Items[i].Data})
		}
	}
	if len(at) == 0 {
		return nil
	}
	second, err := im.Store.PutObjects(ctx, im.Who, again)
	for i := range second {
		res[at[i]] = second[i]
	}
	return err
}

// Refuse reports an item that is not sent to the store.
func (im *Importer) Refuse(it Item, k calendar.Kind, reason string) {
	it.Outcome, it.Kind, it.Reason = Refused, k.String(), reason
	im.done(it)
}

func (im *Importer) done(it Item) {
	r := &im.Report
	switch it.Outcome {
	case Created:
		r.Created++
	case Replaced:
		r.Replaced++
	case Unchanged:
		r.Unchanged++
	case Refused:
		r.Refused++
	}
	r.Items = append(r.Items, it)
	if im.Each != nil {
		im.Each(&r.Items[len(r.Items)-1])
	}
}
