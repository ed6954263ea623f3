package main

import (
	"context"
	"net"
	"path/filepath"

	"factotum/protocol/dwp"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/store/standby"
)

// dwpService is csdwpd: it serves the store to front ends on other hosts.
type dwpService struct {
	servers []*dwp.Server
	twin    calendar.Twin // nil: this host is not one of two
	close   func()
	errs    chan error
}

func openDWPRole(ctx context.Context, p *process) (running, error) {
	cfg, log := p.cfg, p.logFor("dwp")
	be, closeBackend, err := p.local(ctx, log)
	if err != nil {
		return nil, err
	}
	arrivals, closeArrivals, err := p.arrivals(ctx, log)
	if err != nil {
		closeBackend()
		return nil, err
	}
	twin, held, closeTwin, err := p.twin(ctx, log)
	if err != nil {
		closeArrivals()
		closeBackend()
		return nil, err
	}
	s := &dwpService{twin: twin, close: func() { closeTwin(); closeArrivals(); closeBackend() }, errs: make(chan error, 2)}
	be = countBackend(be, "dwp", p.metrics)
	register := standby.NewRegister(filepath.Dir(databaseFile(cfg)))
	serve := func(ln net.Listener, files *dwp.TLS) error {
		srv, err := dwp.NewServer(ln, be, dwp.ServerOptions{
			Names: []string{hostName(cfg)}, TLS: files, User: cfg.DWP.Admin, Password: dwp.Secret(cfg.DWP.Cred.Reveal()),
			Sessions: cfg.DWP.MaxSessions, Idle: cfg.DWP.IdleTimeout, Logger: log, Release: versionString(), Arrivals: arrivals,
			Twin: twin, TwinHost: cfg.Standby.Peer(), Held: held, Witness: register, Pair: pairOf(cfg),
			Facts: func(ctx context.Context) dwp.Facts { return hostFacts(processes(ctx, cfg)) },
		})
		if err != nil {
			ln.Close()
			return err
		}
		s.servers = append(s.servers, srv)
		go func() {
			if err := srv.Serve(); err != nil {
				s.errs <- err
			}
		}()
		return nil
	}
	ln, err := listenTCP(cfg.DWP.Listen, cfg.DWP.Port, "service.dwp.port", "service.dwp.listenaddr")
	if err == nil {
		err = serve(ln, dwpFiles(cfg))
	}
	if err == nil && cfg.DWP.Socket != "" {
		if ln, err = listenSocket(cfg.DWP.Socket); err == nil {
			err = serve(ln, nil)
		}
	}
	if err != nil {
		s.stop(ctx)
		return nil, err
	}
	notice(log, "listening", "addr", s.servers[0].Addr().String())
	return s, nil
}

// dwpFiles are this host's certificate, key and authority for DWP; nil where
// it goes without TLS, over loopback only.
func dwpFiles(cfg *config.Config) *dwp.TLS {
	if !cfg.DWP.TLS || cfg.DWP.CertFile == "" || cfg.DWP.CAFile == "" {
		return nil
	}
	return &dwp.TLS{Cert: cfg.DWP.CertFile, Key: cfg.DWP.KeyFile, CA: cfg.DWP.CAFile}
}

func (s *dwpService) failed() <-chan error { return s.errs }

func (s *dwpService) stop(ctx context.Context) {
	if s.twin != nil { // the other host goes on alone at once
		s.twin.Standby(ctx, calendar.StandbyRequest{Step: calendar.StandbyLeave})
	}
	for _, srv := range s.servers {
		srv.Shutdown(ctx)
	}
	s.close()
}
