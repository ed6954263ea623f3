package archive

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"factotum/server/calendar"
)

// What a tool writes while the server is stopped is in no log. The next start finds it by the
// numbers of homes; what takes none, as when jobs are dropped, by a list of owners beside the
// periods.

// changedName is the file that has the list, an owner in a line.
const changedName = "changed"

// Noted is a store that a tool writes to while nobody archives it: whose homes it changes is
// noted in those of the directories that there are.
func Noted(s calendar.Store, roots ...string) calendar.Store { return &noted{s, roots} }

type noted struct {
	calendar.Store
	roots []string
}

func (s *noted) Update(ctx context.Context, owner calendar.Owner, fn func(calendar.Tx) error) error {
	return s.Store.Update(ctx, owner, func(tx calendar.Tx) error {
		rec := &recorder{Tx: tx, t: txn{Owner: owner}}
		if err := fn(rec); err != nil || len(rec.t.Ops) == 0 || rec.t.Took > 0 {
			return err
		}
		for _, root := range s.roots {
			if err := note(root, owner); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		return nil
	})
}

// NoteChanged notes homes in those of the directories that there are: their numbers need
// not tell that they are others.
func NoteChanged(owners []calendar.Owner, roots ...string) error {
	for _, root := range roots {
		if err := note(root, owners...); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// note adds owners to the list, before their change is committed.
func note(root string, owners ...calendar.Owner) error {
	f, err := os.OpenFile(filepath.Join(root, changedName), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, owner := range owners {
		text.WriteString(string(owner) + "\n")
	}
	_, err = f.WriteString(text.String())
	return errors.Join(err, f.Sync(), f.Close())
}

// changed adds the owners of the list to stale.
func (p *place) changed(stale map[calendar.Owner]bool) error {
	f, err := openRegular(filepath.Join(p.root, changedName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, 16<<20))
	for lines.Scan() {
		if owner := calendar.Owner(lines.Text()); owner != "" {
			stale[owner] = true
		}
	}
	return lines.Err()
}

// forgetChanged removes the list: the log has what is on it.
func (p *place) forgetChanged() error {
	err := os.Remove(filepath.Join(p.root, changedName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
