package wcap

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"
)

// maxGUIDs is how many one call makes. Who wants more asks again: nobody takes
// fewer for all.
const maxGUIDs = 10_000

// getGUIDs makes unique identifiers: 32 hexadecimal digits. A client takes
// the first element of the block for the first one, so nothing stands before
// it, and there is no errno. WCAP get_guids.
func (c *call) getGUIDs() error {
	n := c.p.integer("guidCount", 1)
	if n > maxGUIDs {
		return BadArguments
	}
	c.out.begin("")
	for i := range n {
		var b [16]byte
		rand.Read(b[:])
		c.out.value("X-NSCP-GUID"+strconv.Itoa(i), hex.EncodeToString(b[:]))
	}
	c.out.end()
	return nil
}
