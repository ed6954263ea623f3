package archive

import (
	"time"
	"unicode/utf8"

	"factotum/server/acl"
	"factotum/server/calendar"
)

// What is stored, as an archive spells it: JSON whose names never change, so that
// what was written by any release can be read by all that follow.

type homeRow struct {
	Change  int64     `json:"change"`
	Purged  int64     `json:"purged,omitzero"`
	Created time.Time `json:"created"`
	Entry   string    `json:"entry,omitzero"`
	History time.Time `json:"history,omitzero"` // from when on it is whole
}

type calendarRow struct {
	ID          int64     `json:"id"`
	Name        string    `json:"name"`
	Kind        uint8     `json:"kind,omitzero"`
	Change      int64     `json:"change,omitzero"`
	MetaChange  int64     `json:"metachange,omitzero"`
	Purged      int64     `json:"purged,omitzero"`
	DisplayName string    `json:"displayname,omitzero"`
	Description string    `json:"description,omitzero"`
	Color       string    `json:"color,omitzero"`
	Order       string    `json:"order,omitzero"`
	TZID        string    `json:"tzid,omitzero"`
	Timezone    string    `json:"timezone,omitzero"`
	Components  string    `json:"components,omitzero"`
	CoOwners    string    `json:"coowners,omitzero"`
	ACL         string    `json:"acl,omitzero"`
	Transparent bool      `json:"transparent,omitzero"`
	NoDoubles   bool      `json:"nodoubles,omitzero"`
	Disabled    bool      `json:"disabled,omitzero"`
	Categories  string    `json:"categories,omitzero"`
	Charset     string    `json:"charset,omitzero"`
	Language    string    `json:"language,omitzero"`
	Created     time.Time `json:"created,omitzero"`
	Modified    time.Time `json:"modified,omitzero"`
}

func packCalendar(r *calendar.CalendarRow) *calendarRow {
	return &calendarRow{r.ID, r.Name, uint8(r.Kind), r.Change, r.MetaChange, r.Purged, r.DisplayName, r.Description, r.Color, r.Order, r.TZID, r.Timezone,
		r.Components, r.CoOwners, r.ACL.String(), r.Transparent, r.NoDoubles, r.Disabled, r.Categories, r.Charset, r.Language, r.Created, r.Modified}
}

func (r *calendarRow) unpack() (calendar.CalendarRow, error) {
	var list acl.List
	if r.ACL != "" {
		var err error
		if list, err = acl.Parse(r.ACL); err != nil {
			return calendar.CalendarRow{}, err
		}
	}
	return calendar.CalendarRow{ID: r.ID, Name: r.Name, Kind: calendar.CollectionKind(r.Kind), Change: r.Change, MetaChange: r.MetaChange, Purged: r.Purged,
		DisplayName: r.DisplayName, Description: r.Description, Color: r.Color, Order: r.Order, TZID: r.TZID, Timezone: r.Timezone, Components: r.Components,
		CoOwners: r.CoOwners, ACL: list, Transparent: r.Transparent, NoDoubles: r.NoDoubles, Disabled: r.Disabled, Categories: r.Categories,
		Charset: r.Charset, Language: r.Language, Created: r.Created, Modified: r.Modified}, nil
}

type objectRow struct {
	Cal         int64     `json:"cal"`
	Name        string    `json:"name"`
	UID         string    `json:"uid,omitzero"`
	Component   string    `json:"component,omitzero"`
	Change      int64     `json:"change"`
	ScheduleTag int64     `json:"scheduletag,omitzero"`
	Created     time.Time `json:"created,omitzero"`
	Modified    time.Time `json:"modified,omitzero"`
	ContentType string    `json:"type,omitzero"`
	Private     uint8     `json:"class,omitzero"`
	Attached    bool      `json:"attached,omitzero"`
	Lacks       uint8     `json:"lacks,omitzero"`
	OccHash     uint64    `json:"occhash,omitzero,string"`
	By          string    `json:"by,omitzero"`
	Since       int64     `json:"since,omitzero"`
	Origin      string    `json:"origin,omitzero"` // calendar.Origin.Text
	octets
}

func packObject(r *calendar.ObjectRow) *objectRow {
	return &objectRow{r.Cal, r.Name, r.UID, r.Component, r.Change, r.ScheduleTag, r.Created, r.Modified, r.ContentType, r.Private, r.Attached,
		uint8(r.Lacks), r.OccHash, string(r.By), r.Since, r.Origin.Text(), spell(r.Data)}
}

func (r *objectRow) unpack() calendar.ObjectRow {
	data := r.value()
	return calendar.ObjectRow{Cal: r.Cal, Name: r.Name, UID: r.UID, Component: r.Component, Change: r.Change, ScheduleTag: r.ScheduleTag,
		Created: r.Created, Modified: r.Modified, Size: len(data), ContentType: r.ContentType, Private: r.Private, Attached: r.Attached,
		Lacks: calendar.Lacks(r.Lacks), OccHash: r.OccHash, By: calendar.UserID(r.By), Since: r.Since, Origin: calendar.ParseOrigin(r.Origin), Data: data}
}

// octets is text where it can be, so that a person can read it.
type octets struct {
	Text string `json:"text,omitzero"`
	Data []byte `json:"data,omitempty"`
}

func spell(data []byte) octets {
	if utf8.Valid(data) {
		return octets{Text: string(data)}
	}
	return octets{Data: data}
}

func (o *octets) value() []byte {
	if o.Text != "" {
		return []byte(o.Text)
	}
	return o.Data
}

// occurrence is start, end and flags: there are many.
type occurrence [3]int64

func packOccurrences(rows []calendar.OccurrenceRow) []occurrence {
	out := make([]occurrence, len(rows))
	for i, r := range rows {
		out[i] = occurrence{r.Start, r.End, int64(r.Flags)}
	}
	return out
}

func unpackOccurrences(name string, list []occurrence) []calendar.OccurrenceRow {
	rows := make([]calendar.OccurrenceRow, len(list))
	for i, o := range list {
		rows[i] = calendar.OccurrenceRow{Name: name, Start: o[0], End: o[1], Flags: int(o[2])}
	}
	return rows
}

type propRow struct {
	Space string `json:"space,omitzero"`
	Local string `json:"local"`
	Value string `json:"value,omitzero"`
}

type fileRow struct {
	Cal      int64     `json:"cal"`
	Name     string    `json:"name"`
	ID       string    `json:"id"`
	ClientID string    `json:"clientid,omitzero"`
	File     string    `json:"file,omitzero"`
	Type     string    `json:"type,omitzero"`
	Created  time.Time `json:"created,omitzero"`
	octets
}

func packFile(r *calendar.AttachmentRow) *fileRow {
	return &fileRow{r.Cal, r.Name, r.ID, r.ClientID, r.File, r.Type, r.Created, spell(r.Data)}
}

func (r *fileRow) unpack() calendar.AttachmentRow {
	data := r.value()
	return calendar.AttachmentRow{Cal: r.Cal, Name: r.Name, ID: r.ID, ClientID: r.ClientID, File: r.File, Type: r.Type,
		Size: int64(len(data)), Created: r.Created, Data: data}
}

type jobRow struct {
	Change   int64     `json:"change"`
	Seq      int       `json:"seq,omitzero"`
	Kind     string    `json:"kind"`
	Key      string    `json:"key,omitzero"`
	Due      time.Time `json:"due,omitzero"`
	Created  time.Time `json:"created,omitzero"`
	Attempts int       `json:"attempts,omitzero"`
	Parked   bool      `json:"parked,omitzero"`
	Err      string    `json:"err,omitzero"`
	octets
}

func packJob(j *calendar.Job) *jobRow {
	return &jobRow{j.Change, j.Seq, j.Kind, j.Key, j.Due, j.Created, j.Attempts, j.Parked, j.Err, spell(j.Payload)}
}

func (r *jobRow) unpack() calendar.Job {
	return calendar.Job{JobID: calendar.JobID{Change: r.Change, Seq: r.Seq}, Kind: r.Kind, Key: r.Key, Due: r.Due, Created: r.Created,
		Attempts: r.Attempts, Parked: r.Parked, Err: r.Err, Payload: r.value()}
}

type traceRow struct {
	When    time.Time `json:"when"`
	Message string    `json:"message,omitzero"`
	Method  string    `json:"method,omitzero"`
	UID     string    `json:"uid,omitzero"`
	Summary string    `json:"summary,omitzero"`
	From    string    `json:"from,omitzero"`
	To      []string  `json:"to,omitempty"`
	Step    uint8     `json:"step,omitzero"`
	Reason  string    `json:"reason,omitzero"`
	Status  string    `json:"status,omitzero"`
	Detail  string    `json:"detail,omitzero"`
	By      string    `json:"by,omitzero"`
	Via     string    `json:"via,omitzero"`
}

func packTrace(t *calendar.Trace) *traceRow {
	return &traceRow{t.When, t.Message, t.Method, t.UID, t.Summary, t.From, t.To, uint8(t.Step), t.Reason, t.Status, t.Detail, string(t.By), t.Via}
}

func (r *traceRow) unpack() calendar.Trace {
	return calendar.Trace{When: r.When, Message: r.Message, Method: r.Method, UID: r.UID, Summary: r.Summary, From: r.From, To: r.To,
		Step: calendar.TraceStep(r.Step), Reason: r.Reason, Status: r.Status, Detail: r.Detail, By: calendar.UserID(r.By), Via: r.Via}
}

type registrationRow struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind"`
	Cal     int64     `json:"cal,omitzero"`
	Expires time.Time `json:"expires,omitzero"`
	calendar.RegistrationDetail
}

func packRegistration(r *calendar.RegistrationRow) *registrationRow {
	return &registrationRow{r.ID, string(r.Kind), r.Cal, r.Expires, r.RegistrationDetail}
}

func (r *registrationRow) unpack() calendar.RegistrationRow {
	return calendar.RegistrationRow{ID: r.ID, Kind: calendar.RegistrationKind(r.Kind), Cal: r.Cal, Expires: r.Expires, RegistrationDetail: r.RegistrationDetail}
}

// versionRow is a row of the history.
type versionRow struct {
	Change   int64      `json:"change"`
	Seq      int64      `json:"seq,omitzero"`
	When     time.Time  `json:"when"`
	End      uint8      `json:"end"`
	By       string     `json:"by,omitzero"`
	How      string     `json:"how,omitzero"` // calendar.Origin.Text
	Calendar string     `json:"calendar,omitzero"`
	To       string     `json:"to,omitzero"`
	Props    []propRow  `json:"props,omitempty"`
	Object   *objectRow `json:"object"`
}

func packVersion(r *calendar.HistoryRow) *versionRow {
	v := &versionRow{r.Change, r.Seq, r.When, uint8(r.End), string(r.By), r.How.Text(), r.Calendar, r.To, nil, packObject(&r.Object)}
	for _, p := range r.Props {
		v.Props = append(v.Props, propRow(p))
	}
	return v
}

func (r *versionRow) unpack() calendar.HistoryRow {
	h := calendar.HistoryRow{Change: r.Change, Seq: r.Seq, When: r.When, End: calendar.Ending(r.End), By: calendar.UserID(r.By),
		How: calendar.ParseOrigin(r.How), Calendar: r.Calendar, To: r.To}
	if r.Object != nil {
		h.Object = r.Object.unpack()
	}
	for _, p := range r.Props {
		h.Props = append(h.Props, calendar.DeadProp(p))
	}
	return h
}
