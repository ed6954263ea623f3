package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/store/sqlstore"
)

// putPost is the program "post OWNER UID RECIPIENT planned|parked TIME" of
// scripts: an invitation of the owner's that was queued at a time, is due in
// some days or was given up, in the database of a server that is stopped.
func putPost() {
	if err := putPostOf(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func putPostOf(args []string) error {
	owner, uid, to := args[0], args[1], "mailto:"+args[2]
	queued, err := time.Parse(scheduleForm, args[4])
	if err != nil {
		return err
	}
	from := "mailto:" + owner + "@localhost"
	data := strings.ReplaceAll(fmt.Sprintf("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//x//y//EN\nMETHOD:REQUEST\nBEGIN:VEVENT\nUID:%s\nDTSTAMP:20260101T000000Z\n"+
		"DTSTART:20260310T090000Z\nSUMMARY:Secret\nORGANIZER:%s\nATTENDEE:%s\nEND:VEVENT\nEND:VCALENDAR\n", uid, from, to), "\n", "\r\n")
	post := calendar.Post{UID: uid, Summary: "Secret", Letters: []calendar.Letter{{Method: "REQUEST", From: from, To: []string{to}, Data: []byte(data)}}}
	j, err := post.Job()
	if err != nil {
		return err
	}
	j.Created, j.Due = queued, time.Now().Add(100*time.Hour)
	if args[3] == "parked" {
		j.Due, j.Parked, j.Attempts, j.Err = queued, true, 20, "the host does not answer"
	}
	s, err := sqlstore.OpenSQLite(context.Background(), "data/csdb/calendar.db", sqlstore.Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	return s.Update(context.Background(), calendar.Owner(owner), func(tx calendar.Tx) (err error) {
		if j.Change, err = tx.NextChange(); err != nil {
			return err
		}
		return tx.PutJob(j)
	})
}

// A wrong call, and what of Sun's has no meaning here, says so. admin.md §8.15.
func TestCsscheduleCalls(t *testing.T) {
	for args, says := range map[string]string{
		"frob":                     `"frob" is not a command`,
		"list a b":                 "one calid",
		"list anna:work":           "by owner, not by calendar: say anna",
		"-c 0 list":                "at least 1",
		"-c 5 delete anna":         "-c goes with list",
		"delete":                   "say which to delete",
		"delete --json":            `{"tool":"csschedule","error":"say which to delete`,
		"-o 1 delete anna":         "-o has no meaning here",
		"-n 0 list":                "-n has no meaning here",
		"-r 20260310T090000Z list": "-r has no meaning here",
		"-s 2026 list":             `-s wants a time such as 20001231T103045Z, or 0, not "2026"`,
		"-t 0 list":                "-t wants a time",
		"-t 20001231T103045Z -s 20001231T103045Z list": "-t goes without",
		"--job anna list":       "owner/change/seq",
		"-C /nowhere/conf list": "/nowhere/conf",
	} {
		var errs bytes.Buffer
		if code := runCsschedule(t.Context(), strings.Fields(args), stdio{strings.NewReader(""), &errs, &errs}); code == exitDone || !strings.Contains(errs.String(), says) {
			t.Errorf("csschedule %s: %d %s", args, code, &errs)
		}
	}
}

// A choice reaches the server that runs as it was made.
func TestJobFilterTravels(t *testing.T) {
	opt := scheduleOptions{start: "20260101T000000Z", end: "20260201T000000Z", uid: "4711 &=@example.com", parked: true, ids: []string{"anna/17/0", "anna/18/1"}}
	f, err := opt.filter("Anna")
	if err != nil {
		t.Fatal(err)
	}
	got, err := jobFilter(jobQuery(f))
	if err != nil || got.Owner != "anna" || got.UID != f.UID || !got.Parked || !got.From.Equal(f.From) || !got.To.Equal(f.To) || f.From.IsZero() || f.To.IsZero() ||
		!slices.Equal(got.IDs, f.IDs) || !slices.Equal(got.Kinds, []string{calendar.JobDeliver, calendar.JobAnswers}) {
		t.Errorf("%+v arrives as %+v %v", f, got, err)
	}
	at := scheduleOptions{at: "20260101T000000Z"}
	if f, err = at.filter(""); err != nil || f.To.Sub(f.From) != time.Second {
		t.Errorf("-t chooses %v to %v, %v", f.From, f.To, err)
	}
}
