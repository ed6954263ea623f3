package standby

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"factotum/server/calendar"
	"factotum/store/archive"
)

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
