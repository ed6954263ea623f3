package standby

import (
	"bytes"
	"errors"
	"maps"

	"factotum/server/calendar"
	"factotum/store/archive"
)

// Before is told of transactions that are about to be committed: see calendar.Committing.
func (a *Active) Before(all []calendar.Committing) (done func(error), err error) {
	a.commit.Lock()
	a.mu.Lock()
	err, is := a.held(), a.phase
	a.mu.Unlock()
	if err == nil && is == broken {
		err = notActive("it is not known what the standby %s has; try again in a second", a.opt.Peer)
	}
	if err != nil {
		a.commit.Unlock()
		return nil, err
	}
	if is != paired {
		if err := a.note(all); err != nil {
			a.commit.Unlock()
			return nil, err
		}
		return func(error) { a.mark(all); a.commit.Unlock() }, nil
	}
	var buf bytes.Buffer
	var list []*queued
	var odd, partial []calendar.Committing
	for _, c := range all {
		s, ok := c.Note.(*archive.Spelled)
		from := buf.Len()
		if (!ok || s.Image()) && a.opt.Partial(c.Owner) {
			partial = append(partial, c)
			continue
		}
		if !ok || s.Whole() || s.Append(&buf) != nil {
			buf.Truncate(from)
			odd = append(odd, c)
			continue
		}
		list = append(list, &queued{owner: c.Owner, lines: buf.Bytes()[from:buf.Len():buf.Len()]})
	}
	later := all // than its commit the standby gets them
	if a.opt.Sync {
		later = odd
		if buf.Len() > 0 {
			err = a.ship(buf.Bytes(), 0)
		}
		if errors.Is(err, errAlone) {
			later, odd, list, err = all, all, nil, nil
		}
	}
	if err == nil {
		err = a.note(later)
	}
	if err != nil {
		a.mark(all) // the standby may have it
		a.commit.Unlock()
		return nil, err
	}
	return func(err error) {
		defer a.commit.Unlock()
		if err != nil { // the standby has what there is not here
			odd, list = all, nil
		} else {
			if !a.opt.Sync {
				a.enqueue(list)
			}
			a.put(partial)
		}
		if len(odd) > 0 {
			a.mark(odd)
		}
	}, nil
}

// put notes that of these homes the standby gets all at their end; where it has been lost meanwhile
// it may get them before.
func (a *Active) put(all []calendar.Committing) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range all {
		if a.phase == paired {
			a.partial[c.Owner] = true
		} else {
			a.dirty[c.Owner] = true
		}
	}
}

// late has what was put off copied with the rest. mu is held.
func (a *Active) late() {
	maps.Copy(a.dirty, a.partial)
	clear(a.partial)
}

// mark notes that the standby may not have what these homes have.
func (a *Active) mark(all []calendar.Committing) {
	a.mu.Lock()
	for _, c := range all {
		a.dirty[c.Owner] = true
	}
	is := a.phase
	a.mu.Unlock()
	if is == paired {
		a.poke()
	}
}
