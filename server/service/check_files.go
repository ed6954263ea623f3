package service

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"factotum/server/calendar"
)

// ownerFiles are the attachments of an owner while they are examined. What an
// object accounts for is taken out; what stays belongs to nothing.
type ownerFiles struct {
	byObject map[objectKey][]heldFile
	byID     map[string]calendar.AttachmentRow // one that has it
	bytes    int64                             // as the rows say
	drop     []calendar.AttachmentRow          // at the end: another object may need a copy
}

type objectKey struct {
	cal  int64
	name string
}

// heldFile is a file with the octets that are really there.
type heldFile struct {
	calendar.AttachmentRow
	octets int64
}

func allFiles(tx calendar.ReadTx) (*ownerFiles, error) {
	f := &ownerFiles{byObject: map[objectKey][]heldFile{}, byID: map[string]calendar.AttachmentRow{}}
	err := tx.AllAttachments(func(a calendar.AttachmentRow, octets int64) {
		k := objectKey{a.Cal, a.Name}
		f.byObject[k] = append(f.byObject[k], heldFile{a, octets})
		f.byID[a.ID] = a
		f.bytes += a.Size
	})
	return f, err
}

// skip leaves the files of an object alone.
func (f *ownerFiles) skip(cal int64, name string) { delete(f.byObject, objectKey{cal, name}) }

// checkObject compares the files of an object with those that its text names.
func (f *ownerFiles) checkObject(o *calendar.ObjectRow, named []string, ref string, rep *CheckReport, w *mender) error {
	k := objectKey{o.Cal, o.Name}
	have := f.byObject[k]
	delete(f.byObject, k)
	kept := 0
	for _, a := range have {
		if !slices.Contains(named, a.ID) {
			rep.mend(w, ref, "has the file %s, which its text does not name", a.ID)
			f.drop = append(f.drop, a.AttachmentRow)
			continue
		}
		kept++
		if a.octets == a.Size {
			continue
		}
		rep.mend(w, ref, "its file %s has %d octets, not %d", a.ID, a.octets, a.Size)
		if w == nil {
			continue
		}
		if err := w.copyFile(a.AttachmentRow, k); err != nil {
			return err
		}
	}
	for _, id := range named {
		if slices.ContainsFunc(have, func(a heldFile) bool { return a.ID == id }) {
			continue
		}
		from, ok := f.byID[id]
		if !ok { // a text may name a file that went with another object
			continue
		}
		kept++
		rep.mend(w, ref, "lacks its copy of the file %s", id)
		if w == nil {
			continue
		}
		if err := w.copyFile(from, k); err != nil {
			return err
		}
	}
	switch {
	case o.Attached && kept == 0:
		rep.find(ref, "its files are lost; csdb rebuild takes note of that")
	case !o.Attached && kept > 0:
		rep.mend(w, ref, "has files, but no mark that says so")
	default:
		return nil
	}
	if w == nil {
		return nil
	}
	return w.mark(*o, kept > 0)
}

// checkRest finds the files of what is not there, and removes what is to go.
func (f *ownerFiles) checkRest(owner calendar.Owner, rep *CheckReport, w *mender) error {
	keys := slices.SortedFunc(maps.Keys(f.byObject), func(a, b objectKey) int {
		return cmp.Or(cmp.Compare(a.cal, b.cal), strings.Compare(a.name, b.name))
	})
	for _, k := range keys {
		for _, a := range f.byObject[k] {
			rep.mend(w, string(owner), "the file %s belongs to no object", a.ID)
			f.drop = append(f.drop, a.AttachmentRow)
		}
	}
	if w == nil {
		return nil
	}
	for _, a := range f.drop {
		if err := w.drop(a); err != nil {
			return err
		}
	}
	return nil
}
