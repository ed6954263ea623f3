package config

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of an ics.conf.
const (
	maxFile = 4 << 20  // octets
	maxLine = 64 << 10 // octets
)

// setting is a parameter that was set.
type setting struct {
	param *Param
	name  string // as written, for variable names in lower case
	part  string // host or application id of a variable name
	value string
	file  string
	line  int
}

func (s *setting) source() string {
	if s.line > 0 {
		return fmt.Sprintf("%s:%d", s.file, s.line)
	}
	return s.file
}

// Load reads an ics.conf. The error joins what keeps the server from starting;
// the report has the warnings too. The Config is there even then, with the
// defaults in the place of wrong values, unless the file cannot be read.
func Load(path string) (*Config, Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, Report{}, fmt.Errorf("open configuration: %w", err)
	}
	defer f.Close()
	return Parse(f, path)
}

// Parse reads an ics.conf from r; name stands for it in messages, and its
// directory is where relative paths begin. See Load.
func Parse(r io.Reader, name string) (*Config, Report, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, Report{}, fmt.Errorf("read configuration %s: %w", name, err)
	}
	c, rep := Default(), Report{}
	c.File, c.Dir = name, filepath.Dir(name)
	if len(data) > maxFile {
		rep.add(Problem{Severity: Error, File: name, Message: fmt.Sprintf("longer than %d octets", maxFile)})
		return c, rep, rep.Err()
	}
	text := strings.TrimPrefix(string(data), "\ufeff")
	for n := 1; text != ""; n++ {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		for _, p := range c.line(strings.TrimSuffix(line, "\r"), name, n) {
			rep.add(p)
		}
	}
	c.build()
	address := dwpServer + c.DWP.Default + ".ip"
	refused := slices.ContainsFunc(rep.Problems, func(p Problem) bool { return p.Severity == Error && p.Param == address })
	for _, p := range c.cross() {
		if refused && p.Param == "caldb.dwp.server.default" {
			continue // it is there, and what is wrong with it was said
		}
		rep.add(p)
	}
	for _, p := range c.ineffective() {
		rep.add(p)
	}
	return c, rep, rep.Err()
}

// otherThanDefault compares with what would count if the parameter were not
// set. To switch off what is not there is as good as the default.
func (c *Config) otherThanDefault(s *setting) bool {
	switch {
	case blank(s.value) && s.param.numeric():
		return false
	case s.param.Kind == Bool:
		if yes, _ := parseBool(s.value); !yes {
			return false
		}
	}
	if s.param.Fallback == "" {
		return s.param.differs(s.value)
	}
	fallback, _ := c.value(byName[strings.ToLower(s.param.Fallback)])
	return !blank(s.value) && strings.TrimSpace(s.value) != strings.TrimSpace(fallback)
}

// Default gives the configuration of an empty ics.conf.
func Default() *Config {
	c := &Config{Dir: ".", set: map[string]setting{}}
	c.build()
	return c
}

// Set overrides one parameter, for an option of the command line; source says
// where the value is from. The error is a *Problem.
func (c *Config) Set(name, value, source string) error {
	problems := c.assign(name, value, source, 0)
	for i := range problems {
		if problems[i].Severity == Error || problems[i].unknown() {
			problems[i].Severity = Error
			return &problems[i]
		}
	}
	c.build()
	return nil
}

// Check repeats the checks between parameters, after Set.
func (c *Config) Check() Report {
	var rep Report
	for _, p := range c.cross() {
		rep.add(p)
	}
	return rep
}

const unknownParam = "unknown parameter"

func (p *Problem) unknown() bool { return strings.HasPrefix(p.Message, unknownParam) }

// line reads one line: name = "value", perhaps with a comment behind it.
func (c *Config) line(line, file string, n int) []Problem {
	at := func(s Severity, param, message string) Problem {
		return Problem{Severity: s, File: file, Line: n, Param: param, Message: message}
	}
	switch {
	case len(line) > maxLine:
		return []Problem{at(Error, "", fmt.Sprintf("line longer than %d octets", maxLine))}
	case !utf8.ValidString(line):
		return []Problem{at(Error, "", "not ASCII or UTF-8")}
	case strings.ContainsFunc(line, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		return []Problem{at(Error, "", "control character")}
	}
	trimmed := strings.Trim(line, " \t")
	if trimmed == "" || trimmed[0] == '!' {
		return nil
	}
	if trimmed[0] == '#' {
		return []Problem{at(Warning, "", "# does not begin a comment, ! does; the line is ignored")}
	}
	name, rest, found := strings.Cut(trimmed, "=")
	name = strings.TrimRight(name, " \t")
	if !found {
		return []Problem{at(Error, "", `expected name = "value"`)}
	}
	if name == "" || strings.ContainsAny(name, " \t\"") {
		return []Problem{at(Error, "", `expected name = "value", with a name without blanks`)}
	}
	value, warning, bad := unquote(strings.TrimLeft(rest, " \t"))
	if bad != "" {
		return []Problem{at(Error, name, bad)}
	}
	var out []Problem
	if trimmed[0] != line[0] {
		out = append(out, at(Warning, name, "a parameter begins at the beginning of its line"))
	}
	if warning != "" {
		out = append(out, at(Warning, name, warning))
	}
	return append(out, c.assign(name, value, file, n)...)
}

// unquote takes the value out of its quotes. A quote inside is written \".
func unquote(s string) (value, warning, bad string) {
	if s == "" || s[0] != '"' {
		return strings.TrimRight(s, " \t"), "the value should stand in double quotes", ""
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == '"' && strings.IndexByte(s[i+2:], '"') >= 0:
			b.WriteByte('"')
			i++
		case s[i] == '"':
			if rest := strings.Trim(s[i+1:], " \t"); rest != "" && rest[0] != '!' {
				return "", "", "unexpected text behind the closing quote"
			}
			return b.String(), "", ""
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", "the closing quote is missing"
}

// Quote writes a value as ics.conf has it.
func Quote(v string) string { return `"` + strings.ReplaceAll(v, `"`, `\"`) + `"` }

// assign checks one parameter and remembers it; the last one wins.
func (c *Config) assign(name, value, file string, line int) []Problem {
	at := func(s Severity, message string) []Problem {
		return []Problem{{Severity: s, File: file, Line: line, Param: name, Message: message}}
	}
	s := setting{name: name, value: value, file: file, line: line}
	key := ""
	if s.param = byName[strings.ToLower(name)]; s.param != nil && !strings.Contains(s.param.Name, "<") {
		key = s.param.Name
	} else if s.param, s.part = lookupVariable(name); s.param != nil {
		s.name = strings.Replace(s.param.Name, s.param.Name[strings.Index(s.param.Name, "<"):strings.Index(s.param.Name, ">")+1], s.part, 1)
		key = s.name
	}
	if s.param == nil {
		message := unknownParam
		// Only so many times: a file that is no ics.conf has a million.
		if c.suggested++; c.suggested > maxProblems {
			return at(Warning, message)
		}
		near := nearest(name)
		if near != "" {
			message += "; did you mean " + near + "?"
		}
		if p := byName[strings.ToLower(near)]; p != nil && p.guard() {
			return at(Error, message+" That one decides who gets in, or what others see")
		}
		return at(Warning, message)
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) || !utf8.ValidString(value) {
		return at(Error, "control character in the value")
	}
	if bad := c.checkSetting(&s); bad != "" {
		return at(Error, bad)
	}
	if expected := s.param.check(value); expected != "" {
		if s.param.Kind == Zone {
			s.value = "UTC" // admin.md §6.6: an invalid zone means GMT
			c.set[key] = s
			return at(Warning, Quote(clip(value))+": "+expected+"; UTC is used")
		}
		if s.param.Kind == Password {
			return at(Error, expected)
		}
		return at(Error, Quote(clip(value))+": "+expected)
	}
	c.set[key] = s
	var out []Problem
	if s.param.Note != "" && !blank(value) && s.param.differs(value) {
		out = at(Warning, s.param.Note)
	}
	if strings.HasPrefix(s.param.Name, dwpServer) && s.param.Kind == HostName && !blank(value) && !strings.Contains(value, ".") && !strings.EqualFold(value, "localhost") {
		out = append(out, at(Warning, Quote(clip(value))+" is not fully qualified: other hosts may not know it by this name")...)
	}
	return out
}

func clip(v string) string {
	if len(v) > 80 {
		return strings.ToValidUTF8(v[:80], "") + "…"
	}
	return v
}

// differs reports whether a value is not the default.
func (p *Param) differs(v string) bool {
	if blank(v) && blank(p.Default) {
		return false
	}
	if p.Kind == Bool {
		a, _ := parseBool(v)
		b, _ := parseBool(p.Default)
		return a != b
	}
	return strings.TrimSpace(v) != p.Default
}

// checkSetting refuses what a front end of 6.3 was configured with by Sun's
// own tool and could not work: an IP address for a back end (admin.md §11.5).
func (c *Config) checkSetting(s *setting) string {
	const mend = "is an IP address; back ends are found and their certificates checked by name: put the fully qualified host name here, "
	switch {
	case s.param.Name == dwpServer+"default" && isIP(s.value):
		return Quote(clip(s.value)) + " " + mend + `for example caldb.dwp.server.default = "calendar1.example.com"`
	case strings.HasPrefix(s.param.Name, dwpServer+"<host>"):
		if strings.ContainsAny(s.part, "<>") || s.part == "[hostname]" {
			return "replace " + s.part + " by the name of a back end"
		}
		if s.param.Kind == HostName && isIP(s.value) || isIP(s.part) {
			what := s.value
			if !isIP(what) || s.param.Kind != HostName {
				what = s.part
			}
			return Quote(clip(what)) + " " + mend + `for example caldb.dwp.server.calendar1.example.com.ip = "calendar1.example.com"`
		}
		if !validHost(s.part) {
			return Quote(clip(s.part)) + ": expected a host name between caldb.dwp.server. and " + s.param.Name[strings.LastIndexByte(s.param.Name, '.'):]
		}
		if s.param.Kind == HostName {
			if _, port := cutPort(s.value); port != "" {
				return Quote(clip(s.value)) + ": the port goes into " + dwpServer + s.part + ".port"
			}
			if v := strings.TrimSpace(s.value); v != "" && validHost(v) && !strings.EqualFold(strings.TrimSuffix(v, "."), strings.TrimSuffix(s.part, ".")) {
				return Quote(clip(s.value)) + " is another host than " + s.part + ": the parameter's name and its value are the same host name"
			}
		}
	}
	return ""
}

// value gives what counts for a parameter, and where it is from.
func (c *Config) value(p *Param) (value, source string) {
	if s, ok := c.set[p.Name]; ok && !(blank(s.value) && (p.numeric() || p.Fallback != "")) {
		return s.value, s.source()
	}
	if p.Fallback != "" {
		if v, from := c.value(byName[strings.ToLower(p.Fallback)]); from != "" {
			return v, p.Fallback + ", " + from
		}
	}
	return p.Default, ""
}

// numeric kinds have no empty value: an empty one means the default.
func (p *Param) numeric() bool {
	switch p.Kind {
	case String, Path, Password, List, Durations, ACL, Hosts, Routes, Networks, HostPort, Endpoint, HostName:
		return false
	}
	return true
}

// build fills the fields from the settings and the defaults.
func (c *Config) build() {
	*c = Config{File: c.File, Dir: c.Dir, set: c.set}
	c.Mail.Templates = map[string]string{}
	c.ENS.Topics = make([]Topic, len(topicNames))
	for i, n := range topicNames {
		c.ENS.Topics[i].Name = n[0]
	}
	for _, p := range params {
		if p.field == nil || strings.Contains(p.Name, "<") {
			continue
		}
		v, _ := c.value(p)
		p.store(p.field(c), v, c.path)
	}
	c.Store.Enable = c.Store.Enable && c.Store.localEnable
	c.Watcher.Restart = c.Watcher.Restart && c.Watcher.localRestart
	c.HTTP.Admins = slices.Compact(c.HTTP.Admins)
	c.buildBackEnds()
	c.buildApps()
}

func (c *Config) buildBackEnds() {
	hosts := map[string]*BackEnd{}
	for _, s := range c.sorted(dwpServer + "<host>") {
		if s.param.Kind == HostName && !blank(s.value) {
			hosts[s.part] = &BackEnd{Host: strings.TrimSuffix(s.part, "."), Port: c.DWP.Port}
		}
	}
	for _, s := range c.sorted(dwpServer + "<host>") {
		b := hosts[s.part]
		if b == nil {
			continue
		}
		switch s.param.Name[len(dwpServer+"<host>"):] {
		case ".admin":
			b.Admin = s.value
		case ".cred":
			b.Cred = Secret(s.value)
		case ".standby":
			b.Standby = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(s.value), "."))
		case ".port":
			if !blank(s.value) {
				s.param.store(&b.Port, s.value, nil)
			}
		}
	}
	for _, b := range hosts {
		c.DWP.BackEnds = append(c.DWP.BackEnds, *b)
	}
	slices.SortFunc(c.DWP.BackEnds, func(a, b BackEnd) int { return strings.Compare(a.Host, b.Host) })
	for _, h := range []*string{&c.Standby.Host, &c.Standby.Of} {
		*h = strings.ToLower(strings.TrimSuffix(*h, "."))
	}
	c.buildWitness()
	c.DWP.Default = strings.ToLower(strings.TrimSuffix(c.DWP.Default, "."))
}

// buildWitness gives the witness the port that its DWP has.
func (c *Config) buildWitness() {
	host, text := cutPort(strings.TrimSpace(c.Standby.Witness))
	if host == "" {
		return
	}
	port := c.DWP.Port
	for _, b := range c.DWP.BackEnds {
		if strings.EqualFold(b.Host, host) {
			port = b.Port
		}
	}
	c.Standby.Witness = strings.ToLower(strings.TrimSuffix(host, ".")) + ":" + cmp.Or(text, strconv.Itoa(port))
}

func (c *Config) buildApps() {
	for _, s := range c.sorted(ssoPrefix + "<appid>") {
		if n := len(c.SSO.Apps); n == 0 || c.SSO.Apps[n-1].ID != s.part {
			c.SSO.Apps = append(c.SSO.Apps, SSOApp{ID: s.part})
		}
		app := &c.SSO.Apps[len(c.SSO.Apps)-1]
		if strings.HasSuffix(s.param.Name, ".url") {
			app.URL = s.value
		} else {
			app.IP = s.value
		}
	}
}

// sorted gives the settings whose parameter's name begins with prefix, by
// their variable part.
func (c *Config) sorted(prefix string) []setting {
	var out []setting
	for _, s := range c.set {
		if strings.HasPrefix(s.param.Name, prefix) {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b setting) int {
		if n := strings.Compare(a.part, b.part); n != 0 {
			return n
		}
		return strings.Compare(a.name, b.name)
	})
	return out
}
