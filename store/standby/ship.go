package standby

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"time"

	"factotum/server/calendar"
)

func (a *Active) enqueue(list []*queued) {
	a.mu.Lock()
	now := a.opt.Now()
	for _, q := range list {
		if a.phase != paired || a.octets > mostQueued {
			a.dirty[q.owner] = true
			continue
		}
		q.at = now
		a.queue, a.octets = append(a.queue, q), a.octets+len(q.lines)
	}
	a.mu.Unlock()
	a.poke()
}

// ship sends lines and waits until the standby has them on its disk; so many of the queue are in
// them. errAlone: it does not take over, so that they need not be there.
func (a *Active) ship(lines []byte, queued int) error {
	a.call.Lock()
	defer a.call.Unlock()
	for first := true; len(lines) > 0 || first; first = false {
		part := lines[:cut(lines, partOctets)]
		lines = lines[len(part):]
		a.mu.Lock()
		if a.phase != paired {
			a.mu.Unlock()
			return errAlone
		}
		a.seq++
		req := a.request(calendar.StandbyPart)
		if req.Data = part; len(lines) == 0 { // who has it has these
			req.Behind = max(req.Behind-queued, 0)
		}
		a.mu.Unlock()
		for {
			ans, err := a.ask(context.Background(), req)
			if a.isAlone() || err == nil && !ans.Admitted {
				return errAlone
			}
			if err == nil {
				break
			}
			a.mu.Lock()
			over := a.held()
			a.mu.Unlock()
			if over != nil || errors.Is(err, errOver) {
				a.fails(broken, err)
				return cmp.Or(over, notActive("the standby %s does not answer", a.opt.Peer))
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	return nil
}

// isAlone tells whether the standby does not take over any more.
func (a *Active) isAlone() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.phase == alone
}

// partOctets bounds what is sent together.
const partOctets = 2 << 20

// cut is after how many octets lines are divided: at the end of one.
func cut(lines []byte, most int) int {
	if len(lines) <= most {
		return len(lines)
	}
	if i := bytes.LastIndexByte(lines[:most], '\n'); i >= 0 {
		return i + 1
	}
	if i := bytes.IndexByte(lines, '\n'); i >= 0 {
		return i + 1
	}
	return len(lines)
}

// send sends what was committed.
func (a *Active) send() error {
	a.sending.Lock()
	defer a.sending.Unlock()
	a.mu.Lock()
	var buf bytes.Buffer
	n := 0
	for ; n < len(a.queue) && buf.Len() < partOctets; n++ {
		buf.Write(a.queue[n].lines)
	}
	a.mu.Unlock()
	if err := a.ship(buf.Bytes(), n); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if n = min(n, len(a.queue)); a.phase == paired {
		for _, q := range a.queue[:n] {
			a.octets -= len(q.lines)
		}
		a.queue = append([]*queued(nil), a.queue[n:]...)
	}
	return nil
}
