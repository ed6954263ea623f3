package imip

import "factotum/server/admission"

// Arrivals are the messages of a mail as server/admission decides about them.
func (m *Mail) Arrivals(auth Authentication) []admission.Arrival {
	out := make([]admission.Arrival, 0, len(m.Messages))
	a := admission.Arrival{Date: m.Date, Spam: m.Spam != ""}
	if len(m.From) == 1 && m.froms == 1 { // of several senders nobody knows which was proven
		a.Sender = m.From[0].Mail
	}
	a.Proof = auth.Proof(a.Sender)
	for _, s := range auth.DKIM {
		if s.Result == "pass" && m.signsFrom(s.Domain) {
			a.SignedBy = append(a.SignedBy, s.Domain)
		}
	}
	for i := range m.Messages {
		one := a
		one.Calendar, one.Differs, one.Forwarded = m.Messages[i].Calendar, m.Messages[i].Differs, m.Messages[i].Forwarded
		out = append(out, one)
	}
	return out
}
