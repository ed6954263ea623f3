package wcap

import (
	"bytes"
	"encoding/xml"
	"io"
	"mime"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
)

// charsetNamed finds a character set by any of its names; nil for UTF-8, and
// for those that hold no ASCII or that nobody knows.
func charsetNamed(name string) encoding.Encoding {
	name = strings.ToLower(strings.Trim(name, " \"'"))
	if name == "" || len(name) > 40 || strings.HasPrefix(name, "utf") {
		return nil
	}
	enc, err := htmlindex.Get(name)
	if err != nil || enc == encoding.Replacement {
		return nil
	}
	if canonical, err := htmlindex.Name(enc); err != nil || strings.HasPrefix(canonical, "utf") {
		return nil
	}
	return enc
}

// charsetOf is the character set that a media type names.
func charsetOf(contentType string) encoding.Encoding {
	if !strings.Contains(contentType, "charset") {
		return nil
	}
	_, opt, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil
	}
	return charsetNamed(opt["charset"])
}

// toUTF8 decodes octets that are not UTF-8, or that have the escapes of a
// character set of seven bits. UTF-8 stays what it is: clients name a charset
// in which they do not write. WCAP §2.4.1.
func toUTF8(s string, enc encoding.Encoding) string {
	if enc == nil || utf8.ValidString(s) && strings.IndexByte(s, 0x1b) < 0 {
		return s
	}
	text, err := enc.NewDecoder().String(s)
	if err != nil {
		return s
	}
	return text
}

// setCharset tells the parameters in which character set they are: that of
// charset, else of the body that they came in.
func (c *call) setCharset(fromQuery int) {
	if enc := charsetNamed(c.p.text("charset")); enc != nil {
		for i := range c.p {
			c.p[i].enc = enc
		}
		return
	}
	enc := charsetOf(c.r.Header.Get("Content-Type"))
	for i := fromQuery; i < len(c.p) && enc != nil; i++ {
		if c.p[i].enc == nil {
			c.p[i].enc = enc
		}
	}
}

var xmlEncoding = regexp.MustCompile(`^\s*<\?xml[^>]{0,100}encoding=["']([\w.:-]{1,40})["']`)

// xmlDecoder reads a file in the character set that it declares, or that it
// was sent with. It returns the text that it reads, too: that of tokens is
// found in it by their offsets.
func xmlDecoder(data []byte, sent encoding.Encoding) (*xml.Decoder, []byte) {
	if m := xmlEncoding.FindSubmatch(data[:min(len(data), 300)]); m != nil {
		if enc := charsetNamed(string(m[1])); enc != nil {
			sent = enc
		}
	}
	data = []byte(toUTF8(string(data), sent))
	d := xml.NewDecoder(bytes.NewReader(data))
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	return d, data
}
