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

		by      string // the witness of an admission
		away    bool   // it does not answer from now on
		granted uint64 // what it has granted to the other host, before
		claims  bool   // it is asked whether this host may take over, afterwards
	}
	decides := []step{{what: calendar.StandbyWithdraw, epoch: 1, stream: "s"}, {what: calendar.StandbyAdmit, epoch: 1, stream: "s", by: "w", want: true}}
	silent, nothing := 2*lease, calendar.StandbyHello
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
		"it is told to take over":                 {{what: withdraw, epoch: 1, stream: "s"}, {what: admit, epoch: 1, stream: "s", want: true}, {what: take, epoch: 1, stream: "s"}, {what: hello, epoch: 1, over: true}},
		"it is not told to by an earlier pairing": {{what: withdraw, epoch: 1, stream: "s"}, {what: withdraw, epoch: 1, stream: "t"}, {what: admit, epoch: 1, stream: "t", want: true}, {what: take, epoch: 1, stream: "s", want: true}},
		"it is not told to before it is admitted": {{what: withdraw, epoch: 1, stream: "s"}, {what: take, epoch: 1, stream: "s"}, {what: hello, epoch: 1}},
		"who has taken over follows no old epoch": {{what: withdraw, epoch: 1, stream: "s"}, {what: admit, epoch: 1, stream: "s", want: true}, {what: take, epoch: 1, stream: "s"}, {what: withdraw, epoch: 1, stream: "t", over: true}, {what: admit, epoch: 1, stream: "t", over: true}},
		"nor a higher one, in the same process":   {{what: withdraw, epoch: 1, stream: "s"}, {what: admit, epoch: 1, stream: "s", want: true}, {what: take, epoch: 1, stream: "s"}, {what: withdraw, epoch: 9, stream: "t", over: true}},
		"a pairing begins once": {{what: withdraw, epoch: 1, stream: "s"}, {what: admit, epoch: 1, stream: "s", want: true}, {what: withdraw, epoch: 1, stream: "s", want: true}, {what: withdraw, epoch: 1, stream: "t"},
			{what: withdraw, epoch: 1, stream: "s"}, {what: admit, epoch: 1, stream: "s"}},
		"an epoch may begin before the admission": {{what: withdraw, epoch: 1, stream: "s"}, {what: admit, epoch: 4, stream: "s", want: true}, {what: beat, epoch: 1, stream: "s", want: true}},
		"a witness of which it knows nothing":     {{what: withdraw, epoch: 1, stream: "s"}, {what: admit, epoch: 1, stream: "s", by: "elsewhere"}},
		"the witness lets it take over":           append(decides[:2:2], step{what: nothing, epoch: 1, wait: silent, over: true}),
		"the witness let the other one go on":     append(decides[:2:2], step{what: nothing, epoch: 1, granted: 2, wait: silent}, step{what: admit, epoch: 1, stream: "s"}),
		"the witness knows another epoch":         append(decides[:2:2], step{what: nothing, epoch: 1, granted: 9, wait: silent}),
		"without the witness it waits": append(decides[:2:2], step{what: nothing, epoch: 1, away: true, wait: silent, want: true, claims: true},
			step{what: beat, epoch: 1, stream: "s", want: true, claims: true, away: true}, step{what: part, epoch: 1, stream: "s", seq: 1, want: true, claims: true, away: true}, step{what: nothing, epoch: 1, over: true}),
		"who has asked may be withdrawn": append(decides[:2:2], step{what: nothing, epoch: 1, away: true, wait: silent, want: true, claims: true},
			step{what: withdraw, epoch: 1, stream: "t", away: true}, step{what: nothing, epoch: 1, wait: silent}, step{what: admit, epoch: 2, stream: "t", by: "w", want: true}),
		"who has asked hears of a higher epoch": append(decides[:2:2], step{what: nothing, epoch: 1, away: true, wait: silent, want: true, claims: true},
			step{what: nothing, epoch: 2, away: true}, step{what: nothing, epoch: 2, wait: silent}),
		"who has asked leaves":                             append(decides[:2:2], step{what: nothing, epoch: 1, away: true, wait: silent, want: true, claims: true}, step{what: leave, away: true}, step{what: nothing, epoch: 1, wait: silent}),
		"it is told to take over, and the witness lets it": append(decides[:2:2], step{what: take, epoch: 1, stream: "s"}, step{what: nothing, epoch: 1, over: true}),
		"it is told to, and the witness does not let it":   append(decides[:2:2], step{what: take, epoch: 1, stream: "s", granted: 2}, step{what: nothing, epoch: 1}),
		"it is told to, and the witness is not there":      append(decides[:2:2], step{what: take, epoch: 1, stream: "s", away: true, want: true, claims: true}, step{what: nothing, epoch: 1, over: true}),
		"a pairing in which the lease decides asks nobody": {{what: withdraw, epoch: 1, stream: "s"}, {what: admit, epoch: 1, stream: "s", want: true, away: true}, {what: nothing, epoch: 1, wait: silent, over: true, away: true}},
		"what is not known to this release is not":         {{what: withdraw, epoch: 1, stream: "s"}, {what: 99, epoch: 1, stream: "s"}, {what: admit, epoch: 1, stream: "s", want: true}},
	} {
		t.Run(name, func(t *testing.T) {
			dir, ctx := fresh.Dir(t), context.Background()
			store, err := sqlstore.OpenSQLite(ctx, dir, sqlstore.Options{Relaxed: true})
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			now, told, register := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 0, NewRegister(fresh.Dir(t))
			if _, err := register.Witness(ctx, calendar.WitnessRequest{Pair: "a", Holder: "a", Epoch: 1}); err != nil {
				t.Fatal(err)
			}
			away := false
			dial := func() (calendar.WitnessHost, error) {
				if away {
					return nil, errLost
				}
				return register, nil
			}
			p := NewPassive(State{Epoch: 1}, Options{Host: "b", Peer: "a", Pair: "a", Witness: "w", DialWitness: dial, Dir: dir, Store: store, Now: func() time.Time { return now }, Over: func(error) {
				told++
				if s, _, err := ReadState(dir); err != nil || !s.Active || s.Epoch < 2 || s.Paired {
					t.Errorf("it serves before its disk says so: %+v, %v", s, err)
				}
			}})
			for i, s := range steps {
				now, away = now.Add(s.wait), s.away
				if s.granted > 0 {
					if ans, err := register.Witness(ctx, calendar.WitnessRequest{Pair: "a", Holder: "a", Epoch: s.granted, BasedOn: 1}); err != nil || !ans.Granted {
						t.Fatal(ans, err)
					}
				}
				if err := p.look(ctx); err != nil && !away {
					t.Fatal(err)
				}
				if s.over != (told > 0) {
					t.Fatalf("step %d: it has taken over: %v", i, told > 0)
				}
				limited, cancel := context.WithTimeout(ctx, 10*time.Millisecond) // nobody hears that it leaves
				ans, err := p.Standby(limited, calendar.StandbyRequest{Step: s.what, Epoch: s.epoch, Stream: s.stream, Seq: s.seq, Lease: lease, Witness: s.by})
				cancel()
				if err != nil || ans.Admitted != s.want || ans.Claims != s.claims {
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
