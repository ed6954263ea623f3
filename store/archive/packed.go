package archive

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

// packer writes a compressed file, encrypted where there are keys for it, under a name that
// it gets when it is whole.
type packer struct {
	name string
	f    *os.File
	sum  *summer
	age  io.WriteCloser // nil: as it is
	z    *zstd.Encoder
}

func (k *Keys) createPacked(name string) (*packer, error) {
	if k.seals() {
		name += encrypted
	}
	f, err := os.OpenFile(name+partial, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	p := &packer{name: name, f: f, sum: newSummer(f)}
	out := io.Writer(p.sum)
	if k.seals() {
		if p.age, err = age.Encrypt(p.sum, k.to...); err == nil {
			out = p.age
		}
	}
	if err == nil {
		p.z, err = zstd.NewWriter(out, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	}
	if err != nil {
		f.Close()
		os.Remove(f.Name())
		return nil, err
	}
	return p, nil
}

func (p *packer) Write(b []byte) (int, error) { return p.z.Write(b) }

func (p *packer) abandon() {
	p.z.Close()
	p.f.Close()
	os.Remove(p.f.Name())
}

// finish has the file on the disk, under its name.
func (p *packer) finish() (octets int64, sum string, err error) {
	err = p.z.Close()
	if err == nil && p.age != nil {
		err = p.age.Close()
	}
	if err == nil {
		err = p.f.Sync()
	}
	if err = errors.Join(err, p.f.Close()); err != nil {
		os.Remove(p.f.Name())
		return 0, "", err
	}
	if err := os.Rename(p.f.Name(), p.name); err != nil {
		return 0, "", err
	}
	return p.sum.n, p.sum.String(), syncDir(filepath.Dir(p.name))
}

// found is the name under which a file is there: it may be packed, and encrypted.
func found(name string) string {
	base := strings.TrimSuffix(name, sealed)
	for _, n := range []string{name, base + packed, base + packed + encrypted, base + encrypted} {
		if _, err := os.Lstat(n); err == nil {
			return n
		}
	}
	return name
}

// openRegular opens a file of a period. A link, or what is no file, was put there by somebody
// else, and may lead anywhere.
func openRegular(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, errBroken(name, errors.New("it is a link, and no file of a backup"))
	}
	if err != nil {
		return nil, err
	}
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		f.Close()
		return nil, errBroken(name, errors.Join(err, errors.New("it is no file")))
	}
	return f, nil
}

// open opens a file of a period for reading, decrypted and unpacked.
func (k *Keys) open(name string) (io.ReadCloser, error) {
	f, err := openRegular(name)
	if errors.Is(err, fs.ErrNotExist) { // it was packed meanwhile
		name = found(name)
		f, err = openRegular(name)
	}
	if err != nil {
		return nil, err
	}
	in := io.Reader(f)
	plain, isAge := strings.CutSuffix(name, encrypted)
	switch {
	case isAge:
		in, err = k.decrypt(name, f)
	case strings.HasSuffix(name, sealed):
		in, err = k.openSealed(name, f, nil)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	if !strings.HasSuffix(plain, packed) {
		return &unpacker{in, func() {}, f}, nil
	}
	z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(64<<20))
	if err != nil {
		f.Close()
		return nil, err
	}
	return &unpacker{z, z.Close, f}, nil
}

// unpacker is the text of a file.
type unpacker struct {
	io.Reader
	end func()
	f   *os.File
}

func (u *unpacker) Close() error {
	u.end()
	return u.f.Close()
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
