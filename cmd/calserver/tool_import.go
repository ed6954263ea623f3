package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
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
	if len(parts) == 1 {
		parts[0].Text = text // with the blank lines around it
	}
	before := 0
	for _, p := range parts {
		if p.Err != nil {
			line := p.Line
			var pe *ical.ParseError
			if errors.As(p.Err, &pe) {
				line = pe.Line
				im.refuse(importItem{File: name, Line: line}, calendar.Invalid, "not iCalendar: "+pe.Msg)
			} else {
				im.refuse(importItem{File: name, Line: line}, calendar.Invalid, p.Err.Error())
			}
			continue
		}
		n, err := im.piece(ctx, name, p, before, len(parts) == 1)
		if err != nil {
			return err
		}
		before += n
	}
	return nil
}

// notCalendars are the methods of messages that hold no calendar of somebody's
// own. RFC 5546 §1.4.
var notCalendars = []string{"REPLY", "ADD", "CANCEL", "REFRESH", "COUNTER", "DECLINECOUNTER"}

// piece imports one VCALENDAR and returns how many components it has.
func (im *importer) piece(ctx context.Context, file string, p ical.Piece, before int, whole bool) (int, error) {
	first := p.Line
	if whole {
		first = 1
	}
	lines := componentLines(p.Text, first)
	at := func(n int) importItem {
		it := importItem{File: file, Line: p.Line, Number: before + n}
		if n >= 1 && n <= len(lines) {
			it.Line = lines[n-1]
		}
		return it
	}
	if m := strings.ToUpper(strings.TrimSpace(p.Calendar.Value("METHOD"))); slices.Contains(notCalendars, m) {
		it := at(0)
		it.Number = 0
		im.refuse(it, calendar.Unsupported, fmt.Sprintf("METHOD:%s is a scheduling message, not a calendar", m))
		return len(lines), nil
	}
	items := calendar.Split(p.Calendar, p.Text, uidsFor(p.Calendar))
	if len(items) == 0 && whole {
		// An empty calendar is no failure; there is nothing to say of it.
		return 0, nil
	}
	for _, s := range items {
		it := at(s.First)
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
				return 0, err
			}
		}
	}
	return len(lines), nil
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
		return calendar.MadeUID(text, met[text])
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
