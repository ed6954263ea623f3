// Package caldavtest replays what the known calendar clients send: each
// discovers the calendars, lists them, makes a first and an incremental sync,
// stores, runs into a conflict, deletes and, where it uses tokens, comes with
// a bad one. A sequence sends the client's own headers and bodies in its own
// order, follows what it is told rather than paths that it knows, and refuses
// the answers that the client refuses. The front's own tests play them over
// the model, the whole program's in every deployment.
package caldavtest

import "testing"

// Account is somebody on the server under test. The calendars are the default
// ones, and nobody has stored anything yet.
type Account struct {
	URL      string // of the server, without a path
	User     string
	Password string
	Name     string // in full, as the directory has it
	Mail     string
}

// sequences are the clients, by the name of their test.
var sequences = []struct {
	name string
	play func(*client)
}{
	{"AppleCalendar", appleCalendar},
	{"AppleCalendarOld", appleCalendarOld},
	{"IOS", iOS},
	{"Thunderbird", thunderbird},
	{"DAVx5", davx5},
	{"Evolution", evolution},
	{"KDE", kde},
	{"CalDavSynchronizer", calDavSynchronizer},
	{"Vdirsyncer", vdirsyncer},
	{"Calcurse", calcurse},
	{"Tsdav", tsdav},
	{"TasksOrg", tasksOrg},
}

// Names are those of the clients.
func Names() (out []string) {
	for _, s := range sequences {
		out = append(out, s.name)
	}
	return out
}

// Play replays the sequences of all clients at the same time, each as somebody
// else.
func Play(t *testing.T, account func(t *testing.T, client string) Account) {
	for _, s := range sequences {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.play(&client{t: t, Account: account(t, s.name)})
		})
	}
}
