package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"factotum/cmd/internal/importer"
	"factotum/cmd/internal/migrate"
)

// account is whose calendars come from where, as options or a line of a table
// say it.
type account struct {
	owner, source, user, password, passwordFile, calendar string
}

// check says what a call leaves out.
func (a *account) check(command string) error {
	switch {
	case a.source == "":
		return misuse("csmigrate takes one source")
	case a.files():
		return nil
	case a.user == "":
		return misuse("-u is the user there")
	case a.owner == "" && command != "list":
		return misuse("-u is the user there, -o the owner here")
	}
	return nil
}

// where is the source, with the names of the account in it.
func (a *account) where() string {
	user := a.user
	if user == "" {
		user = a.owner
	}
	return strings.NewReplacer("{user}", user, "{owner}", a.owner).Replace(a.source)
}

// files tells whether the source is one of this machine.
func (a *account) files() bool {
	where := a.where()
	if strings.Contains(where, "://") {
		return false
	}
	_, err := os.Stat(where)
	path := strings.HasPrefix(where, "/") || strings.HasPrefix(where, ".")
	return err == nil || path || importer.IsFile(where) || strings.EqualFold(filepath.Ext(where), ".zip")
}

// readAccounts reads a table of accounts; what it has no column for is as the
// options say.
func readAccounts(path string, common account) (list []account, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comment, r.TrimLeadingSpace = '#', true
	columns, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("%s: read the first line, which names the columns: %w", path, err)
	}
	columns[0] = strings.TrimPrefix(columns[0], "\ufeff") // as spreadsheets write it
	if !slices.Contains(columns, "owner") {
		return nil, fmt.Errorf("%s: the first line names the columns, and \"owner\" is none of %q", path, columns)
	}
	seen := map[string]int{}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		line, _ := r.FieldPos(0)
		a := common
		for i, name := range columns {
			v := strings.TrimSpace(row[i])
			to := map[string]*string{"owner": &a.owner, "source": &a.source, "user": &a.user, "password": &a.password, "password-file": &a.passwordFile, "calendar": &a.calendar}[name]
			switch {
			case to == nil:
				return nil, fmt.Errorf("%s: there is no column %q; there are owner, source, user, password, password-file and calendar", path, name)
			case v == "":
				continue
			case name == "password-file" && !filepath.IsAbs(v):
				v = filepath.Join(filepath.Dir(path), v)
			}
			*to = v
		}
		if a.user == "" {
			a.user = a.owner
		}
		key := a.owner + "\x00" + a.where() + "\x00" + a.calendar
		switch before := seen[key]; {
		case a.owner == "":
			return nil, fmt.Errorf("%s:%d: it names no owner", path, line)
		case a.source == "":
			return nil, fmt.Errorf("%s:%d: it names no source, and the call has none either", path, line)
		case before > 0:
			return nil, fmt.Errorf("%s:%d: it says what line %d says", path, line, before)
		}
		seen[key] = line
		list = append(list, a)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s has no lines but the first", path)
	}
	return list, nil
}

// reportFile is a report of each object; nil takes nothing down.
type reportFile struct {
	path string
	file *os.File
	csv  *csv.Writer // or
	json *json.Encoder
}

// createReport begins a file, beside the one that is there.
func createReport(path string) (*reportFile, error) {
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	r := &reportFile{path: path, file: f}
	if strings.EqualFold(filepath.Ext(path), ".json") {
		r.json = json.NewEncoder(f)
		return r, nil
	}
	r.csv = csv.NewWriter(f)
	return r, r.csv.Write([]string{"calendar", "source", "line", "uid", "name", "verdict", "detail"})
}

func (r *reportFile) add(v migrate.Verdict) error {
	switch {
	case r == nil:
		return nil
	case r.json != nil:
		return r.json.Encode(v)
	}
	line := ""
	if v.Line > 0 {
		line = strconv.Itoa(v.Line)
	}
	return r.csv.Write([]string{string(v.Calendar), v.Source, line, v.UID, v.Name, v.Verdict, v.Detail})
}

// close puts the file in place, if it is whole.
func (r *reportFile) close(whole bool) error {
	if r.csv != nil {
		r.csv.Flush()
		if err := r.csv.Error(); err != nil {
			return fmt.Errorf("write %s: %w", r.path, err)
		}
	}
	if err := errors.Join(r.file.Sync(), r.file.Close()); err != nil || !whole {
		return errors.Join(err, os.Remove(r.file.Name()))
	}
	return os.Rename(r.file.Name(), r.path)
}
