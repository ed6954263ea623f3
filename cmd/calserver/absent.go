package main

import (
	"context"
	"fmt"
)

// absentPrograms are Sun's programs that this release does not have. Who calls
// one, perhaps from an old script, is told what does its work. admin.md §§3, 8.
var absentPrograms = map[string]string{
	"cstool":               "\"calserver status\" asks the roles of this host, /readyz those of another one",
	"cs5migrate":           "databases of Sun's server are not read; \"csmigrate\" pulls calendars from any CalDAV server, \"csimport\" takes what csexport wrote there",
	"csmig":                "databases of Sun's server are not read; \"csimport\" takes what csexport wrote there",
	"csvdmig":              "databases of Sun's server are not read; \"csimport\" takes what csexport wrote there",
	"commdirmig":           "entries of both schemas are read as they are; see local.schemaversion and service.dcroot in docs/ics-conf.md",
	"csconfigurator.sh":    "\"calserver quickstart\" writes an ics.conf to begin with; docs/admin.md has others",
	"csservice":            "the watcher starts services again (\"start-cal watcher\"); under systemd see templates/systemd",
	"csadmind":             "what it did csstored does, and \"calserver status\" tells",
	"commadmin":            "people are made with the directory's own tools, or with csuser where they are in a file",
	"comm_dssetup.pl":      "the schema for OpenLDAP is in templates/ldap (docs/admin.md, \"OpenLDAP\")",
	"cs5migrate_recurring": "databases of Sun's server are not read; \"csimport\" takes what csexport wrote there",
}

// absent answers for one of them.
func absent(name string) runFunc {
	return func(_ context.Context, args []string, std stdio) int {
		t := &tool{name: name, std: std, json: wantsJSON(args)}
		t.complainOf(fmt.Errorf("not part of this release: %s", absentPrograms[name]))
		return exitFailed
	}
}

func init() {
	for name := range absentPrograms {
		register(name, "not part of this release; tells what does its work", absent(name))
	}
}
