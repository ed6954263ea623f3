package dav

import (
	"net/http"
	"strings"
)

// Depth is the value of a Depth header, RFC 4918 §10.2.
type Depth int8

// The depths.
const (
	Depth0        Depth = 0
	Depth1        Depth = 1
	DepthInfinity Depth = -1
)

func (d Depth) String() string {
	switch d {
	case Depth0:
		return "0"
	case Depth1:
		return "1"
	}
	return "infinity"
}

// ParseDepth reads the Depth header; def stands for a missing one. Anything
// but 0, 1 and infinity is a 400.
func ParseDepth(h http.Header, def Depth) (Depth, error) {
	values := h["Depth"]
	if len(values) == 0 {
		return def, nil
	}
	if len(values) == 1 {
		switch v := strings.TrimSpace(values[0]); {
		case v == "0":
			return Depth0, nil
		case v == "1":
			return Depth1, nil
		case strings.EqualFold(v, "infinity"):
			return DepthInfinity, nil
		}
	}
	return def, badRequest("Depth is neither 0, 1 nor infinity")
}

// ParseOverwrite reads the Overwrite header: true unless it is F. RFC 4918
// §10.6.
func ParseOverwrite(h http.Header) (bool, error) {
	switch v := strings.TrimSpace(h.Get("Overwrite")); v {
	case "", "T", "t":
		return true, nil
	case "F", "f":
		return false, nil
	}
	return true, badRequest("Overwrite is neither T nor F")
}

// ParseDestination reads the Destination header of a COPY or MOVE as a decoded
// path: 400 if it is missing or malformed, 502 for another server, one that has
// neither the Host of the request nor another of our names. RFC 4918 §10.3,
// §9.8.5.
func ParseDestination(r *http.Request, ours ...string) (string, error) {
	values := r.Header["Destination"]
	if len(values) != 1 || values[0] == "" {
		return "", badRequest("one Destination is needed")
	}
	return DecodeHref(values[0], append(ours, r.Host)...)
}

// NoReply reports whether nobody is to be told of what the owner of a copy does
// with it: Schedule-Reply: F. RFC 6638 §8.1.
func NoReply(h http.Header) bool {
	v := h["Schedule-Reply"]
	return len(v) > 0 && strings.EqualFold(strings.TrimSpace(v[0]), "F")
}

// Preferences are what the client would like: the Prefer header (RFC 7240,
// RFC 8144) and the older Brief.
type Preferences struct {
	Minimal        bool // return=minimal, or Brief: t
	Representation bool // return=representation
	NoRoot         bool // depth-noroot: members only
}

// ParsePrefer reads the preferences. What is unknown or malformed is ignored,
// RFC 7240 §2; of two contradicting ones the first counts.
func ParsePrefer(h http.Header) Preferences {
	var p Preferences
	returned := false
	for _, line := range h["Prefer"] {
		for item := range strings.SplitSeq(line, ",") {
			item, _, _ = strings.Cut(item, ";")
			key, value, _ := strings.Cut(item, "=")
			key = strings.ToLower(strings.TrimSpace(key))
			value = strings.ToLower(strings.Trim(strings.TrimSpace(value), `"`))
			switch {
			case key == "depth-noroot":
				p.NoRoot = true
			case returned:
			case key == "return" && value == "minimal", key == "return-minimal":
				p.Minimal, returned = true, true
			case key == "return" && value == "representation", key == "return-representation":
				p.Representation, returned = true, true
			}
		}
	}
	if !returned && strings.EqualFold(strings.TrimSpace(h.Get("Brief")), "t") {
		p.Minimal = true
	}
	return p
}

var vary = []string{"Brief, Prefer"} // shared, see xmlType

// Apply sets Vary and, for the preferences that were asked for and honoured,
// Preference-Applied (RFC 7240 §3).
func (p Preferences) Apply(h http.Header) {
	if _, ok := h["Vary"]; ok {
		h.Add("Vary", vary[0])
	} else {
		h["Vary"] = vary
	}
	var applied []string
	if p.Minimal {
		applied = append(applied, "return=minimal")
	}
	if p.Representation {
		applied = append(applied, "return=representation")
	}
	if p.NoRoot {
		applied = append(applied, "depth-noroot")
	}
	if len(applied) > 0 {
		h.Set("Preference-Applied", strings.Join(applied, ", "))
	}
}
