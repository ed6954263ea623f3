package operator

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// told is a mail that was sent, as the file has it.
type told struct {
	What  string    `json:"what"`
	About string    `json:"about"`
	Says  string    `json:"says"`
	To    string    `json:"to,omitempty"`
	Since time.Time `json:"since"`
	Told  time.Time `json:"told"`
	On    bool      `json:"on"` // false: that it is over
}

// forgetAfter is how long what was told counts, where nobody sees it any more.
const forgetAfter = 7 * 24 * time.Hour

func (m *Mailer) load() error {
	if m.opt.File == "" {
		return nil
	}
	text, err := os.ReadFile(m.opt.File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var list []told
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	for _, t := range list {
		if m.opt.Now().Sub(t.Told) > forgetAfter {
			continue
		}
		s := &state{Alarm: Alarm{What: t.What, About: t.About, Says: t.Says, To: t.To}, since: t.Since, told: t.Told, on: t.On}
		if !t.On {
			s.over = t.Told
		}
		m.known[name{t.What, t.About}] = s
	}
	return nil
}

// save writes the file anew.
func (m *Mailer) save() error {
	if m.opt.File == "" {
		return nil
	}
	list := []told{}
	for _, s := range m.known {
		if !s.told.IsZero() {
			list = append(list, told{s.What, s.About, s.Says, s.To, s.since, s.told, s.on})
		}
	}
	text, err := json.MarshalIndent(list, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(m.opt.File), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(m.opt.File+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(m.opt.File+".new", m.opt.File)
}
