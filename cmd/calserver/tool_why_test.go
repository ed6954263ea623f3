package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/store/sqlstore"
)

// putTraces is the program "traces" of scripts: the journals of anna, who
// invites bert and somebody unknown, and of bert, in the database of a server
// that is stopped.
func putTraces() {
	if err := putTracesOf("data/csdb/calendar.db"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func putTracesOf(path string) error {
	s, err := sqlstore.OpenSQLite(context.Background(), path, sqlstore.Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	when := time.Now().UTC().Truncate(time.Second)
	step := func(n int, step calendar.TraceStep, reason, status string, to ...string) calendar.Trace {
		return calendar.Trace{When: when.Add(time.Duration(n) * time.Second), Message: "anna/17/0", Method: "REQUEST", UID: "4711@example.com", Summary: "Weekly",
			From: "mailto:anna@example.com", To: to, Step: step, Reason: reason, Status: status, By: "anna", Via: "caldav"}
	}
	bert, nobody := "mailto:bert@example.com", "mailto:nobody@example.com"
	for owner, list := range map[calendar.Owner][]calendar.Trace{
		"anna": {step(0, calendar.TraceQueued, "", "1.0", bert, nobody), step(2, calendar.TraceDelivered, calendar.ReasonDelivered, "1.2", bert), step(3, calendar.TraceFailed, calendar.ReasonUnknownUser, "3.7", nobody)},
		"bert": {step(1, calendar.TraceApplied, "invited", "", bert)},
	} {
		err := s.Update(context.Background(), owner, func(tx calendar.Tx) error {
			_, err := tx.NextChange()
			for _, tr := range list {
				err = errors.Join(err, tx.PutTrace(tr))
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// What is asked about is first what it looks like.
func TestWhyReadings(t *testing.T) {
	of := func(about string) (out []string) {
		for _, q := range (whyQuestion{about: about}).readings() {
			switch {
			case q.UID != "":
				out = append(out, "uid")
			case q.Address != "":
				out = append(out, "address")
			case q.Message != "":
				out = append(out, "message")
			default:
				out = append(out, "all")
			}
		}
		return out
	}
	for about, want := range map[string][]string{
		"": {"all"}, "4711@example.com": {"uid", "address"}, "bert@example.com": {"uid", "address"},
		"MAILTO:bert@example.com": {"address", "uid"}, "anna/17/0": {"message", "uid", "address"}, "mailto:": {"uid", "address"},
	} {
		if got := of(about); !slices.Equal(got, want) {
			t.Errorf("%q is read as %q, want %q", about, got, want)
		}
	}
}
