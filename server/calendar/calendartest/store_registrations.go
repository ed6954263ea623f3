package calendartest

import (
	"maps"
	"slices"

	"factotum/server/calendar"
)

func (t *tx) Registrations() ([]calendar.RegistrationRow, error) {
	var out []calendar.RegistrationRow
	for _, id := range slices.Sorted(maps.Keys(t.home.registrations)) {
		out = append(out, t.home.registrations[id])
	}
	return out, nil
}

func (t *tx) Registration(id string) (calendar.RegistrationRow, bool, error) {
	row, ok := t.home.registrations[id]
	return row, ok, nil
}

func (t *tx) PutRegistration(row calendar.RegistrationRow) error {
	set(t, t.home.registrations, row.ID, row)
	t.countRegistrations()
	return nil
}

func (t *tx) DeleteRegistration(id string) error {
	if _, there := t.home.registrations[id]; there {
		unset(t, t.home.registrations, id)
		t.countRegistrations()
	}
	return nil
}

func (t *tx) countRegistrations() {
	row := t.home.row
	row.Registered = 0
	for _, r := range t.home.registrations {
		row.Registered |= r.Kind.Bit()
	}
	t.setHome(row)
}
