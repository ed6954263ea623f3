package main

import (
	"fmt"
	"net/http"

	"github.com/klauspost/compress/gzhttp"

	"factotum/protocol/wcap"
	"factotum/server/config"
	"factotum/server/directory"
	"factotum/server/session"
)

// wcapFront is the WCAP front and its sessions, as ics.conf wants them.
func (s *httpService) wcapFront(p *process, dir *directory.Directory) (http.Handler, error) {
	h := &p.cfg.HTTP
	sessions, err := session.Open(session.Options{
		Dir: h.SessionDir, Idle: h.SessionTimeout, Life: h.SessionLife, Max: h.MaxSessions, Logger: s.log,
	})
	if err != nil {
		return nil, fmt.Errorf("open the sessions: %w", err)
	}
	s.sessions = sessions
	set := wcapSettings(p.cfg)
	if set.ProxyFrom, err = networks(h.ProxyAllowed); err != nil {
		return nil, fmt.Errorf("read service.http.proxydomainallowed: %w", err)
	}
	told, err := s.tellLogins(p)
	if err != nil {
		return nil, err
	}
	w := wcap.New(wcap.Options{
		Backend: s.backend, People: dir, Login: s.login(p, "wcap"), Credential: s.logins.Credential, Stands: s.logins.Stands, Sessions: sessions, Settings: set, Logger: s.log,
		Session: told,
	})
	if !h.Gzip {
		return w, nil
	}
	// The front leaves text/calendar as it is, for CalDAV's sake; here it is
	// the form of nearly every answer, and a long one.
	pack, err := gzhttp.NewWrapper(gzhttp.MinSize(1024), gzhttp.CompressionLevel(1), gzhttp.ContentTypes([]string{"text/calendar", "text/json"}))
	if err != nil {
		return nil, fmt.Errorf("set up compression: %w", err)
	}
	return pack(w), nil
}

// wcapSettings translates the configuration.
func wcapSettings(cfg *config.Config) wcap.Settings {
	h, w := &cfg.HTTP, &cfg.WCAP
	set := wcap.Settings{
		Admins: append([]string{cfg.Admin.User}, h.Admins...), ProxyLogin: h.AllowProxyLogin,
		Anonymous: h.AllowAnonymous, AnonymousWrite: w.AnonymousWrite, AnonymousCalid: cfg.Calstore.AnonymousCalid,
		Cookies: h.Cookies, BindAddress: h.IPSecurity, ForwardedRequest: len(h.TrustedProxies) > 0,
		ModifyPrefs: cfg.Admin.ModifiesPrefs, CreateCalendars: w.CreateCalendars, DeleteCalendars: w.DeleteCalendars,
		ValidateOwners: w.ValidateOwners, PublicWritable: w.PublicWritable,
		Format: w.Format, Version: w.Version, ServerVersion: versionString(), DefaultTZID: cfg.Calstore.TimeZone,
		FreeBusyBegin: w.FreeBusyBegin, FreeBusyEnd: w.FreeBusyEnd, RecurrenceBound: cfg.Calstore.RecurrenceBound,
		FreeBusyRedirect: w.FreeBusyRedirect, PartsOfOwners: cfg.Lookup.PrimaryOwner != "",
		MaxBody: cfg.Limits.BodySize, LowerCase: cfg.Calstore.LowerCase, PublicURL: publicURL(cfg),
	}
	for name, allowed := range map[string]bool{
		"cn": w.SetCN, "givenName": w.SetGivenName, "icsCalendar": w.SetCalendar, "mail": w.SetMail,
		"preferredlanguage": w.SetLanguage, "sn": w.SetSN,
	} {
		if allowed {
			set.SetPrefs = append(set.SetPrefs, name)
		}
	}
	return set
}
