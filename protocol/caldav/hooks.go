package caldav

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"factotum/protocol/dav"
	"factotum/server/calendar"
)

// hookSecretPrefix begins the secret of a webhook, as Standard Webhooks writes it.
const hookSecretPrefix = "whsec_"

// newHook is what is posted to register a webhook.
type newHook struct {
	Address  string    `json:"address"`
	CalID    string    `json:"calid"` // "" = all of the user's home
	Contents bool      `json:"contents"`
	Secret   string    `json:"secret"` // "" = the server makes one
	Expires  time.Time `json:"expires"`
}

// shownHook is a webhook as it is shown.
type shownHook struct {
	ID       string `json:"id"`
	Owner    string `json:"owner"`
	CalID    string `json:"calid,omitempty"`
	User     string `json:"user"`
	Address  string `json:"address"`
	Contents bool   `json:"contents"`
	Secret   string `json:"secret,omitempty"`
	State    string `json:"state"` // on, failing, off
	Created  string `json:"created"`
	Expires  string `json:"expires,omitempty"`
	Failures int    `json:"failures,omitempty"`
	Since    string `json:"since,omitempty"`
	Last     string `json:"last,omitempty"`
	Problem  string `json:"problem,omitempty"`
}

func showHook(r *calendar.Registration, secret []byte) shownHook {
	h := shownHook{ID: r.ID, Owner: string(r.Owner), CalID: string(r.Calendar), User: r.User, Address: r.Address, Contents: r.Contents, State: "on",
		Created: timeText(r.Created), Expires: timeText(r.Expires), Failures: r.Failures, Since: timeText(r.Since), Last: timeText(r.Last), Problem: r.Problem}
	switch {
	case r.Off:
		h.State = "off"
	case r.Failures > 0:
		h.State = "failing"
	}
	if len(secret) > 0 {
		h.Secret = hookSecretPrefix + base64.StdEncoding.EncodeToString(secret)
	}
	return h
}

// hooks answers for webhooks, in JSON: the list of a home and one of them. docs/push.md.
func (rq *request) hooks(rest string) error {
	owner, id, _ := strings.Cut(rest, "/")
	id, test := strings.CutSuffix(id, "/test")
	var err error
	switch {
	case rq.r.Method == http.MethodOptions:
		h := rq.w.Header()
		h.Set("Allow", "OPTIONS, GET, HEAD, POST, DELETE")
		h.Set("Content-Length", "0")
		rq.w.WriteHeader(http.StatusOK)
		return nil
	case rest == "" && rq.r.Method == http.MethodPost:
		err = rq.addHook()
	case id == "" && (rq.r.Method == http.MethodGet || rq.r.Method == http.MethodHead):
		err = rq.listHooks(owner, "")
	case id == "" && calendar.CheckOwner(calendar.Owner(owner)) == nil, rest == "":
		err = errMethod
	case calendar.CheckOwner(calendar.Owner(owner)) != nil || strings.Contains(id, "/"):
		err = errNotFound
	case test && rq.r.Method == http.MethodPost:
		err = rq.be.TestHook(rq.ctx, rq.who, calendar.TestHookRequest{Owner: calendar.Owner(rq.canonical(owner)), ID: id})
		if err == nil {
			err = rq.json(http.StatusAccepted, map[string]string{"result": "A test is on its way; the list shows what becomes of it."})
		}
	case test:
		err = errMethod
	case rq.r.Method == http.MethodGet || rq.r.Method == http.MethodHead:
		err = rq.listHooks(owner, id)
	case rq.r.Method == http.MethodDelete:
		err = rq.be.Unregister(rq.ctx, rq.who, calendar.UnregisterRequest{Owner: calendar.Owner(rq.canonical(owner)), ID: id, Kind: calendar.HookRegistration})
		if err == nil {
			rq.w.WriteHeader(http.StatusNoContent)
		}
	default:
		err = errMethod
	}
	return rq.jsonError(err)
}

// jsonError answers an error in the language of webhooks; who has to log in, and
// what is not theirs to say, is answered as everywhere.
func (rq *request) jsonError(err error) error {
	if err == nil || err == errMethod || calendar.KindOf(err) == calendar.LoginFailed {
		return err
	}
	de := rq.translate(err)
	if de.Status >= 500 {
		return err
	}
	if n, ok := calendar.RetryAfter(err); ok {
		rq.w.Header().Set("Retry-After", strconv.FormatInt(n, 10))
	} else if de.Status == http.StatusTooManyRequests {
		rq.w.Header().Set("Retry-After", rq.retryAfter)
	}
	text := de.Text
	if text == "" {
		text = http.StatusText(de.Status)
	}
	return rq.json(de.Status, map[string]string{"error": text})
}

func (rq *request) json(status int, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	h := rq.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h["X-Content-Type-Options"] = noSniff
	rq.w.WriteHeader(status)
	if rq.r.Method != http.MethodHead {
		_, _ = rq.w.Write(append(text, '\n')) // the client hanging up is no failure of ours
	}
	return nil
}

func badHook(text string) error { return &dav.Error{Status: http.StatusBadRequest, Text: text} }

func (rq *request) addHook() error {
	var in newHook
	dec := json.NewDecoder(http.MaxBytesReader(rq.w, rq.r.Body, 64<<10))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		var large *http.MaxBytesError
		switch {
		case errors.As(err, &large):
			return &dav.Error{Status: http.StatusRequestEntityTooLarge, Text: "a webhook is described in less than 64 KiB"}
		case errors.Is(err, io.EOF):
			return badHook(`the body is empty; it is JSON such as {"address": "https://example.com/hook", "calid": "anna:work"}`)
		}
		return badHook("the body cannot be read as JSON of a webhook: " + strings.TrimPrefix(err.Error(), "json: "))
	}
	if dec.More() {
		return badHook("the body has more than one JSON value")
	}
	if in.Address == "" {
		return badHook("address is missing: the URL that changes are posted to")
	}
	id := calendar.ID(in.CalID)
	req := calendar.RegisterRequest{Kind: calendar.HookRegistration, Address: in.Address, Calendar: id, Owner: calendar.Owner(rq.me.ID), Contents: in.Contents, Expires: in.Expires,
		Triggers: calendar.Triggers{Content: calendar.DepthInfinity, Properties: calendar.DepthInfinity}}
	if id != "" {
		if calendar.CheckOwner(id.Owner()) != nil || calendar.CheckName(id.Name()) != nil {
			return badHook("calid names no calendar; one is anna or anna:work")
		}
		req.Owner = calendar.Owner(rq.canonical(string(id.Owner())))
		req.Calendar = calendar.NewID(req.Owner, id.Name())
	}
	if in.Secret != "" {
		var err error
		if req.Secret, err = base64.StdEncoding.DecodeString(strings.TrimPrefix(in.Secret, hookSecretPrefix)); err != nil {
			return badHook("secret is " + hookSecretPrefix + " and 24 to 64 octets in base64")
		}
	}
	res, err := rq.be.Register(rq.ctx, rq.who, req)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if res.Created {
		status = http.StatusCreated
		rq.w.Header().Set("Location", rq.registrationURL(calendar.HooksPath, &res.Registration))
	}
	return rq.json(status, showHook(&res.Registration, res.Secret))
}

// listHooks shows the webhooks of a home, or one of them.
func (rq *request) listHooks(owner, id string) error {
	if owner == "" {
		owner = rq.me.ID
	}
	if calendar.CheckOwner(calendar.Owner(owner)) != nil {
		return errNotFound
	}
	list, err := rq.be.Registrations(rq.ctx, rq.who, calendar.RegistrationsRequest{Owner: calendar.Owner(rq.canonical(owner)), Kind: calendar.HookRegistration})
	if err != nil {
		return err
	}
	out := []shownHook{}
	for i := range list {
		h := showHook(&list[i], nil)
		if h.ID == id {
			return rq.json(http.StatusOK, h)
		}
		out = append(out, h)
	}
	if id != "" {
		return errNotFound
	}
	return rq.json(http.StatusOK, map[string]any{"hooks": out})
}

// decodeBase64 reads base64url, with padding or without.
func decodeBase64(s string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
}
