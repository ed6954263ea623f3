package simulate

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/crypto/bcrypt"
)

// Account is a user that is played.
type Account struct{ User, Mail, Password string }

// WriteAccounts makes people sim000001 … of a domain: entries for a file of people,
// and the table that ReadAccounts reads. All have one password, hashed cheaply: they
// are for a server that is made for this alone.
func WriteAccounts(ldif, table io.Writer, n int, domain, password string) error {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		return err
	}
	l, t := bufio.NewWriter(ldif), csv.NewWriter(table)
	t.Write([]string{"user", "mail", "password"})
	for i := 1; i <= n; i++ {
		uid := fmt.Sprintf("sim%06d", i)
		fmt.Fprintf(l, "\ndn: uid=%[1]s,ou=People,o=%[2]s\nobjectClass: inetOrgPerson\nobjectClass: icsCalendarUser\nuid: %[1]s\ncn: Simulated %[3]d\nsn: %[3]d\nmail: %[1]s@%[2]s\nicsStatus: active\nuserPassword: {BCRYPT}%[4]s\n",
			uid, domain, i, hash)
		t.Write([]string{uid, uid + "@" + domain, password})
	}
	t.Flush()
	return errors.Join(l.Flush(), t.Error())
}

// ReadAccounts reads a table with the columns user, mail and password.
func ReadAccounts(path string) (list []Account, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := csv.NewReader(bufio.NewReader(f))
	r.FieldsPerRecord, r.ReuseRecord = 3, true
	for n := 1; ; n++ {
		row, err := r.Read()
		switch {
		case errors.Is(err, io.EOF) && len(list) < 2:
			return nil, fmt.Errorf("%s: two accounts are the least: they invite each other", path)
		case errors.Is(err, io.EOF):
			return list, nil
		case err != nil:
			return nil, fmt.Errorf("%s: %w", path, err)
		case n == 1 && (row[0] != "user" || row[1] != "mail" || row[2] != "password"):
			return nil, fmt.Errorf("%s: the first line is %q; it should name the columns user, mail, password", path, row)
		case n > 1:
			list = append(list, Account{row[0], row[1], row[2]})
		}
	}
}
