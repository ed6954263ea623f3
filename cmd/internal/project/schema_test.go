package project

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestArchitectureHasTheSchema compares the page's tables of the schema with
// the migrations: every table and index has its reason there, with its columns,
// every table that leads with an owner of calendars is distributed, and
// nothing is there that is gone.
func TestArchitectureHasTheSchema(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root(t), "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(page), "\n## The schema\n")
	if !ok {
		t.Fatal("the page has no schema")
	}
	text, _, _ = strings.Cut(text, "\n## ")

	tables, indexes := map[string]string{}, map[string]string{}
	files, err := filepath.Glob(filepath.Join(root(t), "migrations", "postgres", "*.sql"))
	if err != nil || len(files) == 0 {
		t.Fatal("no migrations", err)
	}
	table := regexp.MustCompile(`(?s)CREATE TABLE (\w+) \(.*?PRIMARY KEY \(([^)]*)\)`)
	index := regexp.MustCompile(`CREATE (?:UNIQUE )?INDEX (\w+) ON \w+ \(([^)]*)\)`)
	for _, f := range files {
		sql, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range table.FindAllStringSubmatch(string(sql), -1) {
			tables[m[1]] = m[2]
		}
		for _, m := range index.FindAllStringSubmatch(string(sql), -1) {
			indexes[m[1]] = m[2]
		}
	}
	told := func(row *regexp.Regexp) map[string]string {
		out := map[string]string{}
		for _, m := range row.FindAllStringSubmatch(text, -1) {
			out[m[1]] = m[2]
		}
		return out
	}
	if got := told(regexp.MustCompile("(?m)^\\| `(\\w+)` \\| ([a-z_, ]+?)(?: \\(SQLite: id\\))? \\|")); !maps.Equal(got, tables) {
		t.Errorf("tables on the page\n%v\nin the migrations\n%v", got, tables)
	}
	if got := told(regexp.MustCompile("(?m)^\\| `(\\w+)` \\(([a-z_, ]+)\\)")); !maps.Equal(got, indexes) {
		t.Errorf("indexes on the page\n%v\nin the migrations\n%v", got, indexes)
	}
	delete(tables, "leases") // nobody's
	delete(tables, "zone_data")
	var spread []string
	for _, m := range regexp.MustCompile(`create_distributed_table\('(\w+)', 'owner'`).FindAllStringSubmatch(text, -1) {
		spread = append(spread, m[1])
	}
	if slices.Sort(spread); !slices.Equal(spread, slices.Sorted(maps.Keys(tables))) {
		t.Errorf("distributed: %v, want all of %v", spread, tables)
	}
	for name, columns := range indexes {
		if !strings.HasPrefix(columns, "owner") {
			t.Errorf("index %s does not lead with the owner: %s", name, columns)
		}
	}
}
