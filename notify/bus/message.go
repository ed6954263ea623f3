package bus

import (
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"factotum/server/calendar"
)

// Headers of a message; its body is the payload.
const (
	headerRef     = "Ens-Ref" // the event reference with its parameters
	headerOwner   = "Ens-Owner"
	headerWhen    = "Ens-When" // RFC 3339
	headerExpires = "Ens-Expires"
	headerType    = "Content-Type"
	// headerID is where the broker looks for what it knows a repetition by.
	headerID = nats.MsgIdHdr
	// headerCut says that the payload is left out, since the broker takes none of
	// its size.
	headerCut = "Ens-Payload-Too-Large"

	headerRoom = 8 << 10 // of the broker's limit
)

// encode makes a message of a publication. maxPayload is the broker's, 0 if it is
// not known.
func encode(root string, p *calendar.Publication, maxPayload int64) (*nats.Msg, error) {
	ref, err := calendar.ParseEventRef(p.Ref)
	if err != nil {
		return nil, err
	}
	s, err := subject(root, ref.Topic)
	if err != nil {
		return nil, err
	}
	m := &nats.Msg{Subject: s, Header: make(nats.Header, 6), Data: p.Data}
	set := func(name, value string) {
		if value != "" {
			m.Header[name] = []string{strings.Map(printable, value)}
		}
	}
	set(headerRef, p.Ref)
	set(headerID, p.ID)
	set(headerOwner, string(p.Owner))
	set(headerType, p.ContentType)
	set(headerWhen, stamp(p.When))
	set(headerExpires, stamp(p.Expires))
	if maxPayload > 0 && int64(len(p.Data)) > maxPayload-headerRoom {
		m.Data = nil
		set(headerCut, "yes")
	}
	return m, nil
}

func printable(r rune) rune {
	if r < ' ' || r == 0x7f {
		return -1
	}
	return r
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// decode reads a message. What is not ours, or no publication, has ok false.
func decode(h nats.Header, data []byte) (p calendar.Publication, ref calendar.EventRef, ok bool) {
	ref, err := calendar.ParseEventRef(h.Get(headerRef))
	if err != nil {
		return p, ref, false
	}
	p = calendar.Publication{ID: h.Get(headerID), Ref: ref.String(), Owner: calendar.Owner(h.Get(headerOwner)), ContentType: h.Get(headerType), Data: data}
	p.When, _ = time.Parse(time.RFC3339Nano, h.Get(headerWhen))
	p.Expires, _ = time.Parse(time.RFC3339Nano, h.Get(headerExpires))
	return p, ref, true
}
