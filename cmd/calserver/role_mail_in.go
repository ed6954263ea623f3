package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"

	"factotum/notify/lmtp"
	"factotum/notify/spamd"
	"factotum/protocol/front"
	"factotum/server/admission"
	"factotum/server/calendar"
	"factotum/server/config"
)

// mailIn is what takes in mail from outside: the sockets that ics.conf names, and
// one for csimip, which is always there.
type mailIn struct {
	servers []*lmtp.Server
	addrs   []net.Addr
}

// imipSocket is where csimip reaches csstored, by LMTP.
func imipSocket(cfg *config.Config) string {
	return filepath.Join(filepath.Dir(cfg.Store.Socket), "csimip.sock")
}

// takeMail has the store daemon take in mail. What is to be written goes to the back
// ends of the recipients.
func (s *storeService) takeMail(p *process, people calendar.People, router lmtp.Backend) error {
	opt := lmtp.Options{Host: hostName(p.cfg)}
	var err error
	if opt.Peers, err = networks(p.cfg.IMIP.Peers); err != nil {
		return fmt.Errorf("read factotum.imip.peers: %w", err)
	}
	if h := &p.cfg.HTTP; h.TLSEnable && h.CertFile != "" {
		get, err := front.Certificate(h.CertFile, h.KeyFile, s.log)
		if err != nil {
			return err
		}
		opt.TLS = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: get}
	}
	in := &lmtp.Intake{Backend: router, People: people, ServID: p.cfg.IMIP.AuthServID, Envelope: p.cfg.Mail.Envelope, Log: s.log}
	if i := &p.cfg.IMIP; i.Spamd != "" {
		client := &spamd.Client{Address: i.Spamd, Timeout: i.SpamdTimeout}
		in.Spam = lmtp.Spam{Check: client.Check, Refuse: i.SpamdVerdict == "refuse", Wait: i.SpamdAway == "defer"}
	}
	for _, end := range []struct {
		param, address string
		lmtp           bool
	}{
		{"", imipSocket(p.cfg), true},
		{"factotum.imip.lmtp.listen", p.cfg.IMIP.LMTP, true},
		{"factotum.imip.smtp.listen", p.cfg.IMIP.SMTP, false},
	} {
		if end.address == "" {
			continue
		}
		ln, err := listenEndpoint(end.address)
		if err != nil {
			s.mailIn.stop(context.Background())
			return fmt.Errorf("take in mail (%s): %w", end.param, err)
		}
		opt.LMTP = end.lmtp
		server := lmtp.NewServer(opt, in)
		s.mailIn.servers, s.mailIn.addrs = append(s.mailIn.servers, server), append(s.mailIn.addrs, ln.Addr())
		go func() {
			if err := server.Serve(ln); err != nil {
				s.fail(err)
			}
		}()
	}
	return nil
}

// stop ends it: mails under way are answered.
func (m *mailIn) stop(ctx context.Context) {
	var all sync.WaitGroup
	for _, server := range m.servers {
		all.Go(func() { server.Shutdown(ctx) })
	}
	all.Wait()
}

// listenEndpoint listens where a parameter of the kind Endpoint says.
func listenEndpoint(address string) (net.Listener, error) {
	if strings.Contains(address, "/") {
		return listenSocket(address)
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return ln, nil
}

// admissionRules are what the site decided about mail from outside.
func admissionRules(cfg *config.Config) admission.Rules {
	u, _ := admission.ParseUnsolicited(cfg.IMIP.Unsolicited)
	return admission.Rules{Strict: !cfg.IMIP.UserRules, Unsolicited: u, BelieveUnproven: cfg.IMIP.Unproven, Relays: cfg.IMIP.Relays}
}
