package cld

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"factotum/server/calendar"
)

// Lists are members of calendars as back ends of other processes listed them, up
// to so many octets. Who asks again is told by the back end what has changed. Who
// sees what is decided there each time: a list is given to nobody for whom the
// back end did not name its validator in that same call.
type Lists struct {
	most int64

	mu   sync.Mutex
	size int64
	kept *simplelru.LRU[listKey, []*list]
}

type listKey struct {
	of *lister
	id calendar.ID
}

const (
	views    = 2        // lists of a calendar that are kept: with private objects masked, and without
	maxShare = 8        // no list has more than one part of so many
	listCost = 64 + 200 // octets of a list without members, and of its place in the map
)

// NewLists returns none, of at most so many octets.
func NewLists(octets int64) *Lists {
	l := &Lists{most: octets}
	l.kept, _ = simplelru.NewLRU(math.MaxInt, func(_ listKey, of []*list) { l.size -= cost(of) })
	return l
}

// Size tells how many octets are in use.
func (l *Lists) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size
}

// Of is a back end in another process, with what it lists kept.
func (l *Lists) Of(be calendar.Backend) calendar.Backend {
	if l.most <= 0 {
		return be
	}
	return &lister{be, l}
}

// find returns the lists of a calendar.
func (l *Lists) find(k listKey) []*list {
	l.mu.Lock()
	defer l.mu.Unlock()
	of, _ := l.kept.Get(k)
	return of
}

// keep puts a list first, in the place of base.
func (l *Lists) keep(k listKey, base, n *list) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of := []*list{n}
	old, _ := l.kept.Peek(k)
	for _, o := range old {
		if o != base && o.validator != n.validator && len(of) < views {
			of = append(of, o)
		}
	}
	l.size += cost(of) - cost(old)
	l.kept.Add(k, of)
	for l.size > l.most {
		l.kept.RemoveOldest()
	}
}

// list is one that was told. Nobody changes it.
type list struct {
	validator string
	members   []*calendar.Object // by name
	octets    int64
}

func cost(of []*list) (octets int64) {
	for _, k := range of {
		octets += k.octets + listCost
	}
	return octets
}

// octetsOf is about what a member takes on the heap.
func octetsOf(o *calendar.Object) int64 {
	n := int64(unsafe.Sizeof(o)+unsafe.Sizeof(*o)) + int64(len(o.Name)+len(o.UID))
	for _, p := range o.Props {
		n += int64(unsafe.Sizeof(p)) + int64(len(p.Space)+len(p.Local)+len(p.Value))
	}
	return n
}

// next is the list after some changes.
func (k *list) next(validator string, changes []calendar.SyncItem) *list {
	n := &list{validator, k.members, k.octets}
	if len(changes) > 0 {
		n.members = slices.Clone(k.members)
	}
	for _, it := range changes {
		var name string
		if it.Object != nil {
			name = it.Object.Name
			n.octets += octetsOf(it.Object)
		} else {
			name = it.Gone.Name
		}
		at, found := slices.BinarySearchFunc(n.members, name, func(o *calendar.Object, name string) int { return strings.Compare(o.Name, name) })
		if found {
			n.octets -= octetsOf(n.members[at])
		}
		switch {
		case it.Object != nil && found:
			n.members[at] = it.Object
		case it.Object != nil:
			n.members = slices.Insert(n.members, at, it.Object)
		case found:
			n.members = slices.Delete(n.members, at, at+1)
		}
	}
	return n
}

// lister is a back end with its lists kept.
type lister struct {
	calendar.Backend
	lists *Lists
}

// ListObjects implements calendar.Backend: a first sync has the same members.
func (l *lister) ListObjects(ctx context.Context, who calendar.Actor, id calendar.ID, emit func(*calendar.Object) error) (calendar.Calendar, error) {
	n := 0
	res, err := l.Sync(ctx, who, calendar.SyncRequest{Calendar: id}, func(it calendar.SyncItem) error {
		n++
		return emit(it.Object)
	})
	if err == nil {
		res.Calendar.Count = n
	}
	return res.Calendar, err
}

// Sync implements calendar.Backend.
func (l *lister) Sync(ctx context.Context, who calendar.Actor, req calendar.SyncRequest, emit func(calendar.SyncItem) error) (calendar.SyncResult, error) {
	if req.Token != "" || req.Limit > 0 || req.Data || req.Gone != nil {
		return l.Backend.Sync(ctx, who, req, emit)
	}
	key := listKey{l, req.Calendar}
	if known := l.lists.find(key); len(known) > 0 {
		now, cal, err := l.renew(ctx, who, key, known)
		if err != nil {
			return calendar.SyncResult{}, err
		}
		if now != nil {
			res := calendar.SyncResult{Token: cal.SyncToken(), Calendar: cal, Validator: now.validator}
			for _, o := range now.members {
				if err := emit(calendar.SyncItem{Object: o}); err != nil {
					return res, err
				}
			}
			return res, nil
		}
	}
	n := &list{}
	res, err := l.Backend.Sync(calendar.Lasting(ctx), who, req, func(it calendar.SyncItem) error {
		if n != nil && it.Object != nil {
			n.members = append(n.members, it.Object)
			if n.octets += octetsOf(it.Object); n.octets > l.lists.most/maxShare {
				n = nil
			}
		}
		return emit(it)
	})
	if n != nil && err == nil && res.Validator != "" {
		n.validator, n.members = res.Validator, slices.Clip(n.members)
		l.lists.keep(key, nil, n)
	}
	return res, err
}

// renew asks what differs from lists that are kept. The new one is nil where that
// cannot be told.
func (l *lister) renew(ctx context.Context, who calendar.Actor, key listKey, known []*list) (*list, calendar.Calendar, error) {
	req := calendar.ListChangesRequest{Calendar: key.id}
	for _, k := range known {
		req.Validators = append(req.Validators, k.validator)
	}
	res, err := l.Backend.ListChanges(ctx, who, req)
	if errors.Is(err, calendar.Internal) { // the release before is there again, which does not know this
		return nil, calendar.Calendar{}, nil
	}
	at := slices.IndexFunc(known, func(k *list) bool { return k.validator == res.Base })
	if err != nil || at < 0 {
		return nil, res.Calendar, err
	}
	n := known[at]
	if res.Validator != n.validator {
		n = n.next(res.Validator, res.Items)
		l.lists.keep(key, known[at], n)
	}
	return n, res.Calendar, nil
}
