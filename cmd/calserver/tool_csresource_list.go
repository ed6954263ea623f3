package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
	"factotum/server/config"
)

// resourceInfo is a resource, for programs.
type resourceInfo struct {
	Resource      string   `json:"resource"`
	Name          string   `json:"name"`
	Mails         []string `json:"mails,omitempty"`
	Kind          string   `json:"kind"`
	Enabled       bool     `json:"enabled"`
	Domain        string   `json:"domain,omitempty"`
	Host          string   `json:"back_end,omitempty"`
	TZID          string   `json:"time_zone,omitempty"`
	Owner         string   `json:"owner,omitempty"`
	CoOwners      []string `json:"co_owners,omitempty"`
	ACL           string   `json:"acl,omitempty"`
	DoubleBooking bool     `json:"double_booking"`
	Auto          bool     `json:"auto"`
	Capacity      int      `json:"capacity,omitempty"`
	Days          int      `json:"days,omitempty"`
	Minutes       int      `json:"minutes,omitempty"`
	Who           []string `json:"who,omitempty"`
	Series        string   `json:"series"`
	Hours         *string  `json:"hours,omitempty"` // "" is at all times
}

func describeResource(p calendar.Person) resourceInfo {
	b := p.Booking
	return resourceInfo{Resource: p.ID, Name: p.Name, Mails: p.Mails, Kind: strings.ToLower(string(p.Kind)), Enabled: p.Active, Domain: p.Domain,
		Host: p.Host, TZID: p.TZID, Owner: p.Owner, CoOwners: p.CoOwners, ACL: p.ACL, DoubleBooking: !p.NoDoubles, Auto: p.AutoReply,
		Capacity: b.Capacity, Days: int(b.Ahead / (24 * time.Hour)), Minutes: int(b.Longest / time.Minute), Who: b.Who, Series: b.Series.String()}
}

func (o *resourceOptions) list(ctx context.Context, cfg *config.Config, found []calendar.Person, one bool) error {
	hours := o.hoursReader(ctx, cfg)
	defer hours.close()
	describe := func(p calendar.Person) resourceInfo {
		i := describeResource(p)
		i.Hours, _ = hours.of(p)
		return i
	}
	show := func(p calendar.Person) error {
		if o.json {
			return o.print(describe(p))
		}
		return o.show(p, hours)
	}
	if one {
		return show(found[0])
	}
	return o.listPeople(found, func(p calendar.Person) any { return describe(p) }, show)
}

// show prints a resource with what it takes.
func (o *resourceOptions) show(p calendar.Person, hours *hoursReader) error {
	if o.quiet {
		return nil
	}
	i := describeResource(p)
	row := func(name, value string) { fmt.Fprintf(o.std.out, "  %-10s %s\n", name, plain.Text(value)) }
	most := func(n int, what string) string {
		if n == 0 {
			return "any"
		}
		return fmt.Sprintf("%d %s", n, what)
	}
	fmt.Fprintf(o.std.out, "%s\n", p.ID)
	row("name", p.Name)
	row("mail", strings.Join(p.Mails, " "))
	row("kind", i.Kind)
	row("status", activeWord(p.Active))
	row("domain", p.Domain)
	row("back end", p.Host)
	row("time zone", p.TZID)
	row("owners", strings.TrimSpace(p.Owner+" "+strings.Join(p.CoOwners, " ")))
	row("answers", map[bool]string{true: "by itself", false: "its owners decide"}[i.Auto])
	row("doubles", map[bool]string{true: "accepted", false: "declined"}[i.DoubleBooking])
	row("series", i.Series)
	row("people", most(i.Capacity, "at most"))
	row("ahead", most(i.Days, plain.Plural(i.Days, "day", "days")))
	row("length", most(i.Minutes, plain.Plural(i.Minutes, "minute", "minutes")))
	who := strings.Join(i.Who, " ")
	if who == "" {
		who = "everybody"
	}
	row("booked by", who)
	switch open, err := hours.of(p); {
	case err != nil:
		row("hours", "not known: "+plain.Error(err))
	case *open == "":
		row("hours", "at all times")
	default:
		row("hours", *open)
	}
	_, err := fmt.Fprintln(o.std.out)
	return err
}
