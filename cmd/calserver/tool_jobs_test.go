package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/worker"
	"factotum/store/sqlstore"
)

// The test binary, which is the server in scripts, knows one kind of job: a
// "note" adds a line to the file that it carries the name of, unless there is
// one beside it that ends in .no.
func init() {
	jobKinds["note"] = func(*storeService) worker.Kind {
		return worker.Kind{Run: func(_ context.Context, j calendar.Job) error {
			file := string(j.Payload)
			if _, err := os.Stat(file + ".no"); err == nil {
				return worker.Permanent(errors.New("the note is not wanted"))
			}
			f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = fmt.Fprintln(f, j.JobID, j.Key)
			return err
		}}
	}
}

// putJob is the program "job OWNER KIND KEY [FILE] [in DURATION]" of scripts: a
// change of the owner's with a job, in the database of a server that is stopped.
func putJob() {
	if err := putJobOf(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func putJobOf(args []string) error {
	due := time.Now()
	if n := len(args); n > 2 && args[n-2] == "in" {
		d, err := time.ParseDuration(args[n-1])
		if err != nil {
			return err
		}
		due, args = due.Add(d), args[:n-2]
	}
	j := calendar.Job{Kind: args[1], Key: args[2], Due: due, Created: time.Now()}
	if len(args) > 3 {
		file, err := filepath.Abs(args[3])
		if err != nil {
			return err
		}
		j.Payload = []byte(file)
	}
	s, err := sqlstore.OpenSQLite(context.Background(), "data/csdb/calendar.db", sqlstore.Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	return s.Update(context.Background(), calendar.Owner(args[0]), func(tx calendar.Tx) (err error) {
		if j.Change, err = tx.NextChange(); err != nil {
			return err
		}
		return tx.PutJob(j)
	})
}

func TestCsdbJobsCalls(t *testing.T) {
	for args, says := range map[string]string{
		"jobs frob":             `not "frob"`,
		"jobs list a b":         "one directory",
		"jobs drop":             "say which jobs to drop",
		"jobs drop --json":      `{"tool":"csdb","error":"say which jobs to drop`,
		"jobs --job anna":       "owner/change/seq",
		"check --parked":        "go with jobs",
		"jobs -f":               "-f goes with recover",
		"-t statdb jobs":        "statistics are metrics",
		"jobs -C /nowhere/conf": "/nowhere/conf",
	} {
		var errs bytes.Buffer
		if code := runCsdb(t.Context(), strings.Fields(args), stdio{strings.NewReader(""), &errs, &errs}); code == exitDone || !strings.Contains(errs.String(), says) {
			t.Errorf("csdb %s: %d %s", args, code, &errs)
		}
	}
}
