package caldav

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"factotum/protocol/dav"
	"factotum/server/calendar"
	"factotum/server/changes"
)

// Most entries of one answer, and how many without a limit.
const (
	historyMost    = 1000
	historyDefault = 100
)

// shownPast is what happened to an object or a calendar, as it is shown.
type shownPast struct {
	Change   int64         `json:"change"`
	Seq      int64         `json:"seq,omitempty"`
	Time     string        `json:"time"`
	What     string        `json:"what"`
	By       string        `json:"by,omitempty"`
	Via      string        `json:"via,omitempty"`
	Client   string        `json:"client,omitempty"`
	Undoes   int64         `json:"undoes,omitempty"`
	CalID    string        `json:"calid"`
	Name     string        `json:"name,omitempty"`
	UID      string        `json:"uid,omitempty"`
	MovedTo  string        `json:"moved_to,omitempty"`
	Title    string        `json:"title,omitempty"`
	Created  string        `json:"created,omitempty"`
	Size     int           `json:"size,omitempty"`
	Version  string        `json:"version,omitempty"` // where the version is that came to its end
	Changes  []shownChange `json:"changes,omitempty"`
	First    bool          `json:"first,omitempty"`
	Maker    string        `json:"maker,omitempty"`
	MadeVia  string        `json:"made_via,omitempty"`
	MadeWith string        `json:"made_client,omitempty"`
}

type shownChange struct {
	Instance string `json:"instance,omitempty"`
	What     string `json:"what"`
	Before   string `json:"before,omitempty"`
	After    string `json:"after,omitempty"`
}

// undoOrder is what is posted to take something back.
type undoOrder struct {
	CalID   string    `json:"calid"`
	UID     string    `json:"uid"`
	Name    string    `json:"name"`
	Change  int64     `json:"change"` // one
	First   int64     `json:"first"`  // or several
	Last    int64     `json:"last"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	By      string    `json:"by"`
	Via     string    `json:"via"`
	Client  string    `json:"client"`
	Deleted bool      `json:"deleted"`
	Force   bool      `json:"force"`
	DryRun  bool      `json:"dry_run"`
}

type shownUndo struct {
	CalID   string `json:"calid"`
	Name    string `json:"name,omitempty"`
	UID     string `json:"uid,omitempty"`
	Summary string `json:"summary,omitempty"`
	Change  int64  `json:"change"`
	Done    string `json:"done"`
	Error   string `json:"error,omitempty"`
}

// history answers for what was changed and deleted in a home, in JSON: a list, a
// version, what was there at a moment, and an undo. docs/history.md.
func (rq *request) history(rest string) error {
	owner, version, _ := strings.Cut(rest, "/")
	if owner == "" {
		owner = rq.me.ID
	}
	reads := rq.r.Method == http.MethodGet || rq.r.Method == http.MethodHead
	var err error
	switch {
	case rq.r.Method == http.MethodOptions:
		h := rq.w.Header()
		h.Set("Allow", "OPTIONS, GET, HEAD, POST")
		h.Set("Content-Length", "0")
		rq.w.WriteHeader(http.StatusOK)
		return nil
	case calendar.CheckOwner(calendar.Owner(owner)) != nil:
		err = errNotFound
	case reads && version != "":
		err = rq.historyVersion(calendar.Owner(rq.canonical(owner)), version)
	case reads && rq.r.URL.Query().Has("at"):
		err = rq.historyAt(calendar.Owner(rq.canonical(owner)))
	case reads:
		err = rq.historyList(calendar.Owner(rq.canonical(owner)))
	case rq.r.Method == http.MethodPost && version == "":
		err = rq.historyUndo(calendar.Owner(rq.canonical(owner)))
	default:
		err = errMethod
	}
	return rq.jsonError(err)
}

func badHistory(format string, args ...any) error {
	return &dav.Error{Status: http.StatusBadRequest, Text: fmt.Sprintf(format, args...)}
}

// calendarIn reads a calid that must be the owner's.
func (rq *request) calendarIn(owner calendar.Owner, calid string) (calendar.ID, error) {
	id := calendar.ID(calid)
	if calid == "" {
		return "", nil
	}
	if calendar.CheckOwner(id.Owner()) != nil || calendar.CheckName(id.Name()) != nil {
		return "", badHistory("calid names no calendar; one is anna or anna:work")
	}
	id = calendar.NewID(calendar.Owner(rq.canonical(string(id.Owner()))), id.Name())
	if id.Owner() != owner {
		return "", badHistory("calid is a calendar of %s; its history is at /dav/history/%s/", id.Owner(), id.Owner())
	}
	return id, nil
}

// historyFilter reads what a query asks for.
func (rq *request) historyFilter(owner calendar.Owner) (req calendar.HistoryRequest, err error) {
	q := rq.r.URL.Query()
	f := &req.Which
	req.Owner, req.Limit = owner, historyDefault
	number := func(name, text string, to *int64) {
		if text == "" || err != nil {
			return
		}
		n, bad := strconv.ParseInt(text, 10, 64)
		if bad != nil || n < 0 {
			err = badHistory("%s is a number, not %q", name, text)
			return
		}
		*to = n
	}
	moment := func(name string, to *time.Time) {
		if text := q.Get(name); text != "" && err == nil {
			t, bad := time.Parse(time.RFC3339, text)
			if bad != nil {
				err = badHistory("%s is a time such as 2026-11-30T13:05:00Z, not %q", name, text)
			}
			*to = t
		}
	}
	for name := range q {
		switch name {
		case "calid", "uid", "name", "from", "to", "by", "via", "client", "change", "deleted", "limit", "before", "before_seq":
		default:
			return req, badHistory("%q is not known; there are calid, uid, name, change, from, to, by, via, client, deleted, limit, before, before_seq, and at with calid", name)
		}
	}
	f.UID, f.Name, f.By, f.Via, f.Client = q.Get("uid"), q.Get("name"), q.Get("by"), q.Get("via"), q.Get("client")
	moment("from", &f.From)
	moment("to", &f.To)
	first, last, ranged := strings.Cut(q.Get("change"), "-")
	number("change", first, &f.First)
	if f.Last = f.First; ranged {
		number("change", last, &f.Last)
	}
	limit := int64(historyDefault)
	number("limit", q.Get("limit"), &limit)
	number("before", q.Get("before"), &req.Before)
	number("before_seq", q.Get("before_seq"), &req.BeforeSeq)
	if deleted := q.Get("deleted"); deleted != "" && err == nil {
		if f.Deleted, err = strconv.ParseBool(deleted); err != nil {
			err = badHistory("deleted is true or false, not %q", deleted)
		}
	}
	if err == nil && (limit < 1 || limit > historyMost) {
		err = badHistory("limit is from 1 to %d", historyMost)
	}
	req.Limit = int(limit)
	if err == nil {
		f.Calendar, err = rq.calendarIn(owner, q.Get("calid"))
	}
	return req, err
}

// historyList tells what happened.
func (rq *request) historyList(owner calendar.Owner) error {
	req, err := rq.historyFilter(owner)
	if err != nil {
		return err
	}
	req.Made, req.Data = true, true
	list := []shownPast{}
	res, err := rq.be.History(rq.ctx, rq.who, req, func(e calendar.HistoryEntry) error {
		list = append(list, showPast(owner, &e))
		return nil
	})
	if err != nil {
		return err
	}
	out := map[string]any{"entries": list, "octets": res.Octets, "max_octets": res.Max, "more": res.More}
	if !res.From.IsZero() {
		out["from"] = timeText(res.From)
	}
	if res.Off {
		out["off"] = true
	}
	return rq.json(http.StatusOK, out)
}

func showPast(owner calendar.Owner, e *calendar.HistoryEntry) shownPast {
	s := shownPast{Change: e.Change, Seq: e.Seq, Time: timeText(e.When), What: e.End.String(), By: e.By, Via: e.Via, Client: e.Client, Undoes: e.Undoes,
		CalID: string(e.Calendar), Name: e.Name, UID: e.UID, MovedTo: e.To, Created: timeText(e.Created), Size: e.Size,
		First: e.First, Maker: e.Maker, MadeVia: e.MadeVia, MadeWith: e.MadeClient}
	if e.Name == "" {
		return s
	}
	if e.End != calendar.Made {
		s.Version = fmt.Sprintf("%s%s/%d", calendar.HistoryPath, owner, e.Change)
		if e.Seq > 0 {
			s.Version += fmt.Sprintf("/%d", e.Seq)
		}
	}
	title := e.Data
	if e.After != nil {
		title = e.After
	}
	s.Title = changes.Title(title)
	if e.End == calendar.Replaced {
		list, _ := changes.Between(e.Data, e.After) // of files nothing can be said
		for _, c := range list {
			s.Changes = append(s.Changes, shownChange(c))
		}
	}
	return s
}

// historyVersion gives the version that a change ended.
func (rq *request) historyVersion(owner calendar.Owner, version string) error {
	change, seq, several := strings.Cut(version, "/")
	req := calendar.HistoryRequest{Owner: owner, Data: true}
	n, err := strconv.ParseInt(change, 10, 64)
	at := int64(0)
	if err == nil && several {
		at, err = strconv.ParseInt(seq, 10, 64)
	}
	if err != nil || n < 1 || at < 0 {
		return errNotFound
	}
	req.Which.First, req.Which.Last, req.Before, req.BeforeSeq, req.Limit = n, n, n, at+1, 1
	if req.Which.Calendar, err = rq.calendarIn(owner, rq.r.URL.Query().Get("calid")); err != nil {
		return err
	}
	var found *calendar.HistoryEntry
	_, err = rq.be.History(rq.ctx, rq.who, req, func(e calendar.HistoryEntry) error {
		if e.Seq == at && e.Name != "" {
			found = &e
		}
		return nil
	})
	if err != nil {
		return err
	}
	if found == nil {
		return errNotFound
	}
	h := rq.w.Header()
	kind := found.Type
	if kind == "" {
		kind = "text/calendar; charset=utf-8"
	}
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", "attachment")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(found.Data)))
	h["X-Content-Type-Options"] = noSniff
	rq.w.WriteHeader(http.StatusOK)
	if rq.r.Method != http.MethodHead {
		_, _ = rq.w.Write(found.Data) // the client hanging up is no failure of ours
	}
	return nil
}

// historyAt tells what was in a calendar at a moment.
func (rq *request) historyAt(owner calendar.Owner) error {
	q := rq.r.URL.Query()
	id, err := rq.calendarIn(owner, q.Get("calid"))
	switch {
	case err != nil:
		return err
	case id == "":
		return badHistory("at goes with calid: in which calendar?")
	}
	at, err := time.Parse(time.RFC3339, q.Get("at"))
	if err != nil {
		return badHistory("at is a time such as 2026-11-30T13:05:00Z, not %q", q.Get("at"))
	}
	type shownObject struct {
		Name string `json:"name"`
		UID  string `json:"uid,omitempty"`
		ETag string `json:"etag"`
		Type string `json:"type,omitempty"`
		Data string `json:"data"`
	}
	list := []shownObject{}
	_, err = rq.be.AsOf(rq.ctx, rq.who, calendar.AsOfRequest{Calendar: id, At: at, UID: q.Get("uid"), Name: q.Get("name")}, func(o *calendar.Object) error {
		list = append(list, shownObject{o.Name, o.UID, o.ETag(), o.ContentType, string(o.Data)})
		return nil
	})
	if err != nil {
		return err
	}
	return rq.json(http.StatusOK, map[string]any{"calid": id, "at": timeText(at), "objects": list})
}

// historyUndo takes something back.
func (rq *request) historyUndo(owner calendar.Owner) error {
	var in undoOrder
	dec := json.NewDecoder(http.MaxBytesReader(rq.w, rq.r.Body, 64<<10))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		if errors.Is(err, io.EOF) {
			return badHistory(`the body is empty; it is JSON such as {"change": 4711} or {"calid": "anna:work", "deleted": true, "from": "2026-11-30T13:00:00Z"}`)
		}
		return badHistory("the body cannot be read as JSON of an undo: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if dec.More() {
		return badHistory("the body has more than one JSON value")
	}
	if in.Change != 0 {
		if in.First != 0 || in.Last != 0 {
			return badHistory("either change, or first and last")
		}
		in.First, in.Last = in.Change, in.Change
	}
	id, err := rq.calendarIn(owner, in.CalID)
	if err != nil {
		return err
	}
	f := calendar.HistoryFilter{Calendar: id, UID: in.UID, Name: in.Name, First: in.First, Last: in.Last, From: in.From, To: in.To,
		By: in.By, Via: in.Via, Client: in.Client, Deleted: in.Deleted}
	if f == (calendar.HistoryFilter{Calendar: id, Deleted: f.Deleted}) {
		return badHistory("undo what? change, first and last, from and to, uid, name, by, via or client say it")
	}
	res, err := rq.be.Undo(rq.ctx, rq.who, calendar.UndoRequest{Owner: owner, Which: f, Force: in.Force, Dry: in.DryRun})
	if err != nil {
		return err
	}
	items := []shownUndo{}
	for i := range res.Items {
		it := &res.Items[i]
		u := shownUndo{string(it.Calendar), it.Name, it.UID, it.Summary, it.Change, it.Did.String(), ""}
		if it.Err != nil {
			u.Error = rq.translate(it.Err).Text
		}
		items = append(items, u)
	}
	out := map[string]any{"items": items}
	if res.First > 0 {
		out["first"], out["last"] = res.First, res.Last
	}
	return rq.json(http.StatusOK, out)
}
