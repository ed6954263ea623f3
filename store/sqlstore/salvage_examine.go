package sqlstore

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// Examine looks at a SQLite database before SQLite does, which takes an empty
// file for a new database, and leaves out what is behind a damaged place of the
// log. Nothing is changed. "" says that there is nothing to be seen.
func Examine(path string) (string, error) {
	file, err := sqlitePath(path)
	if err != nil {
		return "", err
	}
	im, err := openImage(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look at the database: %w", err)
	}
	defer im.close()
	if im.log == nil && len(im.faults) == 0 && im.pages < 16 { // with tables it has more
		if s := (&salvage{im: im}); s.walk() == 0 {
			im.fault("it has no tables, and its log is not there")
		}
	}
	if len(im.faults) == 0 {
		return "", nil
	}
	return file + " is damaged: " + strings.Join(im.faults, "; "), nil
}

// Inspect says where a SQLite database is damaged that SQLite refuses to open.
func Inspect(path string) string {
	file, err := sqlitePath(path)
	if err != nil {
		return ""
	}
	if where := damagedPages(file); where != "" {
		return file + " is damaged: " + where
	}
	return file + " is damaged"
}

// damagedPages says where a database is damaged: the pages that belong to a table
// or index and are none of a tree. "" if none is found.
func damagedPages(path string) string {
	im, err := openImage(path)
	if err != nil {
		return ""
	}
	defer im.close()
	s := &salvage{im: im}
	s.walk()
	const most = 12
	text := strings.Join(append(im.faults, s.faults[:min(len(s.faults), most)]...), "; ")
	if n := len(s.faults) - most; n > 0 {
		text += fmt.Sprintf("; and %d more", n)
	}
	return text
}
