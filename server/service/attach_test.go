package service_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/service"
	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"
)

// onBothEngines runs a test on SQLite and on PostgreSQL; sql runs a statement
// behind the store's back.
func onBothEngines(t *testing.T, test func(t *testing.T, st calendar.Store, sql func(string))) {
	run := func(name string, open func(t *testing.T) (*sqlstore.Store, string, string, error)) {
		t.Run(name, func(t *testing.T) {
			st, driver, dsn, err := open(t)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { st.Close() })
			test(t, st, func(text string) {
				t.Helper()
				db, err := sql.Open(driver, dsn)
				if err != nil {
					t.Fatal(err)
				}
				defer db.Close()
				if _, err := db.Exec(text); err != nil {
					t.Fatalf("%s: %v", text, err)
				}
			})
		})
	}
	run("SQLite", func(t *testing.T) (*sqlstore.Store, string, string, error) {
		dir := fresh.Dir(t)
		st, err := sqlstore.OpenSQLite(t.Context(), dir, sqlstore.Options{Relaxed: true})
		return st, "sqlite3", filepath.Join(dir, "calendar.db"), err
	})
	run("PostgreSQL", func(t *testing.T) (*sqlstore.Store, string, string, error) {
		dsn := fresh.DSN(t)
		st, err := sqlstore.OpenPostgres(t.Context(), dsn, sqlstore.Options{})
		return st, "pgx", dsn, err
	})
}

// storedFiles lists the ids of an owner's files and sums up their octets.
func storedFiles(t *testing.T, st calendar.Store, owner calendar.Owner) (ids []string, octets int64) {
	t.Helper()
	err := st.View(context.Background(), owner, func(tx calendar.ReadTx) error {
		ids, octets = nil, 0
		return tx.AllAttachments(func(a calendar.AttachmentRow, n int64) {
			ids = append(ids, a.ID)
			octets += n
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids, octets
}

func startAt(hour int) calendar.Patch {
	d := ical.DateTime{Year: 2026, Month: time.March, Day: 1, Hour: hour, Kind: ical.UTC}
	end := d
	end.Hour++
	return calendar.Patch{Start: &d, End: &end}
}

func file(name string, n int) calendar.NewAttachment {
	return calendar.NewAttachment{Name: name, Type: "text/plain", Data: []byte(strings.Repeat("x", n))}
}

func edit(t *testing.T, svc *service.Service, id calendar.ID, items ...calendar.EditItem) []calendar.EditItemResult {
	t.Helper()
	res, err := svc.EditObject(t.Context(), anna, calendar.EditRequest{Calendar: id, Component: "VEVENT", Items: items, Return: true})
	if err != nil {
		t.Fatal(err)
	}
	return res.Items
}

// clean fails if csdb check finds something.
func clean(t *testing.T, svc *service.Service) {
	t.Helper()
	rep, err := svc.Check(t.Context(), nil)
	if err != nil || len(rep.Findings) > 0 {
		t.Errorf("check: %v %v", rep.Findings, err)
	}
}

// An item that is refused leaves no file behind and takes none away, although
// the others of its request are written.
func TestRefusedEditKeepsFiles(t *testing.T) {
	onBothEngines(t, func(t *testing.T, st calendar.Store, _ func(string)) {
		svc := service.New(st, nil, service.Options{Limits: calendar.Limits{HomeBytes: 4000}})
		id := provision(t, svc, anna)
		yes := true
		if _, err := svc.UpdateCalendar(t.Context(), anna, calendar.UpdateCalendarRequest{ID: id, NoDoubles: &yes}); err != nil {
			t.Fatal(err)
		}
		for _, it := range edit(t, svc, id, calendar.EditItem{UID: "a", Patch: startAt(9), Attach: []calendar.NewAttachment{file("one", 100)}},
			calendar.EditItem{UID: "b", Patch: startAt(11)}) {
			if it.Err != nil {
				t.Fatal(it.Err)
			}
		}
		before, _ := storedFiles(t, st, "anna")
		if len(before) != 1 {
			t.Fatalf("files %v", before)
		}
		for i, want := range []calendar.Kind{calendar.DoubleBooked, calendar.DoubleBooked, calendar.OverQuota} {
			bad := []calendar.EditItem{
				{UID: "c", Patch: startAt(9), Attach: []calendar.NewAttachment{file("two", 100)}},
				{UID: "a", Patch: startAt(11), Detach: before, Attach: []calendar.NewAttachment{file("two", 100)}},
				{UID: "d", Patch: startAt(15), Attach: []calendar.NewAttachment{file("two", 5000)}},
			}[i]
			got := edit(t, svc, id, bad, calendar.EditItem{UID: "e", Patch: startAt(17)})
			if calendar.KindOf(got[0].Err) != want || got[1].Err != nil {
				t.Errorf("%s: %v and %v, want %v", bad.UID, got[0].Err, got[1].Err, want)
			}
			if after, _ := storedFiles(t, st, "anna"); !slices.Equal(after, before) {
				t.Errorf("%s: files %v, before %v", bad.UID, after, before)
			}
		}
		clean(t, svc)
	})
}

// The quota counts files like objects, whatever happens to them: what is
// remembered, what the store sums up, and what is there are the same.
func TestRFC4331_4_QuotaCountsFiles(t *testing.T) {
	onBothEngines(t, func(t *testing.T, st calendar.Store, _ func(string)) {
		svc := service.New(st, nil, service.Options{})
		id := provision(t, svc, anna)
		if _, err := svc.CreateCalendar(t.Context(), anna, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: "anna:two"}, DefaultACL: true}); err != nil {
			t.Fatal(err)
		}
		want := func(what string, files int64) {
			t.Helper()
			_, got := storedFiles(t, st, "anna")
			var objects int64
			for _, c := range []calendar.ID{id, "anna:two", "anna:three"} {
				_, err := svc.ListObjects(t.Context(), anna, c, func(o *calendar.Object) error { objects += int64(o.Size); return nil })
				if err != nil && calendar.KindOf(err) != calendar.NoCalendar {
					t.Fatal(err)
				}
			}
			for who, be := range map[string]*service.Service{"remembered": svc, "stored": service.New(st, nil, service.Options{})} {
				h, err := be.Home(t.Context(), anna, calendar.HomeRequest{Owner: "anna"})
				if err != nil || got != files || h.UsedBytes != objects+files {
					t.Errorf("%s, %s: %d octets used; %d in objects and %d in files, want %d (%v)", what, who, h.UsedBytes, objects, got, files, err)
				}
			}
			clean(t, svc)
		}
		ok := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		ref := func(c calendar.ID, name string) calendar.Ref { return calendar.Ref{Calendar: c, Name: name} }
		copyTo := func(from, to calendar.Ref, move bool) {
			t.Helper()
			_, err := svc.CopyObject(t.Context(), anna, calendar.CopyRequest{From: from, To: to, Move: move, Overwrite: true})
			ok(err)
		}
		want("empty", 0)
		made := edit(t, svc, id, calendar.EditItem{UID: "a", Patch: startAt(9), Attach: []calendar.NewAttachment{file("one", 1000), file("two", 200)}})[0]
		ok(made.Err)
		want("added", 1200)
		ids, _ := storedFiles(t, st, "anna")
		ok(edit(t, svc, id, calendar.EditItem{UID: "a", Detach: ids[:1], Attach: []calendar.NewAttachment{file("three", 30)}})[0].Err)
		_, left := storedFiles(t, st, "anna")
		want("replaced", left)
		copyTo(ref(id, "a.ics"), ref("anna:two", "b.ics"), false)
		want("copied", 2*left)
		copyTo(ref(id, "a.ics"), ref("anna:two", "b.ics"), true)
		want("moved onto the copy", left)
		copyTo(ref("anna:two", "b.ics"), ref("anna:two", "c.ics"), true)
		want("renamed", left)
		o, err := svc.Object(t.Context(), anna, ref("anna:two", "c.ics"))
		ok(err)
		_, err = svc.PutObject(t.Context(), anna, calendar.PutRequest{Ref: ref(id, "again.ics"), Data: o.Data})
		ok(err)
		want("put again", 2*left)
		ok(svc.DeleteObject(t.Context(), anna, calendar.DeleteRequest{Ref: ref(id, "again.ics")}))
		want("deleted", left)
		_, err = svc.CopyCalendar(t.Context(), anna, calendar.CopyRequest{From: ref("anna:two", ""), To: ref("anna:three", "")})
		ok(err)
		want("calendar copied", 2*left)
		ok(svc.DeleteCalendar(t.Context(), anna, calendar.DeleteCalendarRequest{ID: "anna:two"}))
		want("calendar deleted", left)
		_, err = svc.PutObject(t.Context(), anna, calendar.PutRequest{Ref: ref("anna:three", "c.ics"), Data: event("a", "20260301T090000Z", "")})
		ok(err)
		want("no longer named", 0)
	})
}

// A copy of a large file is refused where a new one would be.
func TestQuotaRefusesCopiedFiles(t *testing.T) {
	onBothEngines(t, func(t *testing.T, st calendar.Store, _ func(string)) {
		svc := service.New(st, nil, service.Options{Limits: calendar.Limits{HomeBytes: 5000}})
		id := provision(t, svc, anna)
		if err := edit(t, svc, id, calendar.EditItem{UID: "a", Patch: startAt(9), Attach: []calendar.NewAttachment{file("one", 3000)}})[0].Err; err != nil {
			t.Fatal(err)
		}
		if _, err := svc.CreateCalendar(t.Context(), anna, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: "anna:two"}, DefaultACL: true}); err != nil {
			t.Fatal(err)
		}
		req := calendar.CopyRequest{From: calendar.Ref{Calendar: id, Name: "a.ics"}, To: calendar.Ref{Calendar: "anna:two", Name: "a.ics"}}
		if _, err := svc.CopyObject(t.Context(), anna, req); calendar.KindOf(err) != calendar.OverQuota {
			t.Errorf("a copy: %v", err)
		}
		req.Move = true
		if _, err := svc.CopyObject(t.Context(), anna, req); err != nil {
			t.Errorf("a move: %v", err)
		}
		clean(t, svc)
	})
}

// csdb check finds what is wrong with files, csdb rebuild mends it.
func TestCheckFiles(t *testing.T) {
	onBothEngines(t, func(t *testing.T, st calendar.Store, sql func(string)) {
		svc := service.New(st, nil, service.Options{})
		id := provision(t, svc, anna)
		attach := func(uid string) {
			t.Helper()
			if err := edit(t, svc, id, calendar.EditItem{UID: uid, Patch: startAt(9), Attach: []calendar.NewAttachment{file(uid, 100)}})[0].Err; err != nil {
				t.Fatal(err)
			}
		}
		attach("a")
		if _, err := svc.CreateCalendar(t.Context(), anna, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: "anna:two"}, DefaultACL: true}); err != nil {
			t.Fatal(err)
		}
		_, err := svc.CopyObject(t.Context(), anna, calendar.CopyRequest{From: calendar.Ref{Calendar: id, Name: "a.ics"}, To: calendar.Ref{Calendar: "anna:two", Name: "copy.ics"}})
		if err != nil {
			t.Fatal(err)
		}
		clean(t, svc)
		const putFile = `INSERT INTO attachments (owner, cal, name, id, clientid, file, contenttype, size, created, data)
SELECT owner, cal, `
		const rest = `, '', '', '', size, created, data FROM attachments WHERE name = 'a.ics'`
		for _, x := range []struct{ spoil, want string }{
			{putFile + `name, 'alien'` + rest, "which its text does not name"},
			{putFile + `'nobody.ics', 'alien'` + rest, "belongs to no object"},
			{`UPDATE attachments SET size = 99 WHERE name = 'a.ics'`, "octets, not 99"},
			{`DELETE FROM attachments WHERE name = 'copy.ics'`, "lacks its copy"},
			{`UPDATE objects SET private = 0 WHERE name = 'a.ics'`, "no mark"},
			{`UPDATE owners SET bytes = bytes + 1`, "the home counts"},
		} {
			sql(x.spoil)
			// The server is not told of this: it begins anew.
			svc = service.New(st, nil, service.Options{})
			rep, err := svc.Check(t.Context(), nil)
			found := func(f service.Finding) bool { return strings.Contains(f.Msg, x.want) && !f.Mended }
			if err != nil || !slices.ContainsFunc(rep.Findings, found) {
				t.Errorf("%s: found %v, %v", x.want, rep.Findings, err)
			}
			rep, err = svc.Rebuild(t.Context(), nil)
			mended := func(f service.Finding) bool { return strings.Contains(f.Msg, x.want) && f.Mended }
			// SQLite's writer remembers the right sum, and writes it without a word.
			if sum := strings.Contains(x.spoil, "owners"); err != nil || !sum && !slices.ContainsFunc(rep.Findings, mended) {
				t.Errorf("%s: mended %v, %v", x.want, rep.Findings, err)
			}
			clean(t, svc)
		}
		// What is lost in all places cannot be mended; it is said, once.
		sql(`DELETE FROM attachments`)
		svc = service.New(st, nil, service.Options{})
		rep, err := svc.Rebuild(t.Context(), nil)
		lost := slices.DeleteFunc(rep.Findings, func(f service.Finding) bool { return f.Mended || !strings.Contains(f.Msg, "lost") })
		if err != nil || len(lost) != 2 {
			t.Errorf("lost: %v %v", rep.Findings, err)
		}
		clean(t, svc)
		if o, err := svc.Object(t.Context(), anna, calendar.Ref{Calendar: id, Name: "a.ics"}); err != nil || !strings.Contains(string(o.Data), calendar.AttachmentsPath) {
			t.Errorf("the text was changed: %v", err)
		}
	})
}
