package dwp

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"factotum/server/calendar"
)

// What gRPC says when it has tried to send twice is no end of a stream, and no fault of ours.
func TestConnectionBrokeOff(t *testing.T) {
	err := errorOf(t.Context(), "sync", "calendar1.sesta.com", fmt.Errorf("max retries exhausted: failed after 2 attempts: %w", io.EOF))
	if calendar.KindOf(err) != calendar.Unavailable || calendar.MessageOf(err) != noAnswer("calendar1.sesta.com") {
		t.Errorf("%v", err)
	}
	if err := errorOf(t.Context(), "sync", "calendar1.sesta.com", errors.New("something else")); calendar.KindOf(err) != calendar.Internal {
		t.Errorf("%v", err)
	}
}
