// Package cluster makes what the hosts of a cluster need, a folder for each, and
// judges what they say of themselves.
package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"factotum/cmd/internal/certificates"
	"factotum/server/config"
	"factotum/templates"
)

// Roles of hosts.
const (
	Back  = "back"
	Front = "front"
)

// Host is one of a cluster.
type Host struct {
	Name string `json:"name"` // fully qualified
	Role string `json:"role"`
}

// Plan is a cluster, as its folder keeps it in cluster.json. It has secrets.
type Plan struct {
	Domain string      `json:"domain"`        // service.defaultdomain
	Hosts  []Host      `json:"hosts"`         // the first back end is the default, and has the broker
	Set    [][2]string `json:"set,omitempty"` // parameters of every host
	Cred   string      `json:"cred"`          // of DWP
	Secret string      `json:"secret"`        // of ENS
	Days   int         `json:"days"`          // the certificates are valid
}

const (
	planFile = "cluster.json"
	pushKey  = "vapid.pem"
	port     = "57779"
)

// New is a plan with secrets of its own.
func New(domain string) *Plan {
	return &Plan{Domain: domain, Cred: rand.Text(), Secret: rand.Text(), Days: 730}
}

// Open reads the plan of a folder.
func Open(dir string) (*Plan, error) {
	text, err := os.ReadFile(filepath.Join(dir, planFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s has no %s: make the cluster with \"calserver cluster init\", or name its folder with --dir", dir, planFile)
	}
	if err != nil {
		return nil, fmt.Errorf("read the cluster: %w", err)
	}
	p := new(Plan)
	if err := json.Unmarshal(text, p); err != nil {
		return nil, fmt.Errorf("read the cluster %s: %w", filepath.Join(dir, planFile), err)
	}
	return p, nil
}

// Add adds a host. An error says why it cannot be one.
func (p *Plan) Add(name, role string) error {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if err := checkName(name); err != nil {
		return err
	}
	if i := slices.IndexFunc(p.Hosts, func(h Host) bool { return h.Name == name }); i >= 0 {
		return fmt.Errorf("%s is a %s end of this cluster already", name, p.Hosts[i].Role)
	}
	p.Hosts = append(p.Hosts, Host{name, role})
	return nil
}

// checkName says why hosts cannot know each other by a name.
func checkName(name string) error {
	if net.ParseIP(strings.Trim(name, "[]")) != nil {
		return fmt.Errorf("%s is an IP address: hosts know each other by the names in their certificates, so give the fully qualified host name", name)
	}
	if len(name) > 253 || !strings.Contains(name, ".") {
		return fmt.Errorf("%q is no fully qualified host name, such as back.example.com", name)
	}
	for label := range strings.SplitSeq(name, ".") {
		bad := strings.ContainsFunc(label, func(r rune) bool { return r != '-' && (r < '0' || '9' < r) && (r < 'a' || 'z' < r) })
		if bad || label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return fmt.Errorf("%q is no host name: it has letters, digits and hyphens between dots", name)
		}
	}
	return nil
}

// Of are the names of the hosts with a role.
func (p *Plan) Of(role string) (names []string) {
	for _, h := range p.Hosts {
		if h.Role == role {
			names = append(names, h.Name)
		}
	}
	return names
}

// Has tells whether a parameter is one of Set.
func (p *Plan) Has(name string) bool {
	return slices.ContainsFunc(p.Set, func(s [2]string) bool { return s[0] == name })
}

// Write makes what is missing in the folder and brings what is there up to date: the
// authority, and for each host a folder with certificate, key and ics.conf. Lines of an
// ics.conf that somebody added stay. It returns the hosts whose folders are others now.
func (p *Plan) Write(dir string) (changed []string, err error) {
	if len(p.Of(Back)) == 0 {
		return nil, errors.New("a cluster needs a back end: name one with --back")
	}
	if err := p.try(); err != nil { // before anything is there
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the cluster: %w", err)
	}
	var names []string
	for _, h := range p.Hosts {
		names = append(names, h.Name)
	}
	keys := filepath.Join(dir, "keys")
	if err := os.MkdirAll(keys, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the keys: %w", err)
	}
	if _, err := certificates.Make(keys, names, p.Days); err != nil {
		return nil, err
	}
	if err := makePushKey(filepath.Join(keys, pushKey)); err != nil {
		return nil, err
	}
	for _, h := range p.Hosts {
		did, err := p.writeHost(dir, keys, h)
		if err != nil {
			return changed, fmt.Errorf("%s: %w", h.Name, err)
		}
		if did {
			changed = append(changed, h.Name)
		}
	}
	if _, err := put(filepath.Join(dir, "directory.ldif"), []byte(p.directory()), 0o644); err != nil {
		return changed, err
	}
	text, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return changed, fmt.Errorf("write the cluster: %w", err)
	}
	_, err = put(filepath.Join(dir, planFile), append(text, '\n'), 0o600)
	return changed, err
}

// try reads each ics.conf as the hosts would.
func (p *Plan) try() error {
	for _, h := range p.Hosts {
		_, rep, err := config.Parse(strings.NewReader(text(p.settings(h))), h.Name+"/ics.conf")
		if err == nil {
			continue
		}
		for i := range rep.Problems {
			if rep.Problems[i].Severity == config.Error {
				return &rep.Problems[i]
			}
		}
		return err
	}
	return nil
}

func (p *Plan) writeHost(dir, keys string, h Host) (changed bool, err error) {
	to := filepath.Join(dir, h.Name)
	if err := os.MkdirAll(to, 0o700); err != nil {
		return false, fmt.Errorf("make its folder: %w", err)
	}
	copies := [][2]string{{filepath.Join(keys, certificates.Authority+".pem"), certificates.Authority + ".pem"}, {filepath.Join(keys, h.Name+".pem"), h.Name + ".pem"},
		{filepath.Join(keys, h.Name+".key"), h.Name + ".key"}, {filepath.Join(keys, pushKey), pushKey}}
	for _, c := range copies {
		text, err := os.ReadFile(c[0])
		if err != nil {
			return changed, fmt.Errorf("copy %s: %w", c[1], err)
		}
		did, err := put(filepath.Join(to, c[1]), text, 0o600)
		if err != nil {
			return changed, err
		}
		changed = changed || did
	}
	did, err := put(filepath.Join(to, "factotum.service"), []byte(templates.Unit), 0o644)
	if err != nil {
		return changed, err
	}
	changed = changed || did
	conf := filepath.Join(to, "ics.conf")
	have, err := os.ReadFile(conf)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return changed, fmt.Errorf("read its ics.conf: %w", err)
	}
	did, err = put(conf, []byte(merged(string(have), p.settings(h))), 0o600)
	return changed || did, err
}

// merged is an ics.conf with the settings, in which other lines stay.
func merged(have string, settings [][2]string) string {
	if have == "" {
		return "! ics.conf of a host of a cluster. \"calserver cluster\" writes the lines up to the\n! empty one, and leaves others alone; docs/ics-conf.md has all parameters.\n" + text(settings) + "\n"
	}
	head, tail, _ := strings.Cut(have, "\n\n")
	lines := strings.Split(head, "\n")
	for _, s := range settings {
		line := strings.TrimSuffix(text([][2]string{s}), "\n")
		i := slices.IndexFunc(lines, func(l string) bool { name, _, ok := strings.Cut(l, "="); return ok && strings.TrimSpace(name) == s[0] })
		if i >= 0 {
			lines[i] = line
		} else {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n") + "\n\n" + tail
}

func text(settings [][2]string) string {
	var b strings.Builder
	for _, s := range settings {
		fmt.Fprintf(&b, "%s = %s\n", s[0], config.Quote(s[1]))
	}
	return b.String()
}

// settings are what ics.conf of a host says.
func (p *Plan) settings(h Host) [][2]string {
	yes := map[bool]string{true: "yes", false: "no"}
	backs := p.Of(Back)
	s := [][2]string{
		{"local.hostname", h.Name},
		{"service.http.enable", yes[h.Role == Front]},
		{"service.store.enable", yes[h.Role == Back]},
		{"service.dwp.enable", yes[h.Role == Back]},
		{"service.dwp.port", port},
		{"service.dwp.ssl.certfile", h.Name + ".pem"},
		{"service.dwp.ssl.keyfile", h.Name + ".key"},
		{"service.dwp.ssl.cafile", certificates.Authority + ".pem"},
	}
	if h.Role == Back {
		s = append(s, [2]string{"service.dwp.admin.userid", "dwp"}, [2]string{"service.dwp.admin.cred", p.Cred})
	}
	s = append(s, [2]string{"csapi.plugin.calendarlookup", "yes"}, [2]string{"caldb.cld.type", "directory"})
	for _, b := range backs {
		name := "caldb.dwp.server." + b
		s = append(s, [2]string{name + ".ip", b}, [2]string{name + ".admin", "dwp"}, [2]string{name + ".cred", p.Cred})
	}
	s = append(s, [2]string{"caldb.dwp.server.default", backs[0]}, [2]string{"factotum.cluster.fronts", strings.Join(p.Of(Front), " ")},
		[2]string{"service.defaultdomain", p.Domain}, [2]string{"service.ens.host", backs[0]}, [2]string{"factotum.ens.secret", p.Secret}, [2]string{"factotum.push.vapid", pushKey})
	for _, set := range p.Set {
		s = slices.DeleteFunc(s, func(other [2]string) bool { return other[0] == set[0] })
		s = append(s, set)
	}
	return s
}

// directory is what the entry of the domain has to say: where the calendars of people
// are who have no icsDWPHost. admin.md §11.
func (p *Plan) directory() string {
	var b strings.Builder
	b.WriteString("# For the entry of the domain, with its DN in the first line: where new people's\n# calendars go, instead of caldb.dwp.server.default. ldapmodify -f directory.ldif\n# dn: ...\nchangetype: modify\nreplace: icsDWPBackEndHosts\n")
	for _, h := range p.Of(Back) {
		b.WriteString("icsDWPBackEndHosts: " + h + "\n")
	}
	return b.String()
}

// put writes a file whole, unless it says that already.
func put(path string, text []byte, mode fs.FileMode) (changed bool, err error) {
	if have, err := os.ReadFile(path); err == nil && string(have) == string(text) {
		return false, nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path))
	if err != nil {
		return false, fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return false, fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return true, nil
}

// makePushKey makes the key by which push services know the site, unless it is there.
func makePushKey(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make the key of push services: %w", err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode the key of push services: %w", err)
	}
	_, err = put(path, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
	return err
}
