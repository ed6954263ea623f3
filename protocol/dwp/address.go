package dwp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

const unixPrefix = "unix:"

// checkPlain refuses plain text to anything but this machine.
func checkPlain(address string) error {
	if strings.HasPrefix(address, unixPrefix) {
		return nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("DWP address %q: %w", address, err)
	}
	ip := net.ParseIP(strings.SplitN(host, "%", 2)[0])
	if strings.EqualFold(host, "localhost") || ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("DWP to %s needs TLS: give certificate, key and CA files, since plain text is for loopback addresses and unix sockets only", address)
}

// checkPlainListener is checkPlain for the address listened on.
func checkPlainListener(ln net.Listener) error {
	switch a := ln.Addr().(type) {
	case *net.UnixAddr:
		return nil
	case *net.TCPAddr:
		if a.IP.IsLoopback() {
			return nil
		}
	}
	return fmt.Errorf("DWP on %s needs TLS: give certificate, key and CA files, since plain text is for loopback addresses and unix sockets only", ln.Addr())
}

// Listen listens on "host:port" or "unix:/path".
func Listen(address string) (net.Listener, error) {
	if path, ok := strings.CutPrefix(address, unixPrefix); ok {
		return net.Listen("unix", path)
	}
	return net.Listen("tcp", address)
}

func dialer(timeout time.Duration) func(context.Context, string) (net.Conn, error) {
	d := net.Dialer{Timeout: timeout, KeepAlive: -1} // HTTP/2 pings instead
	return func(ctx context.Context, address string) (net.Conn, error) {
		if path, ok := strings.CutPrefix(address, unixPrefix); ok {
			return d.DialContext(ctx, "unix", path)
		}
		return d.DialContext(ctx, "tcp", address)
	}
}

// checkHost refuses IP addresses: Sun's parameter is called .ip, but holds the
// fully qualified name that the certificate and the greeting are checked for.
func checkHost(host string) error {
	switch {
	case host == "":
		return errors.New("DWP: the host name of the back end is empty")
	case net.ParseIP(strings.Trim(host, "[]")) != nil:
		return fmt.Errorf("DWP: %s is an IP address; the fully qualified host name of the back end is needed", host)
	}
	return nil
}
