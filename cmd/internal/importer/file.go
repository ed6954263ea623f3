package importer

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/zone"
)

// Limits bound one VCALENDAR of a file. An export of a large calendar
// is one; what is stored of it has the store's own limits.
var Limits = ical.Limits{MaxBytes: MaxFile, MaxComponents: 2_000_000, MaxProps: 20_000_000, MaxLine: 64 << 20}

// MaxFile is the largest file, in octets.
const MaxFile = 1 << 30

// Source is a file of an import.
type Source struct {
	Path string // "-" is standard input
	Size int64
}

// Sources finds the files that a call names, before anything is done.
func Sources(words []string) (out []Source, err error) {
	for _, w := range words {
		if w == "-" {
			out = append(out, Source{Path: w})
			continue
		}
		fi, err := os.Stat(w)
		if err != nil {
			return nil, err
		}
		if !fi.IsDir() {
			if err := Importable(w); err != nil {
				return nil, err
			}
			out = append(out, Source{w, fi.Size()})
			continue
		}
		n := len(out)
		err = filepath.WalkDir(w, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.EqualFold(filepath.Ext(path), ".ics") {
				return err
			}
			fi, err := os.Stat(path)
			if err == nil {
				out = append(out, Source{path, fi.Size()})
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(out) == n {
			return nil, fmt.Errorf("%s has no .ics files", w)
		}
	}
	return out, nil
}

// Importable refuses the XML format of old servers by its extension, as they
// chose it.
func Importable(path string) error {
	if strings.EqualFold(filepath.Ext(path), ".xml") {
		return fmt.Errorf("%s: files in XML are not supported; export the calendar as .ics", path)
	}
	return nil
}

// read reads a file, up to the limit. What comes by standard input, or a pipe,
// may never end: it is not waited for when ctx does.
func (s Source) read(ctx context.Context, stdin io.Reader) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data, err := s.readAll(stdin)
		done <- result{data, err}
	}()
	select {
	case r := <-done:
		return r.data, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s Source) readAll(stdin io.Reader) ([]byte, error) {
	in := stdin
	if s.Path != "-" {
		f, err := os.Open(s.Path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, MaxFile+1))
	if err == nil && len(data) > MaxFile {
		err = fmt.Errorf("the file is larger than %d octets", MaxFile)
	}
	return data, err
}

// calendarOf reads what a file says of its calendar as a whole: RFC 7986 §5
// and the properties that were used before it.
func calendarOf(data []byte) (c calendar.Calendar) {
	for cal, err := range ical.ParseStream(strings.NewReader(string(ical.ToUTF8(data))), Limits) {
		if err != nil {
			continue
		}
		first := func(names ...string) string {
			for _, n := range names {
				if v := strings.TrimSpace(cal.Text(n)); v != "" {
					return v
				}
			}
			return ""
		}
		c.DisplayName = first("NAME", "X-WR-CALNAME")
		c.Description = first("DESCRIPTION", "X-WR-CALDESC")
		c.Color = first("X-APPLE-CALENDAR-COLOR", "COLOR")
		if tzid := first("X-WR-TIMEZONE"); tzid != "" {
			if _, ok := zone.Load(tzid); ok {
				c.TZID = tzid
			}
		}
		break
	}
	return c
}
