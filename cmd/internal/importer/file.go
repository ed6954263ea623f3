package importer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"factotum/protocol/wcap"
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/object"
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
			out = append(out, Source{w, fi.Size()})
			continue
		}
		n := len(out)
		err = filepath.WalkDir(w, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !IsFile(path) {
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
			return nil, fmt.Errorf("%s has no .ics or .xml files", w)
		}
	}
	return out, nil
}

// IsXML tells whether a file is of Sun's XML, by its extension. admin.md §8.2.
func IsXML(path string) bool { return strings.EqualFold(filepath.Ext(path), ".xml") }

// IsFile tells whether a file is a calendar, by its extension.
func IsFile(path string) bool { return IsXML(path) || strings.EqualFold(filepath.Ext(path), ".ics") }

// textOf is what a file has as iCalendar, and what had to be mended for it.
func textOf(data []byte) (text []byte, mended string, err error) {
	if looksLikeXML(data) {
		cal, err := wcap.ReadXML(data)
		if err != nil {
			return nil, "", fmt.Errorf("it is not a calendar in XML: %w", err)
		}
		return cal.Bytes(), "it was XML", nil
	}
	if text = ical.ToUTF8(data); !bytes.Equal(text, data) {
		mended = "its characters became UTF-8"
	}
	return text, mended, nil
}

// looksLikeXML tells whether a file begins as Sun's XML does; other XML, and HTML,
// is no calendar.
func looksLikeXML(data []byte) bool {
	begin := bytes.ToLower(bytes.TrimLeft(bytes.TrimPrefix(data[:min(len(data), 4096)], []byte("\xef\xbb\xbf")), " \t\r\n"))
	return bytes.HasPrefix(begin, []byte("<")) && bytes.Contains(begin, []byte("<icalendar"))
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

// Head is what a file says of its calendar as a whole, and how much is in it.
type Head struct {
	calendar.Calendar
	UIDs int // different ones
}

// HeadOf reads it: RFC 7986 §5, the properties that were used before it, and
// Sun's. A file that cannot be read says nothing.
func HeadOf(data []byte) (h Head) {
	text, _, err := textOf(data)
	if err != nil {
		return h
	}
	uids := map[string]bool{}
	for cal, err := range ical.ParseStream(bytes.NewReader(text), Limits) {
		if err != nil {
			continue
		}
		for _, c := range cal.Children {
			if c.Name != "VTIMEZONE" {
				uids[object.UID(c)] = true
			}
		}
		if h.UIDs == 0 {
			h.Calendar = described(cal)
		}
		h.UIDs = len(uids)
	}
	return h
}

func described(cal *ical.Component) (c calendar.Calendar) {
	first := func(names ...string) string {
		for _, n := range names {
			if v := strings.TrimSpace(cal.Text(n)); v != "" {
				return v
			}
		}
		return ""
	}
	c.DisplayName = first("NAME", "X-WR-CALNAME", "X-NSCP-CALPROPS-NAME")
	c.Description = first("DESCRIPTION", "X-WR-CALDESC", "X-NSCP-CALPROPS-DESCRIPTION")
	c.Color = first("X-APPLE-CALENDAR-COLOR", "COLOR")
	if tzid := first("X-WR-TIMEZONE", "X-NSCP-CALPROPS-TZID"); tzid != "" {
		if _, ok := zone.Load(tzid); ok {
			c.TZID = tzid
		}
	}
	return c
}
