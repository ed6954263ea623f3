package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
	"factotum/server/cld"
	"factotum/server/config"
	"factotum/server/directory"
	"factotum/server/service"
	"factotum/store/archive"
)

// actor is who the tools act as: the calendar administrator, whose rights
// no access control list limits. Whoever may open csstored's socket is him.
func (t *tool) actor(cfg *config.Config) calendar.Actor {
	id := cfg.Admin.User
	if id == "" {
		id = "calmaster"
	}
	return calendar.Actor{User: id, Domain: cfg.Domain.Default, Admin: true, Via: t.name}
}

// backend is the store as a tool sees it.
type backend struct {
	calendar.Backend
	who   calendar.Actor
	cfg   *config.Config
	store calendar.Store // where the tool opened it itself
	close func()

	// owners lists those who have a home, in order, after the given one.
	owners func(ctx context.Context, after calendar.Owner) ([]calendar.Owner, error)
	// inherit hands the calendars of an owner, or with "" of everybody, to whom
	// the directory has under that name now, and tells of how many people.
	inherit func(ctx context.Context, owner calendar.Owner) (n int, err error)
	// purge forgets the deletions of a time.
	purge func(ctx context.Context, within calendar.Window) (n int, err error)
}

// toolLog logs what the layers below say of themselves only with -v; the
// tools report failures in their own words.
func (t *tool) toolLog() *slog.Logger {
	if !t.verbose {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(t.std.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// load reads the configuration that -C or the environment names.
func (t *tool) load() (*config.Config, error) {
	if t.verbose {
		return loadConfig(t.conf, t.std.err)
	}
	return loadConfig(t.conf, nil)
}

// openBackend reaches the calendars of this host through csstored's socket.
func (t *tool) openBackend(ctx context.Context) (*backend, error) {
	cfg, err := t.load()
	if err != nil {
		return nil, err
	}
	if err := frontEnd(cfg); err != nil {
		return nil, err
	}
	client, err := openStore(ctx, cfg, t.toolLog())
	if err != nil {
		return nil, err
	}
	return &backend{Backend: client, who: t.actor(cfg), cfg: cfg, close: func() { client.Close() },
		owners: func(ctx context.Context, after calendar.Owner) (list []calendar.Owner, err error) {
			return list, callStore(ctx, cfg, "GET", "/owners?"+url.Values{"after": {string(after)}}.Encode(), &list)
		},
		inherit: func(ctx context.Context, owner calendar.Owner) (n int, err error) {
			return n, callStore(ctx, cfg, "POST", "/owners/inherit?"+url.Values{"owner": {string(owner)}}.Encode(), &n)
		},
		purge: func(ctx context.Context, within calendar.Window) (n int, err error) {
			return n, callStore(ctx, cfg, "POST", "/db/purge?"+purgeQuery(within).Encode(), &n)
		}}, nil
}

// here refuses to look for an owner's calendars in the store of this host where
// another one serves them: what is done here nobody would see. It is asked
// before the store is opened, which would make one.
func (t *tool) here(ctx context.Context, owner calendar.Owner) error {
	cfg, err := t.load()
	if err != nil || cfg.CLD.Type != "directory" {
		return err
	}
	people, err := t.people(cfg)
	if err != nil {
		return err
	}
	defer people.Close()
	return servedHere(ctx, cfg, people, owner)
}

// frontEnd refuses to look for calendars on a host that has none of anybody: a
// csstored that runs there holds nothing.
func frontEnd(cfg *config.Config) error {
	if !pureFrontEnd(cfg) {
		return nil
	}
	var hosts []string
	for _, b := range cfg.DWP.BackEnds {
		hosts = append(hosts, b.Host)
	}
	return fmt.Errorf("%s is a front end and has no calendars: run the command on the back %s %s", hostName(cfg),
		plain.Plural(len(hosts), "end", "ends"), strings.Join(hosts, ", "))
}

func servedHere(ctx context.Context, cfg *config.Config, people *directory.Directory, owner calendar.Owner) error {
	host, err := cld.Directory{People: people, Domain: people.BackEnd, Default: cfg.DWP.Default}.Locate(ctx, owner)
	switch {
	case err != nil && (pureFrontEnd(cfg) || calendar.KindOf(err) != calendar.NoBackend):
		return fmt.Errorf("find the back end of %s: %w", owner, err)
	case err != nil || !pureFrontEnd(cfg) && strings.EqualFold(host, backEndName(cfg)):
		return nil
	}
	return fmt.Errorf("the calendars of %s are on the back end %s, and this is %s: run the command there", owner, host, hostName(cfg))
}

// openAnyway is openBackend for the tools that also work while the server is
// stopped: then they open the store themselves, and keep others out.
func (t *tool) openAnyway(ctx context.Context) (*backend, error) {
	be, err := t.openBackend(ctx)
	if !errors.Is(err, calendar.Unavailable) {
		return be, err
	}
	cfg, err2 := t.load()
	if err2 != nil {
		return nil, err2
	}
	be, err2 = openStopped(ctx, cfg, t)
	if errors.Is(err2, calendar.Unavailable) {
		return nil, err // somebody has the store: csstored, on its way up or down
	}
	if err2 == nil {
		t.tell("csstored does not run: the store is opened directly")
	}
	return be, err2
}

// openStopped opens the store of a server that is stopped.
func openStopped(ctx context.Context, cfg *config.Config, t *tool) (*backend, error) {
	people, err := openDirectory(cfg, t.toolLog())
	if err != nil {
		return nil, err
	}
	opt, err := modelOptions(cfg, t.toolLog())
	if err != nil {
		people.Close()
		return nil, err
	}
	store, err := openDatabase(ctx, cfg, t.toolLog(), nil)
	if err != nil {
		people.Close()
		return nil, err
	}
	model := service.New(archive.Noted(store, backupDirs(cfg)...), people, opt)
	return &backend{
		Backend: model, who: t.actor(cfg), cfg: cfg, store: store,
		owners: func(ctx context.Context, after calendar.Owner) ([]calendar.Owner, error) {
			return store.Owners(ctx, after, ownersPage)
		},
		inherit: func(ctx context.Context, owner calendar.Owner) (int, error) { return handOver(ctx, model, owner) },
		purge:   model.PurgeGone,
		close: func() {
			if err := store.Close(); err != nil {
				t.complain("close the store: %s", plain.Error(err))
			}
			people.Close()
		},
	}, nil
}

// calendar returns a calendar by its calid. A person's default calendar is
// made if there is none yet, as his first login would.
func (b *backend) calendar(ctx context.Context, id calendar.ID) (calendar.Calendar, error) {
	c, err := b.Calendar(ctx, b.who, id)
	if !errors.Is(err, calendar.NoCalendar) || id.Name() != calendar.DefaultName {
		return c, err
	}
	owner := b.who // and still the administrator
	owner.User = string(id.Owner())
	return b.Calendar(ctx, owner, id)
}

// count is how many objects a calendar has, -1 if that is not known.
func (b *backend) count(ctx context.Context, id calendar.ID) int64 {
	home, err := b.Home(ctx, b.who, calendar.HomeRequest{Owner: id.Owner(), Counts: true})
	if err == nil {
		for _, c := range home.Calendars {
			if c.ID == id {
				return int64(c.Count)
			}
		}
	}
	return -1
}

// people opens the directory for look-ups without the limit on answers that
// clients have.
func (t *tool) people(cfg *config.Config) (*directory.Directory, error) {
	dir, _, err := t.directory(cfg)
	return dir, err
}

// directory is people with the options by which it was opened, for those who
// change entries.
func (t *tool) directory(cfg *config.Config) (*directory.Directory, directory.Options, error) {
	opt, err := directoryOptions(cfg, t.toolLog())
	if err != nil {
		return nil, opt, err
	}
	opt.SearchLimit = -1
	dir, err := directory.Open(opt)
	return dir, opt, err
}

// inDirectory is the work of a tool on entries: it opens the directory, and closes it.
func (t *tool) inDirectory(cfg *config.Config, do func(dir *directory.Directory, opt directory.Options) error) error {
	dir, opt, err := t.directory(cfg)
	if err != nil {
		return err
	}
	defer dir.Close()
	return do(dir, opt)
}

// ldapEditor changes entries in LDAP as who may (local.enduseradmindn).
func ldapEditor(cfg *config.Config, opt directory.Options) (*directory.LDAPEditor, error) {
	opt.LDAP.BindDN, opt.LDAP.BindCred = cfg.LDAP.PrefsBindDN, directory.Secret(cfg.LDAP.PrefsBindCred.Reveal())
	return directory.NewLDAPEditor(opt)
}
