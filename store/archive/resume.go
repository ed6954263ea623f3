package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"factotum/server/calendar"
)

// A file state.N beside the log has the numbers of all homes as they were at the end of
// file N, so that a start need not read all of the log to know what it lacks.

const statePrefix = "state."

type stateLine struct {
	Owner  calendar.Owner `json:"owner"`
	Change int64          `json:"change"`
}

// keepState writes the numbers that homes have at the end of a file of the log.
func (p *place) keepState(dir string, n int, at map[calendar.Owner]int64) error {
	out, err := p.keys.createPacked(filepath.Join(dir, fmt.Sprintf("%s%010d%s", statePrefix, n, packed)))
	if err != nil {
		return err
	}
	var buf bytes.Buffer
	for owner, change := range at {
		buf.Reset()
		if err = appendLine(&buf, &stateLine{owner, change}); err == nil {
			_, err = out.Write(buf.Bytes())
		}
		if err != nil {
			out.abandon()
			return err
		}
	}
	buf.Reset()
	if err := appendLine(&buf, &stateLine{Change: int64(len(at))}); err != nil {
		out.abandon()
		return err
	}
	if _, err := out.Write(buf.Bytes()); err != nil {
		out.abandon()
		return err
	}
	_, _, err = out.finish()
	if err == nil {
		dropStates(dir, n)
	}
	return err
}

func dropStates(dir string, before int) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if n, ok := stateNumber(e.Name()); ok && n < before {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

func stateNumber(name string) (int, bool) {
	rest, ok := strings.CutPrefix(name, statePrefix)
	rest = strings.TrimSuffix(rest, encrypted)
	if !ok || !strings.HasSuffix(rest, packed) {
		return 0, false
	}
	n, err := strconv.Atoi(strings.TrimSuffix(rest, packed))
	return n, err == nil
}

// resume goes on with what there is of a place: it adds to stale the owners of whom the
// log does not know all. is has the numbers that homes have. An error tells why the
// log cannot go on from what it has: the place begins anew, with a snapshot.
func (p *place) resume(is map[calendar.Owner]int64, stale map[calendar.Owner]bool) error {
	p.broken, p.gapped, p.recent = true, true, map[calendar.Owner]time.Time{}
	periods, err := Periods(p.root)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(periods) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	last := periods[len(periods)-1]
	files, err := logFiles(periods)
	if err != nil {
		return err
	}
	for _, f := range files {
		p.number = max(p.number, f.number)
	}
	p.period = last.Dir
	if last.Ended.IsZero() && len(periods) == 1 {
		return errors.New("its only snapshot was not finished")
	}
	if last.Encrypted != p.keys.seals() {
		return errors.New("it is encrypted from now on, or is not any more")
	}
	known, clean, err := p.knows(periods, files)
	if err != nil {
		return err
	}
	p.broken, p.gapped = false, false
	for owner, n := range is {
		if known[owner] != n {
			stale[owner] = true
		}
	}
	for owner := range known {
		if _, there := is[owner]; !there {
			stale[owner] = true
		}
	}
	if !clean {
		end := time.Time{}
		for _, t := range p.recent {
			if t.After(end) {
				end = t
			}
		}
		for owner, t := range p.recent {
			stale[owner] = stale[owner] || end.Sub(t) <= justBefore
		}
	}
	p.recent = nil
	return nil
}

// knows works out which numbers the log has come to: what a state says, and the files
// after it.
func (p *place) knows(periods []Period, files []logFile) (known map[calendar.Owner]int64, clean bool, err error) {
	known = map[calendar.Owner]int64{}
	from := 0
	for _, per := range slices.Backward(periods) {
		entries, err := os.ReadDir(per.Dir)
		if err != nil {
			return nil, false, err
		}
		for _, e := range entries {
			if n, ok := stateNumber(e.Name()); ok && n > from {
				from = n
				known, err = p.keys.readState(filepath.Join(per.Dir, e.Name()))
			}
			if err != nil {
				return nil, false, err
			}
		}
		if from > 0 {
			break
		}
	}
	if from == 0 {
		return nil, false, errors.New("it does not tell what it has")
	}
	next := from + 1
	for _, f := range files {
		if f.number <= from {
			continue
		}
		if f.number != next {
			return nil, false, fmt.Errorf("%s is missing", logName(next))
		}
		next++
		if clean, err = p.scan(f, known); err != nil {
			return nil, false, fmt.Errorf("%s: %w", f.path, err)
		}
	}
	return known, clean || next == from+1, nil
}

// justBefore is how long before its end what the log tells is looked at again after a
// crash.
const justBefore = 10 * time.Second

// scan reads which numbers a file of the log has.
func (p *place) scan(f logFile, known map[calendar.Owner]int64) (clean bool, err error) {
	in, err := p.keys.open(f.path)
	if err != nil {
		return false, err
	}
	defer in.Close()
	lines := newLines(in)
	for {
		var rec struct {
			Head  *header `json:"archive"`
			Clean bool    `json:"clean"`
			Txn   *struct {
				Time   time.Time      `json:"t"`
				Owner  calendar.Owner `json:"owner"`
				Change int64          `json:"change"`
				Image  bool           `json:"image"`
				More   bool           `json:"more"`
			} `json:"txn"`
		}
		switch err := lines.next(&rec); {
		case err == io.EOF || err == errTorn:
			return clean && err == io.EOF, nil
		case err != nil:
			return false, err
		}
		clean = rec.Clean
		if t := rec.Txn; t != nil {
			if p.recent[t.Owner] = t.Time; t.Image && t.Change == 0 && !t.More {
				delete(known, t.Owner)
			} else {
				known[t.Owner] = t.Change
			}
		}
	}
}

func (k *Keys) readState(name string) (map[calendar.Owner]int64, error) {
	in, err := k.open(name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	at, lines := map[calendar.Owner]int64{}, newLines(in)
	for {
		var l stateLine
		if err := lines.next(&l); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if l.Owner == "" {
			if l.Change != int64(len(at)) {
				return nil, fmt.Errorf("%s is not whole", name)
			}
			return at, nil
		}
		at[l.Owner] = l.Change
	}
}

// gap tells whether the log misses something since the newest snapshot.
func (p *place) gap() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.period == "" || p.gapped
}
