package ens

import (
	"fmt"
	"time"

	"factotum/server/calendar"
)

// Login is that somebody has begun a session, or ended it: the name that he logged in
// with, his user id, "" if he is anonymous, and of an administrator who did it for
// him that one's. notifications.md §8.3.
func Login(name string, user, by calendar.UserID, begun bool, when time.Time) calendar.Publication {
	what := "caluserlogout"
	if begun {
		what = "caluserlogin"
	}
	if user == "" {
		user = name
	}
	return calendar.Publication{
		ID: fmt.Sprintf("%s/%s/%d", what, user, when.UnixNano()), Owner: calendar.Owner(user), When: when,
		Ref: calendar.NewEventRef("enp:///ics/"+what, "user", user, "proxy", by).String(),
	}
}
