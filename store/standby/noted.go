package standby

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"factotum/server/calendar"
)

// While no standby has what is committed, a restart finds by the numbers of homes what one lacks.
// What takes no number is found by a list of owners beside the database.

// notedName is the file that has the list, an owner in a line.
const notedName = "standby.changed"

// readNoted reads the list.
func readNoted(dir string) (map[calendar.Owner]bool, error) {
	all := map[calendar.Owner]bool{}
	f, err := os.Open(filepath.Join(dir, notedName))
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return all, err
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, 256<<20))
	for lines.Scan() {
		if owner := calendar.Owner(lines.Text()); owner != "" {
			all[owner] = true
		}
	}
	return all, lines.Err()
}

// note puts owners on the list, before what they changed is committed. mu is not held, commit is.
func (a *Active) note(all []calendar.Committing) error {
	var text []byte
	for _, c := range all {
		if n, ok := c.Note.(interface{ Numbered() bool }); (!ok || !n.Numbered()) && !a.noted[c.Owner] {
			a.noted[c.Owner] = true
			text = append(append(text, c.Owner...), '\n')
		}
	}
	if len(text) == 0 {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(a.opt.Dir, notedName), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.Write(text)
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err != nil {
		clear(a.noted)
		return &calendar.Error{Kind: calendar.Unavailable, Op: "note what a standby will lack", Err: err}
	}
	return nil
}

// forgetNoted removes the list: the standby has all. commit is held.
func (a *Active) forgetNoted() {
	clear(a.noted)
	if err := os.Remove(filepath.Join(a.opt.Dir, notedName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.opt.Log.Warn("homes are copied to the standby again at the next start", "error", err)
	}
}
