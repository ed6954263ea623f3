package archive

import (
	"cmp"
	"encoding/json"
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

	"golang.org/x/sys/unix"

	"factotum/server/calendar"
)

// Manifest is what is known of a period.
type Manifest struct {
	Format   int       `json:"format"`
	Host     string    `json:"host"`
	Release  string    `json:"release"`
	Engine   string    `json:"engine"` // sqlite or postgres, of which it is a copy
	Begun    time.Time `json:"begun"`
	FirstLog int       `json:"first_log"` // file of the log from which on the snapshot is to be read

	Encrypted bool `json:"encrypted,omitzero"` // see Keys

	Ended  time.Time `json:"ended,omitzero"` // when the snapshot was complete
	Homes  int       `json:"homes,omitzero"`
	Octets int64     `json:"octets,omitzero"` // of the snapshot's file
	SHA256 string    `json:"sha256,omitzero"` // of the same

	Proof *Proof `json:"proof,omitempty"` // the last
}

// Proof is the outcome of a restoration that was tried.
type Proof struct {
	Time   time.Time `json:"time"`  // when
	Until  time.Time `json:"until"` // up to which moment it was restored
	Homes  int       `json:"homes"` // that were compared with what they were
	Failed string    `json:"failed,omitzero"`
	// Sealed tells that it was not restored, since nobody here can open it: its files are
	// there, and the snapshot is what was written.
	Sealed bool `json:"sealed,omitzero"`
}

// restored tells whether it is one at all, and went well.
func (p *Proof) restored() bool { return p != nil && p.Failed == "" && !p.Sealed }

func (m *Manifest) write(dir string) error {
	text, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return err
	}
	name := filepath.Join(dir, manifestName)
	f, err := os.OpenFile(name+partial, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(name+partial, name); err != nil {
		return err
	}
	return syncDir(dir)
}

// Period is a period of a directory of backups.
type Period struct {
	Dir string
	Manifest
}

// logFile is a file of the log.
type logFile struct {
	path   string
	number int
}

// Periods lists the periods of a directory, or the one that it is, oldest first. What
// has no manifest is none.
func Periods(root string) ([]Period, error) {
	switch p, err := readPeriod(root); {
	case err == nil:
		return []Period{p}, nil
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR):
		return nil, err
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, err
	}
	var list []Period
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		p, err := readPeriod(filepath.Join(root, e.Name()))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		default:
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b Period) int { return cmp.Compare(a.FirstLog, b.FirstLog) })
	return list, nil
}

func readPeriod(dir string) (Period, error) {
	p := Period{Dir: dir}
	f, err := openRegular(filepath.Join(dir, manifestName))
	if err != nil {
		return p, err
	}
	text, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err = errors.Join(err, f.Close()); err != nil {
		return p, err
	}
	if err := json.Unmarshal(text, &p.Manifest); err != nil {
		return p, fmt.Errorf("%s of %s cannot be read: %w", manifestName, dir, err)
	}
	if p.Format > format {
		return p, &calendar.Error{Kind: calendar.Unsupported, Op: "read a backup", Ref: dir,
			Msg: fmt.Sprintf("a newer release (%s) has written it: use that release, or a newer one", p.Release)}
	}
	return p, nil
}

// logEnding takes away what the name of a file of the log has behind its number.
var logEnding = strings.NewReplacer(packed+encrypted, "", packed, "", sealed, "")

// logFiles lists the files of the log in some periods, in their order.
func logFiles(periods []Period) (files []logFile, err error) {
	seen := map[int]int{}
	for _, p := range periods {
		entries, err := os.ReadDir(p.Dir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			rest, ok := strings.CutPrefix(e.Name(), logPrefix)
			n, err := strconv.Atoi(logEnding.Replace(rest))
			if !ok || err != nil || !e.Type().IsRegular() {
				continue
			}
			f := logFile{filepath.Join(p.Dir, e.Name()), n}
			if i, twice := seen[n]; twice { // it was being packed, or one was made ahead for nothing
				if empty(files[i]) || !strings.Contains(rest, packed) && !empty(f) {
					files[i] = f
				}
				continue
			}
			seen[n] = len(files)
			files = append(files, f)
		}
	}
	slices.SortFunc(files, func(a, b logFile) int { return cmp.Compare(a.number, b.number) })
	if n := len(files); n > 0 && empty(files[n-1]) {
		files = files[:n-1] // it was made ahead
	}
	return files, nil
}

func empty(f logFile) bool {
	fi, err := os.Stat(f.path)
	return err == nil && fi.Size() == 0
}
