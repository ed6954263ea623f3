package sqlstore

import (
	"testing"

	"factotum/server/calendar"
)

// TestFlags: what databases hold already keeps its meaning, and a kind that
// came later is no other.
func TestFlags(t *testing.T) {
	for flags, want := range map[int64]calendar.CalendarRow{
		0:         {},
		1:         {Kind: calendar.PlainCollection},
		2:         {Transparent: true},
		4:         {NoDoubles: true},
		8:         {Disabled: true},
		15:        {Kind: calendar.PlainCollection, Transparent: true, NoDoubles: true, Disabled: true},
		2<<8 | 8:  {Kind: calendar.InboxCollection, Disabled: true},
		3 << 8:    {Kind: calendar.OutboxCollection},
		4 << 8:    {Kind: calendar.NotificationCollection},
		0xff << 8: {Kind: 0xff},
	} {
		var got calendar.CalendarRow
		setFlags(&got, flags)
		if got.Kind != want.Kind || got.Transparent != want.Transparent || got.NoDoubles != want.NoDoubles || got.Disabled != want.Disabled {
			t.Errorf("%#x is read as %+v", flags, got)
		}
		if back := flagsOf(&want); back != flags {
			t.Errorf("%#x is written as %#x", flags, back)
		}
	}
}
