package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/directory"
)

func init() {
	register("csuser", "make, list, switch and delete users, and their app passwords", runCsuser)
}

const csuserUsage = `csuser manages the users of the calendar.

  csuser [-q|-v] [-m email] [-d domain] [-f file|-y password|--generate] [-g givenname]
         [-s surname] [-l langcode] [--timezone tzid] [-h host]  create userid
  csuser [-q|-v] [-d domain] [-h host]                           list [userid]
  csuser [-q|-v] [-d domain]                check|disable|enable|reset userid
  csuser [-q|-v] [-d domain] [--with-calendars]                  delete userid
  csuser [-q|-v] [-f file|-y password|--generate]                password userid
  csuser [-q|-v] app-password add userid [label]
  csuser [-q|-v] app-password list userid
  csuser [-q|-v] app-password revoke userid id
  csuser version

  -m email      mail address; without it userid@domain
  -d domain     domain of the user, where there are several
  -f file       file whose first line is the password
  -y password   the password (others on this host can see it: prefer -f)
  --generate    make a password and print it
  --with-calendars  delete: all calendars of the user go, not only the default one;
                create: a new user gets those of an earlier one of that name
  -g, -s        given name and surname
  -l langcode   preferred language
  --timezone    time zone of the user's calendars
  -h host       back end of the user's calendars; list: of that back end
  -q            do not ask, and print errors only
  -C file       the ics.conf to use

The commands:
  create        add an entry with calendar service; a password left out is asked for
  check         tell whether the user may use the calendar; exit status 1: no
  delete        delete the entry and the default calendar, and name the other
                calendars, which stay: "cscal -o userid delete" removes them
  disable       shut the user out; enable lets him in again
  list          show a user, or all who have calendar service
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
		return o.do(ctx, cfg, words)
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
	case "list":
		least = 1
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
	opt, err := directoryOptions(cfg, o.toolLog())
	if err != nil {
		return err
	}
	opt.SearchLimit = -1
	dir, err := directory.Open(opt)
	if err != nil {
		return err
	}
	defer dir.Close()
	if words[0] == "app-password" {
		return o.appPassword(ctx, cfg, dir, words[1:])
	}
	if words[0] == "list" && len(words) == 1 {
		return o.list(ctx, dir)
	}
	id := words[1]
	if o.domain != "" && !strings.Contains(id, "@") && words[0] != "create" {
		id += "@" + o.domain
	}
	if words[0] == "list" || words[0] == "check" {
		p, err := dir.Person(ctx, id)
		if err != nil {
			return o.known(id, err)
		}
		if words[0] == "list" {
			o.print(p)
			return nil
		}
		if !p.Active {
			o.say("%s may not use the calendar", p.ID)
			return exitError(exitFailed)
		}
		o.say("%s may use the calendar", p.ID)
		return nil
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

// known turns "not found" into a sentence.
func (o *userOptions) known(id string, err error) error {
	if errors.Is(err, calendar.NotFound) {
		return fmt.Errorf("%s is not in the directory", id)
	}
	return err
}

// changeLDIF changes the directory file.
func (o *userOptions) changeLDIF(ctx context.Context, cfg *config.Config, ed *directory.Editor, command, id string) error {
	if command != "create" {
		p, err := ed.Get(id)
		if err != nil {
			return o.known(id, err)
		}
		id = p.ID
	}
	switch command {
	case "create":
		return o.create(ctx, ed, id)
	case "password":
		secret, err := o.newPassword()
		if err != nil {
			return err
		}
		if err := ed.SetPassword(id, secret); err != nil {
			return err
		}
		o.say("%s: password set", id)
		return o.show(secret)
	case "enable", "disable":
		if err := ed.SetEnabled(id, command == "enable"); err != nil {
			return err
		}
		o.say("%s: %sd", id, command)
	case "reset":
		if err := o.confirm("Take calendar service from %s?", id); err != nil {
			return err
		}
		if err := ed.Reset(id); err != nil {
			return err
		}
		o.say("%s: reset", id)
	case "delete":
		return o.delete(ctx, cfg, ed, id)
	}
	return nil
}

func (o *userOptions) create(ctx context.Context, ed *directory.Editor, id string) error {
	if err := o.inherits(ctx, id); err != nil {
		return err
	}
	p := o.newUser
	p.ID, p.Domain = id, o.domain
	var err error
	if p.Password, err = o.newPassword(); err != nil {
		return err
	}
	if err := ed.Create(p); err != nil {
		return err
	}
	o.say("%s: made", strings.ToLower(id))
	return o.show(p.Password)
}

// inherits refuses to give a new user the calendars of an earlier one of that
// name, unless that is wanted. Where no store answers nobody knows.
func (o *userOptions) inherits(ctx context.Context, id string) error {
	if o.all {
		return nil
	}
	be, err := o.store(ctx)
	if err != nil {
		o.tell("the store was not asked for calendars of an earlier %s: %s", id, plain.Error(err))
		return nil
	}
	defer be.close()
	owner := calendar.Owner(strings.ToLower(id))
	home, err := be.Home(ctx, be.who, calendar.HomeRequest{Owner: owner})
	if errors.Is(err, calendar.NoCalendar) || err == nil && len(home.Calendars) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("there are calendars of an earlier %s, %s among them: \"cscal -o %[1]s delete\" removes them, and --with-calendars gives them to the new one", owner, home.Calendars[0].ID)
}

// newPassword is the one given, made or typed.
func (o *userOptions) newPassword() (string, error) {
	if o.generate {
		return directory.RandomPassword(), nil
	}
	secret, err := o.password(o.given, o.file, "Password: ", true)
	if err != nil {
		return "", err
	}
	return secret, directory.CheckPassword(secret)
}

// show prints a password that was made here; nobody else knows it.
func (o *userOptions) show(secret string) error {
	if !o.generate {
		return nil
	}
	_, err := fmt.Fprintf(o.std.out, "password: %s\n", secret)
	return err
}

// delete removes the entry, what opens it, and the default calendar. The
// store is opened first: without it nothing is done.
func (o *userOptions) delete(ctx context.Context, cfg *config.Config, ed *directory.Editor, id string) error {
	owner := calendar.Owner(strings.ToLower(id))
	if cfg.CLD.Type == "directory" {
		people, err := o.people(cfg)
		if err != nil {
			return err
		}
		err = servedHere(ctx, cfg, people, owner)
		people.Close()
		if err != nil {
			return err
		}
	}
	be, err := o.store(ctx)
	if err != nil {
		return err
	}
	defer be.close()
	what := "the default calendar of that name"
	if o.all {
		what = "all calendars of that name"
	}
	if err := o.confirm("Delete %s and %s?", id, what); err != nil {
		return err
	}
	if err := ed.Delete(id); err != nil {
		return err
	}
	apps, err := openAppPasswords(cfg)
	if err != nil {
		return err
	}
	if apps != nil {
		defer apps.Close()
		if err := apps.RevokeAll(id); err != nil {
			return err
		}
	}
	err = be.DeleteCalendar(ctx, be.who, calendar.DeleteCalendarRequest{ID: calendar.ID(owner)})
	if err != nil && !errors.Is(err, calendar.NoCalendar) {
		return err
	}
	o.say("%s: deleted", id)
	home, err := be.Home(ctx, be.who, calendar.HomeRequest{Owner: owner})
	if err != nil && !errors.Is(err, calendar.NoCalendar) {
		return err
	}
	for _, c := range home.Calendars {
		if !o.all {
			o.say("%s stays", c.ID)
			continue
		}
		if err := be.DeleteCalendar(ctx, be.who, calendar.DeleteCalendarRequest{ID: c.ID}); err != nil && !errors.Is(err, calendar.NoCalendar) {
			return err
		}
		o.say("%s: deleted", c.ID)
	}
	if n := len(home.Calendars); n > 0 && !o.all {
		o.say("%d other calendars stay; \"cscal -o %s delete\" removes them, before another %[2]s gets them", n, id)
	}
	return nil
}

// changeLDAP does what the calendar server may do in an LDAP directory.
func (o *userOptions) changeLDAP(ctx context.Context, cfg *config.Config, opt directory.Options, command, id string) error {
	switch command {
	case "enable", "disable":
	case "reset":
		if err := o.confirm("Take calendar service from %s?", id); err != nil {
			return err
		}
	default:
		return fmt.Errorf("people are kept in LDAP: %s is for the directory's own tools (ldapadd, ldapmodify, ldappasswd, ldapdelete)", command)
	}
	opt.LDAP.BindDN, opt.LDAP.BindCred = cfg.LDAP.PrefsBindDN, directory.Secret(cfg.LDAP.PrefsBindCred.Reveal())
	ed, err := directory.NewLDAPEditor(opt)
	if err != nil {
		return err
	}
	defer ed.Close()
	if command == "reset" {
		err = ed.Reset(ctx, id)
	} else {
		err = ed.SetEnabled(ctx, id, command == "enable")
	}
	if err != nil {
		return o.known(id, err)
	}
	o.say("%s: %s", id, map[string]string{"enable": "enabled", "disable": "disabled", "reset": "reset"}[command])
	return nil
}

// list shows everybody with calendar service.
func (o *userOptions) list(ctx context.Context, dir *directory.Directory) error {
	found, more, err := dir.Search(ctx, calendar.PeopleQuery{Kinds: []calendar.PersonKind{calendar.Individual}})
	if err != nil {
		return err
	}
	for _, p := range found {
		switch {
		case o.newUser.Host != "" && !strings.EqualFold(p.Host, o.newUser.Host):
		case o.domain != "" && !strings.EqualFold(p.Domain, o.domain):
		case o.verbose:
			o.print(p)
		default:
			fmt.Fprintf(o.std.out, "%s\t%s\t%s\t%s\n", p.ID, plain.Text(p.Name), p.Mail(), activeWord(p.Active))
		}
	}
	if more {
		o.complain("there are more; -d or a userid narrows the list")
	}
	return nil
}

func activeWord(active bool) string {
	if active {
		return "enabled"
	}
	return "disabled"
}

// print shows a person.
func (o *userOptions) print(p calendar.Person) {
	row := func(name, value string) { fmt.Fprintf(o.std.out, "  %-10s %s\n", name, plain.Text(value)) }
	fmt.Fprintf(o.std.out, "%s\n", p.ID)
	row("name", p.Name)
	row("mail", strings.Join(p.Mails, " "))
	row("kind", strings.ToLower(string(p.Kind)))
	row("status", activeWord(p.Active))
	row("domain", p.Domain)
	row("back end", p.Host)
	row("time zone", p.TZID)
	row("language", p.Language)
	row("groups", strings.Join(p.Groups, " "))
	fmt.Fprintln(o.std.out)
}

// openAppPasswords opens the file with app passwords, nil if there is none.
func openAppPasswords(cfg *config.Config) (*directory.AppPasswords, error) {
	if !cfg.Auth.AppPasswords || cfg.Auth.PasswordFile == "" {
		return nil, nil
	}
	return directory.OpenAppPasswords(cfg.Auth.PasswordFile, nil)
}

// appPassword is "csuser app-password add|list|revoke userid [label|id]".
func (o *userOptions) appPassword(ctx context.Context, cfg *config.Config, dir *directory.Directory, words []string) error {
	apps, err := openAppPasswords(cfg)
	if err != nil {
		return err
	}
	if apps == nil {
		return errors.New("app passwords are switched off in ics.conf")
	}
	defer apps.Close()
	id := strings.ToLower(words[1])
	if words[0] != "revoke" { // those of somebody who is gone can be revoked
		p, err := dir.Person(ctx, id)
		if err != nil {
			return o.known(id, err)
		}
		id = p.ID
	}
	switch words[0] {
	case "add":
		label := ""
		if len(words) == 3 {
			label = words[2]
		}
		p, token, err := apps.Create(id, label)
		if err != nil {
			return err
		}
		o.say("%s: app password %s, shown this once:", id, p.ID)
		fmt.Fprintln(o.std.out, token)
	case "list":
		for _, p := range apps.List(id) {
			used := "never used"
			if !p.LastUsed.IsZero() {
				used = "last used " + p.LastUsed.Format("2006-01-02 15:04")
			}
			fmt.Fprintf(o.std.out, "%s\t%s\t%s\t%s\n", p.ID, p.Created.Format("2006-01-02"), used, plain.Text(p.Label))
		}
	case "revoke":
		if err := apps.Revoke(id, words[2]); errors.Is(err, calendar.NotFound) {
			return fmt.Errorf("%s has no app password %s", id, words[2])
		} else if err != nil {
			return err
		}
		o.say("%s: app password %s revoked", id, words[2])
	}
	return nil
}
