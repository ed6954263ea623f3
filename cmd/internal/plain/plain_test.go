package plain

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"factotum/server/calendar"
)

func TestError(t *testing.T) {
	disk := errors.New("the disk is full")
	for want, err := range map[string]error{
		"anna: there is no such calendar":                   fmt.Errorf("look: %w", &calendar.Error{Kind: calendar.NoCalendar, Ref: "anna"}),
		"not today":                                         &calendar.Error{Kind: calendar.Denied, Msg: "not today", Err: disk},
		"the server does not answer: the disk is full":      &calendar.Error{Kind: calendar.Unavailable, Err: disk},
		"the disk is full":                                  disk,
		"another object of the calendar has the same UID":   &calendar.Error{Kind: calendar.UIDConflict},
		"the calendar store is in read-only mode":           &calendar.Error{Kind: calendar.ReadOnly},
		"it is not valid":                                   &calendar.Error{Kind: calendar.Invalid},
		"u@example.com: " + Kind(calendar.Exists):           &calendar.Error{Kind: calendar.Exists, Ref: "u@example.com"},
		"e: " + Kind(calendar.NotFound):                     &calendar.Error{Kind: calendar.NotFound, Ref: "e"},
		Kind(calendar.Internal) + ": " + "the disk is full": &calendar.Error{Kind: calendar.Internal, Err: disk},
		"the disk is full: there is no room in /var/cal": fmt.Errorf("create user: write /var/cal/people: %w",
			&fs.PathError{Op: "write", Path: "/var/cal/people", Err: syscall.ENOSPC}),
		"too many open files: raise the limit of the process (ulimit -n, LimitNOFILE)": &calendar.Error{Kind: calendar.Internal, Op: "store",
			Err: fmt.Errorf("open: %w", syscall.EMFILE)},
		"no permission for /etc/x: do this as the user that the server runs as, or give him the right": fmt.Errorf("open configuration: %w",
			&fs.PathError{Op: "open", Path: "/etc/x", Err: syscall.EACCES}),
		"nothing answers at 127.0.0.1:389": fmt.Errorf("open: %w", &calendar.Error{Kind: calendar.Unavailable, Err: &net.OpError{Op: "dial",
			Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 389}, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}}),
		"the name ldap.example.com is not known to the resolver": fmt.Errorf("a: %w", &net.DNSError{Name: "ldap.example.com", IsNotFound: true}),
		"there was no answer in time":                            fmt.Errorf("ask: %w", context.DeadlineExceeded),
		"the certificate that is shown is not signed by an authority that is trusted here": fmt.Errorf("GET https://x: %w",
			&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}),
		"the other side does not speak TLS": fmt.Errorf("GET: %w", tls.RecordHeaderError{Msg: "first record"}),
		"write x: failed":                   errors.New("write x: write x: failed"),
	} {
		if got := Error(err); got != want {
			t.Errorf("%#v: %q, want %q", err, got, want)
		}
	}
	if got := Reason(&calendar.Error{Kind: calendar.Exists, Ref: "anna"}); got != "it exists already" {
		t.Errorf("%q", got)
	}
}

// Each Kind has a sentence.
func TestKinds(t *testing.T) {
	for _, k := range calendar.Kinds() {
		if !strings.Contains(Kind(k), " ") {
			t.Errorf("%v: %q", k, Kind(k))
		}
	}
}

func TestText(t *testing.T) {
	if got := Text("Käse\x1b[31m\r\n\u0085\xff"); got != "Käse?[31m????" {
		t.Errorf("%q", got)
	}
	if got := []rune(Text(strings.Repeat("é", 500))); len(got) != 123 {
		t.Errorf("%d characters", len(got))
	}
}
