package calendartest_test

import (
	"testing"

	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/service"
)

func TestService(t *testing.T) {
	calendartest.Run(t, func(t *testing.T, people calendar.People) calendar.Backend {
		return service.New(calendartest.NewStore(), people, service.Options{Host: "calendar1.sesta.com"})
	})
}
