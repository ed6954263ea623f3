package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"factotum/cmd/internal/hosttest"
	"factotum/server/config"
)

// Of two hosts that stand by for each other neither can be renamed alone.
func TestCsrenameWithStandby(t *testing.T) {
	dir := t.TempDir()
	hosttest.Write(t, filepath.Join(dir, "names"), "anna bea\n")
	for _, s := range []config.Standby{{Host: "b.example.com"}, {Of: "b.example.com"}} {
		var out bytes.Buffer
		r := &renaming{t: newTool("csrename", "", stdio{strings.NewReader(""), &out, &out}), cfg: &config.Config{Standby: s}, mapping: filepath.Join(dir, "names")}
		if err := r.run(t.Context()); err == nil || !strings.Contains(err.Error(), "b.example.com and this host stand by for each other") {
			t.Errorf("%+v: %v", s, err)
		}
	}
}
