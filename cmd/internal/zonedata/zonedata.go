// Package zonedata reads releases of the zone database, in the forms in which they
// are had, and keeps one where the server takes its zones from: a zip file of TZif
// files (RFC 9636), which is put in place whole or not at all.
package zonedata

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"factotum/server/recur"
)

// Release is a release of the zone database.
type Release struct {
	Version string            // 2025b; "" if it does not say
	Zones   map[string][]byte // TZif by name
}

// Bounds of what is read: a release has 600 zones and 3 MB.
const mostFiles = 20_000

var mostBytes int64 = 64 << 20 // tests have less

// sources are the files of the zone database that zic compiles, in its order.
var sources = []string{"africa", "antarctica", "asia", "australasia", "europe", "northamerica", "southamerica", "etcetera", "backward"}

// wanted are zones that every release has.
var wanted = []string{"Africa/Cairo", "America/Mexico_City", "America/New_York", "America/Sao_Paulo", "Asia/Amman", "Asia/Tokyo", "Australia/Sydney", "Europe/Berlin", "Europe/London", "Pacific/Auckland"}

// leastZones is how many zones make a whole release.
const leastZones = 300

// Read reads and judges a release: IANA's archive or tzdata.zi, which Debian's zic
// compiles, an archive or zip file of compiled zones, or a folder of either kind.
func Read(ctx context.Context, name string) (*Release, error) {
	files, err := gather(name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	r, err := fromFiles(ctx, files)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return r, nil
}

// bounded gathers files within the bounds.
type bounded struct {
	files map[string][]byte
	bytes int64
}

func (b *bounded) add(name string, r io.Reader) error {
	if len(b.files) >= mostFiles {
		return fmt.Errorf("it holds more than %d files, and no release of the zone database does", mostFiles)
	}
	data, err := io.ReadAll(io.LimitReader(r, mostBytes-b.bytes+1))
	if err != nil {
		return err
	}
	if b.bytes += int64(len(data)); b.bytes > mostBytes {
		return fmt.Errorf("it holds more than %d MiB, and no release of the zone database does", mostBytes>>20)
	}
	b.files[path.Clean("/" + filepath.ToSlash(name))[1:]] = data // nothing is ever written by these names
	return nil
}

func gather(name string) (map[string][]byte, error) {
	b := &bounded{files: map[string][]byte{}}
	st, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if st.IsDir() {
		err := filepath.WalkDir(name, func(file string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			rel, _ := filepath.Rel(name, file)
			if d.IsDir() {
				if rel == "right" || rel == "posix" { // the same again, and with leap seconds
					return fs.SkipDir
				}
				return nil
			}
			if st, err := os.Stat(file); err != nil || !st.Mode().IsRegular() {
				return nil
			}
			f, err := os.Open(file)
			if err != nil {
				return err
			}
			defer f.Close()
			return b.add(rel, f)
		})
		return b.files, err
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	br := bufio.NewReader(f)
	magic, _ := br.Peek(4)
	switch {
	case string(magic) == "PK\x03\x04":
		z, err := zip.NewReader(f, st.Size())
		if err != nil {
			return nil, fmt.Errorf("the zip file is damaged: %w", err)
		}
		for _, e := range z.File {
			if !e.Mode().IsRegular() {
				continue
			}
			r, err := e.Open()
			if err == nil {
				err = b.add(e.Name, r)
				r.Close()
			}
			if err != nil {
				return nil, fmt.Errorf("%s in the zip file: %w", e.Name, err)
			}
		}
		return b.files, nil
	case len(magic) > 1 && magic[0] == 0x1f && magic[1] == 0x8b:
		z, err := gzip.NewReader(br)
		if err != nil {
			return nil, fmt.Errorf("the archive is damaged: %w", err)
		}
		return b.files, b.tar(z)
	case len(magic) == 0:
		return nil, errors.New("the file is empty")
	case bytes.HasPrefix(magic, []byte("# ")) || magic[0] == 'R' || magic[0] == 'Z':
		return b.files, b.add("tzdata.zi", br)
	}
	if head, err := br.Peek(262); err == nil && string(head[257:262]) == "ustar" {
		return b.files, b.tar(br)
	}
	return nil, errors.New("it is none of these: tzdata….tar.gz or tzdata.zi of IANA, a zip file or an archive of compiled zones, a folder such as /usr/share/zoneinfo")
}

func (b *bounded) tar(r io.Reader) error {
	for t := tar.NewReader(r); ; {
		e, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the archive is damaged: %w", err)
		}
		if e.Typeflag == tar.TypeReg {
			switch err := b.add(e.Name, t); {
			case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, gzip.ErrChecksum):
				return fmt.Errorf("the archive is damaged: %w", err)
			case err != nil:
				return fmt.Errorf("%s in the archive: %w", e.Name, err)
			}
		}
	}
}

var isTZif = []byte("TZif")

// fromFiles finds the zones among files, or what is to be compiled.
func fromFiles(ctx context.Context, files map[string][]byte) (*Release, error) {
	r := &Release{Zones: map[string][]byte{}}
	root, found := "", false
	for name, data := range files {
		if dir, ok := strings.CutSuffix(name, "Europe/London"); ok && bytes.HasPrefix(data, isTZif) && (!found || len(dir) < len(root)) {
			root, found = dir, true
		}
	}
	if found {
		for name, data := range files {
			if zone, ok := strings.CutPrefix(name, root); ok && bytes.HasPrefix(data, isTZif) {
				r.Zones[zone] = data
			}
		}
		r.Version = versionOf(files, root)
		return r, nil
	}
	in := map[string][]byte{}
	for name, data := range files {
		if base := path.Base(name); base == "tzdata.zi" {
			in, root = map[string][]byte{base: data}, strings.TrimSuffix(name, base)
			break
		} else if slices.Contains(sources, base) {
			in[base], root = data, strings.TrimSuffix(name, base)
		}
	}
	if len(in) == 0 {
		return nil, errors.New("there are no zones in it")
	}
	var err error
	if r.Zones, err = compile(ctx, in); err != nil {
		return nil, err
	}
	r.Version = versionOf(files, root)
	return r, nil
}

var isVersion = regexp.MustCompile(`^[12][0-9]{3}[a-z]{1,2}$`)

// versionOf is what a release says it is.
func versionOf(files map[string][]byte, root string) string {
	for _, name := range [...]string{"+VERSION", "version", "tzdata.zi"} {
		line, _, _ := strings.Cut(string(files[root+name]), "\n")
		if v := strings.TrimSpace(strings.TrimPrefix(line, "# version ")); isVersion.MatchString(v) {
			return v
		}
	}
	return ""
}

// compile has zic make zones of the database's own text.
func compile(ctx context.Context, in map[string][]byte) (map[string][]byte, error) {
	zic, err := exec.LookPath("zic")
	if err != nil {
		if zic, err = exec.LookPath("/usr/sbin/zic"); err != nil {
			return nil, errors.New("its zones have to be compiled, and zic is not there: install it (Debian: libc-bin), or take a zip file or a folder of compiled zones")
		}
	}
	dir, err := os.MkdirTemp("", "zones")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	args := []string{"-b", "fat", "-d", filepath.Join(dir, "out")}
	for _, name := range append([]string{"tzdata.zi"}, sources...) {
		if data, ok := in[name]; ok {
			file := filepath.Join(dir, name)
			if err := os.WriteFile(file, data, 0o600); err != nil {
				return nil, err
			}
			args = append(args, file)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, zic, args...).CombinedOutput(); err != nil {
		line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return nil, fmt.Errorf("zic cannot compile it: %s", strings.ReplaceAll(line, dir+"/", ""))
	}
	files, err := gather(filepath.Join(dir, "out"))
	if err != nil {
		return nil, fmt.Errorf("read what zic made: %w", err)
	}
	return files, nil
}

// check refuses what is no whole release.
func (r *Release) check() error {
	for _, name := range slices.Sorted(maps.Keys(r.Zones)) {
		if _, err := time.LoadLocationFromTZData(name, r.Zones[name]); err != nil {
			return fmt.Errorf("the file of %s is damaged: %w; nothing was changed", name, err)
		}
	}
	for _, name := range wanted {
		if r.Zones[name] == nil {
			return fmt.Errorf("it has no %s: this is no whole zone database; nothing was changed", name)
		}
	}
	if n := len(r.Zones); n < leastZones {
		return fmt.Errorf("it has %d zones, and a whole zone database has at least %d; nothing was changed", n, leastZones)
	}
	return nil
}

// Data is the release as the server takes its zones from it.
func (r *Release) Data(source string) *recur.Data {
	return &recur.Data{Version: r.Version, Source: source, Load: func(name string) ([]byte, error) {
		if data := r.Zones[name]; data != nil {
			return data, nil
		}
		return nil, recur.ErrNoZone
	}}
}

// Install puts a release into a file, whole or not at all.
func (r *Release) Install(file string) (err error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".zones-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	z := zip.NewWriter(f)
	put := func(name string, data []byte) error {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write(data)
		}
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(r.Zones)) {
		if err := put(name, r.Zones[name]); err != nil {
			return err
		}
	}
	if r.Version != "" {
		if err := put("+VERSION", []byte(r.Version+"\n")); err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), file); err != nil {
		return err
	}
	if d, err := os.Open(filepath.Dir(file)); err == nil {
		d.Sync()
		d.Close()
	}
	return nil
}

// System is what zones are taken from where none were installed: the system's
// folder, else what the program has.
func System() *recur.Data {
	for _, dir := range []string{"/usr/share/zoneinfo", "/usr/share/lib/zoneinfo", "/usr/lib/locale/TZ", "/etc/zoneinfo"} { // as Go looks
		if _, err := os.Stat(filepath.Join(dir, "UTC")); err != nil {
			continue
		}
		d := &recur.Data{Source: dir}
		files := map[string][]byte{}
		for _, name := range []string{"+VERSION", "tzdata.zi"} {
			if f, err := os.Open(filepath.Join(dir, name)); err == nil {
				files[name], _ = io.ReadAll(io.LimitReader(f, 200))
				f.Close()
			}
		}
		d.Version = versionOf(files, "")
		return d
	}
	return &recur.Data{Source: "this program"}
}

// Open reads what Install wrote.
func Open(file string) (*recur.Data, error) {
	files, err := gather(file)
	if err != nil {
		return nil, err
	}
	r, err := fromFiles(context.Background(), files)
	if err != nil {
		return nil, err
	}
	return r.Data(file), nil
}
