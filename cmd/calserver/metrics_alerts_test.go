package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"factotum/cmd/internal/certificates"
	"factotum/cmd/internal/hosttest"
)

// The rules that are shipped for Prometheus are such, and each alert both fires in a
// scene and is quiet in one.
func TestAlertRules(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("promtool is not installed")
	}
	rules, scenes := filepath.Join(docsDir(t), "prometheus", "factotum.rules.yml"), filepath.Join("testdata", "alerts", "factotum.rules.test.yml")
	for _, args := range [][]string{{"check", "rules", rules}, {"test", "rules", scenes}} {
		if out, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
	told := readFile(t, scenes)
	for _, alert := range regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(readFile(t, rules), -1) {
		for what, scene := range map[string]string{"fires": `alertname: %s\n +exp_alerts:\n +- exp_labels`, "is quiet": `alertname: %s, exp_alerts: \[\]`} {
			if !regexp.MustCompile(fmt.Sprintf(scene, alert[1])).MatchString(told) {
				t.Errorf("no scene in which %s %s", alert[1], what)
			}
		}
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What the rules ask for is what a running server tells, with these labels; and so is
// what the list in docs/admin.md tells of.
func TestAlertedMetricsAreServed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := certificates.Make(dir, []string{"localhost"}, 30); err != nil {
		t.Fatal(err)
	}
	port, secure, admin := freePort(t, "127.0.0.1"), freePort(t, "127.0.0.1"), freePort(t, "127.0.0.1")
	conf := filepath.Join(dir, "ics.conf")
	hosttest.Write(t, filepath.Join(dir, "data", "people.ldif"), "version: 1\n")
	hosttest.Write(t, conf, fmt.Sprintf(`factotum.data.dir = "data"
factotum.directory.type = "ldif"
service.defaultdomain = "example.com"
service.http.listenaddr = "127.0.0.1"
service.http.port = %q
service.http.ssl.port = %q
service.http.ssl.certfile = "localhost.pem"
service.http.ssl.keyfile = "localhost.key"
factotum.admin.listen = "127.0.0.1:%s"
caldb.smtphost = "127.0.0.1"
factotum.xmpp.enable = "yes"
factotum.xmpp.jid = "calendar.example.com"
factotum.xmpp.password = "secret"
factotum.xmpp.server = "127.0.0.1:1"
caldb.serveralarms.url = "enp:///ics/customalarm"
caldb.serveralarms.contenttype = "text/xml"
service.admin.diskusage = "yes"
service.admin.serverresponse = "yes"
caldb.berkeleydb.archive.path = "archive"
`, port, secure, admin))
	said, ended := runServer(t, testProgram(t, "", "calserver", "serve", "-C", conf))
	tells := ""
	awaitServer(t, "telling of all roles", ended, said, func() bool {
		http.Get("http://127.0.0.1:" + port) // one request at least
		resp, err := http.Get("http://127.0.0.1:" + admin + "/metrics")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		tells = string(text)
		return strings.Contains(tells, "factotum_xmpp_connected") && strings.Contains(tells, "factotum_service_response_seconds") && strings.Contains(tells, "factotum_http_requests_total{") &&
			strings.Contains(tells, "factotum_backup_proven_timestamp_seconds{")
	})
	rules := readFile(t, filepath.Join(docsDir(t), "prometheus", "factotum.rules.yml"))
	asked := regexp.MustCompile(`(factotum_\w+)(?:\{(\w+="[^"]*")\})?`).FindAllStringSubmatch(rules, -1)
	if len(asked) < 10 {
		t.Fatalf("the rules ask for %v", asked)
	}
	for _, m := range asked {
		// The server has not failed yet.
		label := strings.Replace(m[2], `class="5xx"`, `class="`, 1)
		if !regexp.MustCompile(`(?m)^` + m[1] + `(\{.*` + regexp.QuoteMeta(label) + `.*\})? `).MatchString(tells) {
			t.Errorf("no %s in\n%s", m[0], tells)
		}
	}
	_, list, _ := strings.Cut(readFile(t, filepath.Join(docsDir(t), "admin.md")), "| metric | tells |\n")
	list, _, _ = strings.Cut(list, "\n\n")
	for _, m := range regexp.MustCompile("`(factotum_\\w+)`").FindAllStringSubmatch(list, -1) {
		if !strings.Contains(tells, "# TYPE "+m[1]+" ") {
			t.Errorf("docs/admin.md tells of %s, and the server does not", m[1])
		}
	}
}
