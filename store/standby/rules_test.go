package standby

import (
	"context"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"
)

// TestRulesOfTheStandby asks a standby in the orders that count, with a clock of the test's.
func TestRulesOfTheStandby(t *testing.T) {
	const lease = Lease
	type step struct {
		what   calendar.StandbyStep
		epoch  uint64
		stream string
		seq    uint64
		wait   time.Duration // before it
		want   bool          // admitted afterwards
		over   bool          // it has taken over, before the step
	}
	hello, withdraw, admit, beat, take, part, leave := calendar.StandbyHello, calendar.StandbyWithdraw, calendar.StandbyAdmit, calendar.StandbyBeat, calendar.StandbyTake, calendar.StandbyPart, calendar.StandbyLeave
	for name, steps := range map[string][]step{
		"nobody admits without a pairing": {{what: hello, epoch: 1}, {what: admit, epoch: 1, stream: "s"}, {what: beat, epoch: 1, stream: "s", wait: 2 * lease}},
		"it takes over when the lease and more is over": {{what: withdraw, epoch: 1, stream: "s"}, {what: admit, epoch: 1, stream: "s", want: true},
			{what: beat, epoch: 1, stream: "s", wait: lease + Margin, want: true}, {what: beat, epoch: 1, stream: "s", wait: lease + Margin + time.Millisecond, over: true}},
		"what comes of another pairing is no sign of life": {{what: withdraw, epoch: 1, stream: "s"}, {what: admit, epoch: 1, stream: "s", want: true},
			{what: beat, epoch: 1, stream: "old", wait: lease, want: true}, {what: beat, epoch: 1, stream: "s", wait: 2 * Margin, over: true}},
		"an admission of an earlier pairing admits nobody": {{what: withdraw, epoch: 1, stream: "s"}, {what: withdraw, epoch: 1, stream: "t"}, {what: admit, epoch: 1, stream: "s"},
			{what: beat, epoch: 1, stream: "t", wait: 2 * lease}},
		"who is withdrawn does not take over": {{what: withdraw, epoch: 1, stream: "s"}, {what: admit, epoch: 1, stream: "s", want: true}, {what: withdraw, epoch: 1, stream: "t"},
			{what: beat, epoch: 1, stream: "t", wait: 2 * lease}},
		"an epoch that is over admits nobody": {{what: hello, epoch: 3}, {what: withdraw, epoch: 2, stream: "s"}, {what: admit, epoch: 2, stream: "s"}},
		"a higher epoch ends a pairing": {{what: withdraw, epoch: 1, stream: "s"}, {what: admit, epoch: 1, stream: "s", want: true}, {what: hello, epoch: 2},
			{what: admit, epoch: 1, stream: "s"}},
		"what lacks a part is not admitted": {{what: withdraw, epoch: 1, stream: "s"}, {what: admit, epoch: 1, stream: "s", seq: 1}},
		"a part that is missing ends it":    {{what: withdraw, epoch: 1, stream: "s"}, {what: admit, epoch: 1, stream: "s", want: true}, {what: part, epoch: 1, stream: "s", seq: 2}, {what: admit, epoch: 1, stream: "s"}},
		"a part that comes twice is done once": {{what: withdraw, epoch: 1, stream: "s"}, {what: part, epoch: 1, stream: "s", seq: 1}, {what: part, epoch: 1, stream: "s", seq: 1},
			{what: admit, epoch: 1, stream: "s", seq: 1, want: true}},
		"who leaves does not take over": {{what: withdraw, epoch: 1, stream: "s"}, {what: admit, epoch: 1, stream: "s", want: true}, {what: leave}, {what: withdraw, epoch: 1, stream: "t"},
			{what: admit, epoch: 1, stream: "t"}, {what: beat, epoch: 1, stream: "s", wait: 2 * lease}},
		"it is told to take over":                  {{what: withdraw, epoch: 1, stream: "s"}, {what: admit, epoch: 1, stream: "s", want: true}, {what: take, epoch: 1, stream: "s"}, {what: hello, epoch: 1, over: true}},
		"it is not told to by an earlier pairing":  {{what: withdraw, epoch: 1, stream: "s"}, {what: withdraw, epoch: 1, stream: "t"}, {what: admit, epoch: 1, stream: "t", want: true}, {what: take, epoch: 1, stream: "s", want: true}},
		"it is not told to before it is admitted":  {{what: withdraw, epoch: 1, stream: "s"}, {what: take, epoch: 1, stream: "s"}, {what: hello, epoch: 1}},
		"who has taken over follows no old epoch":  {{what: withdraw, epoch: 1, stream: "s"}, {what: admit, epoch: 1, stream: "s", want: true}, {what: take, epoch: 1, stream: "s"}, {what: withdraw, epoch: 1, stream: "t", over: true}, {what: admit, epoch: 1, stream: "t", over: true}},
		"nor a higher one, in the same process":    {{what: withdraw, epoch: 1, stream: "s"}, {what: admit, epoch: 1, stream: "s", want: true}, {what: take, epoch: 1, stream: "s"}, {what: withdraw, epoch: 9, stream: "t", over: true}},
		"what is not known to this release is not": {{what: withdraw, epoch: 1, stream: "s"}, {what: 99, epoch: 1, stream: "s"}, {what: admit, epoch: 1, stream: "s", want: true}},
	} {
		t.Run(name, func(t *testing.T) {
			dir, ctx := fresh.Dir(t), context.Background()
			store, err := sqlstore.OpenSQLite(ctx, dir, sqlstore.Options{Relaxed: true})
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			now, told := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 0
			p := NewPassive(State{Epoch: 1}, Options{Host: "b", Peer: "a", Dir: dir, Store: store, Now: func() time.Time { return now }, Over: func(error) {
				told++
				if s, _, err := ReadState(dir); err != nil || !s.Active || s.Epoch < 2 || s.Paired {
					t.Errorf("it serves before its disk says so: %+v, %v", s, err)
				}
			}})
			for i, s := range steps {
				now = now.Add(s.wait)
				if err := p.look(); err != nil {
					t.Fatal(err)
				}
				if s.over != (told > 0) {
					t.Fatalf("step %d: it has taken over: %v", i, told > 0)
				}
				limited, cancel := context.WithTimeout(ctx, 10*time.Millisecond) // nobody hears that it leaves
				ans, err := p.Standby(limited, calendar.StandbyRequest{Step: s.what, Epoch: s.epoch, Stream: s.stream, Seq: s.seq, Lease: lease})
				cancel()
				if err != nil || ans.Admitted != s.want {
					t.Errorf("step %d: %+v, %v", i, ans, err)
				}
				if s.over && (!ans.Active || ans.Epoch < 2) {
					t.Errorf("step %d: who asks is not told that this host serves: %+v", i, ans)
				}
			}
			if told > 1 {
				t.Errorf("it takes over %d times", told)
			}
		})
	}
}
