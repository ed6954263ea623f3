package migrations

import (
	"slices"
	"testing"
)

// TestEveryMigrationCanBeUndone: what came after the release before has a way back on both
// engines, and it was thought of what goes with it.
func TestEveryMigrationCanBeUndone(t *testing.T) {
	var names [2][]string
	for i, engine := range []Engine{SQLite, Postgres} {
		list, err := Steps(engine)
		if err != nil {
			t.Fatal(err)
		}
		undone := 0
		for at, s := range list {
			names[i] = append(names[i], s.Name)
			if s.Version != int64(at)+1 {
				t.Errorf("%s: migration %d is the %dth", engine, s.Version, at+1)
			}
			_, thought := losses[s.Version]
			switch {
			case s.Undone != thought:
				t.Errorf("%s: migration %d (%s) has a way down (%t), and losses names it (%t): both or none", engine, s.Version, s.Name, s.Undone, thought)
			case s.Undone:
				undone++
			case s.Version > Previous:
				t.Errorf("%s: migration %d (%s) has no way down, and came after the release before: write \"-- +goose Down\", and what is lost in undo.go", engine, s.Version, s.Name)
			}
		}
		if newest, err := Newest(engine); err != nil || newest < Previous || undone == 0 {
			t.Errorf("%s: newest %d, release before %d, %d can be undone: %v", engine, newest, Previous, undone, err)
		}
	}
	if !slices.Equal(names[0], names[1]) {
		t.Errorf("the engines differ: %v, %v", names[0], names[1])
	}
}
