// Package place looks at a place before something is kept there: which file system it is
// on, whether locks, syncs and renames do what a database needs, and how long a write
// takes that is on the disk when it returns. It judges by what the place is for.
//
// What it writes is in files of its own, whose names begin with ".disk-check", and gone
// when it returns.
package place

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Purpose says what a place is for.
type Purpose int

// The values of Purpose.
const (
	Database Purpose = iota // SQLite: its log needs the memory of one host
	Backup                  // copies: files that are written once
	Files                   // logs and sockets, and PostgreSQL's host
)

// Kind says what a file system is.
type Kind string

// The values of Kind.
const (
	Local   Kind = "local"
	Network Kind = "network" // several hosts may have it
	Shared  Kind = "shared"  // of a host, in a virtual machine
	Memory  Kind = "memory"
	Layer   Kind = "layer" // of a container
	User    Kind = "fuse"  // a program's
	Unknown Kind = "unknown"
)

// kinds are the file systems by the names that the kernel gives them. proc_mounts(5).
var kinds = map[string]Kind{}

func init() {
	for kind, names := range map[Kind]string{
		Local: "ext2 ext3 ext4 xfs btrfs zfs f2fs jfs reiserfs bcachefs nilfs2 fuseblk fuse.ntfs-3g hfsplus apfs ufs vfat exfat ntfs ntfs3 msdos",
		Network: "nfs nfs4 cifs smb3 smbfs smb2 afs ceph glusterfs lustre gpfs beegfs coda ncpfs davfs pvfs2 orangefs ocfs2 gfs2 " +
			"fuse.sshfs fuse.s3fs fuse.glusterfs fuse.rclone fuse.gcsfuse fuse.davfs2 fuse.cephfs fuse.ceph-fuse fuse.goofys fuse.juicefs fuse.blobfuse2 fuse.smbnetfs fuse.nfs",
		Shared: "9p virtiofs vboxsf fuse.vmhgfs-fuse fuse.lxcfs fakeowner grpcfuse",
		Memory: "tmpfs ramfs",
		Layer:  "overlay aufs fuse.fuse-overlayfs",
	} {
		for name := range strings.FieldsSeq(names) {
			kinds[name] = kind
		}
	}
}

// KindOf says what a file system of that name is.
func KindOf(name string) Kind {
	if k, ok := kinds[name]; ok {
		return k
	}
	if name == "fuse" || strings.HasPrefix(name, "fuse.") {
		return User
	}
	return Unknown
}

// Report is what was found at a place.
type Report struct {
	Dir        string `json:"directory"`
	FileSystem string `json:"file_system"` // as the kernel names it
	Kind       Kind   `json:"kind"`
	Source     string `json:"source,omitempty"` // the device, or the share
	Mount      string `json:"mounted_at,omitempty"`
	ReadOnly   bool   `json:"read_only,omitempty"`
	Free       uint64 `json:"free_bytes"`
	Size       uint64 `json:"size_bytes"`

	Tries    []Try         `json:"tries"`
	Sync     time.Duration `json:"-"` // a write of a page that is on the disk: half are faster
	SyncMost time.Duration `json:"-"` // the slowest of them
	SyncMS   float64       `json:"sync_ms"`
	MostMS   float64       `json:"sync_most_ms"`

	Findings []Finding `json:"findings,omitempty"`
}

// Try is something that a database does, and whether the place can do it.
type Try struct {
	What string `json:"what"`
	OK   bool   `json:"ok"`
	Err  string `json:"error,omitempty"`
}

// Finding is something to know, with what mends it.
type Finding struct {
	Refuse bool   `json:"refuse"` // the place must not be used for this
	Text   string `json:"text"`
	Mend   string `json:"mend,omitempty"`
}

func (f Finding) String() string {
	if f.Mend == "" {
		return f.Text
	}
	return f.Text + ": " + f.Mend
}

// Refused is the reason why the place must not be used, nil if there is none.
func (r *Report) Refused() error {
	var list []error
	for _, f := range r.Findings {
		if f.Refuse {
			list = append(list, errors.New(f.String()))
		}
	}
	return errors.Join(list...)
}

// Warnings are the findings that refuse nothing.
func (r *Report) Warnings() (list []string) {
	for _, f := range r.Findings {
		if !f.Refuse {
			list = append(list, f.String())
		}
	}
	return list
}

// Slow is from when on a synced write is worth a word: each commit waits for one.
const Slow = 30 * time.Millisecond

// Look tries a directory that is there, and measures so many synced writes.
func Look(ctx context.Context, dir string, purpose Purpose, writes int) (*Report, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read which file systems there are: %w", err)
	}
	r, err := locate(dir, string(mounts))
	if err != nil {
		return nil, err
	}
	if !r.ReadOnly {
		if err := r.try(ctx, writes); err != nil {
			return nil, err
		}
	}
	r.judge(purpose)
	return r, nil
}

// locate finds out where a directory is.
func locate(dir, mounts string) (*Report, error) {
	real, err := filepath.Abs(dir)
	if err == nil {
		real, err = filepath.EvalSymlinks(real)
	}
	if err != nil {
		return nil, err
	}
	if st, err := os.Stat(real); err != nil {
		return nil, err
	} else if !st.IsDir() {
		return nil, fmt.Errorf("%s is no directory", dir)
	}
	r := &Report{Dir: real, Kind: Unknown}
	var st unix.Statfs_t
	if err := unix.Statfs(real, &st); err != nil {
		return nil, fmt.Errorf("ask the file system of %s: %w", dir, err)
	}
	r.Free, r.Size = st.Bavail*uint64(st.Bsize), st.Blocks*uint64(st.Bsize)
	r.ReadOnly = st.Flags&unix.ST_RDONLY != 0
	for line := range strings.SplitSeq(mounts, "\n") {
		// 36 35 98:0 /root /mount options tags - type source options
		head, tail, ok := strings.Cut(line, " - ")
		at, what := strings.Fields(head), strings.Fields(tail)
		if !ok || len(at) < 6 || len(what) < 2 {
			continue
		}
		mount := unescape(at[4])
		if len(mount) < len(r.Mount) || real != mount && !strings.HasPrefix(real, strings.TrimSuffix(mount, "/")+"/") {
			continue
		}
		r.Mount, r.FileSystem, r.Source = mount, what[0], unescape(what[1]) // a later one covers what was there
	}
	r.Kind = KindOf(r.FileSystem)
	return r, nil
}

// unescape reads a field of mountinfo: blanks are \040.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// try does what a database does.
func (r *Report) try(ctx context.Context, writes int) error {
	name := filepath.Join(r.Dir, fmt.Sprintf(".disk-check-%d", os.Getpid()))
	other := name + ".new"
	defer os.Remove(name)
	defer os.Remove(other)
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		r.Tries = append(r.Tries, Try{What: "write", Err: err.Error()})
		return nil
	}
	defer f.Close()
	if err := r.measure(ctx, f, writes); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.Tries = append(r.Tries, Try{What: "write", Err: err.Error()})
		return nil
	}
	r.Tries = append(r.Tries, Try{What: "write", OK: true})
	for _, t := range []struct {
		what string
		do   func() error
	}{
		{"lock", func() error { return tryLocks(name) }},
		{"sync", func() error { return trySync(f, r.Dir) }},
		{"rename", func() error { return tryRename(r.Dir, name, other) }},
		{"shared memory", func() error { return tryMemory(name) }},
		{"permissions", func() error { return tryMode(name) }},
	} {
		if err := ctx.Err(); err != nil {
			return err
		}
		one := Try{What: t.what, OK: true}
		if err := t.do(); err != nil {
			one.OK, one.Err = false, err.Error()
		}
		r.Tries = append(r.Tries, one)
	}
	return nil
}

// measure times writes of a page of which each is on the disk before the next.
func (r *Report) measure(ctx context.Context, f *os.File, writes int) error {
	page := make([]byte, 4096)
	var took []time.Duration
	for i := range max(writes, 1) {
		if err := ctx.Err(); err != nil {
			return err
		}
		page[0] = byte(i)
		start := time.Now()
		if _, err := f.WriteAt(page, int64(i)*int64(len(page))); err != nil {
			return err
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			return fmt.Errorf("fdatasync: %w", err)
		}
		took = append(took, time.Since(start))
		if sum := took[0] * time.Duration(len(took)); sum > 10*time.Second {
			break // it is slow, and known to be
		}
	}
	slices.Sort(took)
	r.Sync, r.SyncMost = took[len(took)/2], took[len(took)-1]
	r.SyncMS, r.MostMS = ms(r.Sync), ms(r.SyncMost)
	return nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// tryLocks takes the two kinds of locks, by flock and of a range of octets, and sees that
// a second taker is kept out.
func tryLocks(name string) error {
	a, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer b.Close()
	if err := unix.Flock(int(a.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("flock: %w", err)
	}
	if err := unix.Flock(int(b.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
		return errors.New("flock: two have the lock at once")
	}
	if err := unix.Flock(int(a.Fd()), unix.LOCK_UN); err != nil {
		return fmt.Errorf("flock: %w", err)
	}
	lock := func(f *os.File) error {
		return unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Start: 120, Len: 8})
	}
	if err := lock(a); err != nil {
		return fmt.Errorf("fcntl: %w", err)
	}
	if err := lock(b); err == nil {
		return errors.New("fcntl: two have the lock at once")
	}
	return nil
}

// trySync syncs a file and its directory.
func trySync(f *os.File, dir string) error {
	if err := f.Sync(); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("of a directory: %w", err)
	}
	return nil
}

// tryRename puts a file in the place of another.
func tryRename(dir, name, other string) error {
	if err := os.WriteFile(other, []byte("new"), 0o600); err != nil {
		return err
	}
	if err := os.Rename(other, name); err != nil {
		return err
	}
	if data, err := os.ReadFile(name); err != nil || string(data) != "new" {
		return fmt.Errorf("the new file is not in the place of the old one (%v)", err)
	}
	if _, err := os.Lstat(other); !errors.Is(err, fs.ErrNotExist) {
		return errors.New("the old name is still there")
	}
	return nil
}

// tryMemory maps a file twice, as the processes of SQLite do with its index of the log.
func tryMemory(name string) error {
	if err := os.Truncate(name, 32768); err != nil {
		return err
	}
	var maps [2][]byte
	for i := range maps {
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		maps[i], err = unix.Mmap(int(f.Fd()), 0, 32768, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		f.Close()
		if err != nil {
			return fmt.Errorf("mmap: %w", err)
		}
		defer unix.Munmap(maps[i])
	}
	if maps[0][100] = 42; maps[1][100] != 42 {
		return errors.New("mmap: one does not see what the other writes")
	}
	return nil
}

// tryMode looks whether others can be kept out.
func tryMode(name string) error {
	if err := os.Chmod(name, 0o600); err != nil {
		return err
	}
	st, err := os.Stat(name)
	if err == nil && st.Mode().Perm() != 0o600 {
		err = fmt.Errorf("a file of mode 0600 has %#o", st.Mode().Perm())
	}
	return err
}

// judge says what all of it means.
func (r *Report) judge(purpose Purpose) {
	find := func(refuse bool, mend, text string, args ...any) {
		r.Findings = append(r.Findings, Finding{refuse, fmt.Sprintf(text, args...), mend})
	}
	database := purpose == Database
	if r.ReadOnly {
		find(true, "mount it for writing", "%s is mounted read-only", r.Mount)
		return
	}
	const move = "put it on a disk of this host, or use PostgreSQL (factotum.store.type)"
	switch r.Kind {
	case Network:
		if database {
			find(true, move+"; backups may be here", "%s is on %s, a network file system: SQLite's log needs the memory of one host, and locks over a network may be lost", r.Dir, r.FileSystem)
		}
	case Shared:
		if database {
			find(r.FileSystem != "virtiofs", move, "%s is on %s, which another host or a virtual machine's host shares: SQLite's locks and log may not hold there", r.Dir, r.FileSystem)
		}
	case Memory:
		find(false, "choose a place on a disk", "%s is in memory (%s): what is there is gone after a restart of the host", r.Dir, r.FileSystem)
	case Layer:
		find(false, "mount a volume there", "%s is in the layer of a container (%s): what is there is gone with the container", r.Dir, r.FileSystem)
	case User:
		if database {
			find(false, "a file system of the kernel is safer", "%s is on %s, a file system that a program provides: whether what is synced is on the disk is up to it", r.Dir, r.FileSystem)
		}
	case Unknown:
		if database && r.FileSystem != "" {
			find(false, "see that it is a local one", "%s is on %s, a file system that is not known here", r.Dir, r.FileSystem)
		}
	}
	for _, t := range r.Tries {
		if t.OK {
			continue
		}
		switch t.What {
		case "write":
			find(true, "give the user that the server runs as the right to write, and look whether the disk is full", "%s cannot be written (%s)", r.Dir, t.Err)
		case "lock":
			find(database, move, "locks do not work in %s (%s)", r.Dir, t.Err)
		case "sync":
			find(database, move, "what is written in %s cannot be synced (%s): it may be lost with the power", r.Dir, t.Err)
		case "rename":
			find(purpose != Files, "choose another place", "a file in %s cannot take the place of another (%s)", r.Dir, t.Err)
		case "shared memory":
			find(database, move, "processes cannot share memory over files of %s (%s)", r.Dir, t.Err)
		case "permissions":
			find(false, "see that nobody else reaches the directory", "files in %s cannot be kept from others (%s)", r.Dir, t.Err)
		}
	}
	if database && r.Sync > Slow {
		find(false, "a faster disk, or one with a cache that outlives a power failure", "a synced write takes %.0f ms in %s: each change of a calendar waits for one", ms(r.Sync), r.Dir)
	}
}
