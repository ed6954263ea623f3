// Package match decides what a question shows of an object: whether it passes a
// filter (Filter), in which form it is wanted (Form), which of its instances are
// meant (Series), and what its reader may not see (Mask). It is pure, and its
// errors have neither Op nor Ref. RFC 4791 §9.6, §9.7, §9.8.
package match
