package acceptance

import (
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"factotum/cmd/internal/hosttest"
	"factotum/notify/relay/smtptest"
	"factotum/notify/webpush"
	"factotum/protocol/dav"
)

// device is a client with its push service: what it is told arrives in messages.
type device struct {
	service  *httptest.Server
	key      *ecdh.PrivateKey
	auth     []byte
	messages chan *dav.Node
	headers  chan http.Header
	status   chan int // of the next answers, 201 when there is none
}

func newDevice(t testing.TB) *device {
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	d := &device{key: key, auth: make([]byte, 16), messages: make(chan *dav.Node, 100), headers: make(chan http.Header, 100), status: make(chan int, 10)}
	rand.Read(d.auth)
	d.service = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case s := <-d.status:
			w.WriteHeader(s)
			return
		default:
		}
		body, _ := io.ReadAll(r.Body)
		text, err := webpush.Decrypt(d.key, d.auth, body)
		if err != nil || r.Header.Get("Content-Encoding") != "aes128gcm" || r.Header.Get("Ttl") == "" || !strings.HasPrefix(r.Header.Get("Authorization"), "vapid t=") {
			t.Errorf("a message: %v, with %v", err, r.Header)
		}
		root, err := dav.Parse(string(text), dav.Limits{})
		if err != nil || root.Name != pushName("push-message") {
			t.Errorf("message %q: %v", text, err)
			return
		}
		w.WriteHeader(http.StatusCreated)
		d.headers <- r.Header
		d.messages <- root
	}))
	t.Cleanup(d.service.Close)
	return d
}

func pushName(local string) dav.Name {
	return dav.Name{Space: "https://bitfire.at/webdav-push", Local: local}
}

// register subscribes as DAVx5 does, and returns the registration's address.
func (d *device) register(t testing.TB, h *host, user, path string) string {
	t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	body := `<?xml version='1.0' encoding='UTF-8' ?><push-register xmlns="https://bitfire.at/webdav-push" xmlns:D="DAV:"><subscription><web-push-subscription>` +
		`<push-resource>` + d.service.URL + `/up</push-resource><content-encoding>aes128gcm</content-encoding>` +
		`<subscription-public-key type="p256dh">` + b64(d.key.PublicKey().Bytes()) + `</subscription-public-key><auth-secret>` + b64(d.auth) + `</auth-secret>` +
		`</web-push-subscription></subscription><trigger><content-update><D:depth>1</D:depth></content-update><property-update><D:depth>0</D:depth></property-update></trigger>` +
		`<expires>` + time.Now().Add(72*time.Hour).UTC().Format(http.TimeFormat) + `</expires></push-register>`
	r := h.do(t, user, "POST", path, body, "Content-Type: application/xml; charset=utf-8").is(201)
	if r.header.Get("Location") == "" || r.header.Get("Expires") == "" {
		t.Fatalf("registered with %v", r.header)
	}
	return r.header.Get("Location")
}

// next is the message that comes next.
func (d *device) next(t testing.TB, h *host) *dav.Node {
	t.Helper()
	select {
	case m := <-d.messages:
		return m
	case <-time.After(hosttest.Patience):
		t.Fatalf("no message comes:\n%s", h.keeper().log)
		return nil
	}
}

const pushProps = `<propfind xmlns="DAV:" xmlns:P="https://bitfire.at/webdav-push"><prop><P:transports/><P:topic/><sync-token/></prop></propfind>`

var pushLines = []string{`factotum.push.allow = "127.0.0.1"`, `factotum.hooks.allow = "127.0.0.1"`, `factotum.push.delay = "1"`}

// pushStory: anna's telephone learns of what her other client stores, and not of
// what it stores itself; a share tells who it is shared with.
func pushStory(t *testing.T, h *host) {
	h.visit(t, "anna", "ben")
	d := newDevice(t)
	offer := h.do(t, "anna", "PROPFIND", cal("anna"), pushProps, "Depth: 0").is(207)
	topic, key := offer.value(pushName("topic")), offer.value(pushName("transports"))
	if topic == "" || !strings.Contains(offer.body, `type="p256ecdsa"`) {
		t.Fatalf("offered: %s", offer.body)
	}
	url := d.register(t, h, "anna", cal("anna"))
	h.do(t, "anna", "PUT", cal("anna")+"1.ics", event("1", "20300101T100000Z", "x")).is(201)
	m := d.next(t, h)
	if got := m.Child(pushName("topic")).TrimText(); got != topic {
		t.Errorf("topic %q, want %q", got, topic)
	}
	now := h.do(t, "anna", "PROPFIND", cal("anna"), pushProps, "Depth: 0").is(207)
	if got := m.Child(pushName("content-update")).Child(dav.D("sync-token")).TrimText(); got != now.value(dav.D("sync-token")) || m.Child(pushName("property-update")) != nil {
		t.Errorf("token %q, want %q", got, now.value(dav.D("sync-token")))
	}
	if now.value(pushName("topic")) != topic || now.value(pushName("transports")) != key {
		t.Error("topic or key have changed")
	}
	if head := <-d.headers; head.Get("Urgency") != "normal" || head.Get("Topic") == "" || strings.Contains(head.Get("Topic"), topic) {
		t.Errorf("headers %v", head)
	}
	h.do(t, "anna", "PUT", cal("anna")+"2.ics", event("2", "20300101T100000Z", "x"), `Push-Dont-Notify: "`+url+`"`).is(201)
	h.do(t, "anna", "PROPPATCH", cal("anna"), `<propertyupdate xmlns="DAV:"><set><prop><displayname>Mine</displayname></prop></set></propertyupdate>`).is(207)
	if m := d.next(t, h); m.Child(pushName("property-update")) == nil || m.Child(pushName("content-update")) != nil {
		t.Error("a change of the name is told of as one of contents, or what was not to be told was")
	}
	d.status <- http.StatusGone
	h.do(t, "anna", "DELETE", cal("anna")+"2.ics", "").is(204)
	for deadline := time.Now().Add(hosttest.Patience); len(d.status) > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no message comes")
		}
	}
	for deadline := time.Now().Add(hosttest.Patience); ; time.Sleep(20 * time.Millisecond) { // until that is noted
		if r := h.do(t, "ben", "DELETE", url[strings.Index(url, "/dav/"):], ""); r.status != 404 {
			t.Fatalf("another user's registration: %d", r.status)
		}
		out, err := calserver(t, "hooks", "list", "-C", h.keeper().conf, "--user", "anna")
		if err == nil && !strings.Contains(out, " push ") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("a registration stays that the push service says is gone: %s %v", out, err)
		}
	}
}

func TestPushOneHost(t *testing.T) {
	h := installed(t, pushLines...).start(t)
	pushStory(t, h)

	// What was not sent when the process died is sent by the next.
	d := newDevice(t)
	d.register(t, h, "anna", cal("anna"))
	h.do(t, "anna", "PUT", cal("anna")+"k.ics", event("k", "20300101T100000Z", "x")).is(201)
	h.cmd.Process.Kill()
	<-h.done
	h.start(t)
	if m := d.next(t, h); m.Child(pushName("content-update")) == nil {
		t.Error("after a crash something else is told")
	}
	h.healthy(t)
}

// Over two hosts the key is one that both were given.
func TestPushTwoHosts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "vapid.pem")
	if out, err := exec.Command(tool(t, "openssl"), "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", file).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	front, _ := split(t, append(pushLines, fmt.Sprintf("factotum.push.vapid = %q", file))...)
	pushStory(t, front)
}

// receiver is a webhook's end.
type receiver struct {
	*httptest.Server
	secret []byte
	got    chan map[string]string
	fail   chan int
}

func newReceiver(t testing.TB) *receiver {
	r := &receiver{got: make(chan map[string]string, 100), fail: make(chan int, 10)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		mac := hmac.New(sha256.New, r.secret)
		fmt.Fprintf(mac, "%s.%s.%s", req.Header.Get("Webhook-Id"), req.Header.Get("Webhook-Timestamp"), body)
		if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); req.Header.Get("Webhook-Signature") != want {
			t.Errorf("signed %q, want %q", req.Header.Get("Webhook-Signature"), want)
		}
		select {
		case s := <-r.fail:
			if s == 0 {
				<-req.Context().Done() // it is killed meanwhile
				return
			}
			w.WriteHeader(s)
			return
		default:
		}
		var d map[string]string
		if err := json.Unmarshal(body, &d); err != nil || d["id"] != req.Header.Get("Webhook-Id") {
			t.Errorf("posted %s: %v", body, err)
		}
		r.got <- d
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) next(t testing.TB, h *host) map[string]string {
	t.Helper()
	select {
	case d := <-r.got:
		return d
	case <-time.After(hosttest.Patience):
		t.Fatalf("nothing is delivered:\n%s", h.keeper().log)
		return nil
	}
}

// A webhook is told of each change, signed, in order, again after a failure, and
// after the death of the server.
func TestWebhook(t *testing.T) {
	sink := smtptest.Start(t, smtptest.Rules{})
	_, port, err := net.SplitHostPort(sink.Addr)
	if err != nil {
		t.Fatal(err)
	}
	h := installed(t, append([]string{`caldb.smtphost = "127.0.0.1"`, `caldb.smtpport = "` + port + `"`}, pushLines...)...).start(t)
	h.visit(t, "anna")
	r := newReceiver(t)
	made := h.do(t, "anna", "POST", "/dav/hooks/", fmt.Sprintf(`{"address": %q, "calid": "anna", "contents": true}`, r.URL+"/hook")).is(201)
	var hook struct{ ID, Secret, State, Problem string }
	if err := json.Unmarshal([]byte(made.body), &hook); err != nil {
		t.Fatal(err)
	}
	if r.secret, err = base64.StdEncoding.DecodeString(strings.TrimPrefix(hook.Secret, "whsec_")); err != nil {
		t.Fatal(err)
	}
	h.do(t, "anna", "POST", "/dav/hooks/anna/"+hook.ID+"/test", "").is(202)
	if d := r.next(t, h); d["what"] != "test" || d["topic"] != "enp:///ics/test?calid=anna" {
		t.Errorf("a test: %v", d)
	}
	r.fail <- 503
	r.fail <- 0
	for i := range 3 {
		h.do(t, "anna", "PUT", fmt.Sprintf("%s%d.ics", cal("anna"), i), event(fmt.Sprint(i), "20300101T100000Z", "Party")).is(201)
	}
	for deadline := time.Now().Add(hosttest.Patience); len(r.fail) > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("nothing is tried:\n%s", h.log)
		}
	}
	h.cmd.Process.Kill()
	<-h.done
	h.start(t)
	for i := range 3 {
		d := r.next(t, h)
		if d["what"] != "caleventcreate" || d["uid"] != fmt.Sprint(i) || d["calid"] != "anna" || !strings.HasSuffix(d["href"], fmt.Sprintf("%s%d.ics", cal("anna"), i)) ||
			d["topic"] != fmt.Sprintf("enp:///ics/caleventcreate?calid=anna&uid=%d", i) || !strings.Contains(d["contents"], "Party") {
			t.Errorf("delivery %d: %v", i, d)
		}
	}
	for _, bad := range []string{"https://127.0.0.2/", "https://10.0.0.1/", "https://[::1]/", "https://169.254.169.254/latest", "ftp://example.com/", "https://u:p@example.com/"} {
		h.do(t, "anna", "POST", "/dav/hooks/", fmt.Sprintf(`{"address": %q}`, bad)).is(403)
	}
	if out, err := calserver(t, "hooks", "test", "-C", h.conf, hook.ID, "--user", "anna"); err != nil {
		t.Errorf("hooks test: %s %v", out, err)
	}
	r.next(t, h)
	if out, err := calserver(t, "hooks", "list", "-C", h.conf, "--user", "anna"); err != nil || !strings.Contains(out, hook.ID+" hook anna anna anna on ") {
		t.Errorf("hooks list: %s %v", out, err)
	}
	r.fail <- http.StatusGone
	h.do(t, "anna", "PUT", cal("anna")+"gone.ics", event("gone", "20300101T100000Z", "Party")).is(201)
	m := sink.Await(t, 1)[0]
	if m.To != "anna@example.com" || m.Header("Subject") != "Your webhook was switched off: "+strings.TrimPrefix(r.URL, "http://") || m.Header("Auto-Submitted") != "auto-generated" {
		t.Errorf("mailed:\n%s", m.Data)
	}
	if out, err := calserver(t, "hooks", "list", "-C", h.conf, "--user", "anna"); err != nil || !strings.Contains(out, hook.ID+" hook anna anna anna off ") || !strings.Contains(out, "410") {
		t.Errorf("hooks list: %s %v", out, err)
	}
	if out, err := calserver(t, "hooks", "delete", "-C", h.conf, hook.ID, "--user", "anna"); err != nil {
		t.Errorf("hooks delete: %s %v", out, err)
	}
	h.do(t, "anna", "GET", "/dav/hooks/anna/"+hook.ID, "").is(404)
	h.healthy(t)
}
