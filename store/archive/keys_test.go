package archive

import (
	"bytes"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/google/go-cmp/cmp"
)

func newKeys(t testing.TB) *Keys {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return &Keys{to: []age.Recipient{id.Recipient()}, by: []age.Identity{id}}
}

// allFiles is what a directory has, by name.
func allFiles(t testing.TB, root string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all[path], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Nothing of an encrypted backup can be read, while it is written to and later; who has an
// identity restores it, and a bit that was flipped anywhere in it is known.
func TestEncrypted(t *testing.T) {
	keys, rnd := newKeys(t), rand.New(rand.NewPCG(8, 8))
	s := &site{raw: openStore(t), root: filepath.Join(t.TempDir(), "archive")}
	scratch := t.TempDir()
	k := s.keep(t, Options{Keys: keys, ScratchDir: scratch})
	for n := range 40 {
		writes(t, rnd, k.Store(), n)
	}
	if err := k.Snapshot(bg, "archive"); err != nil {
		t.Fatal(err)
	}
	for n := range 60 {
		writes(t, rnd, k.Store(), 40+n)
	}
	k.log.drain(bg)
	if k.Status()[0].Proven.IsZero() {
		t.Error("it is not proven")
	}
	readable := func(when string) {
		t.Helper()
		kinds := map[string]bool{}
		for name, data := range allFiles(t, s.root) {
			_, kind, _ := strings.Cut(filepath.Base(name), ".")
			if kinds[strings.TrimLeft(kind, "0123456789")] = true; filepath.Base(name) == manifestName {
				continue
			}
			for _, word := range []string{"anna", "text", "calendar", "txn"} {
				if bytes.Contains(data, []byte(word)) {
					t.Errorf("%s: %s has %q", when, name, word)
				}
			}
		}
		if when == "running" && !kinds[sealed] || !kinds[packed+encrypted] || !kinds["zst.age"] || kinds[packed] || kinds[""] {
			t.Errorf("%s: %v", when, kinds)
		}
	}
	for k.places[0].whole.Load() > 0 { // else a file is there as it was, and packed
		time.Sleep(time.Millisecond)
	}
	readable("running")
	want := contentsOf(t, s.raw)
	check := func(when string) {
		t.Helper()
		to := openStore(t)
		if _, err := Restore(bg, s.root, to, RestoreOptions{Keys: keys}); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, contentsOf(t, to)); d != "" {
			t.Errorf("%s: %s", when, d)
		}
	}
	check("running")
	for _, c := range []struct {
		keys *Keys
		want string
	}{{nil, "no identity that opens it was named"}, {&Keys{to: keys.to}, "no identity that opens it was named"}, {newKeys(t), "none of the identities"}} {
		if _, err := Restore(bg, s.root, openStore(t), RestoreOptions{Keys: c.keys}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	for name, data := range allFiles(t, s.root) {
		if filepath.Base(name) == manifestName || strings.HasPrefix(filepath.Base(name), statePrefix) || len(data) == 0 { // the next file of the log may be there already
			continue
		}
		for range 2 {
			at := rnd.IntN(len(data))
			bad := bytes.Clone(data)
			bad[at] ^= 1 << rnd.IntN(8)
			if err := os.WriteFile(name, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			if per := must(Periods(s.root))(t); per[len(per)-1].Dir != filepath.Dir(name) {
				continue
			}
			if _, err := Restore(bg, s.root, openStore(t), RestoreOptions{Keys: keys}); err == nil {
				t.Errorf("octet %d of %d of %s was changed, and it was restored", at, len(data), name)
			}
		}
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	k.Close()
	readable("stopped")
	check("stopped")
	if left := allFiles(t, scratch); len(left) > 0 {
		t.Errorf("the proof leaves %d files", len(left))
	}

	// Who encrypts from now on, or not any more, begins anew.
	k = s.keep(t, Options{})
	if !k.places[0].gap() {
		t.Error("it goes on without encryption in an encrypted period")
	}
	k.Close()
}

// Without an identity, or with another's, a backup is made, and is never called proven. Without
// one that is no failure: its files are looked at.
func TestNeverProven(t *testing.T) {
	s := &site{raw: openStore(t), root: filepath.Join(t.TempDir(), "archive")}
	keys := newKeys(t)
	other := &Keys{to: keys.to, by: newKeys(t).by}
	for _, held := range []*Keys{{to: keys.to}, other} {
		k := s.keep(t, Options{Keys: held})
		writes(t, rand.New(rand.NewPCG(1, 1)), k.Store(), 0)
		err := k.Snapshot(bg, "archive")
		sealed := len(held.by) == 0
		if (err == nil) != sealed || !sealed && !strings.Contains(err.Error(), "it is encrypted") {
			t.Errorf("%v", err)
		}
		st := k.Status()[0]
		if !st.Proven.IsZero() || st.Sealed != sealed || sealed && st.Failure != "" {
			t.Errorf("it is proven up to %s", st.Proven)
		}
		want := contentsOf(t, s.raw)
		k.Close()
		pers := must(Periods(s.root))(t)
		last := pers[len(pers)-1]
		if last.Proof == nil || last.Proof.Sealed != sealed || (last.Proof.Failed == "") != sealed || last.Proof.restored() {
			t.Errorf("%+v", last.Proof)
		}
		if sealed { // a snapshot that is not what was written is found all the same
			name := found(filepath.Join(last.Dir, snapshotName))
			was := must(os.ReadFile(name))(t)
			if err := os.WriteFile(name, was[:len(was)-1], 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := k.look(k.target("archive"), last); err == nil || !strings.Contains(err.Error(), "damaged") {
				t.Errorf("a damaged snapshot: %v", err)
			}
			if err := os.WriteFile(name, was, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		to := openStore(t)
		if _, err := Restore(bg, s.root, to, RestoreOptions{Keys: keys}); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, contentsOf(t, to)); d != "" {
			t.Error(d)
		}
	}
}

func TestReadKeys(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	k, err := ReadKeys(file("to", "# me\n"+id.Recipient().String()+"\n"), file("by", "# created\n"+id.String()+"\n"))
	if err != nil || !k.seals() || len(k.by) != 1 {
		t.Errorf("%v %v", k, err)
	}
	if k, err := ReadKeys("", ""); err != nil || k.seals() {
		t.Errorf("%v %v", k, err)
	}
	for _, c := range [][2]string{{file("bad", "age1nonsense\n"), ""}, {"", file("none", "")}, {filepath.Join(dir, "missing"), ""}} {
		if _, err := ReadKeys(c[0], c[1]); err == nil {
			t.Errorf("%q", c)
		}
	}
}

// What was sealed is read as it was written; what is cut off ends there, and what was changed
// is no text.
func TestSealed(t *testing.T) {
	keys := newKeys(t)
	s, line, err := keys.sealer()
	if err != nil {
		t.Fatal(err)
	}
	all, text, ends := bytes.Clone(line), []byte{}, []int{len(line)}
	for n := range 20 {
		part := bytes.Repeat([]byte{byte('a' + n)}, n*n*200)
		if n == 19 {
			part = bytes.Repeat([]byte("big"), mostFrame)
		}
		text, all = append(text, part...), append(all, s.seal(part)...)
		ends = append(ends, len(all))
	}
	read := func(b []byte) ([]byte, error) {
		in, err := keys.openSealed("f", bytes.NewReader(b), nil)
		if err != nil {
			return nil, err
		}
		return io.ReadAll(in)
	}
	if got, err := read(all); err != nil || !bytes.Equal(got, text) {
		t.Errorf("%d octets of %d: %v", len(got), len(text), err)
	}
	if got, err := read(append(bytes.Clone(all), make([]byte, 4096)...)); err != nil || !bytes.Equal(got, text) {
		t.Errorf("with room that was never written to: %d octets of %d: %v", len(got), len(text), err)
	}
	rnd := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	for range 300 {
		at := rnd.IntN(ends[12])
		got, err := read(all[:at])
		if err != nil || !bytes.HasPrefix(text, got) {
			t.Errorf("cut off at %d: %d octets, %v", at, len(got), err)
		}
		bad := bytes.Clone(all[:ends[12]])
		bad[at] ^= 1 << rnd.IntN(8)
		if _, err := read(bad); err == nil {
			t.Errorf("octet %d was changed", at)
		}
	}
}
