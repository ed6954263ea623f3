package acceptance

import (
	"strings"
	"testing"

	"factotum/protocol/caldav/caldavtest"
)

// clientUsers are the people that the clients' sequences play.
func clientUsers() (out []string) {
	for _, name := range caldavtest.Names() {
		out = append(out, strings.ToLower(name))
	}
	return out
}

// What the known clients send, from the set-up of an account to a bad sync
// token.
func TestClients(t *testing.T) {
	everywhere(t, func(t *testing.T, h *host) {
		t.Run("clients", func(t *testing.T) {
			caldavtest.Play(t, func(_ *testing.T, client string) caldavtest.Account {
				user := strings.ToLower(client)
				return caldavtest.Account{URL: h.base, User: user, Password: password(user), Name: user + " Tester", Mail: user + "@example.com"}
			})
		})
		h.healthy(t)
	})
}
