package calendartest

import (
	"slices"
	"time"

	"factotum/server/acl"
	"factotum/server/calendar"
)

// Who may read a calendar may be told of its changes, by addresses of his own; of a
// whole home its owner alone. Nobody sees the addresses of others, and the owner of
// the home may end what they registered.
func testRegistrations(s *suite) {
	s.home("anna")
	s.home("bert")
	content := calendar.Triggers{Content: calendar.DepthMembers, Properties: calendar.DepthSelf}
	hook := calendar.RegisterRequest{Owner: "anna", Calendar: "anna", Kind: calendar.HookRegistration, Address: "https://hook.example.com/secret", Triggers: content, Contents: true}
	push := calendar.RegisterRequest{Owner: "anna", Calendar: "anna", Kind: calendar.PushRegistration, Address: "https://push.example.com/abc", Triggers: content,
		Key: []byte{4, 0, 255}, Secret: []byte("0123456789abcdef"), Expires: time.Now().Add(time.Hour)}
	register := func(who string, req calendar.RegisterRequest) calendar.RegisterResult {
		s.Helper()
		res, err := s.be.Register(s.ctx, s.as(who), req)
		s.ok(err)
		return res
	}
	refused := func(who string, req calendar.RegisterRequest, want calendar.Kind) {
		s.Helper()
		_, err := s.be.Register(s.ctx, s.as(who), req)
		s.kind(err, want)
	}
	list := func(who string, kind calendar.RegistrationKind) []calendar.Registration {
		s.Helper()
		out, err := s.be.Registrations(s.ctx, s.as(who), calendar.RegistrationsRequest{Owner: "anna", Kind: kind})
		s.ok(err)
		return out
	}

	first := register("anna", hook)
	r := first.Registration
	if !first.Created || len(first.Secret) != 32 || r.ID == "" || r.Owner != "anna" || r.Calendar != "anna" || r.User != "anna" || r.Address != hook.Address ||
		r.Triggers != content || !r.Contents || r.Created.IsZero() || !r.Expires.IsZero() || r.Kind != hook.Kind {
		s.Errorf("registered %+v", first)
	}
	again := hook
	again.Contents = false
	if res := register("anna", again); res.Created || res.Registration.ID != r.ID || res.Registration.Contents || len(res.Secret) > 0 && !slices.Equal(res.Secret, first.Secret) {
		s.Errorf("registered again %+v", res)
	}
	again.Secret = []byte("0123456789abcdef01234567")
	if res := register("anna", again); res.Created || !slices.Equal(res.Secret, again.Secret) {
		s.Errorf("with a secret of one's own: %+v", res)
	}
	p := register("anna", push).Registration
	if p.ID == r.ID || p.Expires.Before(push.Expires.Add(-time.Second)) || p.Expires.After(push.Expires) {
		s.Errorf("a push registration: %+v", p)
	}
	far := push
	far.Expires = time.Now().Add(1000 * time.Hour)
	if res := register("anna", far); res.Created || res.Registration.ID != p.ID || res.Registration.Expires.After(time.Now().Add(8*24*time.Hour)) || !res.Registration.Expires.After(p.Expires) {
		s.Errorf("renewed for long: %+v", res)
	}

	refused("bert", hook, calendar.Denied) // he sees busy time
	_, err := s.be.Register(s.ctx, calendar.Actor{}, hook)
	s.kind(err, calendar.Denied)
	allow := func(aces string) {
		s.Helper()
		list := acl.MustParse(aces)
		_, err := s.be.UpdateCalendar(s.ctx, s.as("anna"), calendar.UpdateCalendarRequest{ID: "anna", ACL: &list})
		s.ok(err)
	}
	allow("@@o^a^sdeicrwf^g") // he may not know of it
	refused("bert", hook, calendar.NoCalendar)
	allow("@@o^a^sdeicrwf^g;bert^a^r^g")
	his := hook
	his.Address = "https://bert.example.org/his-secret"
	b := register("bert", his).Registration
	home := hook
	home.Calendar = ""
	refused("bert", home, calendar.Denied)
	whole := register("anna", home)
	if whole.Registration.Calendar != "" || !whole.Created {
		s.Errorf("of the home: %+v", whole)
	}
	other := hook
	other.Owner = "bert"
	refused("bert", other, calendar.Invalid)
	none := hook
	none.Triggers = calendar.Triggers{}
	refused("anna", none, calendar.Invalid)
	short := hook
	short.Secret = []byte("short")
	refused("anna", short, calendar.Invalid)
	absent := hook
	absent.Calendar = "anna:none"
	refused("anna", absent, calendar.NoCalendar)
	past := push
	past.Expires = time.Now().Add(-time.Hour)
	refused("anna", past, calendar.Invalid)
	key := push
	key.ServerKey = "another host's"
	refused("anna", key, calendar.Unsupported)
	odd := hook
	odd.Kind = "pigeon"
	refused("anna", odd, calendar.Unsupported)

	if all := list("anna", calendar.HookRegistration); len(all) != 3 || all[1].ID != b.ID || all[1].Address != "https://bert.example.org" || all[1].User != "bert" || all[0].Address != hook.Address {
		s.Errorf("anna lists %+v", all)
	}
	if mine := list("bert", ""); len(mine) != 1 || mine[0].ID != b.ID || mine[0].Address != his.Address {
		s.Errorf("bert lists %+v", mine)
	}
	if none := list("carl", ""); len(none) > 0 {
		s.Errorf("carl lists %+v", none)
	}
	_, err = s.be.Registrations(s.ctx, calendar.Actor{}, calendar.RegistrationsRequest{Owner: "anna"})
	s.kind(err, calendar.Denied)

	end := func(who, id string, kind calendar.RegistrationKind) error {
		return s.be.Unregister(s.ctx, s.as(who), calendar.UnregisterRequest{Owner: "anna", ID: id, Kind: kind})
	}
	s.kind(end("bert", r.ID, calendar.HookRegistration), calendar.NotFound)
	s.kind(end("anna", r.ID, calendar.PushRegistration), calendar.NotFound)
	s.kind(end("anna", "none", calendar.HookRegistration), calendar.NotFound)
	s.kind(s.be.TestHook(s.ctx, s.as("bert"), calendar.TestHookRequest{Owner: "anna", ID: r.ID}), calendar.NotFound)
	s.kind(s.be.TestHook(s.ctx, s.as("anna"), calendar.TestHookRequest{Owner: "anna", ID: p.ID}), calendar.NotFound)
	s.ok(s.be.TestHook(s.ctx, s.as("bert"), calendar.TestHookRequest{Owner: "anna", ID: b.ID}))
	s.ok(end("anna", b.ID, calendar.HookRegistration)) // her home
	s.kind(end("bert", b.ID, calendar.HookRegistration), calendar.NotFound)
	s.ok(end("anna", p.ID, calendar.PushRegistration))
	s.ok(end("anna", r.ID, calendar.HookRegistration))
	if all := list("anna", ""); len(all) != 1 || all[0].ID != whole.Registration.ID {
		s.Errorf("what is left: %+v", all)
	}
}
