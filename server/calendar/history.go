package calendar

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"factotum/server/acl"
)

// The history of a home has each version of an object that a write replaced or
// deleted, until it is too old or the home has too much of it. docs/history.md.

// Ending says how a version came to its end.
type Ending uint8

// The endings. Their numbers are stored and part of DWP.
const (
	Replaced     Ending = iota + 1 // by another text
	Removed                        // deleted
	MovedAway                      // to another name or calendar
	WentAlong                      // deleted with its calendar
	CalendarGone                   // the calendar itself was deleted
	FileDropped                    // an attached file that no text named any more
	Made                           // no ending: an object came to be. Only History tells of it
	numEndings
)

var endings = [numEndings]string{"", "changed", "deleted", "moved", "deleted-with-calendar", "calendar-deleted", "file-dropped", "created"}

func (e Ending) String() string {
	if e < numEndings {
		return endings[e]
	}
	return "unknown"
}

// Origin tells how a version was made, or ended.
type Origin struct {
	Via, Client string // as in Actor
	Undoes      int64  // the change that this took back, 0 if it was no undo
}

// Text is the origin in one line, as stores keep it: "" for none.
func (o Origin) Text() string {
	if o == (Origin{}) {
		return ""
	}
	client := o.Client
	if len(client) > 200 {
		client = cutText(client, 200)
	}
	return o.Via + "\t" + strconv.FormatInt(o.Undoes, 10) + "\t" + client
}

// ParseOrigin reads what Text wrote.
func ParseOrigin(text string) (o Origin) {
	part := strings.SplitN(text, "\t", 3)
	if len(part) == 3 {
		o.Via, o.Client = part[0], part[2]
		o.Undoes, _ = strconv.ParseInt(part[1], 10, 64)
	}
	return o
}

// HistoryRow is a version that came to its end, at rest.
type HistoryRow struct {
	Change int64 // that ended it
	Seq    int64 // of the rows of one change; the version itself has 0
	When   time.Time
	End    Ending
	By     UserID // who ended it
	How    Origin
	// Calendar is what the calendar was called, Object.Cal its incarnation.
	Calendar string
	To       string // where it was moved to, as Ref.String spells it; of a file its name
	Props    []DeadProp
	// Object is the version, with its text if it was asked for. Of a file it has
	// id, type and content, of a calendar its row as JSON.
	Object ObjectRow
	// Replaces is told where it was asked for: the change that made the version
	// replaced another one, which the history has.
	Replaces bool
}

// HistoryOverhead is what a row counts for besides its text and properties.
const HistoryOverhead = 256

// HistoryQuery asks for rows of a history, the newest first. What is empty asks
// for nothing.
type HistoryQuery struct {
	Cal       int64  // an incarnation
	Name      string // of an object, with Cal
	UID       string // or the id of a file
	Calendars bool   // calendars that were deleted, nothing else
	After     int64  // changes above
	// Before are changes below, or those of BeforeSeq below in it: the last row of
	// the page before. 0 = from the newest.
	Before    int64
	BeforeSeq int64
	Data      bool
	Replaces  bool
	Limit     int // 0 = all
	Expect    int // how many are likely to be wanted, so that no more are read; 0 = a few

	// Next asks for the oldest version of an object above After, and nothing else:
	// of Cal and Name, with its UID if that is known.
	Next bool
}

// FileVersion is the history's row of a file: its id stands for a UID, the client's
// id for the component, and its name for where it went.
func FileVersion(a AttachmentRow) HistoryRow {
	return HistoryRow{End: FileDropped, To: a.File, Object: ObjectRow{Cal: a.Cal, Name: a.Name, UID: a.ID, Component: a.ClientID,
		ContentType: a.Type, Created: a.Created, Data: a.Data, Size: len(a.Data)}}
}

// File is the file of a row that FileVersion made.
func (h *HistoryRow) File() AttachmentRow {
	o := &h.Object
	return AttachmentRow{Cal: o.Cal, Name: o.Name, ID: o.UID, ClientID: o.Component, File: h.To, Type: o.ContentType, Created: o.Created, Data: o.Data, Size: int64(len(o.Data))}
}

// keptCalendar is a calendar's row as JSON.
type keptCalendar struct {
	CalendarRow
	ACL string // in the place of the embedded one
}

// CalendarVersion is the history's row of a calendar.
func CalendarVersion(row CalendarRow, props []DeadProp) (HistoryRow, error) {
	list := row.ACL.String()
	row.ACL = nil
	data, err := json.Marshal(keptCalendar{row, list})
	return HistoryRow{End: CalendarGone, Calendar: row.Name, Props: props,
		Object: ObjectRow{Cal: row.ID, Created: row.Created, Modified: row.Modified, Change: row.Change, Data: data, Size: len(data)}}, err
}

// CalendarRow is the calendar of a row that CalendarVersion made.
func (h *HistoryRow) CalendarRow() (CalendarRow, error) {
	var kept keptCalendar
	if err := json.Unmarshal(h.Object.Data, &kept); err != nil {
		return CalendarRow{}, fmt.Errorf("read a calendar of the history: %w", err)
	}
	row := kept.CalendarRow
	if kept.ACL != "" {
		list, err := acl.Parse(kept.ACL)
		if err != nil {
			return CalendarRow{}, fmt.Errorf("read a calendar of the history: %w", err)
		}
		row.ACL = list
	}
	return row, nil
}
