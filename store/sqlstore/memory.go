package sqlstore

import "factotum/server/calendar"

// memory is what a writer remembers of an owner between transactions: each
// write looks at the home and the calendar, and nobody else changes them. It
// follows the transactions as they run; the engine drops it when one fails.
// A nil memory remembers nothing.
type memory struct {
	home   home
	byName map[string]*calendar.CalendarRow
	byID   map[int64]*calendar.CalendarRow
}

// Bounds of what is remembered.
const (
	maxMemories = 1000
	maxRowText  = 8 << 10 // octets of a calendar's long texts
)

// calendar returns the living calendar of that name if it is remembered.
func (m *memory) calendar(name string) (calendar.CalendarRow, bool) {
	if m != nil {
		if row := m.byName[name]; row != nil {
			return *row, true
		}
	}
	return calendar.CalendarRow{}, false
}

func (m *memory) keep(row calendar.CalendarRow) {
	if m == nil || len(row.Timezone)+len(row.Description)+len(row.CoOwners) > maxRowText || len(row.ACL) > 100 {
		return
	}
	if m.byName == nil {
		m.byName, m.byID = map[string]*calendar.CalendarRow{}, map[int64]*calendar.CalendarRow{}
	}
	m.byName[row.Name], m.byID[row.ID] = &row, &row
}

func (m *memory) touch(s touch) {
	if m == nil {
		return
	}
	if row := m.byID[s.id]; row != nil {
		row.Change, row.Modified = s.change, fromMicros(s.modified)
	}
}

// forget drops the calendars: one of them changes in another way.
func (m *memory) forget() {
	if m != nil {
		m.byName, m.byID = nil, nil
	}
}

// memories are those of all owners.
type memories map[calendar.Owner]*memory

// of returns the owner's memory, made if needed.
func (ms memories) of(owner calendar.Owner) *memory {
	m := ms[owner]
	if m == nil {
		if len(ms) >= maxMemories {
			clear(ms)
		}
		m = &memory{}
		ms[owner] = m
	}
	return m
}
