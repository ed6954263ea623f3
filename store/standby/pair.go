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
	"strings"
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
	if err := a.admit(ctx); err != nil {
		return err
	}
	a.opt.Log.Info("the standby has all", "host", a.opt.Peer, "homes_copied", n, "in", a.opt.Now().Sub(began).Round(time.Millisecond))
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
		s.Paired = false
		if err := a.write(s); err != nil {
			return nil, err
		}
	}
	a.set(copying)
	return differ, json.Unmarshal(ans.Data, &differ)
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

// admit copies what is left while writers wait, and lets the standby take over from now on.
func (a *Active) admit(ctx context.Context) error {
	a.commit.Lock()
	defer a.commit.Unlock()
	if err := a.copyHomes(ctx, a.takeDirty()); err != nil {
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
	s.Paired = true
	if err := a.write(s); err != nil {
		a.mu.Unlock()
		return err
	}
	a.set(broken) // until it is known whether it is admitted
	a.leased = a.opt.Now()
	req := a.request(calendar.StandbyAdmit)
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

// Switch hands over to the standby.
func (a *Active) Switch(ctx context.Context) error {
	a.commit.Lock()
	defer a.commit.Unlock()
	for {
		a.mu.Lock()
		is, dirty, queue, why := a.phase, len(a.dirty), len(a.queue), a.failure
		a.mu.Unlock()
		if is != paired || dirty > 0 {
			if why == "" {
				why = "it is being brought up to date"
			}
			return &calendar.Error{Kind: calendar.Unavailable, Op: "hand over", Msg: fmt.Sprintf("the standby %s has not all that there is here: %s", a.opt.Peer, why)}
		}
		if queue == 0 {
			break
		}
		if err := a.send(); err != nil {
			return err
		}
	}
	a.call.Lock()
	defer a.call.Unlock()
	a.mu.Lock()
	a.set(handing)
	req := a.request(calendar.StandbyTake)
	a.mu.Unlock()
	ans, err := a.ask(ctx, req)
	if errors.Is(err, errOver) {
		return nil
	}
	if err == nil {
		err = errors.New(ans.Problem)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.phase == handing { // it may take over yet: nothing is served until it has said that it does not
		a.stream, a.leased = "", time.Time{}
		a.set(broken)
	}
	a.poke()
	return &calendar.Error{Kind: calendar.Unavailable, Op: "hand over", Msg: fmt.Sprintf("the standby %s does not take over: %v", a.opt.Peer, err), Err: err}
}

// Detach has this host serve alone, though its standby may take over: the administrator
// says that it is down. It is refused where the standby answers.
func (a *Active) Detach(ctx context.Context) error {
	a.mu.Lock()
	req := a.request(calendar.StandbyHello)
	req.Stream = ""
	a.mu.Unlock()
	if _, err := a.ask(ctx, req); err == nil {
		return &calendar.Error{Kind: calendar.Denied, Op: "detach", Msg: fmt.Sprintf("the standby %s answers: stop its csstored, which tells this host so", a.opt.Peer)}
	}
	a.commit.Lock()
	defer a.commit.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.phase == deposed || a.phase == handing {
		return a.held()
	}
	a.stream = ""
	return a.goAlone("it was detached by the administrator")
}

// sums compares the homes of both, one after another.
type sums struct {
	left []calendar.Owner
	next time.Time
	bad  int // how often the first of them was not the same
	busy int // how often it had another number there, since it is written to
}

const (
	sumsEvery = time.Hour
	sumsTurn  = 200 * time.Millisecond // of a second
	mostBad   = 3
	mostBusy  = 10
)

func (s *sums) begin(now time.Time) { s.left, s.next = nil, now }

// turn compares some.
func (s *sums) turn(ctx context.Context, a *Active) error {
	if len(s.left) == 0 {
		if a.opt.Now().Before(s.next) {
			return nil
		}
		list, err := a.opt.Store.Owners(ctx, "", 0)
		if err != nil {
			return err
		}
		s.left, s.next = list, a.opt.Now().Add(sumsEvery)
	}
	for end := time.Now().Add(sumsTurn); len(s.left) > 0 && time.Now().Before(end); {
		owner := s.left[0]
		same, comparable, err := a.same(ctx, owner)
		if err != nil {
			return err
		}
		if !comparable {
			if s.busy++; s.busy < mostBusy {
				return nil
			}
			same = true // nobody knows; the next time
		}
		if !same {
			if s.bad++; s.bad < mostBad { // something was being written
				return nil
			}
			a.opt.Log.Error("the standby has not what this host has: it gets the home anew", "host", a.opt.Peer, "owner", owner)
			a.mu.Lock()
			a.dirty[owner] = true
			a.differs++
			a.mu.Unlock()
			a.poke()
		}
		s.left, s.bad, s.busy = s.left[1:], 0, 0
	}
	return nil
}

// same compares a home; it cannot be compared while its numbers differ.
func (a *Active) same(ctx context.Context, owner calendar.Owner) (same, comparable bool, err error) {
	ours, change, err := archive.Sum(ctx, a.opt.Store, owner)
	if err != nil {
		return false, false, err
	}
	a.mu.Lock()
	req := a.request(calendar.StandbySum)
	a.mu.Unlock()
	req.Owner = owner
	ans, err := a.ask(ctx, req)
	if err != nil {
		return false, false, err
	}
	if ans.Problem != "" {
		return false, false, errors.New(ans.Problem)
	}
	theirs, number, _ := strings.Cut(string(ans.Data), " ")
	return theirs == ours, number == fmt.Sprint(change), nil
}
