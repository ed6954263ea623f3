package archive

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"factotum/server/calendar"

	"github.com/google/go-cmp/cmp"
)

// A job that a tool drops while the server is stopped does not come back by a restoration;
// and the list of such changes goes when the log has them.
func TestNoted(t *testing.T) {
	rnd := rand.New(rand.NewPCG(31, 1))
	s := &site{raw: openStore(t), root: filepath.Join(t.TempDir(), "archive")}
	k := s.keep(t, Options{})
	for n := range 60 {
		writes(t, rnd, k.Store(), n)
	}
	job := calendar.Job{JobID: calendar.JobID{Change: 1, Seq: 7}, Kind: "mail", Payload: []byte("x")}
	if err := k.Store().Update(bg, "anna", func(tx calendar.Tx) error { return tx.PutJob(job) }); err != nil {
		t.Fatal(err)
	}
	if err := k.Snapshot(bg, "archive"); err != nil {
		t.Fatal(err)
	}
	k.Close()
	tool := Noted(s.raw, s.root, filepath.Join(s.root, "none"))
	if err := tool.Update(bg, "anna", func(tx calendar.Tx) error { return tx.DeleteJob(1, 7) }); err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(s.root, changedName)
	if got := must(os.ReadFile(list))(t); string(got) != "anna\n" {
		t.Errorf("%q is noted", got)
	}
	k = s.keep(t, Options{})
	if k.places[0].gap() {
		t.Error("the log has a gap")
	}
	k.Close()
	if _, err := os.Stat(list); err == nil {
		t.Error("the list stays")
	}
	to := openStore(t)
	if _, err := Restore(bg, s.root, to, RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(contentsOf(t, s.raw), contentsOf(t, to)); d != "" {
		t.Error(d)
	}
}
