package letter

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the list of codes into docs/admin.md")

const adminDoc = "../../docs/admin.md"

// TestCodesAreDocumented: docs/admin.md has the codes as they are here.
func TestCodesAreDocumented(t *testing.T) {
	data, err := os.ReadFile(adminDoc)
	if err != nil {
		t.Fatal(err)
	}
	const head = "| code | prints |\n|---|---|\n"
	before, rest, ok := strings.Cut(string(data), head)
	if !ok {
		t.Fatalf("%s has no table of codes", adminDoc)
	}
	_, after, ok := strings.Cut(rest, "\n\n")
	if !ok {
		t.Fatal("the table has no end")
	}
	var table strings.Builder
	for _, c := range Codes() {
		var marks []string
		if c.Ours {
			marks = append(marks, "ours")
		}
		if c.Time {
			marks = append(marks, "time")
		}
		if c.Line {
			marks = append(marks, "lines")
		}
		doc := c.Doc
		if len(marks) > 0 {
			doc += " (*" + strings.Join(marks, "*, *") + "*)"
		}
		fmt.Fprintf(&table, "| `%%%c` | %s |\n", c.Letter, doc)
	}
	want := before + head + table.String() + "\n" + after
	if want == string(data) {
		return
	}
	if !*update {
		t.Fatal("the table of codes is not current; run go test ./notify/letter -update")
	}
	if err := os.WriteFile(adminDoc, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}
