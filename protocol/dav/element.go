package dav

// The calls below write elements where the document stands: directly in a
// response, properties (they begin the group 200 if no group is open), and
// within Start and End their content.

func (mw *Writer) property() {
	if mw.state == inResponse {
		mw.Propstat(200)
	}
}

// Text writes <name>value</name>, escaped.
func (mw *Writer) Text(name Name, value string) {
	prefix := prefixOf(name.Space)
	if prefix == "" || len(value) > 256 {
		mw.open(name)
		chars(mw, value)
		mw.shut(name)
		return
	}
	// The way of a listing's many small properties.
	mw.property()
	buf := append(mw.buf, '<')
	buf = append(buf, prefix...)
	buf = append(buf, name.Local...)
	buf = append(buf, '>')
	buf = AppendText(buf, value)
	buf = append(buf, "</"...)
	buf = append(buf, prefix...)
	buf = append(buf, name.Local...)
	mw.buf = append(buf, '>')
	mw.room()
}

// TextBytes is Text for octets.
func (mw *Writer) TextBytes(name Name, value []byte) {
	mw.open(name)
	chars(mw, value)
	mw.shut(name)
}

// Raw writes <name>inner</name>; inner is well-formed XML or escaped text.
func (mw *Writer) Raw(name Name, inner []byte) {
	mw.open(name)
	mw.RawBytes(inner)
	mw.shut(name)
}

// Empty writes <name/> with the attributes given as pairs of name and value.
func (mw *Writer) Empty(name Name, attrs ...string) {
	mw.property()
	mw.buf = appendStart(mw.buf, name, attrs)
	mw.buf = append(mw.buf, "/>"...)
	mw.room()
}

// Href writes <name><D:href>path</D:href></name> for a decoded path given in
// parts.
func (mw *Writer) Href(name Name, parts ...string) {
	mw.open(name)
	mw.buf = AppendHref(mw.buf, parts...)
	mw.shut(name)
}

// Start writes a start tag; End must follow. Attributes come in pairs of name
// and value.
func (mw *Writer) Start(name Name, attrs ...string) {
	mw.property()
	mw.buf = appendStart(mw.buf, name, attrs)
	mw.buf = append(mw.buf, '>')
}

// End writes the end tag of an element begun by Start.
func (mw *Writer) End(name Name) { mw.shut(name) }

// Element writes a whole element as Fragment returned it: a dead property.
func (mw *Writer) Element(fragment string) {
	mw.property()
	mw.buf = append(mw.buf, fragment...)
	mw.room()
}

// Chars writes character data, escaped.
func (mw *Writer) Chars(s string) { chars(mw, s) }

// RawBytes writes bytes that are well-formed XML or escaped text already.
func (mw *Writer) RawBytes(b []byte) {
	if len(b) < flushAt {
		mw.buf = append(mw.buf, b...)
		mw.room()
		return
	}
	mw.flush()
	if mw.err == nil {
		_, mw.err = mw.w.Write(b)
	}
}

// RawString is RawBytes for a string.
func (mw *Writer) RawString(s string) {
	mw.buf = append(mw.buf, s...)
	mw.room()
}

func (mw *Writer) open(name Name) {
	mw.property()
	if p := prefixOf(name.Space); p != "" {
		mw.buf = append(mw.buf, '<')
		mw.buf = append(mw.buf, p...)
		mw.buf = append(mw.buf, name.Local...)
	} else {
		mw.buf = appendStart(mw.buf, name, nil)
	}
	mw.buf = append(mw.buf, '>')
}

func (mw *Writer) shut(name Name) {
	mw.buf = append(mw.buf, "</"...)
	mw.buf = appendName(mw.buf, name)
	mw.buf = append(mw.buf, '>')
	mw.room()
}

// chars escapes s in pieces, so that a large value does not make the buffer
// grow.
func chars[T string | []byte](mw *Writer, s T) {
	const piece = 8 << 10
	for len(s) > piece {
		n := piece
		// A piece ends with a whole character, if there are any.
		for n > piece-4 && s[n]&0xC0 == 0x80 {
			n--
		}
		mw.buf = AppendText(mw.buf, s[:n])
		mw.room()
		s = s[n:]
	}
	mw.buf = AppendText(mw.buf, s)
	mw.room()
}
