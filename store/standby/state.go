package standby

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// State is what a host knows of itself after a restart.
type State struct {
	Format int    `json:"format"`
	Epoch  uint64 `json:"epoch"`
	Active bool   `json:"active"`
	Paired bool   `json:"paired,omitzero"` // a standby may take over: nothing is served without a lease
	// Witness is the host that decides which of the two goes on alone, as it was agreed upon for this
	// pairing; "": the lease alone decides.
	Witness string    `json:"witness,omitzero"`
	Aside   bool      `json:"aside,omitzero"` // the database is of an epoch that is over: it is to be put aside
	Since   time.Time `json:"since,omitzero"` // of its role
}

const stateFormat = 1

// stateName is the file beside the database.
const stateName = "standby.json"

// ReadState reads the state beside a database; there is false where there is none.
func ReadState(dir string) (s State, there bool, err error) {
	text, err := os.ReadFile(filepath.Join(dir, stateName))
	if errors.Is(err, fs.ErrNotExist) {
		return s, false, nil
	}
	if err == nil {
		if err = json.Unmarshal(text, &s); err == nil && s.Format != stateFormat {
			err = errors.New("another release has written it")
		}
	}
	if err != nil {
		return s, false, fmt.Errorf("read which of the two hosts serves, %s: %w", filepath.Join(dir, stateName), err)
	}
	return s, true, nil
}

// Write keeps the state: it is on the disk when it returns.
func (s State) Write(dir string) error {
	s.Format = stateFormat
	text, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		return err
	}
	return writeSynced(filepath.Join(dir, stateName), append(text, '\n'))
}

// writeSynced replaces a file: it is on the disk when it returns.
func writeSynced(name string, text []byte) error {
	f, err := os.OpenFile(name+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(name+".new", name); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// PutAside renames a database whose epoch is over, with what belongs to it, and tells its
// new name; "" where there was none.
func PutAside(file string, s State) (name string, err error) {
	name = fmt.Sprintf("%s.before-epoch-%d", file, s.Epoch)
	moved := false
	for _, end := range []string{"-shm", "-wal", ""} { // if it is killed here the rest follows
		switch err := os.Rename(file+end, name+end); {
		case err == nil:
			moved = true
		case !errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("put the database of an earlier epoch aside: %w", err)
		}
	}
	if !moved {
		name = ""
	}
	s.Aside = false
	return name, s.Write(filepath.Dir(file))
}
