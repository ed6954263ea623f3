package recur

import (
	"testing"
	"time"
)

func TestRulesPackAndDiff(t *testing.T) {
	r, err := RulesOf(nil)
	if err != nil || len(r.Zones) < 500 {
		t.Fatalf("%d zones, %v", len(r.Zones), err)
	}
	packed, err := r.Pack()
	if err != nil {
		t.Fatal(err)
	}
	if len(packed) > 200_000 {
		t.Errorf("%d octets for the rules of all zones", len(packed))
	}
	back, err := ReadRules(packed)
	if err != nil || back.ID() != r.ID() {
		t.Fatalf("read back: %v, %s, want %s", err, back.ID(), r.ID())
	}
	if changed, gone := back.Diff(r); len(changed)+len(gone) != 0 {
		t.Errorf("a release differs from itself: %v, %v", changed, gone)
	}
	for _, name := range []string{"America/New_York", "Europe/Berlin", "Asia/Amman", "Australia/Lord_Howe", "Asia/Kathmandu"} {
		known, z := loadZone(name), back.zone(name)
		for at := rulesFrom + 1000; at < rulesUntil; at += 40 * daySecs {
			if a, b := known.at(at).off, z.at(at).off; a != b {
				t.Fatalf("%s at %v: %d, kept as %d", name, time.Unix(at, 0).UTC(), a, b)
			}
		}
	}
	if _, err := ReadRules(packed[:len(packed)/2]); err == nil {
		t.Error("half of the rules was read")
	}
	// New York's summer begins an hour later by other rules.
	other := &Rules{Zones: map[string]string{"America/New_York": "x", "Mars/Base": "x"}, Hours: map[string][]int64{"x": {-18000}}}
	changed, gone := other.Diff(r)
	if c := changed["America/New_York"]; c == nil || len(gone) != 1 || gone[0] != "Mars/Base" || c.Windows[len(c.Windows)-1].Old != -5*time.Hour || c.Windows[len(c.Windows)-1].New != -4*time.Hour {
		t.Errorf("changed %v, gone %v", changed, gone)
	}
}

func BenchmarkRulesOf(b *testing.B) {
	for b.Loop() {
		RulesOf(nil)
	}
}
