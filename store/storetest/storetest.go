// Package storetest is the suite that every calendar.Store passes. It knows
// the contract only: what a transaction sees, keeps and forgets.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"factotum/server/calendar"
)

// Run runs the suite; open gives an empty store that closes with its test.
func Run(t *testing.T, open func(t *testing.T) calendar.Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, calendar.Store)
	}{
		{"Home", testHome},
		{"Entry", testEntry},
		{"NextChange", testNextChange},
		{"Bytes", testBytes},
		{"Owners", testOwners},
		{"Calendars", testCalendars},
		{"CalendarNames", testCalendarNames},
		{"DeleteCalendar", testDeleteCalendar},
		{"Objects", testObjects},
		{"ObjectLists", testObjectLists},
		{"WCAP_9_14_GoneAndLatest", testGoneAndLatest},
		{"RFC4791_4_1_UniqueUID", testUniqueUID},
		{"RFC6578_Changes", testChanges},
		{"Purge", testPurge},
		{"LongLists", testLongLists},
		{"BigData", testBigData},
		{"OddNames", testOddNames},
		{"OwnersApart", testOwnersApart},
		{"Occurrences", testOccurrences},
		{"OccurrencesModel", testOccurrencesModel},
		{"ObjectsModel", testObjectsModel},
		{"RFC4918_4_1_Props", testProps},
		{"Attachments", testAttachments},
		{"Prefs", testPrefs},
		{"Tokens", testTokens},
		{"Jobs", testJobs},
		{"JobsStay", testJobsStay},
		{"JobWalk", testJobWalk},
		{"JobsCommit", testJobsCommit},
		{"Traces", testTraces},
		{"OddTraces", testOddTraces},
		{"PurgeTraces", testPurgeTraces},
		{"Registrations", testRegistrations},
		{"History", testHistory},
		{"KeepCalendar", testKeepCalendar},
		{"Replaces", testReplaces},
		{"PurgeHistory", testPurgeHistory},
		{"ViewIsReadOnly", testViewIsReadOnly},
		{"ViewIsSnapshot", testViewIsSnapshot},
		{"Rollback", testRollback},
		{"Panic", testPanic},
		{"Canceled", testCanceled},
		{"OnCommit", testOnCommit},
		{"GroupIsolation", testGroupIsolation},
		{"RaceOnOneObject", testRaceOnOneObject},
		{"ManyOwners", testManyOwners},
		{"Closed", testClosed},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t)
			test.run(t, s)
			if test.name != "Closed" {
				if err := s.Check(context.Background()); err != nil {
					t.Errorf("Check afterwards: %v", err)
				}
			}
		})
	}
}

const anna = calendar.Owner("anna")

var day = time.Date(2026, 9, 1, 9, 30, 0, 123456000, time.UTC)

func update(t testing.TB, s calendar.Store, owner calendar.Owner, fn func(tx calendar.Tx) error) {
	t.Helper()
	if err := s.Update(context.Background(), owner, fn); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

func view(t testing.TB, s calendar.Store, owner calendar.Owner, fn func(tx calendar.ReadTx) error) {
	t.Helper()
	if err := s.View(context.Background(), owner, fn); err != nil {
		t.Fatalf("View: %v", err)
	}
}

func wantKind(t testing.TB, what string, err error, kind calendar.Kind) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("%s: %v, want kind %v", what, err, kind)
	}
}

// makeCalendar makes an empty calendar with the given id.
func makeCalendar(t testing.TB, s calendar.Store, owner calendar.Owner, id int64, name string) {
	t.Helper()
	update(t, s, owner, func(tx calendar.Tx) error {
		change, err := tx.NextChange()
		if err != nil {
			return err
		}
		return tx.InsertCalendar(calendar.CalendarRow{ID: id, Name: name, Change: change, Created: day, Modified: day})
	})
}

func object(cal int64, name, uid, data string) calendar.ObjectRow {
	return calendar.ObjectRow{Cal: cal, Name: name, UID: uid, Component: "VEVENT", Created: day, Modified: day, Data: []byte(data)}
}

// next takes a change number of the owner's.
func next(t testing.TB, s calendar.Store, owner calendar.Owner) (n int64) {
	t.Helper()
	update(t, s, owner, func(tx calendar.Tx) (err error) {
		n, err = tx.NextChange()
		return err
	})
	return n
}

// put stores the object under the owner's next change number, which it returns.
func put(t testing.TB, s calendar.Store, owner calendar.Owner, row calendar.ObjectRow) (change int64) {
	t.Helper()
	update(t, s, owner, func(tx calendar.Tx) (err error) {
		if change, err = tx.NextChange(); err != nil {
			return err
		}
		row.Change = change
		return tx.PutObject(row)
	})
	return change
}

func remove(t testing.TB, s calendar.Store, owner calendar.Owner, cal int64, name string, when time.Time) (change int64) {
	t.Helper()
	update(t, s, owner, func(tx calendar.Tx) (err error) {
		if change, err = tx.NextChange(); err != nil {
			return err
		}
		return tx.DeleteObject(cal, name, change, when, "carl")
	})
	return change
}

// list spells the rows that each gives, in order.
func list(t testing.TB, each func(func(*calendar.ObjectRow) error) error) (out []string) {
	t.Helper()
	err := each(func(row *calendar.ObjectRow) error {
		s := fmt.Sprintf("%s@%d", row.Name, row.Change)
		if !row.Deleted.IsZero() {
			s += "-"
		}
		if row.Data != nil {
			s += "=" + string(row.Data)
		}
		out = append(out, s)
		return nil
	})
	if err != nil {
		t.Errorf("list: %v", err)
	}
	return out
}
