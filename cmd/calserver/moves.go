package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"factotum/cmd/internal/plain"
	"factotum/protocol/dwp"
	"factotum/server/calendar"
	"factotum/server/cld"
	"factotum/server/config"
	"factotum/server/directory"
	"factotum/store/move"
)

// hostDirectory is the directory of a host whose homes may be moved: it is asked for what
// it says now, and changed.
type hostDirectory struct {
	cfg   *config.Config
	fresh func() (*directory.Directory, error) // nothing in it is from before
	edit  interface {
		SwitchHost(ctx context.Context, id, from, to string) error
	}
}

// openHostDirectory opens it; why says why there is none.
func openHostDirectory(cfg *config.Config, people *directory.Directory, log *slog.Logger) (d move.Directory, why string, closing func() error) {
	none := func() error { return nil }
	opt, err := directoryOptions(cfg, log)
	if err != nil {
		return nil, plain.Error(err), none
	}
	if cfg.Directory.Type == "ldif" {
		ed, err := directory.NewEditor(opt)
		if err != nil {
			return nil, plain.Error(err), none
		}
		return &hostDirectory{cfg, func() (*directory.Directory, error) { return people, people.Refresh() }, ed}, "", none
	}
	if cfg.LDAP.PrefsBindDN == "" {
		return nil, "ics.conf of " + hostName(cfg) + " names nobody who may change entries of the directory: local.enduseradmindn, local.enduseradmincred", none
	}
	opt.LDAP.BindDN, opt.LDAP.BindCred = cfg.LDAP.PrefsBindDN, directory.Secret(cfg.LDAP.PrefsBindCred.Reveal())
	opt.LDAP.MinConns, opt.LDAP.MaxConns = 1, 4
	ed, err := directory.NewLDAPEditor(opt)
	if err != nil {
		return nil, plain.Error(err), none
	}
	return &hostDirectory{cfg, func() (*directory.Directory, error) { return ed.People(), nil }, ed}, "", ed.Close
}

// Host implements move.Directory.
func (d *hostDirectory) Host(ctx context.Context, owner calendar.Owner) (string, error) {
	people, err := d.fresh()
	if err != nil {
		return "", &calendar.Error{Kind: calendar.Unavailable, Op: "find back end", Ref: string(owner), Msg: "the directory cannot be read", Err: err}
	}
	if p, err := people.Person(ctx, string(owner)); err != nil || !strings.EqualFold(p.ID, string(owner)) {
		if err == nil || errors.Is(err, calendar.NotFound) {
			err = &calendar.Error{Kind: calendar.NotFound, Op: "find back end", Ref: string(owner), Msg: "nobody named " + string(owner) + " is in the directory"}
		}
		return "", err
	}
	host, err := cld.Directory{People: people, Domain: people.BackEnd, Default: d.cfg.DWP.Default}.Locate(ctx, owner)
	if errors.Is(err, calendar.NoBackend) {
		return backEndName(d.cfg), nil // nobody says where: all are here
	}
	return strings.ToLower(host), err
}

// Switch implements move.Directory.
func (d *hostDirectory) Switch(ctx context.Context, owner calendar.Owner, from, to string) error {
	return d.edit.SwitchHost(ctx, string(owner), from, to)
}

// peers are the other back ends, connected to when they are asked for first.
type peers struct {
	cfg *config.Config
	log *slog.Logger

	mu  sync.Mutex
	all map[string]*dwp.Client
}

func newPeers(cfg *config.Config, log *slog.Logger, known []*dwp.Client) *peers {
	p := &peers{cfg: cfg, log: log, all: map[string]*dwp.Client{}}
	for _, c := range known {
		p.all[strings.ToLower(c.Host())] = c
	}
	return p
}

func (p *peers) of(host string) (calendar.Arrivals, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.all[strings.ToLower(host)]; c != nil {
		return c, nil
	}
	for _, b := range p.cfg.DWP.BackEnds {
		if !strings.EqualFold(b.Host, host) {
			continue
		}
		c, err := dialBackEnd(p.cfg, b, p.log, nil)
		if err != nil {
			return nil, err
		}
		p.all[strings.ToLower(host)] = c
		return c, nil
	}
	return nil, &calendar.Error{Kind: calendar.NoBackend, Op: "move", Ref: host, Msg: host + " is no back end that " + hostName(p.cfg) + " knows: ics.conf has no caldb.dwp.server." + host + ".ip"}
}

// close ends all connections; those of others may be ended twice.
func (p *peers) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.all {
		c.Close()
	}
}

// openMoves reads what is under way; all that is read or written goes by the gate.
func (s *storeService) openMoves(ctx context.Context, p *process, people *directory.Directory, known []*dwp.Client) (err error) {
	dir, why, closing := openHostDirectory(p.cfg, people, s.log)
	others := newPeers(p.cfg, s.log, known)
	s.release = append(s.release, func() { others.close(); closing() })
	s.mover, err = move.Open(ctx, move.Options{
		Host: backEndName(p.cfg), Keeper: s.keeper, Gate: s.gate, Jobs: s.jobs, Forget: s.model.ForgetHome, Directory: dir, Why: why, Peer: others.of,
		ReadOnly: p.cfg.Store.ReadOnly, Log: s.log,
	})
	return err
}

// arrivals is who takes homes that are moved to this host: csstored, in this process or
// by its socket.
func (p *process) arrivals(ctx context.Context, log *slog.Logger) (calendar.Arrivals, func(), error) {
	p.mu.Lock()
	r := p.running["store"]
	p.mu.Unlock()
	if r != nil {
		if s := r.running.(*storeService); s.mover == nil {
			return noArrivals{s.pair.held}, func() {}, nil
		}
		return r.running.(*storeService).mover, func() {}, nil
	}
	c, err := openStore(ctx, p.cfg, log)
	if err != nil {
		return nil, nil, err
	}
	return c, func() { c.Close() }, nil
}

// noneOlder refuses to move homes while hosts ask here that would not learn where they
// went: they would be told to ask again, and ask here.
func noneOlder(list []processStatus) error {
	for i := range list {
		for _, r := range list[i].Roles {
			if len(r.Older) > 0 {
				return fmt.Errorf("no home can be moved yet: a host of an earlier release asks here (%s), which would not find it any more: upgrade that first", r.Older[0])
			}
		}
	}
	return nil
}

// moves answers csmove.
func (a *adminServer) moves(w http.ResponseWriter, r *http.Request) {
	s := a.storeService()
	if s == nil {
		http.Error(w, "csstored does not run in this process", http.StatusConflict)
		return
	}
	if err := s.pair.held(); s.mover == nil {
		http.Error(w, plain.Error(err), http.StatusConflict)
		return
	}
	owner, err := calendar.Owner(r.URL.Query().Get("owner")), error(nil)
	switch command := r.PathValue("command"); command {
	case "move":
		if err = noneOlder(processes(r.Context(), a.p.cfg)); err == nil {
			err = s.mover.Move(r.Context(), owner, r.URL.Query().Get("to"))
		}
	case "cancel":
		err = s.mover.Cancel(owner)
	case "here":
		err = s.mover.Here(r.Context(), owner)
	case "status":
	default:
		err = errors.New("there is no such command")
	}
	if err != nil {
		http.Error(w, plain.Error(err), http.StatusConflict)
		return
	}
	list := s.mover.Status()
	if list == nil {
		list = []move.Status{}
	}
	answerJSON(w, list)
}
