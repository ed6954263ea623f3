package directory

import "testing"

func TestUserIDs(t *testing.T) {
	for id, ok := range map[string]bool{
		"anna": true, "anna.berg": true, "Änne": true, "a_b-c+d": true, "o'neill": false, "": false,
		"anna berg": false, " anna": false, "anna\t": false, "anna\u00a0b": false, "a:b": false, "a;b": false, "a/b": false, "a,b": false,
		`a"b`: false, "@anna": false, "a\x00": false,
	} {
		if err := CheckUserID(id); (err == nil) != ok {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestWeakPasswords(t *testing.T) {
	for _, c := range []struct {
		user, password string
		weak           bool
	}{
		{"anna", "", true}, {"anna", "a", true}, {"anna", "kurz", true}, {"anna", "password", true}, {"anna", "Passw0rd", true},
		{"anna", "password123", true}, {"anna", "annabell", true}, {"anna", "anna2026", true}, {"Anna@example.com", "ANNA-2026", true},
		{"anna", "aaaaaaaaaa", true}, {"anna", "1234567890", true}, {"anna", "87654321", true}, {"anna", "qwertyui", true},
		{"anna", "correct horse", false}, {"anna", "tr0ub4dor&3", false}, {"bo", "about nothing", false}, {"", "z8fk-2mma-q0", false},
	} {
		if why := WeakPassword(c.user, c.password); (why != "") != c.weak {
			t.Errorf("%s, %q: %q", c.user, c.password, why)
		}
	}
}
