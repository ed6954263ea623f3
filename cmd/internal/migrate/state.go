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
// the data directory. Without it everything is davclient.Object again, which does no
// harm, and deletions go unnoticed.
type state struct {
	Calendar davclient.Calendar `json:"calendar"`
	Objects  map[string]entry   `json:"objects"` // by href
}

type entry struct {
	ETag string   `json:"etag"`
	Here []placed `json:"here"` // what it became: one object as a rule
}

type placed struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

// complete tells whether all that an object became is still here.
func (e entry) complete(here map[string]bool) bool {
	for _, p := range e.Here {
		if !here[p.Name] {
			return false
		}
	}
	return len(e.Here) > 0
}

// stateFile is where the state of a calendar is kept.
func (m *Migration) stateFile(id calendar.ID, rc davclient.Calendar) string {
	sum := sha256.Sum256([]byte(m.Client.Base.Host + "\x00" + rc.Href + "\x00" + string(id)))
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
		return nil, fmt.Errorf("read what the last run saw (%s; without the file everything is davclient.Object again): %w", file, err)
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
