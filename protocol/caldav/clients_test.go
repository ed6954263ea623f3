package caldav

import (
	"net/http/httptest"
	"testing"

	"factotum/protocol/caldav/caldavtest"
)

// The request sequences of real clients, each against a front of its own.
func TestClients(t *testing.T) {
	caldavtest.Play(t, func(t *testing.T, _ string) caldavtest.Account {
		server := httptest.NewServer(newSite(t).h)
		t.Cleanup(server.Close)
		return caldavtest.Account{URL: server.URL, User: "anna", Password: "anna", Name: "Anna Berg", Mail: "anna@example.com"}
	})
}
