package calendartest_test

import (
	"testing"

	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
)

func TestService(t *testing.T) {
	calendartest.Run(t, func(t *testing.T, people calendar.People) calendar.Backend {
		return calendar.NewService(calendartest.NewStore(), people, calendar.Options{Host: "calendar1.sesta.com"})
	})
}
