package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
)

// mostServers of a domain are tried: who lists more wants to keep us busy.
const mostServers = 8

// direct gives a message to the first of a domain's servers that can be talked to.
// Which failed in the end is told behind the domain. RFC 5321 §5.1.
func (s *Sender) direct(ctx context.Context, r Route, m Mail) *Failure {
	servers, f := s.servers(ctx, r)
	if f != nil {
		return f
	}
	for _, name := range servers {
		one := r
		one.Host, one.MX = name, false
		if f = s.hand(ctx, one, m); f == nil {
			return nil
		}
		if name == r.Host && noSuchName(f.Err) {
			f.Permanent, f.Server = true, false // no such domain: whoever wrote the address should know now
		}
		f.Host = fmt.Sprintf("%s (%s)", r.Address(), f.Host)
		if !f.Server || f.Uncertain || ctx.Err() != nil {
			break
		}
	}
	return f
}

// servers are those of a domain, of which it is one itself where the DNS names none.
func (s *Sender) servers(ctx context.Context, r Route) (names []string, f *Failure) {
	ctx, cancel := context.WithTimeout(ctx, s.opt.ConnectTimeout)
	defer cancel()
	list, err := s.opt.LookupMX(ctx, r.Host)
	switch {
	case len(list) > 0: // some records may be faulty, which err tells
	case err != nil && !noSuchName(err):
		return nil, judge(r.Address(), Connecting, err)
	default:
		return []string{r.Host}, nil
	}
	for _, mx := range list[:min(len(list), mostServers)] { // in the order of preference
		if name := strings.TrimSuffix(mx.Host, "."); name != "" {
			names = append(names, name)
		}
	}
	if len(names) == 0 { // RFC 7505 §3
		return nil, &Failure{Host: r.Address(), Step: Connecting, Text: "the domain takes no mail (null MX)", Permanent: true, Broken: true}
	}
	return names, nil
}

func noSuchName(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}
