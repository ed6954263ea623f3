package plain

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"factotum/server/calendar"
)

func TestError(t *testing.T) {
	disk := errors.New("the disk is full")
	for want, err := range map[string]error{
		"anna: there is no such calendar":                      fmt.Errorf("look: %w", &calendar.Error{Kind: calendar.NoCalendar, Ref: "anna"}),
		"not today":                                            &calendar.Error{Kind: calendar.Denied, Msg: "not today", Err: disk},
		"the server does not answer: the disk is full":         &calendar.Error{Kind: calendar.Unavailable, Err: disk},
		"the disk is full":                                     disk,
		"another object of the calendar has the same UID":      &calendar.Error{Kind: calendar.UIDConflict},
		"the calendar store is in read-only mode":              &calendar.Error{Kind: calendar.ReadOnly},
		calendar.Invalid.String():                              &calendar.Error{Kind: calendar.Invalid},
		"u@example.com: " + Kind(calendar.Exists):              &calendar.Error{Kind: calendar.Exists, Ref: "u@example.com"},
		"e: " + Kind(calendar.NotFound):                        &calendar.Error{Kind: calendar.NotFound, Ref: "e"},
		calendar.Internal.String() + ": " + "the disk is full": &calendar.Error{Kind: calendar.Internal, Err: disk},
	} {
		if got := Error(err); got != want {
			t.Errorf("%#v: %q, want %q", err, got, want)
		}
	}
	if got := Reason(&calendar.Error{Kind: calendar.Exists, Ref: "anna"}); got != "it exists already" {
		t.Errorf("%q", got)
	}
}

func TestText(t *testing.T) {
	if got := Text("Käse\x1b[31m\r\n\u0085\xff"); got != "Käse?[31m????" {
		t.Errorf("%q", got)
	}
	if got := []rune(Text(strings.Repeat("é", 500))); len(got) != 123 {
		t.Errorf("%d characters", len(got))
	}
}
