// Package spamd asks SpamAssassin's daemon whether a mail is spam, by the protocol that
// spamc speaks: SPAMC/1.5, method CHECK. One question is one connection. Whatever is not
// a clear answer is an error: what follows from that the caller decides.
package spamd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"time"
)

// Client asks one daemon.
type Client struct {
	Address string // host:port, or the path of a socket
	Timeout time.Duration
}

// mostAnswer is how many octets of an answer are read.
const mostAnswer = 64 << 10

// Check reports whether a mail is spam.
func (c *Client) Check(ctx context.Context, mail []byte) (spam bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	network := "tcp"
	if strings.Contains(c.Address, "/") {
		network = "unix"
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, c.Address)
	if err != nil {
		return false, fmt.Errorf("ask spamd: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	go ask(conn, mail) // it may answer before it has read all
	spam, err = verdict(io.LimitReader(conn, mostAnswer))
	if err != nil {
		err = fmt.Errorf("ask spamd: %w", errors.Join(err, ctx.Err()))
	}
	return spam, err
}

// ask writes the question. That it fails the answer tells, or that there is none.
func ask(conn net.Conn, mail []byte) {
	if _, err := fmt.Fprintf(conn, "CHECK SPAMC/1.5\r\nContent-length: %d\r\n\r\n", len(mail)); err != nil {
		return
	}
	if _, err := conn.Write(mail); err != nil {
		return
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
}

// verdict reads an answer: "SPAMD/1.1 0 EX_OK", and a header with
// "Spam: True ; 15.0 / 5.0".
func verdict(r io.Reader) (spam bool, err error) {
	in := textproto.NewReader(bufio.NewReader(r))
	line, err := in.ReadLine()
	if err != nil {
		return false, fmt.Errorf("read its answer: %w", err)
	}
	var version, word string
	var code int
	if n, _ := fmt.Sscanf(line, "SPAMD/%s %d %s", &version, &code, &word); n < 2 {
		return false, fmt.Errorf("it answers %.100q, which is not spamd's protocol", line)
	}
	if code != 0 {
		return false, fmt.Errorf("it fails with %d %.50s", code, word)
	}
	head, err := in.ReadMIMEHeader()
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("read its answer: %w", err)
	}
	said, _, _ := strings.Cut(head.Get("Spam"), ";")
	switch strings.ToLower(strings.TrimSpace(said)) {
	case "true", "yes":
		return true, nil
	case "false", "no":
		return false, nil
	}
	return false, errors.New("its answer does not say whether it is spam")
}
