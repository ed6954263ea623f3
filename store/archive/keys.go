package archive

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"

	"filippo.io/age"
	"golang.org/x/crypto/chacha20poly1305"

	"factotum/server/calendar"
)

// Keys encrypt backups for those who may read them, and open them again: age,
// https://age-encryption.org/v1. Files that are done are age's, behind their compression.
// The file of the log that is written to cannot be, since age keeps back up to 64 KiB: it has
// a key of its own, wrapped by age in its first line, and frames that are sealed with that.
type Keys struct {
	to []age.Recipient
	by []age.Identity
}

// encrypted ends the names of age's files, sealed that of a log that is written to.
const (
	encrypted = ".age"
	sealed    = ".sealed"
)

// ReadKeys reads a file of recipients and one of identities, as age takes them; either
// may be "".
func ReadKeys(recipients, identities string) (*Keys, error) {
	k := &Keys{}
	for _, f := range []struct {
		name string
		read func(io.Reader) error
	}{
		{recipients, func(in io.Reader) (err error) { k.to, err = age.ParseRecipients(in); return err }},
		{identities, func(in io.Reader) (err error) { k.by, err = age.ParseIdentities(in); return err }},
	} {
		if f.name == "" {
			continue
		}
		in, err := os.Open(f.name)
		if err != nil {
			return nil, err
		}
		err = f.read(in)
		in.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return k, nil
}

// seals tells whether what is written is encrypted.
func (k *Keys) seals() bool { return k != nil && len(k.to) > 0 }

// opens tells whether what is encrypted can be read; of what is not there is nothing to open.
func (k *Keys) opens() bool { return !k.seals() || len(k.by) > 0 }

// errSealed is a file that these keys do not open.
func errSealed(name string, k *Keys, err error) error {
	msg := "it is encrypted, and no identity that opens it was named: see factotum.backup.identities, or --identity of csrestore"
	if k != nil && len(k.by) > 0 {
		msg = "it is encrypted for others: none of the identities of factotum.backup.identities, or of --identity, opens it"
		var no *age.NoIdentityMatchError
		if !errors.As(err, &no) {
			msg = "its encryption is not what was written: " + err.Error()
		}
	}
	return &calendar.Error{Kind: calendar.Denied, Op: "read a backup", Ref: name, Msg: name + ": " + msg, Err: err}
}

func (k *Keys) decrypt(name string, in io.Reader) (io.Reader, error) {
	if k == nil || len(k.by) == 0 {
		return nil, errSealed(name, k, nil)
	}
	out, err := age.Decrypt(in, k.by...)
	if err != nil {
		return nil, errSealed(name, k, err)
	}
	return out, nil
}

// A sealed file begins with a line that has its key, and goes on in frames: their length and
// number behind a checksum, so that a length that was changed is known, and then
// ChaCha20-Poly1305.

const (
	sealedMagic = "factotum-sealed-log-1 "
	frameHead   = 8
	mostFrame   = 1 << 20 // octets of text in one
)

// sealer writes frames.
type sealer struct {
	key  []byte
	aead cipher.AEAD
	next uint64
	buf  []byte
}

func newSealer(key []byte) (*sealer, error) {
	aead, err := chacha20poly1305.New(key)
	return &sealer{key: key, aead: aead}, err
}

// sealer makes a key for a file, and its first line.
func (k *Keys) sealer() (s *sealer, line []byte, err error) {
	key := make([]byte, chacha20poly1305.KeySize)
	rand.Read(key)
	var wrapped bytes.Buffer
	w, err := age.Encrypt(&wrapped, k.to...)
	if err != nil {
		return nil, nil, err
	}
	if _, err = w.Write(key); err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, nil, err
	}
	s, err = newSealer(key)
	return s, []byte(sealedMagic + base64.StdEncoding.EncodeToString(wrapped.Bytes()) + "\n"), err
}

func (s *sealer) nonce() []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 4, chacha20poly1305.NonceSize), s.next)
}

// seal makes frames of some text; they are good until it is called again.
func (s *sealer) seal(text []byte) []byte {
	s.buf = s.buf[:0]
	for len(text) > 0 {
		n := min(len(text), mostFrame)
		s.buf = binary.BigEndian.AppendUint32(s.buf, uint32(n+s.aead.Overhead()))
		s.buf = binary.BigEndian.AppendUint32(s.buf, s.check(s.buf[len(s.buf)-4:]))
		s.buf = s.aead.Seal(s.buf, s.nonce(), text[:n], nil)
		s.next++
		text = text[n:]
	}
	return s.buf
}

// check is the checksum of a length.
func (s *sealer) check(length []byte) uint32 {
	return crc32.Update(crc32.Checksum(length, castagnoli), castagnoli, s.nonce())
}

// opener reads what a sealer wrote. A frame that was not written whole is the end.
type opener struct {
	in   io.Reader
	s    *sealer
	text []byte
	buf  []byte
}

// openSealed reads the first line; key, if it is known, saves asking for it.
func (k *Keys) openSealed(name string, in io.Reader, key []byte) (io.Reader, error) {
	var line strings.Builder
	for one := make([]byte, 1); ; {
		if _, err := io.ReadFull(in, one); err != nil {
			return strings.NewReader(""), nil // the process was killed when it began
		}
		if one[0] == '\n' {
			break
		}
		if line.WriteByte(one[0]); line.Len() > 1<<20 {
			return nil, errBroken(name, errors.New("its first line is not what was written"))
		}
	}
	if key == nil {
		wrapped, ok := strings.CutPrefix(line.String(), sealedMagic)
		blob, err := base64.StdEncoding.DecodeString(wrapped)
		if !ok || err != nil {
			return nil, errBroken(name, errors.New("its first line is not what was written"))
		}
		r, err := k.decrypt(name, bytes.NewReader(blob))
		if err != nil {
			return nil, err
		}
		if key, err = io.ReadAll(io.LimitReader(r, 1<<10)); err != nil {
			return nil, errSealed(name, k, err)
		}
	}
	s, err := newSealer(key)
	if err != nil {
		return nil, errBroken(name, err)
	}
	return &opener{in: in, s: s}, nil
}

func (o *opener) Read(b []byte) (int, error) {
	if len(o.text) == 0 {
		var head [frameHead]byte
		if _, err := io.ReadFull(o.in, head[:]); err != nil {
			return 0, end(err)
		}
		length := binary.BigEndian.Uint32(head[:4])
		if head == [frameHead]byte{} {
			return 0, io.EOF // room that was never written to
		}
		if o.s.check(head[:4]) != binary.BigEndian.Uint32(head[4:]) || length > mostFrame+uint32(o.s.aead.Overhead()) {
			return 0, fmt.Errorf("frame %d is not what was written", o.s.next+1)
		}
		o.buf = append(o.buf[:0], make([]byte, length)...)
		if _, err := io.ReadFull(o.in, o.buf); err != nil {
			return 0, end(err)
		}
		text, err := o.s.aead.Open(o.buf[:0], o.s.nonce(), o.buf, nil)
		if err != nil {
			return 0, fmt.Errorf("frame %d is not what was written", o.s.next+1)
		}
		o.text = text
		o.s.next++
	}
	n := copy(b, o.text)
	o.text = o.text[n:]
	return n, nil
}

// end has a file that was cut off end there.
func end(err error) error {
	if err == io.ErrUnexpectedEOF {
		return io.EOF
	}
	return err
}
