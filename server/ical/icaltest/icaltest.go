// Package icaltest finds the calendars that tests read. Our own, in testdata,
// are written in the manner of real programs and are always here. What real
// programs exported, and other projects' vectors, are not ours to keep: they
// lie in a folder "shared" beside the checkout, or where FACTOTUM_SHARED says.
// A test that needs them skips with the reason where they are absent, and
// fails where they have to be present: under .ci/run, which names the folder,
// and where CI is "true".
package icaltest

import (
	"os"
	"path/filepath"
	"testing"
)

// root is the directory with go.mod.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
}

// find returns where a file or folder of the shared data is, and what is
// wrong if it is absent.
func find(t testing.TB, name string) (string, error) {
	t.Helper()
	dir := os.Getenv("FACTOTUM_SHARED")
	if dir == "" {
		dir = filepath.Join(root(t), "..", "shared")
	}
	path := filepath.Join(dir, filepath.FromSlash(name))
	_, err := os.Stat(path)
	if err != nil && (os.Getenv("FACTOTUM_SHARED") != "" || os.Getenv("CI") == "true") {
		t.Fatalf("the shared data has to be here: %v", err)
	}
	return path, err
}

// Shared returns the path of a file or folder of the shared data, as
// "data/recurrence/rrule-vectors.txt". Without it the test is skipped.
func Shared(t testing.TB, name string) string {
	t.Helper()
	path, err := find(t, name)
	if err != nil {
		t.Skipf("the shared data is not beside this checkout: %v", err)
	}
	return path
}

// HasShared reports whether there is shared data, for tests that can do with
// our own alone. It says so if not.
func HasShared(t testing.TB) bool {
	t.Helper()
	_, err := find(t, "data")
	if err != nil {
		t.Logf("without the shared data: %v", err)
	}
	return err == nil
}

// SharedCalendars lists the files of a folder of real calendars: "exports",
// "recurring" or "malformed". Without them the test is skipped.
func SharedCalendars(t testing.TB, folder string) []string {
	t.Helper()
	return calendars(t, Shared(t, "data/ics/"+folder))
}

// Calendars lists the files of a folder of our own: "programs" is in the
// manner of what programs write, "malformed" is what some get wrong.
func Calendars(t testing.TB, folder string) []string {
	t.Helper()
	return calendars(t, filepath.Join(root(t), "server", "ical", "icaltest", "testdata", folder))
}

func calendars(t testing.TB, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.ics"))
	if err != nil {
		t.Fatal(err)
	}
	if len(names) == 0 {
		t.Fatalf("no calendars in %s", dir)
	}
	return names
}
