package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"factotum/server/audit"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/directory"
)

func init() {
	register("csuser", "make, list, switch and delete users, and their app passwords", runCsuser)
}

const csuserUsage = `csuser manages the users of the calendar.

  csuser [-q|-v] [-m email] [-d domain] [-f file|-y password|--generate] [-g givenname]
         [-s surname] [-l langcode] [--timezone tzid] [-h host]  create userid[@domain]
  csuser [-q|-v] [-d domain] [-h host]                           list [userid]
  csuser [-q|-v] [-d domain]                check|disable|enable|reset userid
  csuser [-q|-v] [-d domain] [--with-calendars] [--no-copies]    delete userid
  csuser [-q|-v]                                                 inherit [userid]
  csuser [-q|-v] [-f file|-y password|--generate]                password userid
  csuser [-q|-v]                                                 locked
  csuser [-q|-v]                                                 unlock userid|address ...
  csuser [-q|-v]                            prefs userid [name=value ...]
  csuser [-q|-v] app-password add userid [label]
  csuser [-q|-v] app-password list userid
  csuser [-q|-v] app-password revoke userid id
  csuser version

  -m email      mail address; without it userid@domain
  -d domain     domain of the user, where there are several
  -f file       file whose first line is the password; - is standard input
  -y password   the password (others on this host can see it: prefer -f)
  --generate    make a password and print it
  --with-calendars  delete: all calendars of the user go, not only the default one;
                create: a new user gets those of an earlier one of that name
  --no-copies   delete: do not write what is deleted to files first
  -g, -s        given name and surname
  -l langcode   preferred language
  --timezone    time zone of the user's calendars
  -h host       back end of the user's calendars; list: of that back end
  -a, -b, -k    Sun's, and refused, with what does their work
  -j, --json    print JSON
  -q, --yes     do not ask, and print errors only (and passwords that were made)
  -C file       the ics.conf to use

The commands:
  create        add an entry with calendar service; a password left out is asked for
  check         tell whether the user may use the calendar; exit status 1: no
  delete        delete the entry and the default calendar, and name the other
                calendars, which stay: "cscal -o userid delete" removes them. What
                is deleted is written to files first, which it names
  disable       shut the user out; enable lets him in again
  inherit       the calendars of an earlier user, whose name somebody else has now,
                are his from now on; without userid those of everybody, as after a
                move to another directory
  locked        list who has to wait after too many failed log-ins, at the front
                end of this host; unlock ends that for a user, for all users at
                an address, or for a user at an address
  list          show a user, or all who have an entry, disabled ones too
  prefs         show a user's preferences, or set them; name= removes one.
                ceShowCalendarReminders=1: he wants pop-ups of his reminders.
                About mail from outside: factotumMailInvitations (add, known, hold,
                refuse), factotumMailUnproven (hold, believe, refuse), and lists of
                addresses, factotumMailAllowed and factotumMailNever
  reset         take calendar service from the entry; calendars stay
  password      set a new password
  app-password  passwords for one device or program each, shown once

Where people are kept in LDAP, accounts and passwords are made and deleted with
the directory's own tools; enable, disable and reset work, as local.enduseradmindn.

  csuser -m tchang@sesta.com -g Tony -s Chang create tchang
  csuser app-password add tchang "Tony's phone"
`

// userOptions are what csuser was told.
type userOptions struct {
	*tool
	newUser             directory.NewPerson
	file, given, domain string
	generate, all       bool
	noCopies            bool

	store func(ctx context.Context) (*backend, error) // for delete
}

func runCsuser(ctx context.Context, args []string, std stdio) int {
	o := newUserOptions(std)
	o.store = o.openBackend
	return o.run(ctx, args, func(ctx context.Context, words []string) error {
		if err := o.check(words); err != nil {
			return err
		}
		cfg, err := o.load()
		if err != nil {
			return err
		}
		err = o.do(ctx, cfg, words)
		if err == nil {
			o.auditUser(cfg, words)
		}
		return err
	})
}

func newUserOptions(std stdio) *userOptions {
	o := &userOptions{tool: newTool("csuser", csuserUsage, std)}
	p := &o.newUser
	o.FlagLong(&p.Mail, "mail", 'm')
	o.FlagLong(&o.domain, "domain", 'd')
	o.FlagLong(&o.file, "password-file", 'f')
	o.FlagLong(&o.given, "password", 'y')
	o.FlagLong(&o.generate, "generate", 0)
	o.FlagLong(&o.all, "with-calendars", 0)
	o.FlagLong(&o.noCopies, "no-copies", 0)
	o.FlagLong(&p.Given, "givenname", 'g')
	o.FlagLong(&p.Surname, "surname", 's')
	o.FlagLong(&p.Language, "language", 'l')
	o.FlagLong(&p.TZID, "timezone", 0)
	o.FlagLong(&p.Host, "host", 'h')
	var unused string
	o.FlagLong(&unused, "acl", 'a')
	o.FlagLong(&unused, "basedn", 'b')
	o.FlagLong(&unused, "doublebook", 'k')
	return o
}

func (o *userOptions) check(words []string) error {
	least, most := 2, 2
	switch words[0] {
	case "create", "check", "delete", "disable", "enable", "reset", "password":
	case "list", "inherit":
		least = 1
	case "locked":
		least, most = 1, 1
	case "prefs":
		most = len(words)
	case "unlock":
		most = 3
	case "app-password":
		least, most = 3, 3
		if len(words) < 2 {
			return misuse("app-password add, list or revoke?")
		}
		switch words[1] {
		case "add":
			most = 4
		case "list":
		case "revoke":
			least, most = 4, 4
		default:
			return misuse("app-password add, list or revoke, not %q", words[1])
		}
	default:
		return misuse("%q is not a command of csuser", words[0])
	}
	switch {
	case len(words) < least:
		return misuse("%s whom?", words[0])
	case len(words) > most:
		return misuse("too many words after %s", words[0])
	case o.IsSet("acl") || o.IsSet("doublebook"):
		return misuse("-a and -k belong to calendars: \"cscal -a ... -k ... modify userid\"")
	case o.IsSet("basedn"):
		return misuse("-b: entries are where local.ugldapbasedn and -d say")
	}
	if err := checkZone(o.newUser.TZID); err != nil {
		return misuse("%v", err)
	}
	n := 0
	for _, set := range []bool{o.given != "", o.file != "", o.generate} {
		if set {
			n++
		}
	}
	if n > 1 {
		return misuse("-y, -f and --generate exclude each other")
	}
	return nil
}

func (o *userOptions) do(ctx context.Context, cfg *config.Config, words []string) error {
	return o.inDirectory(cfg, func(dir *directory.Directory, opt directory.Options) error {
		return o.doIn(ctx, cfg, dir, opt, words)
	})
}

// doIn is do with the directory open.
func (o *userOptions) doIn(ctx context.Context, cfg *config.Config, dir *directory.Directory, opt directory.Options, words []string) (err error) {
	if words[0] == "app-password" {
		return o.appPassword(ctx, cfg, dir, words[1:])
	}
	if words[0] == "list" && len(words) == 1 {
		return o.list(ctx, dir)
	}
	switch words[0] {
	case "locked":
		return o.locked(ctx, cfg)
	case "unlock":
		return o.unlock(ctx, cfg, dir, words[1:])
	}
	if words[0] == "prefs" {
		return o.prefs(ctx, cfg, dir, words[1:])
	}
	if words[0] == "inherit" {
		return o.inherit(ctx, cfg, dir, words[1:])
	}
	id := words[1]
	if words[0] == "create" {
		if id, err = o.inDomain(id); err != nil {
			return err
		}
	} else if o.domain != "" && !strings.Contains(id, "@") {
		id += "@" + o.domain
	}
	if words[0] == "list" || words[0] == "check" {
		p, err := dir.Person(ctx, id)
		if err != nil {
			return o.known(id, err)
		}
		if words[0] == "list" {
			return o.show(p)
		}
		if o.json {
			err = o.print(map[string]any{"user": p.ID, "enabled": p.Active})
		}
		if err == nil && !p.Active {
			o.say("%s may not use the calendar", p.ID)
			err = exitError(exitFailed)
		} else if err == nil {
			o.say("%s may use the calendar", p.ID)
		}
		return err
	}
	if opt.LDIF == "" {
		return o.changeLDAP(ctx, cfg, opt, words[0], id)
	}
	ed, err := directory.NewEditor(opt)
	if err != nil {
		return err
	}
	return o.changeLDIF(ctx, cfg, ed, words[0], id)
}

// inDomain takes the domain that a new user's id names.
func (o *userOptions) inDomain(id string) (string, error) {
	user, domain, ok := strings.Cut(id, "@")
	switch {
	case !ok:
	case user == "" || domain == "":
		return "", misuse("%q is no user id", id)
	case o.domain != "" && !strings.EqualFold(o.domain, domain):
		return "", misuse("%s is not in the domain %s", id, o.domain)
	default:
		o.domain = domain
	}
	return user, nil
}

// known turns "not found" into a sentence.
func (o *userOptions) known(id string, err error) error {
	if errors.Is(err, calendar.NotFound) {
		return fmt.Errorf("%s is not in the directory", id)
	}
	return err
}

// auditUser notes what a command did to an account.
func (o *userOptions) auditUser(cfg *config.Config, words []string) {
	switch words[0] {
	case "create", "delete", "disable", "enable", "reset":
		o.audited(cfg, audit.Account, words[1], words[0])
	case "password":
		o.audited(cfg, audit.Password, words[1], "")
	case "inherit":
		o.audited(cfg, audit.Account, strings.Join(words[1:], " "), words[0])
	case "app-password":
		if words[1] != "list" {
			o.audited(cfg, audit.AppPassword, words[2], strings.Join(append([]string{words[1]}, words[3:]...), " "))
		}
	}
}
