package cld

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/service"
)

// byLetter puts owners on two hosts and this one, by their first letter.
type byLetter struct{}

func (byLetter) Locate(_ context.Context, o calendar.Owner) (string, error) {
	switch {
	case o == "" || o[0] <= 'a':
		return "", nil
	case o[0] <= 'n':
		return "Calendar1.sesta.com", nil // names have no case
	}
	return "calendar2.sesta.com", nil
}

func newService(people calendar.People) calendar.Backend {
	return service.New(calendartest.NewStore(), people, service.Options{})
}

func threeHosts(t *testing.T, people calendar.People) *Router {
	t.Helper()
	r, err := New(Options{
		Locator: byLetter{}, Local: newService(people),
		Backends: map[string]calendar.Backend{"calendar1.sesta.com": newService(people), "calendar2.sesta.com": newService(people)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestContract(t *testing.T) {
	t.Run("OneHost", func(t *testing.T) {
		calendartest.Run(t, func(t *testing.T, people calendar.People) calendar.Backend {
			r, err := New(Options{Local: newService(people)})
			if err != nil {
				t.Fatal(err)
			}
			return r
		})
	})
	t.Run("ThreeHosts", func(t *testing.T) {
		calendartest.Run(t, func(t *testing.T, people calendar.People) calendar.Backend { return threeHosts(t, people) })
	})
}

// TestCopies: anna is at home here; bert, with three hosts, elsewhere.
func TestCopies(t *testing.T) {
	t.Run("OneHost", func(t *testing.T) {
		calendartest.RunCopies(t, func(t *testing.T, people calendar.People) calendar.Backend {
			r, err := New(Options{Local: newService(people)})
			if err != nil {
				t.Fatal(err)
			}
			return r
		})
	})
	t.Run("ThreeHosts", func(t *testing.T) {
		calendartest.RunCopies(t, func(t *testing.T, people calendar.People) calendar.Backend { return threeHosts(t, people) })
	})
}

// down is a back end that cannot be reached.
type down struct{ calendar.Backend }

var errDown = &calendar.Error{Kind: calendar.Unavailable, Op: "call"}

func (down) Home(context.Context, calendar.Actor, calendar.HomeRequest) (calendar.Home, error) {
	return calendar.Home{}, errDown
}

func (down) Objects(context.Context, calendar.Actor, calendar.ObjectsRequest, func(calendar.ObjectResult) error) error {
	return errDown
}

func (down) FreeBusy(context.Context, calendar.Actor, calendar.FreeBusyRequest) ([]calendar.FreeBusyResult, error) {
	return nil, errDown
}

func (down) SearchCalendars(context.Context, calendar.Actor, calendar.SearchCalendarsRequest) ([]calendar.Calendar, error) {
	return nil, errDown
}

func (down) Occurrences(context.Context, calendar.Actor, calendar.OccurrencesRequest, func(calendar.OccurrencesResult) error) error {
	return errDown
}

func (down) Calendars(context.Context, calendar.Actor, calendar.CalendarsRequest) ([]calendar.CalendarResult, error) {
	return nil, errDown
}

func (down) Ping(context.Context) (calendar.Status, error) { return calendar.Status{}, errDown }

// leaving goes away after so many answers to Occurrences.
type leaving struct {
	calendar.Backend
	after int
}

func (l leaving) Occurrences(ctx context.Context, who calendar.Actor, req calendar.OccurrencesRequest, emit func(calendar.OccurrencesResult) error) error {
	n := 0
	err := l.Backend.Occurrences(ctx, who, req, func(r calendar.OccurrencesResult) error {
		if n++; n > l.after {
			return errDown
		}
		return emit(r)
	})
	return err
}

// TestOccurrencesCut: of a back end that goes away in the middle each calendar
// that was not told of whole says so; and alone or among others a request for
// something that cannot be is no back end's fault.
func TestOccurrencesCut(t *testing.T) {
	people := calendartest.NewPeople("anna", "bert", "carl", "root")
	ctx, root := t.Context(), people.Actor("root")
	one := newService(people)
	for _, id := range []calendar.UserID{"anna", "bert"} {
		if _, err := one.Home(ctx, people.Actor(id), calendar.HomeRequest{Owner: calendar.Owner(id)}); err != nil {
			t.Fatal(err)
		}
		put(t, one, people, calendar.ID(id), "a")
	}
	two := newService(people)
	if _, err := two.Home(ctx, people.Actor("carl"), calendar.HomeRequest{Owner: "carl"}); err != nil {
		t.Fatal(err)
	}
	put(t, two, people, "carl", "a")
	for _, ids := range [][]calendar.ID{{"anna", "bert"}, {"anna", "carl", "bert"}} {
		for after := range 6 {
			r, err := New(Options{Locator: table{"anna": "one", "bert": "one", "carl": "two"}, Backends: map[string]calendar.Backend{"one": leaving{one, after}, "two": two}})
			if err != nil {
				t.Fatal(err)
			}
			var first, rest []string
			err = r.Occurrences(ctx, root, calendar.OccurrencesRequest{Calendars: ids}, func(o calendar.OccurrencesResult) error {
				word := string(ids[o.Index])
				if o.Err != nil {
					word += "!"
				} else if o.Object != nil {
					word += "/" + o.Object.Name
				}
				if len(first) < len(ids) {
					first = append(first, word)
				} else {
					rest = append(rest, word)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			want := [...]string{ // of anna and bert: two openings and an object of each
				"anna! bert! | ", "anna bert! | anna!", "anna bert | anna! bert!", "anna bert | anna/a anna! bert!", "anna bert | anna/a bert/a", "anna bert | anna/a bert/a",
			}[after]
			if len(ids) == 3 {
				want = [...]string{
					"anna! carl bert! | carl/a", "anna carl bert! | anna! carl/a", "anna carl bert | anna! carl/a bert!", "anna carl bert | anna/a anna! carl/a bert!",
					"anna carl bert | anna/a carl/a bert/a", "anna carl bert | anna/a carl/a bert/a",
				}[after]
			}
			if got := strings.Join(first, " ") + " | " + strings.Join(rest, " "); got != want {
				t.Errorf("%v, gone after %d: %s, want %s", ids, after, got, want)
			}
			err = r.Occurrences(ctx, root, calendar.OccurrencesRequest{Calendars: ids, Components: []string{"X"}}, func(calendar.OccurrencesResult) error { return nil })
			if !errors.Is(err, calendar.Unsupported) {
				t.Errorf("a component that there is not: %v", err)
			}
		}
	}
}

// table is a Locator.
type table map[calendar.Owner]string

func (t table) Locate(_ context.Context, o calendar.Owner) (string, error) {
	host, ok := t[o]
	if !ok {
		return "", &calendar.Error{Kind: calendar.NoBackend, Op: "find back end", Ref: string(o)}
	}
	return host, nil
}

// TestOneHostDown: who lives elsewhere does not notice.
func TestOneHostDown(t *testing.T) {
	people := calendartest.NewPeople("anna", "bert", "carl", "dora", "root")
	r, err := New(Options{
		Locator:  table{"anna": "one", "bert": "two", "carl": "three", "eve": "unheard-of"},
		Backends: map[string]calendar.Backend{"one": newService(people), "two": down{}, "three": newService(people)},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, root := t.Context(), people.Actor("root") // the administrator sees all
	for _, id := range []calendar.UserID{"anna", "carl"} {
		if _, err := r.Home(ctx, people.Actor(id), calendar.HomeRequest{Owner: calendar.Owner(id)}); err != nil {
			t.Fatal(err)
		}
	}
	put(t, r, people, "anna", "a")
	if _, err := r.Home(ctx, root, calendar.HomeRequest{Owner: "bert"}); !errors.Is(err, calendar.Unavailable) {
		t.Errorf("the host that is down: %v", err)
	}
	if _, err := r.Home(ctx, root, calendar.HomeRequest{Owner: "eve"}); !errors.Is(err, calendar.NoBackend) || strings.Contains(calendar.MessageOf(err), "unheard-of") {
		t.Errorf("a host that is not configured: %v", err)
	}

	owners := []calendar.ID{"carl", "bert", "anna", "dora", "bert", "anna", "eve"}
	kinds := []calendar.Kind{calendar.NotFound, calendar.Unavailable, 0, calendar.NoBackend, calendar.Unavailable, 0, calendar.NoBackend}
	var refs []calendar.Ref
	var targets []calendar.FreeBusyTarget
	for _, o := range owners {
		refs = append(refs, calendar.Ref{Calendar: o, Name: "a"})
		targets = append(targets, calendar.FreeBusyTarget{Calendar: o})
	}
	check := func(what string, i int, err error, want calendar.Kind) {
		t.Helper()
		if want == 0 && err != nil || want != 0 && !errors.Is(err, want) {
			t.Errorf("%s %d of %s: %v, want %v", what, i, owners[i], err, want)
		}
	}
	n := 0
	err = r.Objects(ctx, root, calendar.ObjectsRequest{Refs: refs}, func(o calendar.ObjectResult) error {
		if o.Ref != refs[n] || (o.Err == nil) != (o.Object != nil) {
			t.Errorf("answer %d is %+v", n, o)
		}
		check("object", n, o.Err, kinds[n])
		n++
		return nil
	})
	if err != nil || n != len(refs) {
		t.Errorf("%d answers, %v", n, err)
	}
	kinds[0] = 0 // carl's calendar is there, though the object is not
	busy, err := r.FreeBusy(ctx, root, calendar.FreeBusyRequest{Targets: targets, Window: calendar.Window{From: noon, To: noon.AddDate(0, 0, 1)}})
	if err != nil || len(busy) != len(targets) {
		t.Fatalf("%d answers, %v", len(busy), err)
	}
	for i, b := range busy {
		if b.Target != targets[i] {
			t.Errorf("answer %d is for %v", i, b.Target)
		}
		check("free/busy", i, b.Err, kinds[i])
	}
	var ids []calendar.ID
	ids = append(ids, owners...)
	described, err := r.Calendars(ctx, root, calendar.CalendarsRequest{IDs: ids})
	if err != nil || len(described) != len(ids) {
		t.Fatalf("%d answers, %v", len(described), err)
	}
	for i, c := range described {
		check("calendar", i, c.Err, kinds[i])
	}
	opened, members := 0, 0
	err = r.Occurrences(ctx, root, calendar.OccurrencesRequest{Calendars: ids}, func(o calendar.OccurrencesResult) error {
		if opened < len(ids) {
			check("occurrences", opened, o.Err, kinds[opened])
			if o.Index != opened || o.Err == nil && o.Calendar.ID != ids[opened] {
				t.Errorf("answer %d: %+v", opened, o)
			}
			opened++
		} else if members++; o.Object == nil || ids[o.Index] != "anna" {
			t.Errorf("found %+v", o)
		}
		return nil
	})
	if err != nil || opened != len(ids) || members != 2 {
		t.Errorf("%d calendars, %d objects, %v", opened, members, err)
	}
	if _, err := r.Ping(ctx); !errors.Is(err, calendar.Unavailable) {
		t.Errorf("ping: %v", err)
	}
	// A batch all of whose items are on the host that is down: each item says so, or the call.
	err = r.Objects(ctx, root, calendar.ObjectsRequest{Refs: refs[1:2]}, func(o calendar.ObjectResult) error { return o.Err })
	if !errors.Is(err, calendar.Unavailable) {
		t.Errorf("a batch on the host that is down: %v", err)
	}
	found, err := r.SearchCalendars(ctx, root, calendar.SearchCalendarsRequest{Text: "a", ID: true})
	if err != nil || len(found) != 2 || found[0].ID != "anna" || found[1].ID != "carl" {
		t.Errorf("search: %v, %v", found, err)
	}
	uids := calendar.ObjectsRequest{Refs: refs[:2], Calendar: "anna", UIDs: []string{"none", "a"}}
	var got []calendar.ObjectResult
	if err := r.Objects(ctx, root, uids, func(o calendar.ObjectResult) error { got = append(got, o); return nil }); err != nil || len(got) != 4 {
		t.Fatalf("%d answers, %v", len(got), err)
	}
	for i, want := range []calendar.Kind{calendar.NotFound, calendar.Unavailable, calendar.NotFound, 0} {
		check("by name or UID", i, got[i].Err, want)
	}
	if got[3].Ref.Name != "a" || got[1].Ref != refs[1] {
		t.Errorf("refs %v, %v", got[3].Ref, got[1].Ref)
	}
	// A bad request is no host's fault.
	if _, err := r.FreeBusy(ctx, root, calendar.FreeBusyRequest{Targets: targets}); !errors.Is(err, calendar.Invalid) {
		t.Errorf("free/busy without a window: %v", err)
	}
}

var noon = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)

func event(uid string) []byte {
	return []byte("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:" + uid +
		"\r\nDTSTAMP:20260801T000000Z\r\nDTSTART:20260901T120000Z\r\nDTEND:20260901T130000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")
}

func put(t *testing.T, be calendar.Backend, people calendartest.People, id calendar.ID, name string) calendar.Object {
	t.Helper()
	r, err := be.PutObject(t.Context(), people.Actor(string(id.Owner())), calendar.PutRequest{Ref: calendar.Ref{Calendar: id, Name: name}, Data: event(name)})
	if err != nil {
		t.Fatal(err)
	}
	return r.Object
}

func TestDirectory(t *testing.T) {
	people := calendartest.NewPeople("anna", "bert", "carl@x.com")
	p := people["anna"]
	p.Host = "calendar1.sesta.com"
	people["anna"] = p
	d := Directory{People: people, Default: "calendar9.sesta.com", Domain: func(_ context.Context, domain string) (string, error) {
		if domain == "down.com" {
			return "", calendar.Unavailable
		}
		return map[string]string{"x.com": "calendar3.sesta.com"}[domain], nil
	}}
	for owner, want := range map[calendar.Owner]string{
		"anna": "calendar1.sesta.com", "bert": "calendar9.sesta.com", "carl@x.com": "calendar3.sesta.com", "nobody": "calendar9.sesta.com",
		"nobody@x.com": "calendar3.sesta.com",
	} {
		if got, err := d.Locate(t.Context(), owner); err != nil || got != want {
			t.Errorf("%s is on %q, %v; want %q", owner, got, err, want)
		}
	}
	if _, err := d.Locate(t.Context(), "eve@down.com"); !errors.Is(err, calendar.Unavailable) {
		t.Errorf("a domain that nobody can tell of: %v", err)
	}
	if _, err := (Directory{People: people}).Locate(t.Context(), "bert"); !errors.Is(err, calendar.NoBackend) {
		t.Errorf("without a default: %v", err)
	}
	r, err := New(Options{Locator: Directory{People: broken{}}, Local: newService(people)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Home(t.Context(), people.Actor("anna"), calendar.HomeRequest{Owner: "anna"}); !errors.Is(err, calendar.Unavailable) {
		t.Errorf("while the directory is down: %v", err)
	}
}

type broken struct{ calendar.People }

func (broken) Person(context.Context, calendar.UserID) (calendar.Person, error) {
	return calendar.Person{}, errors.New("LDAP: 52")
}

// counting says host-1, host-2, …, and counts.
type counting struct {
	calls atomic.Int32
	err   error
}

func (c *counting) Locate(context.Context, calendar.Owner) (string, error) {
	return "host-" + string('0'+rune(c.calls.Add(1))), c.err
}

func TestCache(t *testing.T) {
	now := noon
	next := new(counting)
	c := NewCache(next, 2, time.Minute, func() time.Time { return now })
	is := func(owner calendar.Owner, want string) {
		t.Helper()
		if got, err := c.Locate(t.Context(), owner); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", owner, got, err, want)
		}
	}
	is("anna", "host-1")
	is("anna", "host-1")
	now = now.Add(time.Minute)
	is("anna", "host-2") // expired
	c.Forget("anna")
	is("anna", "host-3")
	is("bert", "host-4")
	is("carl", "host-5")
	if n := c.entries.Len(); n > 2 {
		t.Errorf("%d entries", n)
	}
	is("carl", "host-5")
	now = now.Add(time.Hour)
	next.err = errors.New("directory down")
	is("carl", "host-5") // better than nothing
	if _, err := c.Locate(t.Context(), "dora"); err == nil {
		t.Error("an unknown owner was found while the directory is down")
	}
	next.err = calendar.NoBackend
	if _, err := c.Locate(t.Context(), "carl"); !errors.Is(err, calendar.NoBackend) {
		t.Errorf("an owner without a host any more: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, o := range []Options{
		{Backends: map[string]calendar.Backend{"": down{}}},
		{Backends: map[string]calendar.Backend{"x": nil}},
		{Names: []string{"calendar1.sesta.com"}},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
	r, err := New(Options{Locator: table{"anna": "HERE.sesta.com"}, Local: down{}, Names: []string{"here.sesta.com"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Ping(t.Context()); !errors.Is(err, calendar.Unavailable) {
		t.Error(err)
	}
	if _, err := r.Home(t.Context(), calendar.Actor{}, calendar.HomeRequest{Owner: "anna"}); !errors.Is(err, calendar.Unavailable) {
		t.Errorf("by its own name: %v", err)
	}
}

// TestSubscribe: each calendar is asked about where it is.
func TestSubscribe(t *testing.T) {
	people := calendartest.NewPeople("anna", "bert", "otto")
	r := threeHosts(t, people)
	ctx := t.Context()
	create := func(id calendar.ID, name, list string) {
		_, err := r.CreateCalendar(ctx, people.Actor(string(id.Owner())), calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: id, DisplayName: name, ACL: acl.MustParse(list)}})
		if err != nil {
			t.Fatal(err)
		}
	}
	create("bert", "Bert", "anna^a^r^g")
	create("bert:busy", "Busy", "anna^c^f^g")
	create("otto", "", "anna^p^r^g")
	create("otto:secret", "Secret", "@@p^a^r^g")
	subscribe := func(add ...calendar.Subscription) (calendar.Subscribed, error) {
		return r.Subscribe(ctx, people.Actor("anna"), calendar.SubscribeRequest{Owner: "anna", Add: add})
	}
	for id, want := range map[calendar.Subscription]calendar.Kind{"bert:busy": calendar.Denied, "otto:secret": calendar.NoCalendar} {
		if _, err := subscribe("bert", id); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", id, err, want)
		}
	}
	got, err := subscribe("bert", "otto", "otto:none")
	if want := []calendar.Subscription{"anna$Anna", "bert$Bert", "otto$otto", "otto:none$otto:none"}; err != nil || !slices.Equal(got.List, want) {
		t.Errorf("%q, %v; want %q", got.List, err, want)
	}
}
