package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"factotum/store/archive/s3"

	"github.com/google/go-cmp/cmp"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// service is one that speaks S3, and may be away.
type service struct {
	*httptest.Server
	away  atomic.Bool // it refuses
	hangs atomic.Bool // it does not answer
	asked atomic.Int64
}

func newService(t testing.TB) *service {
	t.Helper()
	fake := gofakes3.New(s3mem.New(), gofakes3.WithAutoBucket(true)).Server()
	s, end := &service{}, make(chan struct{})
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		if !strings.Contains(r.Header.Get("Authorization"), "Credential=AKEY/") {
			http.Error(w, "who are you?", http.StatusForbidden)
			return
		}
		for s.hangs.Load() {
			select {
			case <-r.Context().Done():
				return
			case <-end:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
		if s.away.Load() {
			http.Error(w, "away", http.StatusServiceUnavailable)
			return
		}
		fake.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { close(end); s.Close() })
	return s
}

// bucket is a depot there.
func (s *service) bucket(t testing.TB) *s3.Bucket {
	t.Helper()
	file := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(file, []byte("[default]\naws_access_key_id = AKEY\naws_secret_access_key = verysecret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := s3.Open(s3.Options{Endpoint: s.URL, Region: "us-east-1", Bucket: "backups", Prefix: "host/", Credentials: file})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// mirrored opens backups that go to a depot too, and has them run.
func (s *site) mirrored(t testing.TB, to Depot, opt Options) (k *Keeper, end func()) {
	t.Helper()
	opt.Mirror = &Mirror{Name: "s3", Of: "archive", To: to, Every: 5 * time.Millisecond, Max: 2}
	opt.Retry = 10 * time.Millisecond
	k = s.keep(t, opt)
	ctx, stop := context.WithCancel(bg)
	ended := make(chan struct{})
	go func() { k.Run(ctx); close(ended) }()
	return k, func() { stop(); <-ended; k.Close() }
}

// status waits until a mirror is what it should be.
func waitFor(t testing.TB, k *Keeper, what string, is func(Status) bool) Status {
	t.Helper()
	for range 2000 {
		if s := k.Status()[1]; is(s) {
			return s
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("not %s: %+v", what, k.Status()[1])
	return Status{}
}

// fetched is what a depot has at a moment.
func fetched(t testing.TB, d Depot, at time.Time, keys *Keys) contents {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "fetched")
	if err := Fetch(bg, d, dir, at); err != nil {
		t.Fatal(err)
	}
	to := openStore(t)
	if _, err := Restore(bg, dir, to, RestoreOptions{At: at, Keys: keys}); err != nil {
		t.Fatal(err)
	}
	return contentsOf(t, to)
}

// All that was committed comes to the depot within moments, any moment can be restored from
// there, and it is proven; when the disk is lost, and another takes its place, too.
func TestMirror(t *testing.T) {
	for name, keys := range map[string]*Keys{"plain": nil, "encrypted": newKeys(t)} {
		t.Run(name, func(t *testing.T) {
			d := newService(t).bucket(t)
			rnd := rand.New(rand.NewPCG(11, 1))
			s := &site{raw: openStore(t), root: filepath.Join(t.TempDir(), "archive")}
			var moments []moment
			n := 0
			for range 3 {
				k, end := s.mirrored(t, d, Options{Keys: keys, LogSize: 16 << 10})
				waitFor(t, k, "proven", func(s Status) bool { return !s.Proven.IsZero() && s.Failure == "" })
				for range 4 {
					for range 30 {
						writes(t, rnd, k.Store(), n)
						n++
					}
					moments = append(moments, moment{k.log.moment(), contentsOf(t, s.raw)})
					time.Sleep(2 * time.Millisecond)
				}
				now := k.log.moment()
				waitFor(t, k, "shipped", func(s Status) bool { return !s.Shipped.Before(now) })
				if d := cmp.Diff(contentsOf(t, s.raw), fetched(t, d, time.Time{}, keys)); d != "" {
					t.Fatal(d)
				}
				end()
				s.root = filepath.Join(t.TempDir(), "another") // the disk is lost
			}
			for _, m := range moments[4:] {
				if d := cmp.Diff(m.was, fetched(t, d, m.when, keys)); d != "" {
					t.Fatalf("at %s: %s", m.when, d)
				}
			}
			list := must(DepotPeriods(bg, d))(t)
			if len(list) != 2 || list[1].Proof == nil || list[1].Proof.Homes != 3 {
				t.Errorf("there are %d periods instead of 2: %+v", len(list), list)
			}
			err := Fetch(bg, d, filepath.Join(t.TempDir(), "x"), moments[0].when)
			if err == nil || !strings.Contains(err.Error(), "the backup begins at") {
				t.Errorf("what is too old: %v", err)
			}
			if err := d.List(bg, func(name string, _ int64) {
				if keptName.FindStringSubmatch(name) == nil {
					t.Errorf("there is %s", name)
				}
			}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A depot that is away, or does not answer, holds nothing up; it is told, and what it lacks
// is there when it is back.
func TestMirrorAway(t *testing.T) {
	for name, away := range map[string]func(*service, bool){
		"refuses": func(s *service, is bool) { s.away.Store(is) },
		"hangs":   func(s *service, is bool) { s.hangs.Store(is) },
	} {
		t.Run(name, func(t *testing.T) {
			srv := newService(t)
			d := srv.bucket(t)
			rnd := rand.New(rand.NewPCG(12, 1))
			s := &site{raw: openStore(t), root: filepath.Join(t.TempDir(), "archive")}
			var said bytes.Buffer
			log := slog.New(slog.NewTextHandler(&said, nil))
			k, end := s.mirrored(t, d, Options{Log: log})
			waitFor(t, k, "proven", func(s Status) bool { return !s.Proven.IsZero() })
			away(srv, true)
			asked := srv.asked.Load()
			worst := time.Duration(0)
			for n := range 200 {
				began := time.Now()
				writes(t, rnd, k.Store(), n)
				worst = max(worst, time.Since(began))
			}
			if err := k.Snapshot(bg, "archive"); err != nil {
				t.Fatal(err)
			}
			if worst > 20*time.Second {
				t.Errorf("a write took %s", worst)
			}
			if f := k.Status()[0].Failure; f != "" {
				t.Errorf("the directory fails: %s", f)
			}
			if name == "refuses" {
				f := waitFor(t, k, "told", func(s Status) bool { return s.Failure != "" })
				if !strings.Contains(f.Failure, "s3:backups/host at http://") {
					t.Errorf("the failure is %q", f.Failure)
				}
			}
			if srv.asked.Load() == asked {
				t.Error("nobody asked the service")
			}
			away(srv, false)
			now := k.log.moment()
			waitFor(t, k, "shipped", func(s Status) bool { return !s.Shipped.Before(now) && s.Failure == "" })
			waitFor(t, k, "proven", func(s Status) bool { return s.Proven.After(now.Add(-time.Minute)) })
			if d := cmp.Diff(contentsOf(t, s.raw), fetched(t, d, time.Time{}, nil)); d != "" {
				t.Fatal(d)
			}
			end()
			if strings.Contains(said.String(), "verysecret") {
				t.Error("the secret is in the log")
			}
		})
	}
}

// A file in the depot that is not what was written is found by the proof, is told, and is
// brought anew.
func TestMirrorDamaged(t *testing.T) {
	d := newService(t).bucket(t)
	rnd := rand.New(rand.NewPCG(13, 1))
	s := &site{raw: openStore(t), root: filepath.Join(t.TempDir(), "archive")}
	for n := range 60 {
		writes(t, rnd, s.raw, n)
	}
	flip := &flipping{Depot: d}
	flip.on.Store(true)
	now := time.Now()
	shift := atomic.Int64{}
	k, end := s.mirrored(t, flip, Options{Now: func() time.Time { return time.Now().Add(time.Duration(shift.Load())) }})
	defer end()
	f := waitFor(t, k, "told", func(s Status) bool { return s.Failure != "" })
	if !strings.Contains(f.Failure, "cannot be restored") || !strings.Contains(f.Failure, "checksum") || !f.Proven.IsZero() {
		t.Errorf("%+v", f)
	}
	flip.on.Store(false)
	shift.Store(int64(proveAgain) + int64(time.Minute))
	f = waitFor(t, k, "proven", func(s Status) bool { return !s.Proven.IsZero() && s.Failure == "" })
	if !f.Proven.After(now) {
		t.Errorf("proven up to %s", f.Proven)
	}
	if d := cmp.Diff(contentsOf(t, s.raw), fetched(t, d, time.Time{}, nil)); d != "" {
		t.Fatal(d)
	}
}

// A file that goes while it is read is looked for under its next name; what was brought
// before is not brought again.
func TestFetchWhileChanging(t *testing.T) {
	d := newService(t).bucket(t)
	rnd := rand.New(rand.NewPCG(15, 1))
	s := &site{raw: openStore(t), root: filepath.Join(t.TempDir(), "archive")}
	k := s.keep(t, Options{LogSize: 4 << 10, Mirror: &Mirror{Name: "s3", Of: "archive", To: d, Every: time.Hour, Max: 3}})
	defer k.Close()
	for n := range 50 {
		writes(t, rnd, k.Store(), n)
	}
	if err := k.Snapshot(bg, "archive"); err != nil {
		t.Fatal(err)
	}
	for n := range 60 {
		writes(t, rnd, k.Store(), 50+n)
	}
	if err := errors.Join(k.mirror.ship(bg), k.mirror.keep(bg)); err != nil {
		t.Fatal(err)
	}
	for range 5 { // files are read in any order
		c := &changing{Depot: d, read: map[string]int{}}
		if d := cmp.Diff(contentsOf(t, s.raw), fetched(t, c, time.Time{}, nil)); d != "" {
			t.Fatal(d)
		}
		for name, n := range c.read {
			if n > 1 && name != c.gone && strings.HasSuffix(name, packed) {
				t.Errorf("%s was read %d times", name, n)
			}
		}
	}
	f, err := d.Get(bg, k.mirror.stock[0].path(snapshotName))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := d.Remove(bg, k.mirror.stock[0].path(snapshotName)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(f); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that went: %v", err)
	}
}

// changing is a depot whose third file that is read is gone in the midst of it, once.
type changing struct {
	Depot
	read map[string]int
	all  int
	gone string
}

func (c *changing) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	in, err := c.Depot.Get(ctx, name)
	c.read[name]++
	if c.all++; err == nil && c.all == 3 {
		c.gone = name
		return struct {
			io.Reader
			io.Closer
		}{io.MultiReader(io.LimitReader(in, 10), iotest.ErrReader(fmt.Errorf("read: %w", fs.ErrNotExist))), in}, nil
	}
	return in, err
}

// flipping is a depot that changes a bit of each snapshot.
type flipping struct {
	Depot
	on atomic.Bool
}

func (f *flipping) Put(ctx context.Context, name string, in io.Reader, size int64) error {
	if f.on.Load() && strings.Contains(name, snapshotName) {
		data, err := io.ReadAll(in)
		if err != nil {
			return err
		}
		data[len(data)/2] ^= 4
		in = bytes.NewReader(data)
	}
	return f.Depot.Put(ctx, name, in, size)
}

// Many parts of a file of the log become one, and none is lost; names that are none of
// backups are left alone and lead nowhere.
func TestMirrorParts(t *testing.T) {
	d := newService(t).bucket(t)
	rnd := rand.New(rand.NewPCG(14, 1))
	s := &site{raw: openStore(t), root: filepath.Join(t.TempDir(), "archive")}
	for _, name := range []string{"notes.txt", "20261129T140500Z-5f2c91ab/archive_20261129/x..x/manifest.json", "a/b/c"} {
		if err := d.Put(bg, name, strings.NewReader("x"), 1); err != nil {
			t.Fatal(err)
		}
	}
	k := s.keep(t, Options{LogSize: 1 << 20, Mirror: &Mirror{Name: "s3", Of: "archive", To: d, Every: time.Hour, Max: 3}})
	defer k.Close()
	if err := k.Snapshot(bg, "archive"); err != nil {
		t.Fatal(err)
	}
	most := 0
	for n := range 3 * mostParts / 2 {
		writes(t, rnd, k.Store(), n)
		if err := k.mirror.ship(bg); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			if err := k.mirror.keep(bg); err != nil {
				t.Fatal(err)
			}
		}
		all := must(stock(bg, d))(t)
		for _, parts := range all[0].parts {
			most = max(most, len(parts))
		}
	}
	if most != mostParts {
		t.Errorf("there were up to %d parts", most)
	}
	if d := cmp.Diff(contentsOf(t, s.raw), fetched(t, d, time.Time{}, nil)); d != "" {
		t.Fatal(d)
	}
	// One is gone, though it is listed: it is said, and nothing is made of the rest.
	all := must(stock(bg, d))(t)
	for _, parts := range all[0].parts {
		if err := d.Remove(bg, parts[len(parts)/2].name); err != nil {
			t.Fatal(err)
		}
	}
	err := Fetch(bg, d, filepath.Join(t.TempDir(), "x"), time.Time{})
	if err == nil || !strings.Contains(err.Error(), "are missing") {
		t.Errorf("with a hole: %v", err)
	}
	for _, name := range []string{"notes.txt", "a/b/c"} {
		if in, err := d.Get(bg, name); err != nil {
			t.Errorf("%s: %v", name, err)
		} else {
			in.Close()
		}
	}
	if _, err := d.Get(bg, "nothing"); err == nil || !strings.Contains(fmt.Sprint(err), "file does not exist") {
		t.Errorf("what is not there: %v", err)
	}
}
