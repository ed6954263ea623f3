package directory

import (
	"fmt"
	"strings"
	"testing"

	"factotum/server/calendar"
)

func BenchmarkRememberedLogin(b *testing.B) {
	l := logins(b, annaDirectory(b), LoginOptions{})
	ctx := b.Context()
	login := func() {
		if _, err := l.Login(ctx, "anna", "one", from(here)); err != nil {
			b.Error(err)
		}
	}
	login()
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			login()
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				login()
			}
		})
	})
}

func BenchmarkAppPasswordCheck(b *testing.B) {
	l := logins(b, annaDirectory(b), LoginOptions{CacheTTL: -1})
	_, token, err := l.apps.Create("anna", "")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.Login(b.Context(), "anna", token, from(here)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHashPassword(b *testing.B) {
	for b.Loop() {
		if _, err := HashPassword("secret", DefaultArgon2); err != nil {
			b.Fatal(err)
		}
	}
}

const manyPeople = 100_000

func manyText() string {
	var s strings.Builder
	for i := range manyPeople {
		s.WriteString(person(fmt.Sprintf("user%06d", i), fmt.Sprintf("Name%d Surname%d", i*7919%manyPeople, i%977)))
	}
	return s.String()
}

func BenchmarkLDIF100k(b *testing.B) {
	text := manyText()
	d := open(b, ldifOptions(b, text))
	ctx := b.Context()
	b.Run("person", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := d.Person(ctx, "user054321"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("mail", func(b *testing.B) {
		for b.Loop() {
			if _, err := d.ByMail(ctx, "user054321@example.com"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("search", func(b *testing.B) {
		for b.Loop() {
			if found, _, err := d.Search(ctx, calendar.PeopleQuery{Text: "name4711 "}); err != nil || len(found) == 0 {
				b.Fatal(len(found), err)
			}
		}
	})
	b.Run("load", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			if _, err := d.newSnapshot([]byte(text)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
