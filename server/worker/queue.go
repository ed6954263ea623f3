package worker

import (
	"container/heap"
	"hash/maphash"
	"math"
	"time"

	"factotum/server/calendar"
)

// queue is the order in which jobs run. It knows no goroutines and no store:
// its caller has a lock.
//
// Jobs of one owner and key form a line, in the order of their ids. Only the
// head of a line is anywhere else: in the heap while it waits for its time,
// then in its party's list of what is ready, then nowhere while it runs. The
// parties of a pool, owners in the first, with something ready take turns in a ring.
type queue struct {
	seed    maphash.Seed
	owners  map[calendar.Owner]*owner
	lines   map[lineKey]*entry // the heads
	waiting dueHeap
	pools   []*pool
	held    map[calendar.Owner]int  // owners whose jobs do not begin, and why: so many doubts
	stopped map[calendar.Owner]bool // the same, since their homes are about to leave
	size    int
	count   [states]int
	shelved int // of stateBehind, those that are parked
	// place says in which pool a job runs, an index of pools, and as whose.
	place func(j *calendar.Job) (pool int, party string)
}

// pool is what runs at once of some kinds of jobs.
type pool struct {
	each        int // jobs of one party that run at once
	ready       int // jobs in stateReady
	brisk, slow turns
	patience    time.Duration // until a job in brisk goes on in slow
	parties     map[string]*party
}

// turns are parties that take turns at a number of places.
type turns struct {
	room    int
	running int // jobs that were picked; counted down by who runs them
	ring    []*party
}

// party is whose turn it is: an owner, or a destination.
type party struct {
	name    string
	pool    *pool
	jobs    int
	running int
	ready   []*entry // some may have left: those whose state is another by now
	inRing  bool     // of brisk or slow
	slow    bool
}

type owner struct {
	name calendar.Owner
	jobs int
	kept []*entry // what was ready while the owner was held
}

// lineKey is the hash of a key: should two keys have the same, their jobs wait
// for each other without need.
type lineKey struct {
	owner *owner
	hash  uint64
}

// entry is a job. There may be a million: it has and takes 80 octets.
type entry struct {
	owner  *owner
	party  *party
	next   *entry // in the line
	last   *entry // of the line; known to its head
	change int64
	due    int64 // microseconds
	made   int64 // the same
	hash   uint64
	seq    int32
	at     int32 // place in the heap
	state  state
}

type state uint8

const (
	stateBehind  state = iota // not the head of its line
	stateWaiting              // in the heap
	stateReady                // in its party's list, or kept by its owner
	stateRunning              // or held by an administrator's command
	stateParked               // the head of a line that it blocks
	states
)

func newQueue(place func(*calendar.Job) (int, string), pools ...Pool) *queue {
	q := &queue{seed: maphash.MakeSeed(), owners: map[calendar.Owner]*owner{}, lines: map[lineKey]*entry{},
		held: map[calendar.Owner]int{}, stopped: map[calendar.Owner]bool{}, place: place}
	for _, p := range pools {
		q.pools = append(q.pools, &pool{brisk: turns{room: p.Concurrency}, slow: turns{room: p.Slow}, each: p.Each, patience: p.Patience, parties: map[string]*party{}})
	}
	return q
}

// party finds or makes whose turn a job is.
func (q *queue) party(j *calendar.Job) *party {
	n, name := q.place(j)
	p := q.pools[n]
	t := p.parties[name]
	if t == nil {
		t = &party{name: name, pool: p}
		p.parties[name] = t
	}
	return t
}

func (e *entry) id() calendar.JobID {
	return calendar.JobID{Owner: e.owner.name, Change: e.change, Seq: int(e.seq)}
}

// before orders the entries of a line.
func (e *entry) before(change int64, seq int32) bool {
	return e.change < change || e.change == change && e.seq < seq
}

// hash finds the line of a job. One without a key has a line of its own.
func (q *queue) hash(j *calendar.Job) uint64 {
	if j.Key == "" {
		return maphash.Comparable(q.seed, [2]int64{j.Change, int64(j.Seq)})
	}
	return maphash.String(q.seed, j.Key)
}

func (q *queue) set(e *entry, s state) {
	q.count[e.state]--
	q.count[s]++
	q.shelve(e, -1)
	if e.state == stateReady {
		e.party.pool.ready--
	}
	if s == stateReady {
		e.party.pool.ready++
	}
	e.state = s
	q.shelve(e, 1)
}

// shelve counts an entry that is parked behind others.
func (q *queue) shelve(e *entry, by int) {
	if e.state == stateBehind && e.due == parkedDue {
		q.shelved += by
	}
}

// find returns a job's entry and the one before it in its line, or, if it is
// not there, the one that it would come behind.
func (q *queue) find(j *calendar.Job) (e, previous *entry) {
	o := q.owners[j.Owner]
	if o == nil {
		return nil, nil
	}
	e = q.lines[lineKey{o, q.hash(j)}]
	switch {
	case e == nil:
		return nil, nil
	case e.change == j.Change && int(e.seq) == j.Seq:
		return e, nil
	case e.last.before(j.Change, int32(j.Seq)):
		return nil, e.last // the usual case: it comes after all
	case e.state == stateRunning: // too late to come before it
		e, previous = e.next, e
	}
	for ; e != nil && e.before(j.Change, int32(j.Seq)); e = e.next {
		previous = e
	}
	if e == nil || e.change != j.Change || int(e.seq) != j.Seq {
		return nil, previous
	}
	return e, previous
}

// planned reports whether the line of a key has a job that is not due before a
// moment.
func (q *queue) planned(name calendar.Owner, key string, notBefore int64, counts func(*entry) bool) bool {
	o := q.owners[name]
	if o == nil || key == "" {
		return false
	}
	for e := q.lines[lineKey{o, maphash.String(q.seed, key)}]; e != nil; e = e.next {
		if e.due >= notBefore && counts(e) {
			return true
		}
	}
	return false
}

// parkedDue stands for the time of a job that is parked.
const parkedDue = -1 << 63

func dueOf(j *calendar.Job) int64 {
	if j.Parked {
		return parkedDue
	}
	return j.Due.UnixMicro()
}

// add takes a job in, or gives one that is known its new time.
func (q *queue) add(j *calendar.Job) {
	e, previous := q.find(j)
	if e != nil {
		q.shelve(e, -1)
		e.due = dueOf(j)
		q.shelve(e, 1)
		switch e.state {
		case stateWaiting, stateReady, stateParked:
			q.leave(e)
			q.rest(e)
		}
		return
	}
	o := q.owners[j.Owner]
	if o == nil {
		o = &owner{name: j.Owner}
		q.owners[o.name] = o
	}
	e = &entry{owner: o, party: q.party(j), change: j.Change, seq: int32(j.Seq), due: dueOf(j), made: j.Created.UnixMicro(), hash: q.hash(j)}
	o.jobs++
	e.party.jobs++
	q.size++
	q.count[e.state]++
	q.shelve(e, 1)
	q.insert(e, previous)
}

// insert puts an entry into its line behind another, or first.
func (q *queue) insert(e, previous *entry) {
	key := lineKey{e.owner, e.hash}
	head := q.lines[key]
	if previous != nil {
		e.next, previous.next = previous.next, e
		if e.next == nil {
			head.last = e
		}
		q.set(e, stateBehind)
		return
	}
	e.next, e.last = head, e
	if head != nil {
		e.last, head.last = head.last, nil
		q.leave(head)
		q.set(head, stateBehind)
	}
	q.lines[key] = e
	q.rest(e)
}

// rest puts the head of a line where it waits.
func (q *queue) rest(e *entry) {
	if e.due == parkedDue {
		q.set(e, stateParked)
		return
	}
	q.set(e, stateWaiting)
	heap.Push(&q.waiting, e)
}

// leave takes the head of a line from where it waits.
func (q *queue) leave(e *entry) {
	if e.state == stateWaiting {
		heap.Remove(&q.waiting, int(e.at))
	}
}

// hold takes an entry out of the order: it stays in its line and does not run.
// Its caller ends that with again, park or remove.
func (q *queue) hold(e *entry) {
	q.leave(e)
	q.set(e, stateRunning)
	e.party.running++
}

// release ends what pick and hold began.
func (q *queue) release(e *entry) {
	p := e.party
	p.running--
	p.enter()
}

// enter lets a party with something ready, and less than its share running,
// take part in the turns.
func (p *party) enter() {
	if !p.inRing && len(p.ready) > 0 && p.running < p.pool.each {
		p.inRing = true
		at := p.turns()
		at.ring = append(at.ring, p)
	}
}

// turns are those that a party takes part in. Where none are set apart for the slow
// they are among the others.
func (p *party) turns() *turns {
	if p.slow && p.pool.slow.room > 0 {
		return &p.pool.slow
	}
	return &p.pool.brisk
}

// letGo lets the jobs of an owner begin again.
func (q *queue) letGo(name calendar.Owner) {
	delete(q.held, name)
	if o := q.owners[name]; o != nil {
		for _, e := range o.kept {
			e.party.ready = append(e.party.ready, e)
			e.party.enter()
		}
		o.kept = nil
	}
}

// again has an entry that ran or was held wait until a time.
func (q *queue) again(e *entry, due time.Time) {
	q.back(e, due.UnixMicro())
}

// park leaves an entry that ran or was held in its line, which it blocks.
func (q *queue) park(e *entry) { q.back(e, parkedDue) }

func (q *queue) back(e *entry, due int64) {
	q.release(e)
	e.due = due
	switch {
	case q.lines[lineKey{e.owner, e.hash}] != e:
		q.set(e, stateBehind)
	case e.next != nil && e.next.before(e.change, e.seq):
		// One came that belongs before it, while it ran.
		q.cutHead(e)
		previous := q.lines[lineKey{e.owner, e.hash}]
		for previous.next != nil && previous.next.before(e.change, e.seq) {
			previous = previous.next
		}
		q.insert(e, previous)
	default:
		q.rest(e)
	}
}

// cutHead takes the head from its line; the next takes its place.
func (q *queue) cutHead(e *entry) {
	key, next := lineKey{e.owner, e.hash}, e.next
	if next == nil {
		delete(q.lines, key)
		return
	}
	next.last = e.last
	q.lines[key] = next
	if next.state == stateBehind { // else it is held
		q.rest(next)
	}
}

// remove forgets an entry that ran or was held.
func (q *queue) remove(e *entry) {
	q.release(e)
	if head := q.lines[lineKey{e.owner, e.hash}]; head == e {
		q.cutHead(e)
	} else {
		p := head
		for p.next != e {
			p = p.next
		}
		if p.next = e.next; p.next == nil {
			head.last = p
		}
	}
	q.count[e.state]--
	q.size--
	if e.owner.jobs--; e.owner.jobs == 0 {
		delete(q.owners, e.owner.name)
	}
	if e.party.jobs--; e.party.jobs == 0 {
		delete(e.party.pool.parties, e.party.name)
	}
}

// advance makes ready what is due, at most so many.
func (q *queue) advance(now time.Time, limit int) {
	for ; limit > 0 && len(q.waiting) > 0 && q.waiting[0].due <= now.UnixMicro(); limit-- {
		e := heap.Pop(&q.waiting).(*entry)
		q.set(e, stateReady)
		e.party.ready = append(e.party.ready, e)
		e.party.enter()
	}
}

// pick takes what is to run next, and a place for it.
func (q *queue) pick() (*entry, *turns) {
	for _, p := range q.pools {
		for _, at := range [...]*turns{&p.brisk, &p.slow} {
			if e := q.pickOf(p, at); e != nil {
				return e, at
			}
		}
	}
	return nil, nil
}

func (q *queue) pickOf(p *pool, at *turns) *entry {
	for at.running < at.room && len(at.ring) > 0 {
		t := at.ring[0]
		at.ring = at.ring[1:]
		t.inRing = false
		if at == &p.brisk && t.turns() != at { // it has become slow meanwhile
			t.enter()
			continue
		}
		for len(t.ready) > 0 && t.running < p.each {
			e := t.ready[0]
			t.ready[0], t.ready = nil, t.ready[1:]
			switch {
			case e.state != stateReady:
				continue
			case q.held[e.owner.name] > 0 || q.stopped[e.owner.name]:
				e.owner.kept = append(e.owner.kept, e)
				continue
			}
			q.set(e, stateRunning)
			t.running++
			at.running++
			t.enter()
			return e
		}
	}
	return nil
}

// running is how many jobs run.
func (q *queue) running() (n int) {
	for _, p := range q.pools {
		n += p.brisk.running + p.slow.running
	}
	return n
}

// next is when the next entry becomes ready.
func (q *queue) next() (time.Time, bool) {
	if len(q.waiting) == 0 {
		return time.Time{}, false
	}
	return time.UnixMicro(q.waiting[0].due), true
}

// oldest is when the first of what is ready became due: what is due at once, when it
// was made.
func (q *queue) oldest() time.Time {
	first := int64(math.MaxInt64)
	oldestOf := func(list []*entry) {
		for _, e := range list {
			if e.state == stateReady {
				first = min(first, max(e.due, e.made))
				break // it is in order
			}
		}
	}
	for _, o := range q.owners {
		oldestOf(o.kept)
	}
	for _, p := range q.pools {
		for _, t := range p.parties {
			oldestOf(t.ready)
		}
	}
	return time.UnixMicro(first)
}

// dueHeap is a heap by due, then by id, so that what is due at once has an order.
type dueHeap []*entry

func (h dueHeap) Len() int { return len(h) }

func (h dueHeap) Less(i, j int) bool {
	if h[i].due != h[j].due {
		return h[i].due < h[j].due
	}
	return h[i].before(h[j].change, h[j].seq)
}

func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = int32(i), int32(j)
}

func (h *dueHeap) Push(x any) {
	e := x.(*entry)
	e.at = int32(len(*h))
	*h = append(*h, e)
}

func (h *dueHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return e
}
