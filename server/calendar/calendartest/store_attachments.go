package calendartest

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"factotum/server/calendar"
)

func (t *tx) Attachments(cal int64, name string) (out []calendar.AttachmentRow, err error) {
	for _, a := range t.home.cals[cal].files[name] {
		a.Data = nil
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b calendar.AttachmentRow) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}

func (t *tx) AttachmentHolders(id string) (out []calendar.AttachmentRow, err error) {
	for _, c := range t.home.cals {
		for _, files := range c.files {
			if a, ok := files[id]; ok {
				a.Data = nil
				out = append(out, a)
			}
		}
	}
	slices.SortFunc(out, func(a, b calendar.AttachmentRow) int {
		return cmp.Or(cmp.Compare(a.Cal, b.Cal), strings.Compare(a.Name, b.Name))
	})
	return out, nil
}

func (t *tx) Attachment(cal int64, name, id string) (calendar.AttachmentRow, bool, error) {
	c := t.home.cals[cal]
	if c == nil {
		return calendar.AttachmentRow{}, false, nil
	}
	a, ok := c.files[name][id]
	return a, ok, nil
}

func (t *tx) PutAttachment(a calendar.AttachmentRow) error {
	c := t.home.cals[a.Cal]
	files := maps.Clone(c.files[a.Name])
	if files == nil {
		files = map[string]calendar.AttachmentRow{}
	}
	a.Size = int64(len(a.Data))
	t.grow(a.Size - files[a.ID].Size)
	files[a.ID] = a
	set(t, c.files, a.Name, files)
	return nil
}

func (t *tx) DeleteAttachments(cal int64, name, id string) error {
	c := t.home.cals[cal]
	if id == "" {
		t.grow(-c.octets(name))
		unset(t, c.files, name)
		return nil
	}
	files := maps.Clone(c.files[name])
	t.grow(-files[id].Size)
	delete(files, id)
	set(t, c.files, name, files)
	return nil
}

func (t *tx) AllAttachments(fn func(calendar.AttachmentRow, int64)) error {
	var all []calendar.AttachmentRow
	for _, c := range t.home.cals {
		for _, files := range c.files {
			all = slices.AppendSeq(all, maps.Values(files))
		}
	}
	slices.SortFunc(all, func(a, b calendar.AttachmentRow) int {
		return cmp.Or(cmp.Compare(a.Cal, b.Cal), strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	})
	for _, a := range all {
		n := int64(len(a.Data))
		a.Data = nil
		fn(a, n)
	}
	return nil
}
