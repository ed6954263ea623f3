package calendartest_test

import (
	"testing"

	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/service"
)

func TestService(t *testing.T) { run(t, 0) }

// TestServiceWithoutCache: with factotum.cache.bytes=0 every answer is the same.
func TestServiceWithoutCache(t *testing.T) { run(t, -1) }

func run(t *testing.T, cache int64) {
	calendartest.Run(t, func(t *testing.T, people calendar.People) calendar.Backend {
		return service.New(calendartest.NewStore(), people, service.Options{Host: "calendar1.sesta.com", CacheBytes: cache})
	})
}
