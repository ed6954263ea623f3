package calendar

import (
	"slices"
	"testing"
)

// TestCollectionRules holds the table of kinds against what the standards say.
func TestCollectionRules(t *testing.T) {
	types := map[string]bool{}
	for _, k := range CollectionKinds() {
		r := k.Rules()
		if r.Type == "" || types[r.Type] || k.String() != r.Type {
			t.Errorf("kind %d has the type %q", k, r.Type)
		}
		types[r.Type] = true
		switch {
		case r.Objects && r.Files:
			t.Errorf("%v: objects are judged, files are not", k)
		case r.Objects && r.Nests:
			t.Errorf("%v: RFC 4791 §4.2: a calendar has no collections", k)
		case (r.Objects || r.Also != nil) && r.Components == nil:
			t.Errorf("%v takes no components", k)
		case r.Files && r.Components != nil:
			t.Errorf("%v: files have no components", k)
		case r.Made && !r.Objects && !r.Files:
			t.Errorf("%v can be made, and nothing can be stored there", k)
		}
		if r.Name != "" {
			if named, ok := KindOfName(r.Name); !ok || named != k || r.Made {
				t.Errorf("%v is called %s, which is %v", k, r.Name, named)
			}
		}
		for _, c := range r.Also {
			if slices.Contains(r.Components, c) {
				t.Errorf("%v takes %s twice", k, c)
			}
		}
	}
	for _, tc := range []struct {
		kind CollectionKind
		want string // DAV:resourcetype
		made bool
	}{
		{CalendarCollection, "calendar", true},
		{PlainCollection, "collection", true},
		{InboxCollection, "schedule-inbox", false},
		{OutboxCollection, "schedule-outbox", false},
		{NotificationCollection, "notification", false},
	} {
		if r := tc.kind.Rules(); r.Type != tc.want || r.Made != tc.made {
			t.Errorf("%v: %+v", tc.kind, r)
		}
	}
	for _, free := range []string{"", "calendar", "Inbox", DefaultName} {
		if k, ok := KindOfName(free); ok {
			t.Errorf("%q is that of %v", free, k)
		}
	}
	if r := numCollectionKinds.Rules(); r.Objects || r.Files || r.Nests || r.Made || r.Components != nil {
		t.Errorf("a later kind: %+v", r)
	}
}
