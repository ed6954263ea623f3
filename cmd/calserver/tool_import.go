package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/object"
)

// What becomes of an item of an import.
const (
	itemCreated   = "created"
	itemReplaced  = "replaced"
	itemUnchanged = "unchanged"
	itemRefused   = "refused"
)

// importItem is one object of an import: what it was and what became of it.
type importItem struct {
	File    string `json:"file"`
	Line    int    `json:"line"`             // where it begins
	Number  int    `json:"number,omitempty"` // of its first component in the file; 0 is the file or calendar itself
	UID     string `json:"uid,omitempty"`
	Name    string `json:"name,omitempty"` // resource name it is stored under
	Size    int    `json:"size,omitempty"`
	SHA256  string `json:"sha256,omitempty"` // of the text sent to the store
	Outcome string `json:"outcome"`
	Kind    string `json:"kind,omitempty"`   // of a refusal
	Reason  string `json:"reason,omitempty"` // of a refusal
}

// importReport sums up an import.
type importReport struct {
	Calendar  calendar.ID  `json:"calendar"`
	Files     int          `json:"files"`
	Created   int          `json:"created"`
	Replaced  int          `json:"replaced"`
	Unchanged int          `json:"unchanged"`
	Refused   int          `json:"refused"`
	Items     []importItem `json:"items"`
}

func (r *importReport) stored() int { return r.Created + r.Replaced + r.Unchanged }

// Batches of an import: this many items, or this many octets, in one call.
const (
	importBatch = 100
	importBytes = 8 << 20
)

// importLimits bound one VCALENDAR of a file. An export of a large calendar
// is one; what is stored of it has the store's own limits.
var importLimits = ical.Limits{MaxBytes: maxImportFile, MaxComponents: 2_000_000, MaxProps: 20_000_000, MaxLine: 64 << 20}

// maxImportFile is the largest file, in octets.
const maxImportFile = 1 << 30

// importer stores calendar files in one calendar. What it stores has the UID
// it came with, or one made from its text, so that importing again doubles
// nothing.
type importer struct {
	be   calendar.Backend
	who  calendar.Actor
	id   calendar.ID
	keep bool                 // existing objects stay as they are
	each func(it *importItem) // called with each outcome, may be nil

	report  importReport
	seen    map[string]seenItem // by UID
	pending []pendingItem
	size    int
}

type pendingItem struct {
	it   importItem
	data []byte
}

type seenItem struct {
	at  string
	sum string
}

// file imports one file. Only failures of the store are errors: what is wrong
// with the file is in the report.
func (im *importer) file(ctx context.Context, name string, data []byte) error {
	im.report.Calendar = im.id
	im.report.Files++
	if im.seen == nil {
		im.seen = map[string]seenItem{}
	}
	text := ical.ToUTF8(data)
	var parts []ical.Piece
	for p := range ical.Pieces(bytes.NewReader(text), importLimits) {
		p.Text = slices.Clone(p.Text)
		parts = append(parts, p)
	}
	if len(parts) == 0 {
		im.refuse(importItem{File: name, Line: 1}, calendar.Invalid, "the file is empty")
		return nil
	}
	for _, x := range revisions(parts, len(parts) == 1) {
		if x.err != nil {
			im.refuse(importItem{File: name, Line: x.line}, calendar.Invalid, x.err.Error())
		} else if err := im.piece(ctx, name, x, text); err != nil {
			return err
		}
	}
	return nil
}

// revised is a VCALENDAR of a file with its outdated components taken out.
type revised struct {
	ical.Piece
	line    int // of a fault
	err     error
	whole   bool // the file has no other, and nothing was taken out
	comps   []numbered
	dropped []numbered
}

// numbered is a component at its place in the file.
type numbered struct {
	*ical.Component
	number, line int
	instead      *numbered // the revision that takes its place
}

// revisions numbers the components of a file and sorts out of several
// revisions of one all but the newest, or the last: RFC 5546 §2.1.5. Some
// programs export what they replaced.
func revisions(parts []ical.Piece, whole bool) []*revised {
	newest := map[string]*numbered{}
	var out []*revised
	n := 0
	for _, p := range parts {
		x := &revised{Piece: p, line: p.Line, err: p.Err, whole: whole}
		out = append(out, x)
		if p.Err != nil {
			var pe *ical.ParseError
			if errors.As(p.Err, &pe) {
				x.line, x.err = pe.Line, errors.New("not iCalendar: "+pe.Msg)
			}
			continue
		}
		for _, c := range p.Calendar.Children {
			if c.Name != "VTIMEZONE" {
				n++
				x.comps = append(x.comps, numbered{Component: c, number: n, line: p.Line})
			}
		}
		if lines := componentLines(p.Text, p.Line); len(lines) == len(x.comps) { // not so where a BEGIN is folded
			for i := range lines {
				x.comps[i].line = lines[i]
			}
		}
		for i := range x.comps {
			c := &x.comps[i]
			if key := c.key(); key != "" && (newest[key] == nil || !newest[key].after(c.Component)) {
				newest[key] = c
			}
		}
	}
	for _, x := range out {
		all := x.comps
		x.comps = nil
		for _, c := range all {
			if best := newest[c.key()]; best != nil && best.number != c.number {
				c.instead = best
				x.dropped = append(x.dropped, c)
			} else {
				x.comps = append(x.comps, c)
			}
		}
		if len(x.dropped) > 0 {
			x.whole = false
			slim := *x.Calendar
			slim.Children = slices.DeleteFunc(slices.Clone(slim.Children), func(c *ical.Component) bool {
				return slices.ContainsFunc(x.dropped, func(d numbered) bool { return d.Component == c })
			})
			x.Calendar, x.Text = &slim, nil
		}
	}
	return out
}

// key tells what a calendar can have once: a component of a UID, overrides
// aside; "" for others.
func (c *numbered) key() string {
	uid := strings.TrimSpace(c.Value("UID"))
	if uid == "" || c.Prop("RECURRENCE-ID") != nil {
		return ""
	}
	return c.Name + "\x00" + uid
}

// after tells whether it is a newer revision than another one.
func (c *numbered) after(o *ical.Component) bool {
	number := func(c *ical.Component) int { n, _ := strconv.Atoi(strings.TrimSpace(c.Value("SEQUENCE"))); return n }
	return cmp.Or(cmp.Compare(number(c.Component), number(o)), strings.Compare(c.Value("DTSTAMP"), o.Value("DTSTAMP")),
		strings.Compare(c.Value("LAST-MODIFIED"), o.Value("LAST-MODIFIED"))) > 0
}

// notCalendars are the methods of messages that hold no calendar of somebody's
// own. RFC 5546 §1.4.
var notCalendars = []string{"REPLY", "ADD", "CANCEL", "REFRESH", "COUNTER", "DECLINECOUNTER"}

// piece imports one VCALENDAR.
func (im *importer) piece(ctx context.Context, file string, x *revised, text []byte) error {
	at := func(c numbered) importItem {
		return importItem{File: file, Line: c.line, Number: c.number, UID: c.Value("UID")}
	}
	if m := strings.ToUpper(strings.TrimSpace(x.Calendar.Value("METHOD"))); slices.Contains(notCalendars, m) {
		im.refuse(importItem{File: file, Line: x.Line}, calendar.Unsupported, fmt.Sprintf("METHOD:%s is a scheduling message, not a calendar", m))
		return nil
	}
	for _, c := range x.dropped {
		switch best := c.instead; {
		case ical.Equal(c.Component, best.Component):
			it := at(c)
			it.Outcome = itemUnchanged
			im.done(it)
		case best.after(c.Component):
			im.refuse(at(c), calendar.UIDConflict, fmt.Sprintf("a newer revision of it is in line %d", best.line))
		default:
			im.refuse(at(c), calendar.UIDConflict, fmt.Sprintf("another version of it is in line %d", best.line))
		}
	}
	if x.whole {
		x.Text = text // with the blank lines around it
	}
	for _, s := range object.Split(x.Calendar, x.Text, uidsFor(x.Calendar)) {
		it := at(x.comps[s.First-1])
		it.UID = s.UID
		if s.Err != nil {
			im.refuse(it, calendar.KindOf(s.Err), reasonOf(s.Err))
			continue
		}
		if it.UID == "" {
			it.UID = uidOf(s.Data)
		}
		it.Size = len(s.Data)
		sum := sha256.Sum256(s.Data)
		it.SHA256 = hex.EncodeToString(sum[:])
		if dup, ok := im.seen[it.UID]; ok {
			if dup.sum == it.SHA256 {
				it.Outcome = itemUnchanged
				im.done(it)
			} else {
				im.refuse(it, calendar.UIDConflict, "its UID was met before, at "+dup.at)
			}
			continue
		}
		im.seen[it.UID] = seenItem{fmt.Sprintf("%s:%d", it.File, it.Line), it.SHA256}
		im.pending = append(im.pending, pendingItem{it, s.Data})
		if im.size += it.Size; len(im.pending) >= importBatch || im.size >= importBytes {
			if err := im.flush(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush stores what is pending. An error means that the store cannot take
// anything: the items are reported as refused for that reason.
func (im *importer) flush(ctx context.Context) error {
	if len(im.pending) == 0 {
		return nil
	}
	req := calendar.PutObjectsRequest{Calendar: im.id, Replace: !im.keep}
	for _, p := range im.pending {
		req.Items = append(req.Items, calendar.PutItem{Data: p.data})
	}
	res, err := im.be.PutObjects(ctx, im.who, req)
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
			im.refuse(it, calendar.KindOf(r.Err), reasonOf(r.Err))
			continue
		case r.Unchanged:
			it.Outcome = itemUnchanged
		case r.Created:
			it.Outcome = itemCreated
		default:
			it.Outcome = itemReplaced
		}
		im.done(it)
	}
	im.pending, im.size = im.pending[:0], 0
	return err
}

func (im *importer) refuse(it importItem, k calendar.Kind, reason string) {
	it.Outcome, it.Kind, it.Reason = itemRefused, k.String(), reason
	im.done(it)
}

func (im *importer) done(it importItem) {
	r := &im.report
	switch it.Outcome {
	case itemCreated:
		r.Created++
	case itemReplaced:
		r.Replaced++
	case itemUnchanged:
		r.Unchanged++
	case itemRefused:
		r.Refused++
	}
	r.Items = append(r.Items, it)
	if im.each != nil {
		im.each(&r.Items[len(r.Items)-1])
	}
}

// reasonOf is what a refusal says beside the place, which the report has.
func reasonOf(err error) string {
	if msg := calendar.MessageOf(err); msg != "" {
		return msg
	}
	return kindSentence(calendar.KindOf(err))
}

// uidsFor names components without a UID by their text, so that they get the
// same one wherever they stand in whatever file. Equal ones are counted. What
// an export writes anew each time does not count.
func uidsFor(cal *ical.Component) func(n int) string {
	var comps []*ical.Component
	for _, c := range cal.Children {
		if c.Name != "VTIMEZONE" {
			comps = append(comps, c)
		}
	}
	met := map[string]int{}
	return func(n int) string {
		c := comps[n-1].Clone()
		for _, name := range []string{"UID", "DTSTAMP", "CREATED", "LAST-MODIFIED"} {
			c.Del(name)
		}
		text := string(c.Bytes())
		met[text]++
		return object.MadeUID(text, met[text])
	}
}

// uidOf returns the UID that an object was given.
func uidOf(data []byte) string {
	cal, err := ical.Parse(data, importLimits)
	if err != nil {
		return ""
	}
	for _, c := range cal.Children {
		if c.Name != "VTIMEZONE" {
			return c.Value("UID")
		}
	}
	return ""
}

// componentLines returns the lines where the components of a calendar begin,
// in the order of Split: those directly in it, time zones left out.
func componentLines(text []byte, first int) (lines []int) {
	depth, n := 0, first-1
	for line := range bytes.Lines(text) {
		n++
		name, value, ok := bytes.Cut(bytes.TrimPrefix(bytes.TrimRight(line, " \t\r\n"), []byte("\xef\xbb\xbf")), []byte(":"))
		switch {
		case !ok:
		case bytes.EqualFold(name, []byte("BEGIN")):
			if depth++; depth == 2 && !bytes.EqualFold(value, []byte("VTIMEZONE")) {
				lines = append(lines, n)
			}
		case bytes.EqualFold(name, []byte("END")):
			depth--
		}
	}
	return lines
}
