package zonedata

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"factotum/server/recur"
)

const system = "/usr/share/zoneinfo"

func needSystem(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(system, "tzdata.zi")); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("tzdata is not installed")
		}
		t.Skip("tzdata is not installed")
	}
}

func read(t *testing.T, name string) *Release {
	t.Helper()
	r, err := Read(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// zipped makes a zip file, a tar file in gzip with tgz.
func zipped(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, data := range files {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func tgz(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	g := gzip.NewWriter(&b)
	w := tar.NewWriter(g)
	for name, data := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(data)), Mode: 0o644, Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func under(prefix string, zones map[string][]byte) map[string][]byte {
	out := map[string][]byte{}
	for name, data := range zones {
		out[prefix+name] = data
	}
	return out
}

// The same release is the same in all its forms.
func TestForms(t *testing.T) {
	needSystem(t)
	folder := read(t, system)
	want, err := recur.RulesOf(folder.Data(""))
	if err != nil || folder.Version == "" || len(want.Zones) < leastZones {
		t.Fatalf("release %q, %d zones, %v", folder.Version, len(want.Zones), err)
	}
	text, err := os.ReadFile(filepath.Join(system, "tzdata.zi"))
	if err != nil {
		t.Fatal(err)
	}
	installed := filepath.Join(t.TempDir(), "data", "zones.zip")
	if err := folder.Install(installed); err != nil {
		t.Fatal(err)
	}
	version := []byte(folder.Version + "\n")
	packed := under("zoneinfo/", folder.Zones)
	packed["zoneinfo/+VERSION"] = version
	for name, file := range map[string]string{
		"tzdata.zi":              filepath.Join(system, "tzdata.zi"),
		"archive of text":        write(t, "tzdata.tar.gz", tgz(t, map[string][]byte{"tz/tzdata.zi": text, "tz/version": version})),
		"zip file":               write(t, "zoneinfo.zip", zipped(t, packed)),
		"archive of zones":       write(t, "zones.tar.gz", tgz(t, packed)),
		"what was put in place":  installed,
		"names that lead away":   write(t, "zones.tar.gz", tgz(t, under("../../etc/", packed))),
		"with others beside it":  write(t, "zones.zip", zipped(t, map[string][]byte{"README": []byte("x"), "zoneinfo/Europe/London": folder.Zones["Europe/London"]})),
		"the folder of a folder": system,
	} {
		if name == "with others beside it" {
			if _, err := Read(context.Background(), file); err == nil || !strings.Contains(err.Error(), "no whole zone database") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		r := read(t, file)
		got, err := recur.RulesOf(r.Data(file))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if changed, _ := want.Diff(got); r.Version != folder.Version || len(changed) > 0 {
			t.Errorf("%s: release %q, other hours in %d zones", name, r.Version, len(changed))
		}
	}
	d, err := Open(installed)
	if err != nil || d.Version != folder.Version {
		t.Errorf("installed: %+v, %v", d, err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(installed), ".zones*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestBadFiles(t *testing.T) {
	needSystem(t)
	zones := read(t, system).Zones
	whole := zipped(t, zones)
	flipped := bytes.Clone(whole)
	for i := 1000; i < 40_000; i += 997 {
		flipped[i] ^= 0x55
	}
	cut := map[string][]byte{}
	for name, data := range zones {
		cut[name] = data
	}
	cut["America/Mexico_City"] = cut["America/Mexico_City"][:60]
	for want, data := range map[string][]byte{
		"is empty":                               {},
		"none of these":                          []byte("hello, world"),
		"the zip file is damaged":                whole[:len(whole)/2],
		"in the zip file":                        flipped,
		"America/Mexico_City is damaged":         zipped(t, cut),
		"there are no zones in it":               zipped(t, map[string][]byte{"a": []byte("b")}),
		"the archive is damaged":                 tgz(t, zones)[:50_000],
		"zic cannot compile it":                  []byte("# version 2030a\nZone Europe/London nonsense\n"),
		"it has no Africa/Cairo: this is no who": zipped(t, map[string][]byte{"Europe/London": zones["Europe/London"]}),
	} {
		if _, err := Read(context.Background(), write(t, "f", data)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	defer func(was int64) { mostBytes = was }(mostBytes)
	mostBytes = 1 << 20
	for _, bomb := range [][]byte{zipped(t, map[string][]byte{"bomb": make([]byte, mostBytes+1)}), tgz(t, map[string][]byte{"a": make([]byte, mostBytes/2), "b": make([]byte, mostBytes/2+1)})} {
		if _, err := Read(context.Background(), write(t, "f", bomb)); err == nil || !strings.Contains(err.Error(), "more than 1 MiB") {
			t.Errorf("a bomb: %v", err)
		}
	}
	if _, err := Read(context.Background(), filepath.Join(t.TempDir(), "nothing")); err == nil {
		t.Error("a file that is not there was read")
	}
	r := &Release{Zones: zones}
	place := write(t, "file", nil)
	if err := r.Install(filepath.Join(place, "zones.zip")); err == nil {
		t.Error("it was put below a file")
	}
}
