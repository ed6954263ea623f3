package directory

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"hash"
	"sync"
	"sync/atomic"
	"time"

	"factotum/server/calendar"
)

// loginKey is HMAC-SHA256 over user, NUL and password with a key that the
// process drew at random: without that key a dump of the map is worth nothing.
type loginKey [sha256.Size]byte

// loginCache remembers successful log-ins. A hit costs the HMAC and a read
// lock on one of its shards.
type loginCache struct {
	macs   sync.Pool // *mac
	shards [16]*recent[loginKey, *rememberedLogin]

	mu    sync.Mutex
	calls map[loginKey]*loginCall
}

type mac struct {
	hash.Hash
	buf []byte
	sum loginKey
}

// rememberedLogin is a log-in that succeeded.
type rememberedLogin struct {
	person calendar.Person
	stamp  uint64 // of the entry, see Logins.stamp
	app    string // id of the app password used, or ""
	until  time.Time

	gen     atomic.Uint64 // of the directory when it was looked at last
	checked atomic.Int64  // when that was, in ns
	appGen  atomic.Uint64 // of the app passwords
}

// loginCall is a log-in under way; others with the same key wait for it.
type loginCall struct {
	done   chan struct{}
	person calendar.Person
	err    error
}

func newLoginCache(size int) *loginCache {
	secret := make([]byte, sha256.Size)
	rand.Read(secret)
	c := &loginCache{calls: map[loginKey]*loginCall{}}
	c.macs.New = func() any { return &mac{Hash: hmac.New(sha256.New, secret)} }
	for i := range c.shards {
		c.shards[i] = newRecent[loginKey, *rememberedLogin](size / len(c.shards))
	}
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

func (c *loginCache) shard(k loginKey) *recent[loginKey, *rememberedLogin] {
	return c.shards[int(k[0])%len(c.shards)]
}

func (c *loginCache) get(k loginKey) (*rememberedLogin, bool) { return c.shard(k).get(k) }
func (c *loginCache) put(k loginKey, r *rememberedLogin)      { c.shard(k).put(k, r) }
func (c *loginCache) drop(k loginKey)                         { c.shard(k).drop(k) }

// forget drops the log-ins of one user.
func (c *loginCache) forget(id calendar.UserID) {
	for _, s := range c.shards {
		s.dropFunc(func(r *rememberedLogin) bool { return r.person.ID == id })
	}
}

func (c *loginCache) len() (n int) {
	for _, s := range c.shards {
		n += s.len()
	}
	return n
}

// join returns the call under way for a key, or a new one that the caller
// must finish.
func (c *loginCache) join(k loginKey) (call *loginCall, leader bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if call = c.calls[k]; call != nil {
		return call, false
	}
	call = &loginCall{done: make(chan struct{})}
	c.calls[k] = call
	return call, true
}

func (c *loginCache) finish(k loginKey, call *loginCall, p calendar.Person, err error) {
	c.mu.Lock()
	delete(c.calls, k)
	c.mu.Unlock()
	call.person, call.err = p, err
	close(call.done)
}
