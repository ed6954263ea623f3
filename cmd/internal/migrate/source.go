package migrate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"factotum/cmd/internal/davclient"
	"factotum/server/calendar"
)

// Source is where calendars are pulled from: another server, or files that one
// wrote.
type Source interface {
	// Key tells apart what is kept of runs from different sources.
	Key() string
	Calendars(ctx context.Context) ([]davclient.Calendar, error)
	// Members lists what is in a calendar: its objects, or files of many, and an
	// ETag that changes with each.
	Members(ctx context.Context, calendar string) (map[string]string, error)
	Fetch(ctx context.Context, calendar string, hrefs []string, emit func(davclient.Object) error) error
	Close() error
}

// Server is another CalDAV server, as one user sees it.
type Server struct{ *davclient.Client }

// Key implements Source.
func (s Server) Key() string { return s.Base.Host }

// Calendars implements Source.
func (s Server) Calendars(ctx context.Context) ([]davclient.Calendar, error) {
	_, home, err := s.Home(ctx)
	if err != nil {
		return nil, err
	}
	return s.Client.Calendars(ctx, home)
}

// Close implements Source.
func (s Server) Close() error { return nil }

// targets gives each calendar there its calid here: by the last part of its
// address, which stays when it is renamed.
func targets(owner calendar.Owner, list []davclient.Calendar) map[string]calendar.ID {
	out, taken := map[string]calendar.ID{}, map[calendar.ID]bool{}
	sorted := slices.Clone(list)
	slices.SortFunc(sorted, func(a, b davclient.Calendar) int { return strings.Compare(a.Href, b.Href) })
	for _, rc := range sorted {
		last := localName(owner, rc)
		id := calendar.NewID(owner, last)
		for n := 2; taken[id]; n++ {
			id = calendar.NewID(owner, fmt.Sprintf("%s-%d", last, n))
		}
		taken[id], out[rc.Href] = true, id
	}
	return out
}

// localName is what a calendar is called in the home here.
func localName(owner calendar.Owner, rc davclient.Calendar) string {
	last, err := rc.File, error(nil)
	if last == "" {
		last, err = url.PathUnescape(path.Base(strings.TrimRight(rc.Href, "/")))
	} else {
		user, _, _ := strings.Cut(string(owner), "@")
		_, name, found := strings.Cut(last, ":") // Sun's files have the calid: owner, or owner:calendar
		switch of, _, _ := strings.Cut(last, "@"); {
		case found:
			last = name
		case strings.EqualFold(of, user):
			last = calendar.DefaultName
		}
	}
	if err != nil || calendar.CheckName(last) != nil || strings.Contains(last, "/") {
		sum := sha256.Sum256([]byte(rc.Href))
		last = "calendar-" + hex.EncodeToString(sum[:4])
	}
	return last
}
