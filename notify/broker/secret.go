package broker

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// readSecret reads a file of one line that nobody else may read, and makes it, all
// at once, where it is not there: of two processes that start together both get
// the same.
func readSecret(path string) (string, error) {
	for {
		text, err := os.ReadFile(path)
		if err == nil {
			return checkSecret(path, string(text))
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("read the secret of ENS: %w", err)
		}
		if err := drawSecret(path); err != nil && !errors.Is(err, fs.ErrExist) {
			return "", fmt.Errorf("make the secret of ENS: %w", err)
		}
	}
}

func checkSecret(path, text string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("read the secret of ENS: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return "", fmt.Errorf("others may read %s (mode %04o): run chmod 600 on it, or delete it for a new one", path, mode)
	}
	secret := strings.TrimSpace(text)
	if len(secret) < 16 {
		return "", fmt.Errorf("%s has no secret of at least 16 letters: delete it for a new one", path)
	}
	return secret, nil
}

func drawSecret(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".secret-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = fmt.Fprintln(f, rand.Text())
	if err == nil {
		err = f.Sync()
	}
	if err2 := f.Close(); err == nil {
		err = err2
	}
	if err != nil {
		return err
	}
	return os.Link(f.Name(), path) // fails where another was first
}
