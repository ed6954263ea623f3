package archive

import (
	"log/slog"
	"os"

	"golang.org/x/sys/unix"
)

// retire removes the oldest periods of a target: those above its most, and where the disk
// is fuller than it may be those above its least. admin.md §9.5. A period whose snapshot
// is not complete, but for the one that is made, counts for nothing and goes with those before
// it. The newest that was proven stays, whatever came after it. Where no snapshot could be
// taken, room alone is made: what is too many is not known.
func retire(t Target, room bool, log *slog.Logger) error {
	periods, err := Periods(t.Path)
	if err != nil {
		return err
	}
	complete, proven := 0, -1
	for i, p := range periods {
		if !p.Ended.IsZero() {
			complete++
		}
		if p.Proof != nil && p.Proof.Failed == "" {
			proven = i
		}
	}
	for i, p := range periods {
		if i == len(periods)-1 || i == proven {
			break
		}
		if !p.Ended.IsZero() {
			tooMany := !room && complete > max(t.Max, 1)
			if complete <= max(t.Min, 1) || !tooMany && !fuller(t.Path, t.Percent) {
				break
			}
			complete--
		}
		if err := os.RemoveAll(p.Dir); err != nil {
			return err
		}
		log.Info("an old backup is removed", "directory", p.Dir)
	}
	return nil
}

// fuller tells whether more than so many percent of a disk are used.
func fuller(path string, percent int) bool {
	var s unix.Statfs_t
	if percent <= 0 || percent >= 100 || unix.Statfs(path, &s) != nil || s.Blocks == 0 {
		return false
	}
	used := s.Blocks - s.Bfree
	return used*100 > uint64(percent)*(used+s.Bavail)
}
