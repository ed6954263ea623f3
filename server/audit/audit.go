// Package audit tells who changed rights, subscriptions, passwords and configuration, and
// what others than their owner did in calendars.
//
// What follows from a write of the store is a job that is stored with it (Of, Job): it is
// there if the write is, and is done by adding it to the log. The log is files of lines of
// JSON in a directory of the host, one for each day. Lines are only added; each has the
// digest of the line before it, so that one that is taken out or changed shows. Whole
// files go when they are too old, or when all together are too large.
//
// An entry has names and lists of rights, never a secret, and nothing of what events say.
package audit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"factotum/server/acl"
	"factotum/server/calendar"
)

// JobKind is the kind of jobs of which each adds entries to the log.
const JobKind = "audit"

// What happened: codes that never change.
const (
	Rights        = "rights"        // a calendar's list of rights
	Owners        = "owners"        // its further owners
	Switched      = "switched"      // it was switched off, or on
	Subscriptions = "subscriptions" // to which calendars somebody is subscribed
	Proxies       = "proxies"       // who acts for somebody
	Write         = "write"         // an object of another's was stored
	Delete        = "delete"        // or deleted
	Calendar      = "calendar"      // a calendar of another's was made, changed or deleted
	Preferences   = "preferences"   // another's
	Password      = "password"
	AppPassword   = "app-password"
	Account       = "account" // an entry of the directory
	Domain        = "domain"
	Configuration = "configuration"
)

// Codes are all of them.
func Codes() []string {
	return []string{Rights, Owners, Switched, Subscriptions, Proxies, Write, Delete, Calendar, Preferences, Password, AppPassword, Account, Domain, Configuration}
}

// Entry is one thing that somebody did.
type Entry struct {
	When   time.Time `json:"t"`
	What   string    `json:"what"`
	Who    string    `json:"who"`             // a user id; "" is nobody who logged in
	Admin  bool      `json:"admin,omitempty"` // with the administrator's rights
	As     string    `json:"by,omitempty"`    // the administrator who logged in for him
	Via    string    `json:"via,omitempty"`   // protocol or tool
	Client string    `json:"client,omitempty"`
	Whose  string    `json:"whose,omitempty"` // whose home, account or domain it is about
	Ref    string    `json:"ref,omitempty"`   // calid, or calid/name
	UID    string    `json:"uid,omitempty"`
	Detail string    `json:"detail,omitempty"` // what was added (+) and taken away (-)
	ID     string    `json:"id,omitempty"`     // of the change that it follows from: one that is there twice is one
	After  string    `json:"after"`            // the digest of the line before
}

// maxDetail is how many octets of a detail are kept.
const maxDetail = 2000

// Of are the entries that follow from a change.
func Of(ch *calendar.Change) (list []Entry) {
	switch ch.By.Via {
	case "", calendar.ViaDelivery, calendar.ViaMail, "share", "groups": // the server itself, for what was told elsewhere
		return nil
	case "csimport", "csmigrate", "csrestore": // one entry of the tool tells of all objects
		if ch.Name != "" {
			return nil
		}
	}
	owner := string(ch.Owner)
	other := ch.By.User != owner || ch.By.Proxy != ""
	add := func(what, detail string) {
		if len(detail) > maxDetail {
			detail = strings.ToValidUTF8(detail[:maxDetail], "") + " …"
		}
		e := Entry{When: ch.When, What: what, Who: ch.By.User, Admin: ch.By.Admin, As: ch.By.Proxy, Via: ch.By.Via, Client: ch.By.Client, Whose: owner,
			Ref: string(ch.Calendar), Detail: detail, ID: fmt.Sprintf("%s/%d/%d", owner, ch.Number, len(list))}
		if len(e.Client) > 200 {
			e.Client = strings.ToValidUTF8(e.Client[:200], "")
		}
		if ch.Name != "" {
			e.Ref += "/" + ch.Name
			for _, v := range []*calendar.Version{ch.After, ch.Before} {
				if v != nil && e.UID == "" {
					e.UID = v.UID
				}
			}
		}
		list = append(list, e)
	}
	switch ch.Kind {
	case calendar.ObjectStored, calendar.ObjectProps:
		if other {
			add(Write, map[bool]string{true: "new"}[ch.Kind == calendar.ObjectStored && ch.Before == nil])
		}
	case calendar.ObjectDeleted:
		if other {
			add(Delete, "")
		}
	case calendar.CalendarCreated, calendar.CalendarChanged, calendar.CalendarDeleted:
		ofCalendar(ch, other, add)
	case calendar.PrefsChanged:
		ofPrefs(ch, other, add)
	}
	return list
}

func ofCalendar(ch *calendar.Change, other bool, add func(what, detail string)) {
	before, after := ch.CalendarBefore, ch.CalendarAfter
	switch {
	case ch.Kind == calendar.CalendarDeleted:
		if other {
			add(Calendar, "deleted")
		}
		return
	case ch.Kind == calendar.CalendarCreated:
		if other {
			add(Calendar, "made")
		}
		return
	case before == nil || after == nil:
		return
	}
	told := false
	if d := difference(words(before.ACL), words(after.ACL)); d != "" {
		add(Rights, d)
		told = true
	}
	if d := difference(strings.Fields(before.CoOwners), strings.Fields(after.CoOwners)); d != "" {
		add(Owners, d)
		told = true
	}
	if before.Disabled != after.Disabled {
		add(Switched, map[bool]string{true: "off", false: "on"}[after.Disabled])
		told = true
	}
	switch {
	case !other || told:
	case ch.MovedFrom != nil:
		add(Calendar, "renamed from "+string(ch.MovedFrom.Calendar))
	default:
		add(Calendar, "changed")
	}
}

func ofPrefs(ch *calendar.Change, other bool, add func(what, detail string)) {
	told := false
	if d := difference(subscribed(ch.PrefsBefore), subscribed(ch.PrefsAfter)); d != "" {
		add(Subscriptions, d)
		told = true
	}
	if d := difference(proxies(ch.PrefsBefore), proxies(ch.PrefsAfter)); d != "" {
		add(Proxies, d)
		told = true
	}
	if !other || told {
		return
	}
	var names []string
	for _, prefs := range []map[string]string{ch.PrefsBefore, ch.PrefsAfter} {
		for name := range prefs {
			old, had := ch.PrefsBefore[name]
			is, has := ch.PrefsAfter[name]
			if (old != is || had != has) && !calendar.PrivatePref(name) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	if slices.Sort(names); len(names) > 0 {
		add(Preferences, strings.Join(names, " "))
	}
}

func words(list acl.List) (out []string) {
	for _, e := range list {
		out = append(out, e.String())
	}
	return out
}

func subscribed(prefs map[string]string) (out []string) {
	if prefs[calendar.SubscribedPref] == "" {
		return nil
	}
	for _, s := range calendar.Subscriptions(prefs, calendar.Person{}) {
		out = append(out, string(s.ID()))
	}
	return out
}

func proxies(prefs map[string]string) (out []string) {
	p := calendar.ProxiesOf(prefs)
	for _, u := range p.Read {
		out = append(out, u+":read")
	}
	for _, u := range p.Write {
		out = append(out, u+":write")
	}
	return out
}

// difference says what a list has lost and won; where its order alone changed, that.
func difference(before, after []string) string {
	var out []string
	for _, s := range before {
		if !slices.Contains(after, s) {
			out = append(out, "-"+s)
		}
	}
	for _, s := range after {
		if !slices.Contains(before, s) {
			out = append(out, "+"+s)
		}
	}
	if len(out) == 0 && !slices.Equal(before, after) {
		return "another order"
	}
	return strings.Join(out, " ")
}

// Derive is a service.Derivation: the job that adds what a change did to the log.
func Derive(_ calendar.ReadTx, ch *calendar.Change) ([]calendar.Job, error) {
	list := Of(ch)
	if len(list) == 0 {
		return nil, nil
	}
	text, err := json.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("write what is audited: %w", err)
	}
	return []calendar.Job{{Kind: JobKind, Key: JobKind, Payload: text}}, nil
}

// Parse reads the payload of a job.
func Parse(job calendar.Job) (list []Entry, err error) {
	if err := json.Unmarshal(job.Payload, &list); err != nil {
		return nil, fmt.Errorf("read what is audited: %w", err)
	}
	return list, nil
}
