package main

import (
	"fmt"
	"strings"
	"testing"

	"factotum/server/config"
	"factotum/server/ical"
)

// No site announces objects that are larger than what is read.
func TestLargestObject(t *testing.T) {
	for size, bad := range map[int]bool{ical.MaxObject: false, ical.MaxObject + 1: true} {
		text := fmt.Sprintf("factotum.limit.objectsize = \"%d\"\nfactotum.limit.bodysize = \"%d\"\n", size, size)
		_, report, err := config.Parse(strings.NewReader(text), "ics.conf")
		if refused := err != nil || report.Err() != nil; refused != bad {
			t.Errorf("%d octets: refused: %t (%v, %v)", size, refused, err, report.Err())
		}
	}
}
