package spamd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// serve answers each question by fn, which is given what was asked.
func serve(t *testing.T, network, address string, fn func(c net.Conn, request, mail string)) string {
	t.Helper()
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				in := bufio.NewReader(c)
				request, length := "", 0
				for {
					line, err := in.ReadString('\n')
					if err != nil {
						return
					}
					if request += line; line == "\r\n" {
						break
					}
					fmt.Sscanf(line, "Content-length: %d", &length)
				}
				mail := make([]byte, length)
				if _, err := io.ReadFull(in, mail); err == nil {
					fn(c, request, string(mail))
				}
			}()
		}
	}()
	return ln.Addr().String()
}

const mail = "Subject: x\r\n\r\nBuy now\r\n"

func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		answer string
		spam   bool
		bad    string // in the error
	}{
		{"SPAMD/1.1 0 EX_OK\r\nContent-length: 0\r\nSpam: True ; 15.0 / 5.0\r\n\r\n", true, ""},
		{"SPAMD/1.1 0 EX_OK\r\nSpam: False ; 1.5 / 5.0\r\n\r\n", false, ""},
		{"SPAMD/1.5 0 EX_OK\r\nspam: Yes\r\n\r\n", true, ""},
		{"SPAMD/1.1 0 EX_OK\nSpam: no ; -1 / 5\n", false, ""},
		{"SPAMD/1.1 76 Bad header line\r\n\r\n", false, "fails with 76"},
		{"SPAMD/1.0 75 EX_TEMPFAIL\r\nSpam: False ; 0 / 5\r\n\r\n", false, "fails with 75"},
		{"SPAMD/1.1 0 EX_OK\r\n\r\n", false, "does not say"},
		{"SPAMD/1.1 0 EX_OK\r\nSpam: perhaps\r\n\r\n", false, "does not say"},
		{"220 mx.example.com ESMTP\r\n", false, "not spamd's protocol"},
		{"", false, "EOF"},
		{"SPAMD/1.1 0 EX_OK\r\nX: " + strings.Repeat("x", 1<<20) + "\r\nSpam: False\r\n\r\n", false, "answer"},
		{"SPAMD/1.1 0 EX_OK\r\nno header\r\n\r\n", false, "answer"},
	} {
		address := serve(t, "tcp", "127.0.0.1:0", func(conn net.Conn, request, got string) {
			if !strings.HasPrefix(request, "CHECK SPAMC/1.5\r\n") || got != mail {
				t.Errorf("asked %q %q", request, got)
			}
			io.WriteString(conn, c.answer)
		})
		spam, err := (&Client{Address: address, Timeout: time.Minute}).Check(t.Context(), []byte(mail))
		if spam != c.spam || (err == nil) != (c.bad == "") || err != nil && !strings.Contains(err.Error(), c.bad) {
			t.Errorf("%.60q: %v %v, want %v %q", c.answer, spam, err, c.spam, c.bad)
		}
	}
}

// Nobody waits for a daemon longer than he is told to: one that is away, says nothing,
// or stops in its answer.
func TestAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spamd.sock")
	if _, err := (&Client{Address: path, Timeout: time.Second}).Check(t.Context(), []byte(mail)); err == nil {
		t.Error("a socket that is not there answers")
	}
	over := make(chan struct{})
	serve(t, "unix", path, func(c net.Conn, _, _ string) {
		io.WriteString(c, "SPAMD/1.1 0 EX_OK\r\nSpam: Fal")
		<-over
	})
	defer close(over)
	if _, err := (&Client{Address: path, Timeout: 50 * time.Millisecond}).Check(t.Context(), []byte(mail)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("one that stops: %v", err)
	}
}
