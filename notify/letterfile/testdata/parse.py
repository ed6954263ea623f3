# Reads mails, one a line as base64, and tells as JSON what a mail program
# understands of each: by Python's email, and of text/calendar by icalendar.
import base64, email, email.policy, json, sys
from html.parser import HTMLParser
from icalendar import Calendar


class Text(HTMLParser):
    def __init__(self):
        super().__init__()
        self.out, self.silent = [], False

    def handle_starttag(self, tag, attrs):
        self.silent = self.silent or tag == "head"
        self.out.append(" ")

    def handle_endtag(self, tag):
        if tag == "head":
            self.silent = False
        self.out.append(" ")

    def handle_data(self, data):
        if not self.silent:
            self.out.append(data)


for line in sys.stdin:
    raw = base64.b64decode(line)
    m = email.message_from_bytes(raw, policy=email.policy.default)
    told = {"subject": m["Subject"], "headers": m.keys(), "types": [], "defects": [], "ascii": raw.isascii(), "longest": max(map(len, raw.split(b"\n")))}
    for p in m.walk():
        told["types"].append(p.get_content_type())
        told["defects"] += [str(d) for d in p.defects]
        for h in p.values():
            told["defects"] += [str(d) for d in getattr(h, "defects", [])]
        kind = p.get_content_type()
        if kind == "text/plain":
            told["plain"] = p.get_content()
        elif kind == "text/html":
            t = Text()
            t.feed(p.get_content())
            told["html"] = " ".join("".join(t.out).split())
        elif kind == "application/ics":
            told["file"] = p.get_payload(decode=True).decode("utf-8")
            told["filename"] = "; ".join(filter(None, [p.get_content_disposition(), p.get_filename()]))
        elif kind == "text/calendar":
            ics = p.get_payload(decode=True)
            told["disposition"] = "; ".join(filter(None, [p.get_content_disposition(), p.get_filename()]))
            told["ics"] = ics.decode("utf-8")
            cal = Calendar.from_ical(ics)
            told["method"] = [cal.get("METHOD"), p.get_param("method"), p.get_param("component")]
            told["components"] = [[c.name, str(c.get("UID", "")), str(c.get("SUMMARY", ""))] for c in cal.subcomponents]
    print(json.dumps(told))
