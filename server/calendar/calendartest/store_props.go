package calendartest

import (
	"maps"
	"slices"

	"factotum/server/calendar"
)

func (t *tx) Props(cal int64, name string) ([]calendar.DeadProp, error) {
	return slices.Clone(t.collection(cal).props[name]), nil
}

func (t *tx) PropsByName(cal int64, names []string) (map[string][]calendar.DeadProp, error) {
	out, err := t.AllProps(cal)
	maps.DeleteFunc(out, func(name string, _ []calendar.DeadProp) bool { return !slices.Contains(names, name) })
	return out, err
}

func (t *tx) AllProps(cal int64) (map[string][]calendar.DeadProp, error) {
	out := maps.Clone(t.collection(cal).props)
	delete(out, "")
	return out, nil
}

func (t *tx) SetProp(cal int64, name string, p calendar.DeadProp) error {
	list, _ := t.without(cal, name, p.Space, p.Local)
	set(t, t.home.cals[cal].props, name, append(list, p))
	return nil
}

func (t *tx) without(cal int64, name, space, local string) ([]calendar.DeadProp, error) {
	list, err := t.Props(cal, name)
	return slices.DeleteFunc(list, func(p calendar.DeadProp) bool { return p.Space == space && p.Local == local }), err
}

func (t *tx) DeleteProp(cal int64, name, space, local string) error {
	list, _ := t.without(cal, name, space, local)
	set(t, t.home.cals[cal].props, name, list)
	return nil
}

func (t *tx) DeleteProps(cal int64, name string) error {
	unset(t, t.home.cals[cal].props, name)
	return nil
}
