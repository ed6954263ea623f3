package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"factotum/notify/popup"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/directory"
)

// openDirectory opens the people that the configuration names. An LDIF file
// that is not there is begun, as the database is.
func openDirectory(cfg *config.Config, log *slog.Logger) (*directory.Directory, error) {
	opt, err := directoryOptions(cfg, log)
	if err != nil {
		return nil, err
	}
	if opt.LDIF != "" {
		if err := os.MkdirAll(filepath.Dir(opt.LDIF), 0o700); err != nil {
			return nil, fmt.Errorf("make the directory of people: %w", err)
		}
		if err := directory.NewLDIF(opt.LDIF, opt.DefaultDomain); err == nil {
			notice(log, "an empty file of people was made; csuser create adds users", "path", opt.LDIF)
		} else if !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("make the file of people: %w", err)
		}
	}
	return directory.Open(opt)
}

// directoryOptions are the directory's part of the configuration.
func directoryOptions(cfg *config.Config, log *slog.Logger) (directory.Options, error) {
	a := &cfg.Lookup.Attr
	opt := directory.Options{
		DefaultDomain: cfg.Domain.Default,
		Separators:    cfg.Domain.LoginSeparators,
		Apart:         cfg.Domain.Scope == "primary",
		AuthFilter:    cfg.Auth.Filter,
		ServiceOnly:   !cfg.Local.Autoprovision,
		SearchLimit:   cfg.Lookup.MaxUsers,
		Identity:      cfg.Directory.Identity,
		Booking: directory.Booking{
			UserNoDoubles: !cfg.User.DoubleBook, ResourceDoubles: cfg.Resource.DoubleBook, GroupNoDoubles: !cfg.Group.DoubleBook,
			ResourceManual: !cfg.Resource.Autoaccept, GroupAuto: cfg.Group.Autoaccept,
			Booking: bookingOf(&cfg.Resource),
		},
		Attributes: directory.Attributes{
			UID: a.UID, GroupID: a.GroupID, CN: a.CN, GivenName: a.GivenName, SN: a.SN, Mail: a.Mail,
			MailAlt: a.MailAlternate, MailEquiv: a.MailEquivalent, Owner: a.Owner, CoOwner: a.CoOwner,
			DefaultACL: a.DefaultACL, DoubleBook: a.DoubleBook, AutoAccept: a.AutoAccept, ACLGroup: a.ACLGroup,
			DWPHost: a.DWPHost, Timezone: a.TimeZone, MemberURL: a.MemberURL, UniqueName: a.UniqueMember,
			IM:        popup.Attribute(cfg.XMPP.Users),
			ClassUser: a.ClassUser, ClassRes: a.ClassResource, ClassGroup: a.ClassGroup, ClassPerson: a.ClassPerson,
		},
		Argon2: directory.Argon2{Time: cfg.Auth.Argon2.Passes, Memory: cfg.Auth.Argon2.Memory, Threads: cfg.Auth.Argon2.Lanes},
		Log:    log,
	}
	if opt.SearchLimit == 0 {
		opt.SearchLimit = -1 // 0 is without limit in ics.conf
	}
	if opt.Overrides = cfg.Admin.OverridesACL; opt.Overrides {
		opt.Admins = append(opt.Admins, cfg.Admin.User)
		if cfg.Domain.Admin != "" {
			opt.Admins = append(opt.Admins, cfg.Domain.Admin)
		}
	}
	if cfg.Directory.Type == "ldif" {
		opt.LDIF, opt.PollEvery = cfg.Directory.LDIF, cfg.Directory.LDIFReload
		return opt, nil
	}
	return opt, ldapOptions(cfg, &opt.LDAP)
}

// bookingOf is what resources take that do not say.
func bookingOf(r *config.Resource) calendar.Booking {
	rule, _ := calendar.ParseSeriesRule(r.Series)
	return calendar.Booking{Series: rule, Ahead: r.Ahead, Longest: time.Duration(r.Minutes) * time.Minute, Who: r.Bookers}
}

func ldapOptions(cfg *config.Config, l *directory.LDAPOptions) error {
	ug := &cfg.LDAP.UserGroup
	for _, h := range ug.Hosts {
		if _, _, err := net.SplitHostPort(h); err != nil && ug.Port != 0 {
			h = net.JoinHostPort(h, strconv.Itoa(ug.Port))
		}
		if cfg.LDAP.TLS == "ldaps" {
			h = "ldaps://" + h
		}
		l.Hosts = append(l.Hosts, h)
	}
	l.BaseDN, l.BindDN, l.BindCred = ug.BaseDN, ug.BindDN, directory.Secret(ug.BindCred.Reveal())
	l.MinConns, l.MaxConns = ug.PoolSize, min(ug.MaxPool, 256)
	l.StartTLS = cfg.LDAP.TLS == "starttls"
	l.Timeout = cfg.LDAP.Timeout
	if l.DomainBase = cfg.Domain.Root; cfg.Domain.Schema == 1 {
		l.DomainBase, l.DCTree = cfg.Domain.DCRoot, true
	}
	if cfg.LDAP.Cache.Enable {
		l.CacheTTL = cfg.LDAP.Cache.TTL
	}
	if cfg.LDAP.CAFile != "" {
		pem, err := os.ReadFile(cfg.LDAP.CAFile)
		if err != nil {
			return fmt.Errorf("read factotum.ldap.cafile: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return fmt.Errorf("read factotum.ldap.cafile: %s has no certificate", cfg.LDAP.CAFile)
		}
		l.TLS = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return nil
}

// loginOptions are the log-in's part of the configuration.
func loginOptions(cfg *config.Config, log *slog.Logger) directory.LoginOptions {
	a := &cfg.Auth
	limits := directory.NewLimits(a.MaxFailures, a.FailWindow, a.Wait, a.MaxWait)
	opt := directory.LoginOptions{CacheTTL: a.CacheTTL, CacheBytes: a.CacheBytes, Recheck: a.Recheck, Workers: a.Workers,
		Limits: &limits, Pause: a.LoginPause, Delay: max(min(a.Delay, a.MaxDelay), 1), Log: log}
	if a.CacheSize == 0 || a.CacheTTL == 0 {
		opt.CacheTTL = -1
	}
	if a.AppPasswords {
		opt.AppPasswords = a.PasswordFile
	}
	return opt
}
