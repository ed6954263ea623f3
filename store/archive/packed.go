package archive

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// packer writes a compressed file under a name that it gets when it is whole.
type packer struct {
	name string
	f    *os.File
	sum  *summer
	z    *zstd.Encoder
}

func createPacked(name string) (*packer, error) {
	f, err := os.OpenFile(name+partial, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	sum := newSummer(f)
	z, err := zstd.NewWriter(sum, zstd.WithEncoderConcurrency(1))
	if err != nil {
		f.Close()
		return nil, err
	}
	return &packer{name, f, sum, z}, nil
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

// openFile opens a file of a period for reading, unpacked.
func openFile(name string) (io.ReadCloser, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) && !strings.HasSuffix(name, packed) { // it was packed meanwhile
		name += packed
		f, err = os.Open(name)
	}
	if err != nil || !strings.HasSuffix(name, packed) {
		return f, err
	}
	z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<30))
	if err != nil {
		f.Close()
		return nil, err
	}
	return &unpacker{z, f}, nil
}

type unpacker struct {
	*zstd.Decoder
	f *os.File
}

func (u *unpacker) Close() error {
	u.Decoder.Close()
	return u.f.Close()
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
