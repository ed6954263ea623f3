package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"factotum/server/config"
)

// settings are the parameters that the flags of quickstart set, in order.
func (q *quickstart) settings() (list [][2]string, err error) {
	if q.mailRelay != "" {
		host, port, err := net.SplitHostPort(q.mailRelay)
		if err != nil {
			return nil, fmt.Errorf("--mail-relay %s: expected HOST:PORT, such as mail.example.com:25", q.mailRelay)
		}
		list = append(list, [2]string{"caldb.smtphost", host}, [2]string{"caldb.smtpport", port})
	}
	if q.imipLMTP != "" {
		if _, _, err := net.SplitHostPort(q.imipLMTP); err != nil {
			return nil, fmt.Errorf("--imip-lmtp %s: expected HOST:PORT, such as 127.0.0.1:2003", q.imipLMTP)
		}
		list = append(list, [2]string{"factotum.imip.lmtp.listen", q.imipLMTP})
	}
	for _, s := range q.set {
		name, value, ok := strings.Cut(s, "=")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, fmt.Errorf("--set %s: expected NAME=VALUE, such as --set ine.reply.enable=no", s)
		}
		if _, known := config.Find(name); !known {
			return nil, fmt.Errorf("--set %s: there is no such parameter; docs/ics-conf.md has them all", s)
		}
		list = append(list, [2]string{name, strings.TrimSpace(value)})
	}
	return list, nil
}

// configure writes the settings to the end of ics.conf, where the last one of a
// parameter counts, unless they are there already. What is wrong with one leaves the
// file as it was.
func configure(conf string, settings [][2]string, warn io.Writer) (*config.Config, error) {
	text, err := os.ReadFile(conf)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	next := bytes.Clone(text)
	if len(next) > 0 && next[len(next)-1] != '\n' {
		next = append(next, '\n')
	}
	changed := false
	for _, s := range settings {
		line := s[0] + " = " + config.Quote(s[1])
		if strings.ContainsFunc(s[1], func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return nil, fmt.Errorf("%s: a value is one line of text", s[0])
		}
		at := bytes.LastIndex(next, []byte("\n"+s[0]+" ="))
		if at < 0 || !bytes.HasPrefix(next[at+1:], []byte(line+"\n")) {
			next = append(append(next, line...), '\n')
			changed = true
		}
	}
	if changed {
		if _, rep, err := config.Parse(bytes.NewReader(next), conf); err != nil {
			for i := range rep.Problems {
				if rep.Problems[i].Severity == config.Error {
					return nil, &rep.Problems[i]
				}
			}
			return nil, err
		}
		if err := os.WriteFile(conf, next, 0o600); err != nil {
			return nil, fmt.Errorf("write the configuration: %w", err)
		}
	}
	return loadConfig(conf, warn)
}
