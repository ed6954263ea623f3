// Package plain puts what the programs say into plain words: errors for the one
// at the keyboard, and text from files that is safe for a terminal.
package plain

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"factotum/server/calendar"
)

// Error spells an error in one sentence: what the model says of it, what the
// system means, or what is said last in the chain.
func Error(err error) string {
	if s, ok := err.(interface{ Plain() string }); ok {
		return s.Plain()
	}
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		var lines []string
		for _, err := range all.Unwrap() {
			lines = append(lines, Error(err))
		}
		return strings.Join(lines, "\n")
	}
	var e *calendar.Error
	switch known := errors.As(err, &e); {
	case !known:
		if s := system(err); s != "" {
			return s
		}
		return once(err.Error())
	case e.Msg != "":
	case e.Kind == calendar.Internal || e.Kind == calendar.Unavailable:
		if s := system(err); s != "" {
			return s
		}
	}
	s := e.Msg
	if s == "" {
		s = Kind(e.Kind)
	}
	if e.Ref != "" {
		s = e.Ref + ": " + s
	}
	if e.Err != nil && e.Reason == "" && (e.Kind == calendar.Internal || e.Kind == calendar.Unavailable) {
		s += ": " + Error(e.Err)
	}
	return s
}

// system says what a failure of the operating system means, and what it is
// about; "" where it is none that an administrator can mend.
func system(err error) string {
	about := ""
	var file *fs.PathError
	var link *os.LinkError
	var call *net.OpError
	var name *net.DNSError
	switch {
	case errors.As(err, &name) && name.IsNotFound:
		return "the name " + name.Name + " is not known to the resolver"
	case errors.As(err, &file):
		about = file.Path
	case errors.As(err, &link):
		about = link.New
	case errors.As(err, &call) && call.Addr != nil:
		about = call.Addr.String()
	}
	with := func(before, after, alone string) string {
		if about == "" {
			return alone
		}
		return before + about + after
	}
	if s := cryptic(err); s != "" {
		return s
	}
	var n syscall.Errno
	if !errors.As(err, &n) {
		return ""
	}
	switch n {
	case syscall.ENOSPC, syscall.EDQUOT:
		about = filepath.Dir(about)
		return with("the disk is full: there is no room in ", "", "the disk is full")
	case syscall.ENOENT:
		if file != nil && strings.HasPrefix(file.Op, "mkdir") {
			return about + " cannot be made"
		}
		return with("there is no ", "", "")
	case syscall.ENOTDIR:
		return with("there is no directory above ", "", "")
	case syscall.EADDRINUSE:
		return with("another program listens on ", " already", "")
	case syscall.EROFS:
		return with("the disk of ", " is read-only", "the disk is read-only")
	case syscall.EACCES, syscall.EPERM:
		return with("no permission for ", ": do this as the user that the server runs as, or give him the right", "no permission")
	case syscall.EMFILE, syscall.ENFILE:
		return "too many open files: raise the limit of the process (ulimit -n, LimitNOFILE)"
	case syscall.ECONNREFUSED:
		return with("nothing answers at ", "", "nothing answers there")
	case syscall.EHOSTUNREACH, syscall.ENETUNREACH:
		return with("there is no way to ", "", "the host cannot be reached")
	case syscall.EIO:
		return with("the disk of ", " reports an error (input/output error): look at the kernel's log", "the disk reports an error: look at the kernel's log")
	}
	return ""
}

// cryptic says what TLS and clocks mean.
func cryptic(err error) string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var header tls.RecordHeaderError
	switch {
	case errors.As(err, &unknown):
		return "the certificate that is shown is not signed by an authority that is trusted here"
	case errors.As(err, &name):
		return "the certificate that is shown is not of " + name.Host
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the certificate that is shown has expired, or is not valid yet"
	case errors.As(err, &header):
		return "the other side does not speak TLS"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "there was no answer in time"
	case errors.Is(err, context.Canceled):
		return "it was broken off"
	}
	return ""
}

// once leaves out what an error says twice: "write x: write x: failed".
func once(s string) string {
	parts := strings.Split(s, ": ")
	var out []string
	for i, p := range parts {
		if i == 0 || p != parts[i-1] {
			out = append(out, p)
		}
	}
	return strings.Join(out, ": ")
}

// Kind says what a Kind means where the error itself does not.
func Kind(k calendar.Kind) string {
	switch k {
	case calendar.Internal:
		return "the server failed, and its log says more"
	case calendar.NoCalendar:
		return "there is no such calendar"
	case calendar.NotFound:
		return "there is no such entry"
	case calendar.Denied:
		return "that is not allowed"
	case calendar.Exists:
		return "it exists already"
	case calendar.UIDConflict:
		return "another object of the calendar has the same UID"
	case calendar.Stale:
		return "it was changed in the meantime"
	case calendar.Invalid:
		return "it is not valid"
	case calendar.Unsupported:
		return "the calendar does not take that"
	case calendar.TooLarge:
		return "it is too large"
	case calendar.NotOrganizer:
		return "only the organizer may do that"
	case calendar.DoubleBooked:
		return "the time is taken already"
	case calendar.OverQuota:
		return "there is no room left for it"
	case calendar.ReadOnly:
		return "the calendar store is in read-only mode"
	case calendar.BadSyncToken:
		return "the sync token is not known any more"
	case calendar.TooMany:
		return "the answer is too long"
	case calendar.Unavailable:
		return "the server does not answer"
	case calendar.NoBackend:
		return "no back end is known to have the calendars of this owner"
	case calendar.LoginFailed:
		return "wrong user or password"
	case calendar.MustWait:
		return "too many wrong passwords: wait before the next attempt"
	case calendar.Canceled:
		return "it took too long, or was broken off"
	}
	return k.String()
}

// Reason is what an error says beside its place, which a report has.
func Reason(err error) string {
	if msg := calendar.MessageOf(err); msg != "" {
		return msg
	}
	return Kind(calendar.KindOf(err))
}

// Text makes text from a file safe for a terminal.
func Text(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0xFFFD {
			return '?'
		}
		return r
	}, s)
	if r := []rune(s); len(r) > 120 {
		s = string(r[:120]) + "..."
	}
	return s
}

// Plural picks the word for a number.
func Plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
