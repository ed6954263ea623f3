package calendartest

import (
	"strings"

	"factotum/server/acl"
	"factotum/server/calendar"
)

// testSharing: what is shared is in the list of rights, and what became of the
// invitation is the sharer's to see; the other side is told by notes, each once.
func testSharing(s *suite) {
	id := s.home("anna")
	s.home("bert")
	set := func(write bool) error {
		return s.be.Share(s.ctx, s.as("anna"), calendar.ShareRequest{Calendar: id, Set: []calendar.ShareSet{{User: "bert", Name: "B", Summary: "ours", Write: write}}})
	}
	anna := func() calendar.Calendar {
		c, err := s.be.Calendar(s.ctx, s.as("anna"), id)
		s.ok(err)
		return c
	}
	s.kind(s.be.Share(s.ctx, s.as("bert"), calendar.ShareRequest{Calendar: id, Set: []calendar.ShareSet{{User: "carl"}}}), calendar.Denied)
	s.kind(s.be.Share(s.ctx, s.as("anna"), calendar.ShareRequest{Calendar: id, Set: []calendar.ShareSet{{User: "nobody-at-all"}}}), calendar.NoCalendar)
	s.kind(s.be.Share(s.ctx, s.as("anna"), calendar.ShareRequest{Calendar: id, Set: []calendar.ShareSet{{User: "anna"}}}), calendar.Invalid)
	s.ok(set(true))
	c := anna()
	equal(s, "invitees", len(c.Invitees), 1)
	v := c.Invitees[0]
	equal(s, "the invitee", v, calendar.Invitee{User: "bert", UID: v.UID, Name: "B", Summary: "ours", Access: acl.ShareWrite})
	equal(s, "the list", strings.Contains(c.ACL.String(), "bert^a^r^g;bert^c^wd^g"), true)
	equal(s, "dead properties", len(c.Props), 0)

	note := calendar.Note{ID: "anna-1-0", To: "bert", From: "anna", Kind: calendar.NoteInvite, Calendar: id, UID: v.UID, Access: acl.ShareWrite, When: c.Modified}
	s.kind(s.be.Notify(s.ctx, s.as("anna"), calendar.NotifyRequest{Note: note}), calendar.Denied)
	for range 2 {
		s.ok(s.be.Notify(calendar.WithToken(s.ctx, "note "+note.ID), s.as("root"), calendar.NotifyRequest{Note: note}))
	}
	notes := func(of string) calendar.Notes {
		home, err := s.be.Home(s.ctx, s.as(of), calendar.HomeRequest{Owner: calendar.Owner(of), Notes: true})
		s.ok(err)
		return home.Notes
	}
	equal(s, "notes", len(notes("bert").List), 1)
	equal(s, "the note", notes("bert").List[0], note)
	_, err := s.be.Subscribe(s.ctx, s.as("bert"), calendar.SubscribeRequest{Owner: "bert", Add: []calendar.Subscription{calendar.Subscription(id)}})
	s.ok(err)
	equal(s, "notes after the answer", len(notes("bert").List), 0)
	reply := calendar.Note{ID: "bert-1-0", To: "anna", From: "bert", Kind: calendar.NoteReply, Calendar: id, UID: v.UID, Status: calendar.InviteAccepted, Summary: "hers"}
	s.ok(s.be.Notify(s.ctx, s.as("root"), calendar.NotifyRequest{Note: reply}))
	equal(s, "status", anna().Invitees[0].Status, calendar.InviteAccepted)
	equal(s, "notes of the sharer", len(notes("anna").List), 1)
	s.ok(s.be.Share(s.ctx, s.as("anna"), calendar.ShareRequest{Calendar: id, Remove: []calendar.UserID{"bert"}}))
	equal(s, "invitees at the end", len(anna().Invitees), 0)
	_, err = s.be.Object(s.ctx, s.as("bert"), calendar.Ref{Calendar: id, Name: "x"})
	s.kind(err, calendar.Denied)
}

// testShares: what a user has of his own for calendars on his list.
func testShares(s *suite) {
	id := s.home("anna")
	s.home("bert")
	bert := s.as("bert")
	color, name := "#123456", "Hers"
	change := calendar.SubscribeRequest{Owner: "bert", Change: []calendar.ShareChange{{ID: id, Name: &name, Color: &color}}}
	_, err := s.be.Subscribe(s.ctx, bert, change)
	s.kind(err, calendar.NotFound)
	_, err = s.be.Subscribe(s.ctx, bert, calendar.SubscribeRequest{Owner: "bert", Add: []calendar.Subscription{calendar.Subscription(id)}})
	s.ok(err)
	_, err = s.be.Subscribe(s.ctx, bert, change)
	s.ok(err)
	shares := func(of string) []calendar.Share {
		home, err := s.be.Home(s.ctx, s.as(of), calendar.HomeRequest{Owner: "bert", Shares: true, Share: id})
		s.ok(err)
		return home.Shares
	}
	equal(s, "shares", len(shares("bert")), 1)
	got := shares("bert")[0]
	equal(s, "the share", got.Name+got.Color, "Hers#123456")
	equal(s, "others see", len(shares("carl")), 0)
	prefs, err := s.be.Prefs(s.ctx, bert, "bert")
	s.ok(err)
	equal(s, "preferences", len(prefs), 2)
	equal(s, "what counts for busy time", prefs[calendar.FreeBusyPref], "bert")
	s.kind(s.be.SetPrefs(s.ctx, bert, calendar.SetPrefsRequest{Owner: "bert", Set: map[string]string{"shares:proxies": "{}"}}), calendar.Invalid)

	res, err := s.be.SyncHome(s.ctx, bert, calendar.SyncHomeRequest{Owner: "bert", Shares: true})
	s.ok(err)
	_, err = s.be.Subscribe(s.ctx, bert, calendar.SubscribeRequest{Owner: "bert", Remove: []calendar.ID{id}, Present: true})
	s.ok(err)
	_, err = s.be.Subscribe(s.ctx, bert, calendar.SubscribeRequest{Owner: "bert", Remove: []calendar.ID{id}, Present: true})
	s.kind(err, calendar.NotFound)
	own, _ := calendar.CutSharesTag(res.Token)
	res, err = s.be.SyncHome(s.ctx, bert, calendar.SyncHomeRequest{Owner: "bert", Token: own, Shares: true})
	s.ok(err)
	equal(s, "gone", len(res.GoneShares), 1)
	_, err = s.be.CreateCalendar(s.ctx, bert, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: "bert:~anna"}})
	s.reason(err, calendar.Invalid, calendar.CollectionLocationOK)
}

// testProxies: a proxy is one on all calendars, those of later too.
func testProxies(s *suite) {
	id := s.home("anna")
	s.home("bert")
	set := func(who string, kind acl.Access, users ...calendar.UserID) error {
		return s.be.SetProxies(s.ctx, s.as(who), calendar.SetProxiesRequest{Owner: "anna", Kind: kind, Users: users})
	}
	s.kind(set("bert", acl.ProxyWrite, "bert"), calendar.Denied)
	s.kind(set("anna", acl.ShareRead, "bert"), calendar.Unsupported)
	s.kind(set("anna", acl.ProxyRead, "anna"), calendar.Invalid)
	s.ok(set("anna", acl.ProxyWrite, "bert"))
	_, err := s.be.CreateCalendar(s.ctx, s.as("anna"), calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: "anna:later"}, DefaultACL: true})
	s.ok(err)
	rights := func(id calendar.ID) acl.Behalf {
		c, err := s.be.Calendar(s.ctx, s.as("bert"), id)
		s.ok(err)
		return c.Rights.OnBehalf()
	}
	for _, id := range []calendar.ID{id, "anna:later"} {
		equal(s, string(id), rights(id), acl.Behalf{Reply: true, Invite: true, Cancel: true})
	}
	home, err := s.be.Home(s.ctx, s.as("anna"), calendar.HomeRequest{Owner: "anna", Notes: true})
	s.ok(err)
	equal(s, "proxies", home.Proxies.Access("bert"), acl.ProxyWrite)
	s.ok(set("anna", acl.ProxyRead, "bert"))
	equal(s, "of a reader", rights(id), acl.Behalf{})
	s.ok(s.be.Notify(s.ctx, s.as("root"), calendar.NotifyRequest{Note: calendar.Note{ID: "n", To: "bert", From: "anna", Kind: calendar.NoteProxy, Access: acl.ProxyRead}}))
	home, err = s.be.Home(s.ctx, s.as("bert"), calendar.HomeRequest{Owner: "bert", Notes: true})
	s.ok(err)
	equal(s, "for whom", strings.Join(home.Proxies.ReadFor, " "), "anna")
}

// testAtOnce: co-owners, write proxies and the owner see each other's changes with
// the next call, by sync and by texts, whoever of them made them.
func testAtOnce(s *suite) {
	id := s.home("anna")
	s.home("bert")
	s.home("carl")
	co := []calendar.UserID{"bert"}
	_, err := s.be.UpdateCalendar(s.ctx, s.as("anna"), calendar.UpdateCalendarRequest{ID: id, CoOwners: &co})
	s.ok(err)
	s.ok(s.be.SetProxies(s.ctx, s.as("anna"), calendar.SetProxiesRequest{Owner: "anna", Kind: acl.ProxyWrite, Users: []calendar.UserID{"carl"}}))
	ref := calendar.Ref{Calendar: id, Name: "a"}
	tokens := map[string]string{}
	sync := func(who string) (changed int) {
		s.Helper()
		res, err := s.be.Sync(s.ctx, s.as(who), calendar.SyncRequest{Calendar: id, Token: tokens[who]}, func(calendar.SyncItem) error {
			changed++
			return nil
		})
		s.ok(err)
		tokens[who] = res.Token
		return changed
	}
	all := []string{"anna", "bert", "carl"}
	for _, who := range all {
		sync(who)
	}
	alarm := "BEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:x\r\nTRIGGER:-PT5M\r\nEND:VALARM"
	for round, writer := range []string{"anna", "bert", "carl", "anna", "carl", "bert"} {
		text := string(event("a", at(9), at(float64(10+round)), alarm)) // who acts for the owner sets his alarms
		_, err := s.be.PutObject(s.ctx, s.as(writer), calendar.PutRequest{Ref: ref, Data: []byte(text)})
		s.ok(err)
		for _, reader := range all {
			o, err := s.be.Object(s.ctx, s.as(reader), ref)
			s.ok(err)
			equal(s, reader+" reads what "+writer+" wrote", string(o.Data), text)
			equal(s, "changes for "+reader, sync(reader), 1)
			equal(s, "changes once more", sync(reader), 0)
		}
	}
	s.ok(s.be.DeleteObject(s.ctx, s.as("carl"), calendar.DeleteRequest{Ref: ref}))
	for _, reader := range all {
		_, err := s.be.Object(s.ctx, s.as(reader), ref)
		s.kind(err, calendar.NotFound)
		equal(s, "the deletion for "+reader, sync(reader), 1)
	}
}
