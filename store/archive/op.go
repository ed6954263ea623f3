package archive

import (
	"fmt"
	"time"

	"factotum/server/calendar"
)

// kind says what an op does: each is a method of calendar.Tx, but for home and
// drop, which are calendar.Loader's.
type kind string

const (
	opHome               kind = "home"
	opDrop               kind = "drop"
	opSetEntry           kind = "entry"
	opRecount            kind = "recount"
	opInsertCalendar     kind = "calendar+"
	opUpdateCalendar     kind = "calendar"
	opTouchCalendar      kind = "touch"
	opDeleteCalendar     kind = "calendar-"
	opPut                kind = "object"
	opPutIndexed         kind = "object+index"
	opDelete             kind = "object-"
	opPurge              kind = "purge"
	opPurgeCalendars     kind = "purge-calendars"
	opOccurrences        kind = "index"
	opSetProp            kind = "prop"
	opDeleteProp         kind = "prop-"
	opDeleteProps        kind = "props-"
	opPutAttachment      kind = "file"
	opDeleteAttachments  kind = "file-"
	opSetPref            kind = "pref"
	opDeletePref         kind = "pref-"
	opSetToken           kind = "token"
	opPutJob             kind = "job"
	opDeleteJob          kind = "job-"
	opPutTrace           kind = "trace"
	opPurgeTraces        kind = "purge-traces"
	opPutRegistration    kind = "registration"
	opDeleteRegistration kind = "registration-"
	opPutHistory         kind = "version"
	opKeepCalendar       kind = "versions"
	opPurgeHistory       kind = "purge-versions"
	opSkipHistory        kind = "version-skipped"
)

// op is one thing that a transaction did to a home. Which fields it has follows from
// its kind.
type op struct {
	Kind kind `json:"op"`

	Cal    int64     `json:"cal,omitzero"`
	Name   string    `json:"name,omitzero"`
	ID     string    `json:"id,omitzero"` // of a file or a registration, or a preference's or token's name
	Change int64     `json:"change,omitzero"`
	Seq    int       `json:"seq,omitzero"`
	Keep   int       `json:"keep,omitzero"`
	From   time.Time `json:"from,omitzero"`
	When   time.Time `json:"when,omitzero"`
	By     string    `json:"by,omitzero"`
	Value  string    `json:"value,omitzero"`

	Home         *homeRow         `json:"home,omitempty"`
	Calendar     *calendarRow     `json:"calendar,omitempty"`
	Object       *objectRow       `json:"object,omitempty"`
	Index        []occurrence     `json:"index,omitempty"`
	Prop         *propRow         `json:"prop,omitempty"`
	File         *fileRow         `json:"file,omitempty"`
	Job          *jobRow          `json:"job,omitempty"`
	Trace        *traceRow        `json:"trace,omitempty"`
	Registration *registrationRow `json:"registration,omitempty"`
	Version      *versionRow      `json:"version,omitempty"`

	// Until the op is spelled: the rows as they were given, which nobody changes.
	object *calendar.ObjectRow
	occ    []calendar.OccurrenceRow
	job    *calendar.Job
	file   *calendar.AttachmentRow
	past   *calendar.HistoryRow
}

// spell makes the op's rows those of an archive. That is done when it is written,
// outside of the transaction.
func (o *op) spell() {
	if o.object != nil {
		o.Object = packObject(o.object)
	}
	if o.occ != nil {
		o.Index = packOccurrences(o.occ)
	}
	if o.job != nil {
		o.Job = packJob(o.job)
	}
	if o.file != nil {
		o.File = packFile(o.file)
	}
	if o.past != nil {
		o.Version = packVersion(o.past)
	}
	o.object, o.occ, o.job, o.file, o.past = nil, nil, nil, nil, nil
}

// do does it again in another store.
func (o *op) do(tx calendar.Loader) (err error) {
	if missing := o.missing(); missing != "" {
		return fmt.Errorf("%q without its %s", o.Kind, missing)
	}
	switch o.Kind {
	case opHome:
		h := o.Home
		return tx.LoadHome(calendar.HomeRow{Change: h.Change, Purged: h.Purged, Created: h.Created, Entry: h.Entry, HistoryFrom: h.History})
	case opDrop:
		return tx.DropHome()
	case opSetEntry:
		return tx.SetEntry(o.Value)
	case opRecount:
		return tx.Recount()
	case opInsertCalendar, opUpdateCalendar:
		row, err := o.Calendar.unpack()
		if err != nil {
			return err
		}
		if o.Kind == opInsertCalendar {
			return tx.InsertCalendar(row)
		}
		return tx.UpdateCalendar(row)
	case opTouchCalendar:
		return tx.TouchCalendar(o.Cal, o.Change, o.When)
	case opDeleteCalendar:
		return tx.DeleteCalendar(o.Cal, o.Change, o.When)
	case opPut:
		return tx.PutObject(o.Object.unpack())
	case opPutIndexed:
		return tx.PutIndexed(o.Object.unpack(), unpackOccurrences(o.Object.Name, o.Index))
	case opDelete:
		return tx.DeleteObject(o.Cal, o.Name, o.Change, o.When, calendar.UserID(o.By))
	case opPurge:
		_, err = tx.Purge(o.Cal, o.From, o.When)
		return err
	case opPurgeCalendars:
		_, err = tx.PurgeCalendars(o.From, o.When)
		return err
	case opOccurrences:
		return tx.SetOccurrences(o.Cal, o.Name, unpackOccurrences(o.Name, o.Index))
	case opSetProp:
		return tx.SetProp(o.Cal, o.Name, calendar.DeadProp(*o.Prop))
	case opDeleteProp:
		return tx.DeleteProp(o.Cal, o.Name, o.Prop.Space, o.Prop.Local)
	case opDeleteProps:
		return tx.DeleteProps(o.Cal, o.Name)
	case opPutAttachment:
		return tx.PutAttachment(o.File.unpack())
	case opDeleteAttachments:
		return tx.DeleteAttachments(o.Cal, o.Name, o.ID)
	case opSetPref:
		return tx.SetPref(o.ID, o.Value)
	case opDeletePref:
		return tx.DeletePref(o.ID)
	case opSetToken:
		return tx.SetToken(o.ID, []byte(o.Value), o.When)
	case opPutJob:
		return tx.PutJob(o.Job.unpack())
	case opDeleteJob:
		return tx.DeleteJob(o.Change, o.Seq)
	case opPutTrace:
		return tx.PutTrace(o.Trace.unpack())
	case opPurgeTraces:
		_, err = tx.PurgeTraces(o.When, o.Keep)
		return err
	case opPutRegistration:
		return tx.PutRegistration(o.Registration.unpack())
	case opDeleteRegistration:
		return tx.DeleteRegistration(o.ID)
	case opPutHistory:
		return tx.PutHistory(o.Version.unpack())
	case opKeepCalendar:
		return tx.KeepCalendar(o.Version.unpack())
	case opPurgeHistory:
		_, err = tx.PurgeHistory(o.When, int64(o.Keep))
		return err
	case opSkipHistory:
		return tx.SkipHistory(o.When)
	}
	return fmt.Errorf("%q is not known to this release", o.Kind)
}

// missing names the row that an op of this kind must have, and has not.
func (o *op) missing() string {
	switch {
	case o.Kind == opHome && o.Home == nil:
		return "home"
	case (o.Kind == opInsertCalendar || o.Kind == opUpdateCalendar) && o.Calendar == nil:
		return "calendar"
	case (o.Kind == opPut || o.Kind == opPutIndexed) && o.Object == nil:
		return "object"
	case (o.Kind == opSetProp || o.Kind == opDeleteProp) && o.Prop == nil:
		return "prop"
	case o.Kind == opPutAttachment && o.File == nil:
		return "file"
	case o.Kind == opPutJob && o.Job == nil:
		return "job"
	case o.Kind == opPutTrace && o.Trace == nil:
		return "trace"
	case o.Kind == opPutRegistration && o.Registration == nil:
		return "registration"
	case (o.Kind == opPutHistory || o.Kind == opKeepCalendar) && o.Version == nil:
		return "version"
	}
	return ""
}
