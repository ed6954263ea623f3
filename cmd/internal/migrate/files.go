package migrate

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"factotum/cmd/internal/davclient"
	"factotum/cmd/internal/importer"
	"factotum/server/calendar"
)

// Files is calendars that another program wrote to a file, a directory or a zip.
// A file is a calendar, as Google Takeout, Outlook, Nextcloud and Sun's csbackup
// and csexport write them; a directory is one where its files have one object
// each and no name of a calendar, as Radicale, DAViCal and csexport do it.
// Nothing is unpacked, and nothing outside of the directory is read.
type Files struct {
	fsys      fs.FS
	close     func() error
	name      string // of the whole, without its extension
	calendars []davclient.Calendar
	members   map[string]map[string]string // ETags by calendar and file
}

// Limits of what files may hold: a zip can promise more than it has.
const (
	maxEntries = 1_000_000
	maxRatio   = 1000 // of an entry's size to that of what is in the zip of it
)

// OpenFiles looks through a file, a directory or a zip for calendars.
func OpenFiles(ctx context.Context, where string) (*Files, error) {
	fi, err := os.Stat(where)
	if err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(where)
	if err != nil {
		return nil, err
	}
	f := &Files{name: filepath.Base(abs), members: map[string]map[string]string{}}
	switch {
	case fi.IsDir():
		root, err := os.OpenRoot(where) // links that lead out of it are not followed
		if err != nil {
			return nil, err
		}
		f.fsys, f.close = root.FS(), root.Close
	case strings.EqualFold(filepath.Ext(where), ".zip"):
		z, err := zip.OpenReader(where)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", where, err)
		}
		if len(z.File) > maxEntries {
			z.Close()
			return nil, fmt.Errorf("%s has more than %d entries", where, maxEntries)
		}
		f.name = strings.TrimSuffix(f.name, filepath.Ext(f.name))
		f.fsys, f.close = z, z.Close
	case importer.IsFile(where):
		f.fsys, f.close = single{f.name, where}, func() error { return nil }
	default:
		return nil, fmt.Errorf("%s is no directory, and its name ends neither in .ics, .xml nor .zip", where)
	}
	return f, errors.Join(f.scan(ctx))
}

// single is one file.
type single struct{ name, path string }

// Open implements fs.FS.
func (s single) Open(name string) (fs.File, error) {
	if name != s.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return os.Open(s.path)
}

// ReadDir implements fs.ReadDirFS.
func (s single) ReadDir(string) ([]fs.DirEntry, error) {
	fi, err := os.Stat(s.path)
	return []fs.DirEntry{fs.FileInfoToDirEntry(fi)}, err
}

// Stat implements fs.StatFS.
func (s single) Stat(name string) (fs.FileInfo, error) {
	if name == "." {
		return os.Stat(filepath.Dir(s.path))
	}
	return os.Stat(s.path)
}

// Key implements Source: a newer copy of the same files may lie elsewhere.
func (f *Files) Key() string { return "files" }

// Owners deals the calendars to whom they are named after: the directory of an
// owner, or a file owner.ics or owner:calendar.ics, as Sun's calids are.
func (f *Files) Owners() map[calendar.Owner]Source {
	out := map[calendar.Owner]Source{}
	for _, rc := range f.calendars {
		name, _, inside := strings.Cut(strings.TrimSuffix(rc.Href, "/"), "/")
		if !inside {
			name = rc.File
		}
		name, _, _ = strings.Cut(name, ":")
		owner := calendar.Owner(strings.ToLower(name))
		part, ok := out[owner].(*Files)
		if !ok {
			part = &Files{fsys: f.fsys, close: f.close, name: f.name, members: f.members}
			out[owner] = part
		}
		part.calendars = append(part.calendars, rc)
	}
	return out
}

// Close implements Source.
func (f *Files) Close() error { return f.close() }

// Calendars implements Source.
func (f *Files) Calendars(context.Context) ([]davclient.Calendar, error) { return f.calendars, nil }

// Members implements Source.
func (f *Files) Members(_ context.Context, of string) (map[string]string, error) {
	return f.members[of], nil
}

// Fetch implements Source.
func (f *Files) Fetch(ctx context.Context, of string, hrefs []string, emit func(davclient.Object) error) error {
	for _, href := range hrefs {
		if err := ctx.Err(); err != nil {
			return err
		}
		o := davclient.Object{Href: href, ETag: f.members[of][href]}
		o.Data, o.Err = f.read(href)
		if err := emit(o); err != nil {
			return err
		}
	}
	return nil
}

// read reads a file, unless it is too large, or a bomb.
func (f *Files) read(name string) ([]byte, error) {
	fi, err := fs.Stat(f.fsys, name)
	if err != nil {
		return nil, err
	}
	const limit = importer.MaxFile
	entry, zipped := fi.Sys().(*zip.FileHeader)
	switch {
	case !fi.Mode().IsRegular():
		return nil, errors.New("it is no regular file")
	case fi.Size() > limit:
		return nil, fmt.Errorf("it is larger than %d octets", limit)
	case zipped && entry.UncompressedSize64/maxRatio > entry.CompressedSize64:
		return nil, fmt.Errorf("it would become more than %d times as large as it is in the zip", maxRatio)
	}
	file, err := f.fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && len(data) > limit {
		err = fmt.Errorf("it is larger than %d octets", limit)
	}
	return data, err
}

// seen is a file that was looked at.
type seen struct {
	path, etag string
	importer.Head
}

// scan finds the calendars.
func (f *Files) scan(ctx context.Context) error {
	dirs := map[string][]seen{}
	props := map[string]*radicale{}
	err := fs.WalkDir(f.fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch base := path.Base(name); {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case d.IsDir() && name != "." && (strings.HasPrefix(base, ".") || base == "__MACOSX"): // Radicale's cache, and what archivers add
			return fs.SkipDir
		case base == ".Radicale.props":
			p := &radicale{}
			if data, err := f.read(name); err == nil && json.Unmarshal(data, p) == nil {
				props[path.Dir(name)] = p
			}
		case d.IsDir(), strings.HasPrefix(base, "."), !importer.IsFile(base):
		default:
			s := seen{path: name}
			if data, err := f.read(name); err == nil { // else the reason is told when it is fetched
				sum := sha256.Sum256(data)
				s.etag, s.Head = hex.EncodeToString(sum[:]), importer.HeadOf(bytes.TrimSpace(data))
			}
			dirs[path.Dir(name)] = append(dirs[path.Dir(name)], s)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for dir, p := range props {
		if p.Tag == "VCALENDAR" && dirs[dir] == nil {
			dirs[dir] = []seen{}
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		f.directory(dir, dirs[dir], props[dir])
	}
	if len(f.calendars) == 0 {
		return fmt.Errorf("%s has no calendars: files whose names end in .ics or .xml", f.name)
	}
	return nil
}

// radicale is what Radicale writes beside the objects of a collection.
type radicale struct {
	Tag         string `json:"tag"`
	Name        string `json:"D:displayname"`
	Description string `json:"C:calendar-description"`
	Color       string `json:"ICAL:calendar-color"`
	Order       string `json:"ICAL:calendar-order"`
	Timezone    string `json:"C:calendar-timezone"`
	Components  string `json:"C:supported-calendar-component-set"`
}

// directory makes one calendar of a directory's files, or one of each.
func (f *Files) directory(dir string, files []seen, p *radicale) {
	if p != nil && p.Tag != "VCALENDAR" {
		return // an address book
	}
	objects := len(files) > 1 || dir != "."
	for i := range files {
		objects = objects && files[i].UIDs <= 1 && files[i].DisplayName == ""
	}
	if p == nil && !objects {
		for i := range files {
			s := &files[i]
			base := path.Base(s.path)
			rc := davclient.Calendar{Href: s.path, File: strings.TrimSuffix(base, path.Ext(base)), Description: s.Description, Color: s.Color, TZID: s.TZID}
			rc.Name = cmp.Or(s.DisplayName, rc.File)
			f.calendars = append(f.calendars, rc)
			f.members[rc.Href] = map[string]string{s.path: s.etag}
		}
		return
	}
	rc := davclient.Calendar{Href: dir + "/", File: path.Base(dir)}
	if dir == "." {
		rc.File = f.name
	}
	if p != nil {
		rc.Name, rc.Description, rc.Color, rc.Order, rc.Timezone = p.Name, p.Description, p.Color, p.Order, p.Timezone
		if p.Components != "" {
			rc.Components = strings.Split(p.Components, ",")
		}
	}
	rc.Name = cmp.Or(rc.Name, rc.File)
	f.calendars = append(f.calendars, rc)
	f.members[rc.Href] = map[string]string{}
	for i := range files {
		f.members[rc.Href][files[i].path] = files[i].etag
	}
}
