package sqlstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
)

// image is a SQLite file with its write-ahead log, read page by page without
// SQLite, which refuses a file as a whole where one page is damaged. The format
// is https://www.sqlite.org/fileformat2.html.
type image struct {
	file  *os.File
	log   *os.File // nil: there is none
	size  int      // of a page
	use   int      // of a page, without what is reserved at its end
	pages uint32   // of the database
	cut   uint32   // the page of which the file has only the first rest octets; 0: none
	rest  int
	moved map[uint32]int64 // pages in the log: where

	faults []string // what is wrong before any page is looked at
}

const (
	fileMagic   = "SQLite format 3\x00"
	ourPageSize = 4096
	maxPayload  = 256 << 20 // longer than any row that is written
)

// The kinds of pages that hold rows.
const (
	indexInterior byte = 2
	tableInterior byte = 5
	indexLeaf     byte = 10
	tableLeaf     byte = 13
)

func openImage(path string) (*image, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	im := &image{file: f, moved: map[uint32]int64{}}
	if err = im.header(); err == nil {
		err = im.readLog(path + "-wal")
		if err == nil {
			if first, ok := im.page(1); ok && string(first[:16]) == fileMagic {
				if told := binary.BigEndian.Uint32(first[28:]); told > im.pages {
					im.fault("it is cut off: %d pages of %d are there", im.pages, told)
				}
			}
			return im, nil
		}
	}
	im.close()
	return nil, err
}

func (im *image) close() {
	im.file.Close()
	if im.log != nil {
		im.log.Close()
	}
}

func (im *image) fault(format string, args ...any) {
	im.faults = append(im.faults, fmt.Sprintf(format, args...))
}

// header learns the size of pages; where it is damaged it is ours.
func (im *image) header() error {
	info, err := im.file.Stat()
	if err != nil {
		return err
	}
	var h [100]byte
	n, err := im.file.ReadAt(h[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	im.size = int(binary.BigEndian.Uint16(h[16:]))
	if im.size == 1 {
		im.size = 65536
	}
	switch {
	case n == 0:
		im.fault("the file is empty")
	case n < len(h) || string(h[:16]) != fileMagic:
		im.fault("its header is not that of a SQLite database")
	}
	if im.size < 512 || im.size&(im.size-1) != 0 || im.size != ourPageSize && im.likely(im.size, info.Size()) <= im.likely(ourPageSize, info.Size()) {
		if n == len(h) {
			im.fault("its header tells a wrong size of pages")
		}
		im.size = ourPageSize
	}
	if im.use = im.size; n == len(h) && h[20] != 0 && len(im.faults) == 0 {
		im.fault("its header tells of octets that pages leave free") // ours never do
	}
	im.pages = uint32(min((info.Size()+int64(im.size)-1)/int64(im.size), math.MaxUint32))
	if info.Size()%int64(im.size) != 0 {
		im.fault("its last page is cut off")
		im.cut, im.rest = im.pages, int(info.Size()%int64(im.size))
	}
	return nil
}

// likely counts the octets that are in pages of trees if pages have a size: rows
// are put at the end of a page, so that some begin in its second half.
func (im *image) likely(size int, octets int64) (sum int64) {
	h := make([]byte, size)
	for at := int64(size); at+int64(size) <= octets; at += int64(size) { // the first one begins otherwise
		if _, err := im.file.ReadAt(h, at); err != nil {
			return sum
		}
		cells, array, last := int(binary.BigEndian.Uint16(h[3:])), 8, 0
		switch h[0] {
		case indexInterior, tableInterior:
			array = 12
		case indexLeaf, tableLeaf:
		default:
			continue
		}
		if cells > size/6 {
			continue
		}
		for i := range cells {
			last = max(last, int(binary.BigEndian.Uint16(h[array+2*i:])))
		}
		if last >= size/2 && last < size {
			sum += int64(size)
		}
	}
	return sum
}

// readLog finds the pages that commits have put into the log. A frame whose sum
// is wrong, with written ones behind it, is damage; the frames behind it are
// taken all the same, which SQLite would leave out.
func (im *image) readLog(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	im.log = f
	var h [32]byte
	if n, err := f.ReadAt(h[:], 0); n < len(h) {
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		return nil // nothing was written to it
	}
	magic := binary.BigEndian.Uint32(h[0:])
	var order binary.ByteOrder = binary.LittleEndian
	if magic&1 != 0 {
		order = binary.BigEndian
	}
	a, b := logSum(order, h[:24], 0, 0)
	if magic&^1 != 0x377f0682 || binary.BigEndian.Uint32(h[8:]) != uint32(im.size) ||
		a != binary.BigEndian.Uint32(h[24:]) || b != binary.BigEndian.Uint32(h[28:]) {
		if magic != 0 {
			im.fault("the header of its log (%s) is damaged", path)
		}
		if binary.BigEndian.Uint32(h[8:]) != uint32(im.size) && len(im.faults) == 0 {
			return nil
		}
	}
	if im.pages == 0 {
		im.fault("the file is empty, but its log is not")
	}
	frame := make([]byte, 24+im.size)
	whole, told := true, false
	var open []func() // pages of a transaction that is not known to be committed
	for at := int64(32); ; at += int64(len(frame)) {
		if n, err := f.ReadAt(frame, at); n < len(frame) {
			if err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			return nil
		}
		if string(frame[8:16]) != string(h[16:24]) {
			return nil // of an earlier round
		}
		if whole {
			a, b = logSum(order, frame[:8], a, b)
			a, b = logSum(order, frame[24:], a, b)
			whole = a == binary.BigEndian.Uint32(frame[16:]) && b == binary.BigEndian.Uint32(frame[20:])
		}
		page, commit, bad := binary.BigEndian.Uint32(frame), binary.BigEndian.Uint32(frame[4:]), !whole
		where := at + 24
		open = append(open, func() {
			if page != 0 && page < 1<<31 {
				im.moved[page] = where
			}
		})
		if commit == 0 || commit >= 1<<31 {
			continue
		}
		if bad && !told {
			told = true
			im.fault("its log is damaged at octet %d, with commits behind: opening the database would lose them", at)
		}
		for _, take := range open {
			take()
		}
		open = open[:0]
		im.pages = max(im.pages, commit)
	}
}

// logSum is the checksum of frames.
func logSum(order binary.ByteOrder, data []byte, a, b uint32) (uint32, uint32) {
	for i := 0; i+8 <= len(data); i += 8 {
		a += order.Uint32(data[i:]) + b
		b += order.Uint32(data[i+4:]) + a
	}
	return a, b
}

// page reads one; ok is false where it is not there, or cannot be read.
func (im *image) page(n uint32) (p []byte, ok bool) {
	if n == 0 || n > im.pages {
		return nil, false
	}
	p = make([]byte, im.size)
	var err error
	if at, in := im.moved[n]; in {
		_, err = im.log.ReadAt(p, at)
	} else {
		_, err = im.file.ReadAt(p, int64(n-1)*int64(im.size))
	}
	return p, err == nil || errors.Is(err, io.EOF) // the last one may be cut off
}

// end is where a page ends, within which what it holds must lie: one that is cut off
// reads as if zeros followed.
func (im *image) end(n uint32) int {
	if _, in := im.moved[n]; n == im.cut && !in {
		return min(im.use, im.rest)
	}
	return im.use
}

// head is where a page's own header begins.
func head(n uint32) int {
	if n == 1 {
		return 100
	}
	return 0
}

// children are the pages below an interior page.
func (im *image) children(n uint32, p []byte) (kids []uint32) {
	at := head(n)
	for _, off := range im.cells(n, p) {
		kids = append(kids, binary.BigEndian.Uint32(p[off:]))
	}
	return append(kids, binary.BigEndian.Uint32(p[at+8:]))
}

// cells are where the cells of a page begin, those that lie within it.
func (im *image) cells(n uint32, p []byte) (offsets []int) {
	at := head(n)
	count, array := int(binary.BigEndian.Uint16(p[at+3:])), at+8
	if p[at] == indexInterior || p[at] == tableInterior {
		array += 4
	}
	for i := range count {
		if array+2*i+2 > im.use {
			break
		}
		if off := int(binary.BigEndian.Uint16(p[array+2*i:])); off > array && off+4 <= im.use {
			offsets = append(offsets, off)
		}
	}
	return offsets
}

// rows calls fn with the rows of a page: their values, and the row's number in
// tables that have one. It tells how many cells cannot be read.
func (im *image) rows(n uint32, p []byte, fn func(rowid int64, values []any)) (bad int) {
	kind := p[head(n)]
	if kind == tableInterior {
		return 0
	}
	count := int(binary.BigEndian.Uint16(p[head(n)+3:]))
	if count > im.use/6 {
		return 1 // no page has so many: it is of something else
	}
	offsets := im.cells(n, p)
	bad = max(count-len(offsets), 0)
	for _, off := range offsets {
		rowid, payload, ok := im.cell(p, kind, off, im.end(n))
		if !ok {
			bad++
			continue
		}
		values, ok := record(payload)
		if !ok {
			bad++
			continue
		}
		fn(rowid, values)
	}
	return bad
}

// cell puts the payload of a cell together, of a page that ends at end.
func (im *image) cell(p []byte, kind byte, off, end int) (rowid int64, payload []byte, ok bool) {
	if kind == indexInterior {
		off += 4
	}
	length, n := varint(p[min(off, end):end])
	if off += n; n == 0 || length > maxPayload {
		return 0, nil, false
	}
	total, most := int(length), (im.use-12)*64/255-23
	if kind == tableLeaf {
		id, n := varint(p[off:end])
		if n == 0 {
			return 0, nil, false
		}
		off, rowid, most = off+n, int64(id), im.use-35
	}
	local := total
	if total > most {
		least := (im.use-12)*32/255 - 23
		if local = least + (total-least)%(im.use-4); local > most {
			local = least
		}
	}
	if off+local > end {
		return 0, nil, false
	}
	payload = append(make([]byte, 0, min(total, 1<<20)), p[off:off+local]...)
	if local == total {
		return rowid, payload, true
	}
	if off+local+4 > end {
		return 0, nil, false
	}
	for next := binary.BigEndian.Uint32(p[off+local:]); len(payload) < total; {
		o, ok := im.page(next)
		part := min(im.use-4, total-len(payload))
		if !ok || len(bytes.Trim(o, "\x00")) == 0 || 4+part > im.end(next) {
			return 0, nil, false
		}
		next = binary.BigEndian.Uint32(o)
		payload = append(payload, o[4:4+part]...)
	}
	return rowid, payload, true
}

// record takes a row apart: nil, int64, string, []byte; float64 is none of ours.
func record(p []byte) (values []any, ok bool) {
	header, at := varint(p)
	if at == 0 || header > uint64(len(p)) {
		return nil, false
	}
	body := int(header)
	for at < int(header) {
		kind, n := varint(p[at:header])
		if at += n; n == 0 || len(values) >= 64 {
			return nil, false
		}
		size := 0
		switch {
		case kind >= 1 && kind <= 4:
			size = int(kind)
		case kind == 5:
			size = 6
		case kind == 6:
			size = 8
		case kind >= 12 && kind < 2*maxPayload:
			size = int(kind-12) / 2
		case kind == 0, kind == 8, kind == 9:
		default:
			return nil, false
		}
		if body+size > len(p) {
			return nil, false
		}
		b := p[body : body+size]
		body += size
		switch {
		case kind == 0:
			values = append(values, nil)
		case kind == 8 || kind == 9:
			values = append(values, int64(kind-8))
		case kind <= 6:
			v := int64(int8(b[0]))
			for _, c := range b[1:] {
				v = v<<8 | int64(c)
			}
			values = append(values, v)
		case kind%2 == 0:
			values = append(values, b)
		default:
			values = append(values, string(b))
		}
	}
	return values, at == int(header) && body == len(p)
}

// varint is SQLite's: seven bits an octet, the ninth has eight. n is 0 where it
// does not end.
func varint(p []byte) (v uint64, n int) {
	for n < len(p) && n < 9 {
		b := p[n]
		n++
		if n == 9 {
			return v<<8 | uint64(b), n
		}
		v = v<<7 | uint64(b&0x7f)
		if b < 0x80 {
			return v, n
		}
	}
	return 0, 0
}

// free are the pages that the database has given up, as far as their list can
// be followed; what they hold is old.
func (im *image) free() map[uint32]bool {
	out := map[uint32]bool{}
	first, ok := im.page(1)
	if !ok {
		return out
	}
	for trunk := binary.BigEndian.Uint32(first[32:]); trunk != 0 && !out[trunk]; {
		p, ok := im.page(trunk)
		n := uint32(0)
		if ok {
			n = binary.BigEndian.Uint32(p[4:])
		}
		if !ok || int(n) > im.use/4-2 {
			break
		}
		out[trunk] = true
		for i := range n {
			out[binary.BigEndian.Uint32(p[8+4*i:])] = true
		}
		trunk = binary.BigEndian.Uint32(p)
	}
	return out
}
