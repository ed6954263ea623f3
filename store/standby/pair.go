package standby

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"factotum/server/calendar"
	"factotum/store/archive"
)

// Homes that are still written to are copied again, until so few are left that writers can
// wait for them.
const (
	fewHomes   = 16
	mostRounds = 20
)

// pair brings the standby to what this host has, and admits it.
func (a *Active) pair(ctx context.Context) error {
	a.mu.Lock()
	hello := a.request(calendar.StandbyHello)
	hello.Stream = ""
	a.mu.Unlock()
	ans, err := a.ask(ctx, hello)
	if err != nil {
		return err
	}
	switch {
	case ans.Active:
		return fmt.Errorf("%s serves too, in the same epoch %d, after it was detached: stop one of the two, and see \"Standby\" in docs/operations.md", a.opt.Peer, ans.Epoch)
	case ans.Leaving:
		return errors.New("it is being stopped")
	}
	differ, err := a.withdraw(ctx)
	if err != nil {
		return err
	}
	theirs, err := a.census(ctx)
	if err != nil {
		return err
	}
	ours, err := archive.Census(ctx, a.opt.Store)
	if err != nil {
		return err
	}
	a.mu.Lock()
	for owner, is := range ours {
		if theirs[owner] != is {
			a.dirty[owner] = true
		}
	}
	for owner := range theirs {
		if _, there := ours[owner]; !there {
			a.dirty[owner] = true
		}
	}
	for _, owner := range differ {
		a.dirty[owner] = true
	}
	a.mu.Unlock()
	if err := a.compare(ctx); err != nil {
		return err
	}
	a.mu.Lock()
	n := len(a.dirty)
	a.mu.Unlock()
	began := a.opt.Now()
	for range mostRounds {
		list := a.takeDirty()
		if len(list) <= fewHomes {
			a.putBack(list)
			break
		}
		if err := a.copyHomes(ctx, list); err != nil {
			return err
		}
	}
	if err := a.sendKept(ctx); err != nil {
		return err
	}
	witness, err := a.agree(ctx)
	if err != nil {
		return err
	}
	if err := a.admit(ctx, witness); err != nil {
		return err
	}
	a.opt.Log.Info("the standby has all", "host", a.opt.Peer, "witness", witness, "homes_copied", n, "in", a.opt.Now().Sub(began).Round(time.Millisecond))
	return nil
}

// withdraw has the standby not take over, and begins a pairing. It tells of which homes the
// standby may have more than this one.
func (a *Active) withdraw(ctx context.Context) (differ []calendar.Owner, err error) {
	a.commit.Lock()
	defer a.commit.Unlock()
	a.call.Lock()
	defer a.call.Unlock()
	a.mu.Lock()
	if a.phase == paired {
		a.set(broken)
	}
	for _, q := range a.queue {
		a.dirty[q.owner] = true
	}
	a.late()
	a.queue, a.octets = nil, 0
	a.endFlights()
	a.stream, a.seq, a.admitted = rand.Text(), 0, math.MaxUint64
	req := a.request(calendar.StandbyWithdraw)
	a.mu.Unlock()
	ans, err := a.ask(ctx, req)
	if err != nil {
		return nil, err
	}
	if ans.Problem != "" || ans.Admitted {
		return nil, errors.New(ans.Problem)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.phase == deposed {
		return nil, errOver
	}
	if a.state.Paired {
		s := a.state
		s.Paired, s.Witness = false, ""
		if err := a.write(s); err != nil {
			return nil, err
		}
	}
	a.again = false
	a.set(copying)
	return differ, json.Unmarshal(ans.Data, &differ)
}

// compare looks which of the homes that are in doubt are not the same there.
func (a *Active) compare(ctx context.Context) error {
	a.mu.Lock()
	list := slices.Sorted(maps.Keys(a.doubt))
	a.mu.Unlock()
	for _, owner := range list {
		a.mu.Lock()
		known := a.dirty[owner]
		a.mu.Unlock()
		if !known {
			same, comparable, err := a.same(ctx, owner)
			if err != nil {
				return err
			}
			known = !same || !comparable
		}
		a.mu.Lock()
		if delete(a.doubt, owner); known {
			a.dirty[owner] = true
		}
		a.mu.Unlock()
	}
	return nil
}

// homeLine is a home in a census.
type homeLine struct {
	Owner calendar.Owner `json:"owner"`
	Is    string         `json:"is"`
}

// census asks which homes the standby has.
func (a *Active) census(ctx context.Context) (map[calendar.Owner]string, error) {
	all := map[calendar.Owner]string{}
	for after := calendar.Owner(""); ; {
		a.mu.Lock()
		req := a.request(calendar.StandbyCensus)
		a.mu.Unlock()
		req.Owner = after
		ans, err := a.ask(ctx, req)
		if err != nil {
			return nil, err
		}
		var part []homeLine
		if ans.Problem != "" {
			return nil, errors.New(ans.Problem)
		}
		if err := json.Unmarshal(ans.Data, &part); err != nil {
			return nil, err
		}
		for _, l := range part {
			all[l.Owner], after = l.Is, l.Owner
		}
		if !ans.More || len(part) == 0 {
			return all, nil
		}
	}
}

func (a *Active) takeDirty() []calendar.Owner {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := slices.Sorted(maps.Keys(a.dirty))
	clear(a.dirty)
	return list
}

func (a *Active) putBack(list []calendar.Owner) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, o := range list {
		a.dirty[o] = true
	}
}

// copyHomes sends homes as they are.
func (a *Active) copyHomes(ctx context.Context, list []calendar.Owner) error {
	for i, owner := range list {
		err := archive.ImageOf(ctx, a.opt.Store, owner, func(part []byte) error { return a.part(ctx, part) })
		if err != nil {
			a.putBack(list[i:])
			return err
		}
	}
	return nil
}

// part sends something of an image.
func (a *Active) part(ctx context.Context, data []byte) error {
	a.call.Lock()
	defer a.call.Unlock()
	a.mu.Lock()
	a.seq++
	req := a.request(calendar.StandbyPart)
	req.Data = data
	a.mu.Unlock()
	ans, err := a.ask(ctx, req)
	if err == nil && ans.Problem != "" {
		err = errors.New(ans.Problem)
	}
	return err
}

// writersWait bounds how long writers wait while the last homes are copied.
const writersWait = 15 * time.Second

// admit copies what is left while writers wait, and lets the standby take over from now on.
func (a *Active) admit(ctx context.Context, witness string) error {
	list := a.takeDirty()
	a.putBack(list)
	for _, owner := range list { // what has to write to be read does so before
		if err := archive.Settle(ctx, a.opt.Store, owner); err != nil {
			return err
		}
	}
	a.commit.Lock()
	defer a.commit.Unlock()
	limited, cancel := context.WithTimeout(calendar.OnlyReads(ctx), writersWait)
	err := a.copyHomes(limited, a.takeDirty())
	if cancel(); err != nil {
		return err
	}
	a.call.Lock()
	defer a.call.Unlock()
	a.mu.Lock()
	if a.phase != copying {
		a.mu.Unlock()
		return errOver
	}
	s := a.state
	s.Paired, s.Witness = true, witness
	if err := a.write(s); err != nil {
		a.mu.Unlock()
		return err
	}
	a.set(broken) // until it is known whether it is admitted
	a.leased = a.opt.Now()
	req := a.request(calendar.StandbyAdmit)
	req.Witness = witness
	a.mu.Unlock()
	ans, err := a.ask(ctx, req)
	if err == nil && !ans.Admitted {
		err = errors.New("the standby does not let itself be admitted: " + ans.Problem)
	}
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.phase != broken {
		return errOver
	}
	a.admitted, a.failure = a.serial, ""
	a.set(paired)
	a.forgetNoted()
	return nil
}
