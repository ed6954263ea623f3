package standby

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"factotum/server/calendar"
)

// registerName is the file of a witness, beside its database.
const registerName = "witness.json"

// Register is what a witness keeps: of each pair the highest epoch that it granted, and to whom. It is on
// the disk before anybody hears of it. Several processes may have the same one.
type Register struct {
	dir string
	mu  sync.Mutex
}

// NewRegister opens that of a directory, where there may be none yet.
func NewRegister(dir string) *Register { return &Register{dir: dir} }

type registered struct {
	Format int              `json:"format"`
	Pairs  map[string]grant `json:"pairs"`
}

type grant struct {
	Epoch  uint64 `json:"epoch"`
	Holder string `json:"holder"`
}

// Witness implements calendar.WitnessHost.
func (r *Register) Witness(_ context.Context, req calendar.WitnessRequest) (ans calendar.WitnessAnswer, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return ans, r.cannot(err)
	}
	locked, err := os.OpenFile(filepath.Join(r.dir, registerName+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return ans, r.cannot(err)
	}
	defer locked.Close() // which unlocks it
	if err := syscall.Flock(int(locked.Fd()), syscall.LOCK_EX); err != nil {
		return ans, r.cannot(err)
	}
	all, err := r.read()
	if err != nil {
		return ans, r.cannot(err)
	}
	is := all.Pairs[req.Pair]
	if req.Epoch > is.Epoch && req.BasedOn == is.Epoch {
		is = grant{req.Epoch, req.Holder}
		all.Pairs[req.Pair] = is
		text, err := json.MarshalIndent(all, "", "\t")
		if err == nil {
			err = writeSynced(filepath.Join(r.dir, registerName), append(text, '\n'))
		}
		if err != nil {
			return ans, r.cannot(err)
		}
	}
	return calendar.WitnessAnswer{Granted: req.Epoch > 0 && is == grant{req.Epoch, req.Holder}, Epoch: is.Epoch, Holder: is.Holder}, nil
}

func (r *Register) read() (all registered, err error) {
	text, err := os.ReadFile(filepath.Join(r.dir, registerName))
	if err == nil {
		if err = json.Unmarshal(text, &all); err == nil && all.Format != stateFormat {
			err = errors.New("another release has written it")
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if all.Format = stateFormat; all.Pairs == nil {
		all.Pairs = map[string]grant{}
	}
	return all, err
}

func (r *Register) cannot(err error) error {
	return &calendar.Error{Kind: calendar.Unavailable, Op: "be a witness", Err: fmt.Errorf("%s: %w", filepath.Join(r.dir, registerName), err),
		Msg: "the witness cannot keep what it grants: see its dwp.log"}
}
