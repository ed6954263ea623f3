package service_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/recur"
	"factotum/server/rezone"
	"factotum/server/rezone/rezonetest"
	"factotum/server/service"
	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"
)

// rezoned is a store that was written while Mexico had summer time, and a service that
// knows better.
type rezoned struct {
	*testing.T
	store  calendar.Store
	people *staff
	opt    service.Options
	now    time.Time
	change *rezone.Change
	svc    *service.Service
	texts  map[string]string // as they were written
}

const mexico = "America/Mexico_City"

// texts of what stands in anna's calendar: an hour of June 2026 each.
func (r *rezoned) write() {
	zone, err := recur.VTimezone(mexico, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Time{})
	if err != nil {
		r.Fatal(err)
	}
	alarm := "BEGIN:VALARM\r\nACTION:EMAIL\r\nSUMMARY:a\r\nDESCRIPTION:a\r\nATTENDEE:mailto:anna@example.com\r\nTRIGGER:-PT15M\r\nEND:VALARM\r\n"
	one := func(uid, start, more string) string {
		return "BEGIN:VEVENT\r\nUID:" + uid + "\r\nDTSTAMP:20250101T000000Z\r\nSUMMARY:" + uid + "\r\n" + start + "\r\nDURATION:PT1H\r\n" + more + "END:VEVENT\r\n"
	}
	whole := func(parts ...string) string {
		return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\n" + strings.Join(parts, "") + "END:VCALENDAR\r\n"
	}
	meeting := "ORGANIZER:mailto:anna@example.com\r\nATTENDEE;PARTSTAT=ACCEPTED:mailto:anna@example.com\r\nATTENDEE;PARTSTAT=ACCEPTED:mailto:bert@example.com\r\nATTENDEE;PARTSTAT=ACCEPTED;SCHEDULE-AGENT=CLIENT:mailto:far@elsewhere.example\r\n"
	r.texts = map[string]string{
		"anna/name":    whole(one("name", "DTSTART;TZID="+mexico+":20260601T090000", alarm)),
		"anna/zone":    whole(string(zone.Bytes()), one("zone", "DTSTART;TZID="+mexico+":20260602T090000", alarm)),
		"anna/sun":     whole(one("sun", "DTSTART:20260603T140000Z", "X-NSCP-DTSTART-TZID:"+mexico+"\r\nLAST-MODIFIED:20250101T000000Z\r\n")),
		"anna/moment":  whole(one("moment", "DTSTART:20260604T140000Z", "")),
		"anna/meeting": whole(string(zone.Bytes()), one("meeting", "DTSTART;TZID="+mexico+":20260605T090000", meeting)),
		"anna/winter":  whole(string(zone.Bytes()), one("winter", "DTSTART;TZID="+mexico+":20260105T090000", "")),
		"bert/meeting": whole(string(zone.Bytes()), one("meeting", "DTSTART;TZID="+mexico+":20260605T090000", meeting)),
	}
	for where, text := range r.texts {
		owner, uid, _ := strings.Cut(where, "/")
		_, err := r.svc.PutObject(r.Context(), calendar.Actor{User: owner}, calendar.PutRequest{Ref: refTo(calendar.ID(owner), uid+".ics"), Data: []byte(text)})
		if err != nil {
			r.Fatalf("%s: %v", where, err)
		}
	}
	for where := range r.texts { // with what scheduling made of it
		r.texts[where] = r.text(where)
	}
}

func (r *rezoned) text(where string) string {
	r.Helper()
	owner, uid, _ := strings.Cut(where, "/")
	o, err := r.svc.Object(r.Context(), calendar.Actor{User: owner}, refTo(calendar.ID(owner), uid+".ics"))
	if err != nil {
		r.Fatal(err)
	}
	return string(o.Data)
}

// start begins a service, as a new process does.
func (r *rezoned) start() {
	opt := r.opt
	opt.Now = func() time.Time { return r.now }
	r.svc = service.New(r.store, r.people, opt)
}

func openRezoned(t *testing.T, store calendar.Store) *rezoned {
	old := rezonetest.Old(t)
	t.Cleanup(func() { recur.UseData(nil) })
	r := &rezoned{T: t, store: store, people: &staff{byID: map[string]calendar.Person{}}, now: time.Date(2025, 2, 1, 0, 0, 0, 0, time.UTC),
		change: &rezone.Change{Zones: rezonetest.Changed(t, old), Since: rezonetest.Since}}
	r.opt = service.Options{Alarms: service.AlarmOptions{Mail: true}, Notices: service.NoticeOptions{Zones: true}}
	for _, id := range []string{"anna", "bert"} {
		r.people.byID[id] = calendar.Person{ID: id, Kind: calendar.Individual, Mails: []string{id + "@example.com"}, Active: true}
	}
	recur.UseData(old)
	r.start()
	for _, id := range []string{"anna", "bert"} {
		provision(t, r.svc, calendar.Actor{User: id})
	}
	r.write()
	r.now = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	recur.UseData(nil)
	r.start()
	r.svc.UseZoneData("new")
	return r
}

// busy are the busy hours of a day in June, by the time index.
func (r *rezoned) busy(day int) string {
	r.Helper()
	from := time.Date(2026, 6, day, 0, 0, 0, 0, time.UTC)
	text, err := busyOf(r.T, r.svc, anna, annasTime, &calendar.Window{From: from, To: from.Add(24 * time.Hour)}, "")
	if err != nil {
		r.Fatal(err)
	}
	return text
}

// messages counts the jobs that are neither mails nor alarms.
func (r *rezoned) messages() (n int) {
	r.Helper()
	for _, owner := range []calendar.Owner{"anna", "bert"} {
		err := r.store.View(r.Context(), owner, func(tx calendar.ReadTx) error {
			all, err := tx.Jobs()
			for _, j := range all {
				if j.Kind != calendar.JobMail && j.Kind != calendar.JobAlarm && j.Kind != calendar.JobPlan {
					n++
				}
			}
			return err
		})
		if err != nil {
			r.Fatal(err)
		}
	}
	return n
}

// jobs lists jobs of a kind.
func (r *rezoned) jobs(owner calendar.Owner, kind string) (list []calendar.Job) {
	r.Helper()
	err := r.store.View(r.Context(), owner, func(tx calendar.ReadTx) error {
		all, err := tx.Jobs()
		for _, j := range all {
			if j.Kind == kind {
				job, _, err := tx.Job(j.Change, j.Seq)
				if err != nil {
					return err
				}
				list = append(list, job)
			}
		}
		return err
	})
	if err != nil {
		r.Fatal(err)
	}
	return list
}

func (r *rezoned) alarms() (list []string) {
	for _, j := range r.jobs("anna", calendar.JobAlarm) {
		list = append(list, j.Due.UTC().Format("0102T1504"))
	}
	slices.Sort(list)
	return list
}

// rezone runs a repair and tells what it found, and did.
func (r *rezoned) rezone(run string) (list []string, err error) {
	_, err = r.svc.Rezone(r.Context(), r.change, "", run, func(owner calendar.Owner, items []service.Rezoned) error {
		for _, it := range items {
			word := it.Does.String()
			if it.Done {
				word += " done"
			}
			list = append(list, fmt.Sprintf("%s/%s %s", owner, it.UID, word))
		}
		return nil
	})
	slices.Sort(list)
	return list, err
}

func (r *rezoned) same(what string, got, want any) {
	r.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		r.Errorf("%s: %v, want %v", what, got, want)
	}
}

func onEngines(t *testing.T, test func(*testing.T, calendar.Store)) {
	t.Run("SQLite", func(t *testing.T) { test(t, fresh.SQLite(t, sqlstore.Options{Relaxed: true})) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, fresh.Postgres(t, sqlstore.Options{})) })
}

func TestRezone(t *testing.T) { onEngines(t, testRezone) }

func testRezone(t *testing.T, store calendar.Store) {
	r := openRezoned(t, store)
	days := func() (list []string) {
		for day := 1; day <= 5; day++ {
			list = append(list, r.busy(day)[1:6])
		}
		return list
	}
	r.same("alarms by the old hours", r.alarms(), []string{"0601T1345", "0602T1345"})
	n, err := r.svc.FollowZones(t.Context(), r.change)
	if err != nil || n != 1 {
		t.Fatalf("%d follow, %v", n, err)
	}
	// 9:00 is 15:00 in UTC now, where the text says no more than the name of the zone.
	r.same("what follows", days(), []string{"01T15", "02T14", "03T14", "04T14", "05T14"})
	r.same("alarms", r.alarms(), []string{"0601T1445", "0602T1345"})
	if n, err := r.svc.FollowZones(t.Context(), r.change); err != nil || n != 0 {
		t.Errorf("again %d follow, %v", n, err)
	}

	first, err := r.svc.Sync(t.Context(), anna, calendar.SyncRequest{Calendar: "anna"}, func(calendar.SyncItem) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	found, err := r.rezone("")
	want := []string{"anna/meeting rewritten", "anna/name follows", "anna/sun rewritten", "anna/zone rewritten", "bert/meeting rewritten"}
	if err != nil {
		t.Fatal(err)
	}
	r.same("preview", found, want)
	r.same("after a preview", days(), []string{"01T15", "02T14", "03T14", "04T14", "05T14"})

	messages := r.messages()
	found, err = r.rezone("run1")
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range want {
		if strings.HasSuffix(w, "rewritten") {
			want[i] += " done"
		}
	}
	r.same("repair", found, want)
	r.same("mended", days(), []string{"01T15", "02T15", "03T15", "04T14", "05T15"})
	r.same("alarms of what is mended", r.alarms(), []string{"0601T1445", "0602T1445"})
	var changed []string
	if _, err := r.svc.Sync(t.Context(), anna, calendar.SyncRequest{Calendar: "anna", Token: first.Token}, func(it calendar.SyncItem) error {
		changed = append(changed, it.Object.UID)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(changed)
	r.same("clients are told of", changed, []string{"meeting", "sun", "zone"})
	r.same("scheduling messages", r.messages(), messages)
	mails := r.jobs("anna", calendar.JobMail)
	if len(mails) != 1 || len(r.jobs("bert", calendar.JobMail)) != 1 {
		t.Fatalf("%d mails to anna, %d to bert", len(mails), len(r.jobs("bert", calendar.JobMail)))
	}
	if text := string(mails[0].Payload); !strings.Contains(text, `"kind":"rezoned"`) {
		t.Errorf("the mail is %s", text)
	}
	about := mailed(t, mails[0])
	for _, want := range []string{"zone  2026-06-02 09:00 (America/Mexico_City)", "sun  2026-06-03 09:00", "meeting  2026-06-05 09:00 (America/Mexico_City) → far@elsewhere.example"} {
		if !strings.Contains(about, want) {
			t.Errorf("the mail lacks %q:\n%s", want, about)
		}
	}
	if strings.Contains(about, "name") || strings.Contains(about, "moment") || strings.Contains(about, "bert@") {
		t.Errorf("the mail tells too much:\n%s", about)
	}

	// Again there is nothing to do, and nobody is told twice.
	if found, err = r.rezone("run1"); err != nil || slices.ContainsFunc(found, func(s string) bool { return !strings.HasSuffix(s, " follows") }) {
		t.Errorf("again: %v, %v", found, err)
	}
	if n := len(r.jobs("anna", calendar.JobMail)); n != 1 {
		t.Errorf("%d mails to anna", n)
	}

	// All of it is taken back, but for what was changed since.
	put := strings.Replace(r.text("anna/zone"), "SUMMARY:zone", "SUMMARY:later", 1)
	if _, err := r.svc.PutObject(t.Context(), anna, calendar.PutRequest{Ref: refTo("anna", "zone.ics"), Data: []byte(put)}); err != nil {
		t.Fatal(err)
	}
	undone := map[string]string{}
	messages = r.messages()
	if err := r.svc.UndoRezone(t.Context(), "", "run1", false, func(owner calendar.Owner, items []calendar.UndoItem) error {
		for _, it := range items {
			undone[string(owner)+"/"+it.UID] = it.Did.String()
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(undone) != 4 || undone["anna/zone"] != calendar.UndoConflict.String() || undone["bert/meeting"] != calendar.UndoReverted.String() {
		t.Errorf("undone: %v", undone)
	}
	for _, where := range []string{"anna/sun", "anna/meeting", "bert/meeting", "anna/name", "anna/moment", "anna/winter"} {
		if got := r.text(where); got != r.texts[where] {
			t.Errorf("%s came back as\n%s\nand was\n%s", where, got, r.texts[where])
		}
	}
	r.same("scheduling messages of the undo", r.messages(), messages)
	rep, err := r.svc.Check(t.Context(), nil)
	if err != nil || len(rep.Findings) > 0 {
		t.Errorf("check: %v, %v", rep.Findings, err)
	}
}

// mailed is what a mail lists.
func mailed(t *testing.T, job calendar.Job) string {
	t.Helper()
	m, err := calendar.ParseMailing(job)
	if err != nil {
		t.Fatal(err)
	}
	cal, err := ical.Parse(m.Letter.Data, ical.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return cal.Child("VEVENT").Text("DESCRIPTION")
}

// breaking is a store whose writes end after some.
type breaking struct {
	calendar.Store
	left int
}

var errKilled = errors.New("killed")

func (b *breaking) Update(ctx context.Context, owner calendar.Owner, fn func(calendar.Tx) error) error {
	if b.left--; b.left < 0 {
		return errKilled
	}
	return b.Store.Update(ctx, owner, fn)
}

// Cut off after any of its transactions and begun anew, a repair comes to the same,
// and each owner is told once, of all.
func TestRezoneGoesOnAfterAKill(t *testing.T) {
	for left := 0; ; left++ {
		r := openRezoned(t, fresh.SQLite(t, sqlstore.Options{Relaxed: true}))
		whole := r.store
		r.store = &breaking{whole, left}
		r.start()
		_, err := r.rezone("run1")
		r.store = whole
		r.start()
		if err != nil {
			if _, err := r.rezone("run1"); err != nil {
				t.Fatal(err)
			}
		}
		for day, want := range map[int]string{2: "02T15", 3: "03T15", 4: "04T14", 5: "05T15"} {
			if got := r.busy(day)[1:6]; got != want {
				t.Errorf("cut off after %d: %s, want %s", left, got, want)
			}
		}
		for owner, lines := range map[calendar.Owner]int{"anna": 3, "bert": 1} {
			mails := r.jobs(owner, calendar.JobMail)
			if len(mails) != 1 {
				t.Fatalf("cut off after %d: %d mails to %s", left, len(mails), owner)
			}
			if got := mailed(t, mails[0]); strings.Count(got, "\n")+1 != lines {
				t.Errorf("cut off after %d, %s is told of\n%s", left, owner, got)
			}
		}
		if err == nil {
			if left < 4 {
				t.Errorf("only %d transactions", left)
			}
			return
		}
		recur.UseData(nil)
	}
}

func TestRezoneOfAReadOnlyStore(t *testing.T) {
	r := openRezoned(t, fresh.SQLite(t, sqlstore.Options{Relaxed: true}))
	r.opt.ReadOnly = true
	r.start()
	if _, err := r.rezone("run1"); calendar.KindOf(err) != calendar.ReadOnly || !strings.Contains(err.Error(), "nothing was changed") {
		t.Errorf("%v", err)
	}
	if found, err := r.rezone(""); err != nil || len(found) != 5 {
		t.Errorf("a preview finds %v, %v", found, err)
	}
	r.opt.ReadOnly, r.opt.HistoryAge = false, -1
	r.start()
	if err := r.svc.UndoRezone(t.Context(), "", "run1", true, nil); calendar.KindOf(err) != calendar.Unsupported {
		t.Errorf("undo without a history: %v", err)
	}
}

func BenchmarkRezoneScan(b *testing.B) {
	old := rezonetest.Old(b)
	c := &rezone.Change{Zones: rezonetest.Changed(b, old), Since: rezonetest.Since}
	svc := service.New(fresh.SQLite(b, sqlstore.Options{Relaxed: true}), nil, service.Options{})
	id := provision(b, svc, anna)
	def, err := recur.VTimezone("Europe/Berlin", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Time{})
	if err != nil {
		b.Fatal(err)
	}
	var objs []calendar.PutItem
	for i := range 5000 {
		text := fmt.Sprintf("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n%sBEGIN:VEVENT\r\nUID:%d\r\nDTSTAMP:20260101T000000Z\r\nDTSTART;TZID=Europe/Berlin:20260301T090000\r\nDURATION:PT1H\r\nSUMMARY:s\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", def.Bytes(), i)
		objs = append(objs, calendar.PutItem{Name: fmt.Sprintf("%d.ics", i), Data: []byte(text)})
	}
	if _, err := svc.PutObjects(b.Context(), anna, calendar.PutObjectsRequest{Calendar: id, Items: objs}); err != nil {
		b.Fatal(err)
	}
	var seen int64
	for b.Loop() {
		n, err := svc.Rezone(b.Context(), c, "", "", nil)
		if err != nil {
			b.Fatal(err)
		}
		seen += n
	}
	b.ReportMetric(float64(seen)/b.Elapsed().Seconds(), "objects/s")
}
