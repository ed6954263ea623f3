package wcap

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// TestSubscribeAtOnce: subscriptions made at the same time are all kept, and
// so are other preferences.
func TestSubscribeAtOnce(t *testing.T) {
	s := newSite(t)
	s.as("anna")
	var all sync.WaitGroup
	const n = 16
	for i := range n {
		all.Go(func() {
			s.do("anna", fmt.Sprintf("subscribe_calendars.wcap?calid=ben:c%d", i)).errno(0)
			s.do("anna", fmt.Sprintf("set_userprefs.wcap?add_attrs=ceList=v%d", i)).errno(0)
			if i%2 == 1 {
				s.do("anna", fmt.Sprintf("unsubscribe_calendars.wcap?calid=ben:c%d", i)).errno(0)
			}
		})
	}
	all.Wait()
	r := s.do("anna", "get_userprefs.wcap").errno(0)
	list := " " + strings.Join(r.values("X-NSCP-WCAP-PREF-icsSubscribed"), " ") + " "
	for i := range n {
		if strings.Contains(list, fmt.Sprintf(" ben:c%d$", i)) == (i%2 == 1) {
			t.Errorf("ben:c%d: subscribed to%s", i, list)
		}
	}
	if got := len(r.values("X-NSCP-WCAP-PREF-ceList")); got != n {
		t.Errorf("%d values of %d", got, n)
	}
}
