package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"factotum/cmd/internal/exporter"
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
         [-s surname] [-l langcode] [--timezone tzid] [-h host]  create userid[@domain]
  csuser [-q|-v] [-d domain] [-h host]                           list [userid]
  csuser [-q|-v] [-d domain]                check|disable|enable|reset userid
  csuser [-q|-v] [-d domain] [--with-calendars] [--no-copies]    delete userid
  csuser [-q|-v]                                                 inherit [userid]
  csuser [-q|-v] [-f file|-y password|--generate]                password userid
  csuser [-q|-v]                                                 locked
  csuser [-q|-v]                                                 unlock userid|address ...
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
	switch words[0] {
	case "locked":
		return o.locked(ctx, cfg)
	case "unlock":
		return o.unlock(ctx, cfg, dir, words[1:])
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

// doneUser is what became of a user, for programs.
type doneUser struct {
	User      string         `json:"user"`
	Done      string         `json:"done"`
	Password  string         `json:"password,omitempty"` // that was made
	Calendars []doneCalendar `json:"calendars,omitempty"`
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
		secret, err := o.newPassword(ctx)
		if err != nil {
			return err
		}
		if err := ed.SetPassword(id, secret); err != nil {
			return err
		}
		o.warnPassword(id, secret)
		forget(ctx, cfg, id, true)
		return o.withPassword(id, "password set", secret)
	case "enable", "disable":
		if err := ed.SetEnabled(id, command == "enable"); err != nil {
			return err
		}
		forget(ctx, cfg, id, command == "enable")
		o.did(doneUser{User: id, Done: command + "d"}, "%s: %sd", id, command)
	case "reset":
		if err := o.confirm(ctx, "Take calendar service from %s?", id); err != nil {
			return err
		}
		if err := ed.Reset(id); err != nil {
			return err
		}
		o.did(doneUser{User: id, Done: "reset"}, "%s: reset", id)
	case "delete":
		return o.delete(ctx, cfg, "user", id, func() error { return ed.Delete(id) })
	}
	return nil
}

// create makes an entry; o.domain is the domain that was asked for.
func (o *userOptions) create(ctx context.Context, ed *directory.Editor, id string) error {
	p := o.newUser
	p.ID, p.Domain = id, o.domain
	owner, err := ed.ID(id, o.domain)
	if err != nil {
		return err
	}
	be, err := o.store(ctx)
	if err == nil {
		defer be.close()
		err = o.inherits(ctx, be, owner)
	} else if calendar.KindOf(err) != calendar.Canceled {
		// The entry has a name of its own, by which the store tells the new user
		// from an earlier one.
		o.tell("the store was not asked for calendars of an earlier %s: %s", owner, plain.Error(err))
		be, err = nil, nil
	}
	if err != nil {
		return err
	}
	if p.Password, err = o.newPassword(ctx); err != nil {
		return err
	}
	if err := ed.Create(p); err != nil {
		return err
	}
	o.warnPassword(owner, p.Password)
	if be != nil && o.all {
		if _, err := be.inherit(ctx, calendar.Owner(owner)); err != nil && calendar.KindOf(err) != calendar.NoCalendar {
			return fmt.Errorf("%s was made, but the calendars of an earlier one could not be given to him: %s", owner, plain.Error(err))
		}
	}
	return o.withPassword(owner, "made", p.Password)
}

// inherits refuses to give a new user the calendars of an earlier one of that
// name, unless that is wanted.
func (o *userOptions) inherits(ctx context.Context, be *backend, owner string) error {
	if o.all {
		return nil
	}
	home, err := be.Home(ctx, be.who, calendar.HomeRequest{Owner: calendar.Owner(owner)})
	if errors.Is(err, calendar.NoCalendar) || err == nil && len(home.Calendars) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("there are calendars of an earlier %s, %s among them: \"cscal -o %[1]s delete\" removes them, and --with-calendars gives them to the new one", owner, home.Calendars[0].ID)
}

// inherit gives the calendars of an earlier user to whom the directory has under
// that name now; or all, to everybody.
func (o *userOptions) inherit(ctx context.Context, cfg *config.Config, dir *directory.Directory, words []string) error {
	owner, whose := "", "everybody"
	if len(words) == 1 {
		p, err := dir.Person(ctx, words[0])
		if err != nil {
			return o.known(words[0], err)
		}
		owner, whose = p.ID, p.ID
		if cfg.CLD.Type == "directory" {
			if err := servedHere(ctx, cfg, dir, calendar.Owner(owner)); err != nil {
				return err
			}
		}
	}
	be, err := o.store(ctx)
	if err != nil {
		return err
	}
	defer be.close()
	if err := o.confirm(ctx, "Give what earlier users of the names of %s left to those who have the names now?", whose); err != nil {
		return err
	}
	n, err := be.inherit(ctx, calendar.Owner(owner))
	if err != nil {
		return err
	}
	if owner != "" {
		o.did(doneUser{User: owner, Done: "inherited"}, "%s: the calendars of that name are his", owner)
		return nil
	}
	o.did(map[string]any{"done": "inherited", "users": n}, "the calendars of %d people are theirs", n)
	return nil
}

// newPassword is the one given, made or typed.
func (o *userOptions) newPassword(ctx context.Context) (string, error) {
	if o.generate {
		return directory.RandomPassword(), nil
	}
	secret, err := o.password(ctx, o.given, o.file, "Password: ", true)
	if err != nil {
		return "", err
	}
	return secret, directory.CheckPassword(secret)
}

// withPassword tells what was done, and a password that was made here: nobody
// else knows it, so -q does not suppress it.
func (o *userOptions) withPassword(id, what, secret string) error {
	if !o.generate {
		secret = ""
	}
	o.did(doneUser{User: id, Done: what, Password: secret}, "%s: %s", id, what)
	if secret == "" || o.json {
		return nil
	}
	_, err := fmt.Fprintf(o.std.out, "password: %s\n", secret)
	return err
}

// delete removes the entry of a user or group, by remove, what opens it, and the
// default calendar. The
// store is opened first: without it nothing is done. Nor is it before what is
// to be deleted is in files.
func (o *userOptions) delete(ctx context.Context, cfg *config.Config, kind, id string, remove func() error) error {
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
	home, err := be.Home(ctx, be.who, calendar.HomeRequest{Owner: owner, Counts: true})
	if err != nil && !errors.Is(err, calendar.NoCalendar) {
		return err
	}
	var gone, stay []calendar.Calendar
	var what []string
	for _, c := range home.Calendars {
		if o.all || c.ID.Name() == calendar.DefaultName {
			gone = append(gone, c)
			what = append(what, fmt.Sprintf("%s (%d %s)", c.ID, c.Count, plain.Plural(int(c.Count), "object", "objects")))
		} else {
			stay = append(stay, c)
		}
	}
	question := "There are no calendars."
	if len(what) > 0 {
		question = "With it these calendars, for good: " + strings.Join(what, ", ") + "."
	}
	if err := o.confirm(ctx, "Delete the %s %s? %s", kind, id, question); err != nil {
		return err
	}
	saved := ""
	if !o.noCopies {
		if saved, err = saveCopies(ctx, cfg, be, owner, gone); err != nil {
			return fmt.Errorf("nothing was deleted, since no copies could be written (--no-copies does it without): %s", plain.Error(err))
		}
	}
	if err := remove(); err != nil {
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
	done := doneUser{User: id, Done: "deleted"}
	o.say("%s: deleted", id)
	for _, c := range gone {
		if err := be.DeleteCalendar(ctx, be.who, calendar.DeleteCalendarRequest{ID: c.ID}); err != nil && !errors.Is(err, calendar.NoCalendar) {
			return err
		}
		done.Calendars = append(done.Calendars, doneCalendar{c.ID, "deleted"})
		if c.ID.Name() != calendar.DefaultName {
			o.say("%s: deleted", c.ID)
		}
	}
	if saved != "" {
		o.say("what was in the calendars is in %s", saved)
	}
	for _, c := range stay {
		o.say("%s stays", c.ID)
		done.Calendars = append(done.Calendars, doneCalendar{c.ID, "kept"})
	}
	if n := len(stay); n > 0 {
		o.say("%d other %s; \"cscal -o %s delete\" removes them, before another %[3]s gets them", n, plain.Plural(n, "calendar stays", "calendars stay"), id)
	}
	if o.json {
		o.done = append(o.done, struct {
			doneUser
			Copies string `json:"copies,omitempty"`
		}{done, saved})
	}
	return nil
}

// saveCopies writes what is in calendars below the data directory, and names
// where; "" if there is nothing in them.
func saveCopies(ctx context.Context, cfg *config.Config, be *backend, owner calendar.Owner, cals []calendar.Calendar) (string, error) {
	dir := filepath.Join(cfg.Data, "deleted", strings.ReplaceAll(string(owner), "/", "-")+"-"+time.Now().UTC().Format("20060102T150405Z"))
	found := ""
	for _, c := range cals {
		if c.Count == 0 {
			continue
		}
		var bad error
		e := &exporter.Export{Store: be, Who: be.who, Calendar: c.ID, Bad: func(err error) { bad = err }}
		_, err := e.Folder(ctx, filepath.Join(dir, strings.ReplaceAll(c.ID.Name(), "/", "-")))
		if err = errors.Join(err, bad); err != nil {
			return "", err
		}
		found = dir
	}
	return found, nil
}

// changeLDAP does what the calendar server may do in an LDAP directory.
func (o *userOptions) changeLDAP(ctx context.Context, cfg *config.Config, opt directory.Options, command, id string) error {
	switch command {
	case "enable", "disable":
	case "reset":
		if err := o.confirm(ctx, "Take calendar service from %s?", id); err != nil {
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
	forget(ctx, cfg, id, command == "enable")
	done := map[string]string{"enable": "enabled", "disable": "disabled", "reset": "reset"}[command]
	o.did(doneUser{User: id, Done: done}, "%s: %s", id, done)
	return nil
}

// list shows everybody with an entry.
func (o *userOptions) list(ctx context.Context, dir *directory.Directory) error {
	found, more, err := dir.Search(ctx, calendar.PeopleQuery{Kinds: []calendar.PersonKind{calendar.Individual}, All: true, Limit: maxListed})
	if err != nil {
		return err
	}
	list := newArray(o.std.out)
	for _, p := range found {
		switch {
		case o.newUser.Host != "" && !strings.EqualFold(p.Host, o.newUser.Host):
		case o.domain != "" && !strings.EqualFold(p.Domain, o.domain):
		case o.json:
			err = list.add(describeUser(p))
		case o.verbose:
			err = o.show(p)
		case !o.quiet:
			_, err = fmt.Fprintf(o.std.out, "%s\t%s\t%s\t%s\n", p.ID, plain.Text(p.Name), p.Mail(), activeWord(p.Active))
		}
		if err != nil {
			return err
		}
	}
	if o.json {
		err = list.end()
	}
	if more {
		o.complain("there are more; -d or a userid narrows the list")
	}
	return err
}

func activeWord(active bool) string {
	if active {
		return "enabled"
	}
	return "disabled"
}

// userInfo is a person, for programs.
type userInfo struct {
	User     string   `json:"user"`
	Name     string   `json:"name"`
	Mails    []string `json:"mails,omitempty"`
	Kind     string   `json:"kind"`
	Enabled  bool     `json:"enabled"`
	Domain   string   `json:"domain,omitempty"`
	Host     string   `json:"back_end,omitempty"`
	TZID     string   `json:"time_zone,omitempty"`
	Language string   `json:"language,omitempty"`
	Groups   []string `json:"groups,omitempty"`
}

func describeUser(p calendar.Person) userInfo {
	return userInfo{p.ID, p.Name, p.Mails, strings.ToLower(string(p.Kind)), p.Active, p.Domain, p.Host, p.TZID, p.Language, p.Groups}
}

// show prints a person.
func (o *userOptions) show(p calendar.Person) error {
	if o.json {
		return o.print(describeUser(p))
	}
	if o.quiet {
		return nil
	}
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
	_, err := fmt.Fprintln(o.std.out)
	return err
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
	var person calendar.Person
	if words[0] != "revoke" { // those of somebody who is gone can be revoked
		if person, err = dir.Person(ctx, id); err != nil {
			return o.known(id, err)
		}
		id = person.ID
	}
	switch words[0] {
	case "add":
		label := ""
		if len(words) == 3 {
			label = words[2]
		}
		p, token, err := apps.CreateFor(person, label)
		if err != nil {
			return err
		}
		if o.json {
			return o.print(struct {
				appPasswordInfo
				Password string `json:"password"`
			}{describeAppPassword(p), token})
		}
		o.say("%s: app password %s, shown this once:", id, p.ID)
		fmt.Fprintln(o.std.out, token)
	case "list":
		list := newArray(o.std.out)
		for _, p := range apps.List(id) {
			switch {
			case o.json:
				if err := list.add(describeAppPassword(p)); err != nil {
					return err
				}
			case !o.quiet:
				used := "never used"
				if !p.LastUsed.IsZero() {
					used = "last used " + p.LastUsed.Format("2006-01-02 15:04")
				}
				fmt.Fprintf(o.std.out, "%s\t%s\t%s\t%s\n", p.ID, p.Created.Format("2006-01-02"), used, plain.Text(p.Label))
			}
		}
		if o.json {
			return list.end()
		}
	case "revoke":
		if err := apps.Revoke(id, words[2]); errors.Is(err, calendar.NotFound) {
			return fmt.Errorf("%s has no app password %s", id, words[2])
		} else if err != nil {
			return err
		}
		o.did(map[string]string{"id": words[2], "user": id, "done": "revoked"}, "%s: app password %s revoked", id, words[2])
	}
	return nil
}

// appPasswordInfo is an app password, for programs.
type appPasswordInfo struct {
	ID       string    `json:"id"`
	User     string    `json:"user"`
	Label    string    `json:"label,omitempty"`
	Created  time.Time `json:"created"`
	LastUsed time.Time `json:"last_used,omitzero"`
}

func describeAppPassword(p directory.AppPassword) appPasswordInfo {
	return appPasswordInfo{p.ID, p.User, p.Label, p.Created, p.LastUsed}
}
