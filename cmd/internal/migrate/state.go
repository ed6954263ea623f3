package migrate

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"factotum/cmd/internal/davclient"
	"factotum/server/calendar"
)

// state is what the last run saw of a calendar; it lies in a file of
// the data directory. Without it everything is fetched again, which does no
// harm, and deletions go unnoticed.
type state struct {
	Calendar davclient.Calendar `json:"calendar"`
	Objects  map[string]entry   `json:"objects"` // by href
}

type entry struct {
	ETag    string   `json:"etag"`
	Here    []placed `json:"here"` // what it became: one object as a rule
	Refused int      `json:"refused,omitempty"`
}

type placed struct {
	Name   string `json:"name"`
	UID    string `json:"uid,omitempty"` // not kept by releases that read no files
	SHA256 string `json:"sha256"`
}

// placed is what an object of a UID became.
func (e entry) placed(uid string) (p placed, ok bool) {
	for _, p := range e.Here {
		if p.UID == uid || p.UID == "" && len(e.Here) == 1 {
			return p, true
		}
	}
	return p, false
}

// complete tells whether all of an object was stored, and is still here.
func (e entry) complete(here map[string]bool) bool {
	for _, p := range e.Here {
		if !here[p.Name] {
			return false
		}
	}
	return len(e.Here) > 0 && e.Refused == 0
}

// stateFile is where the state of a calendar is kept.
func (m *Migration) stateFile(id calendar.ID, rc davclient.Calendar) string {
	sum := sha256.Sum256([]byte(m.Source.Key() + "\x00" + rc.Href + "\x00" + string(id)))
	return filepath.Join(m.Dir, hex.EncodeToString(sum[:12])+".json")
}

func readState(file string) (*state, error) {
	s := &state{Objects: map[string]entry{}}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(data, s)
	}
	if err != nil {
		return nil, fmt.Errorf("read what the last run saw (%s; without the file everything is fetched again): %w", file, err)
	}
	if s.Objects == nil {
		s.Objects = map[string]entry{}
	}
	return s, nil
}

func writeState(file string, s *state) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	tmp := file + ".new"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, file)
}
