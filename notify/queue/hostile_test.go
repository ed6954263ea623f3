package queue_test

import (
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"factotum/notify/queue"
	"factotum/notify/relay"
	"factotum/notify/relay/smtptest"
	"factotum/server/calendar"
)

// hostile is a world of destinations of which some servers make trouble, or none.
type hostile struct {
	each    int // mails to one
	trouble bool
	servers map[string]*pipes
}

// troubleOf is what the server of destination n does, nil if it is well: two of five
// are not.
func (h *hostile) troubleOf(n int) *smtptest.Trouble {
	if n%5 > 1 || !h.trouble {
		return nil
	}
	kinds := append([]smtptest.Trouble{{Name: "no such host"}}, smtptest.Troubles...)
	return &kinds[(n/5*2+n%5)%len(kinds)]
}

const destinations = 100

// run has all mails sent, and tells how long it took until the last was there that
// is for a destination which is never in trouble.
func (h *hostile) run(t *testing.T) (took time.Duration) {
	var mu sync.Mutex
	last := time.Now()
	h.servers = map[string]*pipes{}
	for n := range destinations {
		p := &pipes{}
		rules := smtptest.Rules{Delay: 4 * time.Millisecond} // far away, but well
		if tr := h.troubleOf(n); tr != nil && tr.Rules != nil {
			rules = tr.Rules(3 * time.Second)
		} else if n%5 > 1 {
			rules.Reply = func(_ *smtptest.Conn, verb, _ string) string {
				if mu.Lock(); verb == "." {
					last = time.Now()
				}
				mu.Unlock()
				return ""
			}
		}
		p.rules(rules)
		h.servers[fmt.Sprintf("d%d.example", n)] = p
	}
	own := &pipes{}
	s := network(func(host string) (net.Conn, error) {
		p := h.servers[host]
		if p == nil {
			return own.dial(), nil
		}
		var n int
		fmt.Sscanf(host, "d%d.", &n)
		if tr := h.troubleOf(n); tr != nil && tr.Rules == nil {
			return nil, refused(&net.DNSError{Err: tr.Name, IsNotFound: true})
		}
		return p.dial(), nil
	})
	began := time.Now()
	p := newPost(t, s, queue.Options{Route: func(domain string) relay.Route { return relay.Route{Host: domain} }, Notices: []time.Duration{24 * time.Hour}})
	for m := range h.each {
		var to []string
		for n := range destinations {
			to = append(to, fmt.Sprintf("p%d@d%d.example", m, n))
		}
		p.mail("anna", "REQUEST", fmt.Sprint("u", m), to...)
	}
	time.Sleep(36 * time.Hour)
	synctest.Wait()
	if n := len(p.left()); n != 0 {
		t.Errorf("%d are left", n)
	}
	ends := map[string]string{} // of each recipient
	for _, st := range p.settled {
		for _, tr := range st.Traces {
			ends[tr.To[0]] = tr.Reason
		}
	}
	for m := range h.each {
		for n := range destinations {
			address := fmt.Sprintf("mailto:p%d@d%d.example", m, n)
			tr := h.troubleOf(n)
			end := calendar.ReasonMailed
			if tr != nil && !tr.Takes {
				end = calendar.ReasonGivenUp
				if strings.HasPrefix(tr.Name, "5xx") {
					end = calendar.ReasonReturned
				}
			}
			if ends[address] != end {
				t.Errorf("%s: %s", address, ends[address])
			}
		}
	}
	h.count(t, own)
	p.stop()
	s.Close()
	return last.Sub(began)
}

// count looks at what came.
func (h *hostile) count(t *testing.T, own *pipes) {
	returned := 0
	for n := range destinations {
		domain := fmt.Sprintf("d%d.example", n)
		tr := h.troubleOf(n)
		times := map[string]int{}
		for _, m := range h.servers[domain].all() {
			times[m.Header("Message-Id")]++
		}
		if tr != nil && !tr.Takes {
			returned += h.each
			if len(times) > 0 {
				t.Errorf("%s, %s: %d came", domain, tr.Name, len(times))
			}
			continue
		}
		most := 1
		if tr != nil && tr.Again {
			most = 2
		}
		for id, n := range times {
			if n > most {
				t.Errorf("%s, %v: %s came %d times", domain, tr, id, n)
			}
		}
		if len(times) != h.each {
			t.Errorf("%s, %v: %d came of %d", domain, tr, len(times), h.each)
		}
	}
	notices := map[string]bool{}
	for _, m := range own.all() {
		if id := m.Header("Message-Id"); !strings.HasPrefix(id, "<returned.") || notices[id] {
			t.Errorf("the sender is told by %s", id)
		} else {
			notices[id] = true
		}
	}
	if len(notices) != returned {
		t.Errorf("the sender is told of %d, and %d could not be delivered", len(notices), returned)
	}
}

// However many servers refuse, are slow, hang up or are not there: what can be
// delivered is delivered once, unless an answer was lost, of the rest the sender is
// told, and those that are well wait for the others by no more than a tenth.
func TestHostileDestinations(t *testing.T) {
	each := 8
	if os.Getenv("FACTOTUM_LONG") != "" {
		each = 100
	}
	var took [2]time.Duration
	for i := range took {
		synctest.Test(t, func(t *testing.T) { took[i] = (&hostile{each: each, trouble: i > 0}).run(t) })
	}
	t.Logf("the well ones have theirs after %v, and after %v among others", took[0], took[1])
	if 10*took[1] > 11*took[0] {
		t.Errorf("the well ones are held up: %v instead of %v", took[1], took[0])
	}
}
