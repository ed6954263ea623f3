package bus

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"factotum/server/calendar"
)

func TestSubject(t *testing.T) {
	for _, c := range []struct{ topic, want string }{
		{"enp:///ics/alarm", "enp.once.ics.alarm"},
		{"enp:///ics/custom_alarm-2", "enp.once.ics.custom_alarm-2"},
		{"enp://host/store", "enp.once.@host.store"},
		{"enp://127.0.0.1:80/store", "enp.once.@127=2E0=2E0=2E1=3A80.store"},
		{"enp:///@host/store", "enp.once.=40host.store"},
		{"enp:///a.b/*/>/ü", "enp.once.a=2Eb.=2A.=3E.=C3=BC"},
		{"enp:///a//b", "enp.once.a.=.b"},
		{"enp:///=/b", "enp.once.=3D.b"},
		{"enp://host", "enp.once.@host"},
	} {
		if got, err := subject(once, c.topic); err != nil || got != c.want {
			t.Errorf("subject of %s: %s, %v; want %s", c.topic, got, err, c.want)
		}
	}
	for _, topic := range []string{"", "ics/alarm", "http:///ics/alarm", "enp://", "enp:///a b", "enp:///a\r\nPUB x", "enp:///a?b=c", "enp:///" + strings.Repeat("x", 2000)} {
		if got, err := subject(once, topic); calendar.KindOf(err) != calendar.Invalid {
			t.Errorf("subject of %.20q: %s, %v; want Invalid", topic, got, err)
		}
	}
}

func TestFilter(t *testing.T) {
	for _, c := range []struct{ topic, want string }{
		{"enp:///ics/alarm", "enp.*.ics.alarm"},
		{"enp:///ics/*", "enp.*.ics.>"},
		{"enp:///ics/cal*", "enp.*.ics.>"},
		{"enp:///ics*", "enp.*.>"},
		{"enp:///*", "enp.*.>"},
		{"enp://*", "enp.*.>"},
		{"enp://host/a/*", "enp.*.@host.a.>"},
		{"enp://host/*", "enp.*.@host.>"},
		{"enp://ho*", "enp.*.>"},
		{"*", "enp.*.>"},
	} {
		if got, err := filter(both, c.topic); err != nil || got != c.want {
			t.Errorf("filter of %s: %s, %v; want %s", c.topic, got, err, c.want)
		}
	}
	if got, err := filter(both, "ics/*"); calendar.KindOf(err) != calendar.Invalid {
		t.Errorf("filter of ics/*: %s, %v; want Invalid", got, err)
	}
}

// TestFilterMissesNothing: whatever a subscription is about, its filter lets
// through; and no two topics have one subject.
func TestFilterMissesNothing(t *testing.T) {
	word := rapid.StringMatching(`[a-b.*>@= é]{0,3}`)
	topic := rapid.Custom(func(t *rapid.T) string {
		return "enp://" + word.Draw(t, "authority") + "/" + strings.Join(rapid.SliceOfN(word, 1, 3).Draw(t, "path"), "/")
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := topic.Draw(t, "a"), topic.Draw(t, "b")
		sa, errA := subject(once, a)
		sb, errB := subject(once, b)
		if errA != nil || errB != nil {
			return
		}
		if (sa == sb) != (a == b) {
			t.Fatalf("%q is %s and %q is %s", a, sa, b, sb)
		}
		sub := calendar.EventRef{Topic: a[:rapid.IntRange(0, len(a)).Draw(t, "cut")] + "*"}
		f, err := filter(once, sub.Topic)
		if err == nil && sub.Matches(calendar.EventRef{Topic: b}) && !natsMatches(f, sb) {
			t.Fatalf("the filter %s of %q does not let %s through, which is %q", f, sub.Topic, sb, b)
		}
	})
}

// natsMatches is how NATS compares.
func natsMatches(filter, subject string) bool {
	f, s := strings.Split(filter, "."), strings.Split(subject, ".")
	for i, word := range f {
		switch {
		case word == ">":
			return len(s) > i
		case i >= len(s) || word != "*" && word != s[i]:
			return false
		}
	}
	return len(f) == len(s)
}
