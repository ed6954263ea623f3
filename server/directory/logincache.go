package directory

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"hash"
	"sync"
	"time"
	"unsafe"

	lru "github.com/hashicorp/golang-lru/v2"

	"factotum/server/calendar"
)

// loginKey is HMAC-SHA256 over user, NUL and password with a key that the
// process drew at random: without that key a dump of the cache is worth nothing.
type loginKey [sha256.Size]byte

// loginCache remembers successful log-ins, bounded by the octets that they
// take. The one that was used least lately makes room.
type loginCache struct {
	most int64
	macs sync.Pool // *mac: to make one costs as much as all the rest of a remembered log-in

	mu    sync.Mutex
	size  int64
	byKey map[loginKey]*rememberedLogin
	used  rememberedLogin // ring: used.next is the latest, used.prev the first to go
}

type mac struct {
	hash.Hash
	buf []byte
	sum loginKey
}

// rememberedLogin is a log-in that succeeded. What it says does not change,
// save when it was looked at last, which the cache's lock guards.
type rememberedLogin struct {
	key    loginKey
	id     calendar.UserID
	entry  string           // Person.Entry
	person *calendar.Person // nil with an LDIF file, which is in memory whole
	stamp  uint64           // of the entry, see Logins.stamp
	app    string           // id of the app password used, or ""
	until  time.Time

	seen    generations // when it was looked at last
	checked time.Time   // when that was

	octets     int64
	prev, next *rememberedLogin
}

// headOctets is a log-in without its person: the record, its key in the map
// and the map's room for growth.
const headOctets = int64(unsafe.Sizeof(rememberedLogin{})) + 3*(sha256.Size+8)/2

func newLoginCache(octets int64) *loginCache {
	secret := make([]byte, sha256.Size)
	rand.Read(secret)
	c := &loginCache{most: octets, byKey: map[loginKey]*rememberedLogin{}}
	c.used.prev, c.used.next = &c.used, &c.used
	c.macs.New = func() any { return &mac{Hash: hmac.New(sha256.New, secret)} }
	return c
}

func (c *loginCache) key(user, password string) (k loginKey) {
	m := c.macs.Get().(*mac)
	m.buf = append(append(append(m.buf[:0], user...), 0), password...)
	m.Reset()
	m.Write(m.buf)
	m.Sum(m.sum[:0])
	k = m.sum
	clear(m.buf)
	c.macs.Put(m)
	return k
}

// get returns what is remembered, nil if nothing is, and when it was looked at
// last.
func (c *loginCache) get(k loginKey) (r *rememberedLogin, checked time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r = c.byKey[k]; r == nil {
		return nil, checked
	}
	c.unlink(r)
	c.link(r)
	return r, r.checked
}

// put remembers a log-in, in the place of an older one of its key.
func (c *loginCache) put(r rememberedLogin) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(c.byKey[r.key])
	if r.octets > c.most {
		return
	}
	n := &r
	c.byKey[r.key] = n
	c.link(n)
	c.size += n.octets
	for c.size > c.most {
		c.drop(c.used.prev)
	}
}

// looking notes that somebody looks again at a remembered log-in; false if
// another does already.
func (c *loginCache) looking(k loginKey, last, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.byKey[k]
	if r == nil || !r.checked.Equal(last) {
		return false
	}
	r.checked = now
	return true
}

func (c *loginCache) remove(k loginKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(c.byKey[k])
}

// forget drops the log-ins of one user, or of all if id is "".
func (c *loginCache) forget(id calendar.UserID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.byKey {
		if id == "" || r.id == id {
			c.drop(r)
		}
	}
}

// stat tells how many log-ins are remembered, and their octets.
func (c *loginCache) stat() (n int, octets int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.byKey), c.size
}

func (c *loginCache) drop(r *rememberedLogin) {
	if r == nil {
		return
	}
	delete(c.byKey, r.key)
	c.unlink(r)
	c.size -= r.octets
}

func (c *loginCache) link(r *rememberedLogin) {
	r.prev, r.next = &c.used, c.used.next
	r.prev.next, r.next.prev = r, r
}

func (c *loginCache) unlink(r *rememberedLogin) { r.prev.next, r.next.prev = r.next, r.prev }

// personOctets is the room of a Person that nobody else keeps.
func personOctets(p *calendar.Person) int64 {
	n := int64(unsafe.Sizeof(*p))
	for _, s := range []string{p.ID, p.Domain, p.Name, p.Given, p.Surname, p.Host, p.TZID, p.Language, p.Owner, p.ACL, p.Entry} {
		n += int64(len(s))
	}
	for _, list := range [][]string{p.Mails, p.Groups, p.CoOwners} {
		for _, s := range list {
			n += int64(unsafe.Sizeof(s)) + int64(len(s))
		}
	}
	return n
}

// newLRU makes a bounded map that forgets what was not asked for the longest.
func newLRU[K comparable, V any](size int) *lru.Cache[K, V] {
	c, err := lru.New[K, V](max(size, 1))
	if err != nil {
		panic(err) // the size above is one
	}
	return c
}

// getOr returns the value of k, made by fresh if there is none.
func getOr[K comparable, V any](c *lru.Cache[K, V], k K, fresh func() V) V {
	if v, ok := c.Get(k); ok {
		return v
	}
	v := fresh()
	if other, ok, _ := c.PeekOrAdd(k, v); ok {
		return other // of somebody who came in between
	}
	return v
}
