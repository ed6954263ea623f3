package crash

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"factotum/store/storetest/smalldisk"
)

// disk is a block device with a volatile write cache, as disks have: what was
// written is read back at once, but a power failure keeps only what a flush
// has made durable, and of the rest whatever the disk had got to, in any order.
//
// It is a file in a FUSE file system that this process serves; a loop device
// over it carries ext4. The loop device turns the file system's flushes into
// FSYNC.
type disk struct {
	mu      sync.Mutex
	durable []byte
	cache   map[int64][]byte // written blocks that are not durable, by number
	dead    bool
	flushes int

	file, loop, dir string
	fuse            int
	served          chan struct{}
}

const diskBlock = 4096

// newImage makes an empty ext4 file system.
func newImage(t testing.TB, size int64) []byte {
	t.Helper()
	name := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, size); err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("mkfs.ext4"); err != nil {
		smalldisk.Lacks(t, "the package e2fsprogs", err)
	}
	// Nothing is left to initialize later, in the background.
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0", name).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v %s", err, out)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// needDevices ends a test that cannot mount file systems with these devices.
func needDevices(t testing.TB, devices ...string) {
	t.Helper()
	for _, name := range devices {
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			smalldisk.Lacks(t, "a device of the kernel", err)
		}
		f.Close()
	}
}

// mountDisk plugs the disk in and mounts its file system on dir.
func mountDisk(t testing.TB, image []byte, dir string) *disk {
	t.Helper()
	d := &disk{durable: image, cache: map[int64][]byte{}, dir: dir, file: filepath.Join(t.TempDir(), "disk"), served: make(chan struct{})}
	if err := os.WriteFile(d.file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if d.fuse, err = syscall.Open("/dev/fuse", syscall.O_RDWR|syscall.O_CLOEXEC, 0); err != nil {
		smalldisk.Lacks(t, "open /dev/fuse", err)
	}
	if err := syscall.Mount("crash", d.file, "fuse", syscall.MS_NOSUID|syscall.MS_NODEV, fmt.Sprintf("fd=%d,rootmode=100000,user_id=0,group_id=0", d.fuse)); err != nil {
		syscall.Close(d.fuse)
		smalldisk.Lacks(t, "mount FUSE", err)
	}
	go d.serve()
	t.Cleanup(func() { d.unplug() })
	out, err := exec.Command("losetup", "--find", "--show", d.file).Output()
	if err != nil {
		smalldisk.Lacks(t, "losetup", err)
	}
	d.loop = strings.TrimSpace(string(out))
	if err := syscall.Mount(d.loop, dir, "ext4", syscall.MS_NOATIME, ""); err != nil {
		t.Fatalf("mount %s: %v", d.loop, err)
	}
	return d
}

// cut is the power failure: the disk is dead from this moment, and the result
// is what it will have when it is plugged in again. Of each block in its cache
// it has written what keep says.
func (d *disk) cut(keep func() bool) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = true
	for _, n := range slices.Sorted(maps.Keys(d.cache)) {
		if keep() {
			copy(d.durable[n*diskBlock:], d.cache[n])
		}
	}
	return d.durable
}

// unplug unmounts the file system and takes the disk away.
func (d *disk) unplug() {
	if d.fuse < 0 {
		return
	}
	if err := syscall.Unmount(d.dir, 0); err != nil {
		syscall.Unmount(d.dir, syscall.MNT_DETACH)
	}
	if d.loop != "" {
		exec.Command("losetup", "--detach", d.loop).Run()
	}
	syscall.Unmount(d.file, syscall.MNT_DETACH)
	<-d.served
	syscall.Close(d.fuse)
	d.fuse = -1
}

// What of linux/fuse.h is needed for one file that is the root.
const (
	fuseForget, fuseGetattr, fuseSetattr  = 2, 3, 4
	fuseOpen, fuseRead, fuseWrite         = 14, 15, 16
	fuseStatfs, fuseRelease, fuseFsync    = 17, 18, 20
	fuseFlush, fuseInit, fuseAccess       = 25, 26, 34
	fuseInterrupt, fuseDestroy, fuseBatch = 36, 38, 42

	fuseMaxWrite = 128 << 10
)

// serve answers the kernel until the file is unmounted.
func (d *disk) serve() {
	defer close(d.served)
	buf := make([]byte, fuseMaxWrite+8192)
	le := binary.LittleEndian
	for {
		n, err := syscall.Read(d.fuse, buf)
		switch {
		case errors.Is(err, syscall.EINTR), errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ENOENT):
			continue
		case err != nil:
			return
		}
		op, unique, in := le.Uint32(buf[4:]), le.Uint64(buf[8:]), buf[40:n]
		if op == fuseForget || op == fuseBatch || op == fuseInterrupt {
			continue
		}
		out, errno := d.answer(op, in)
		reply := make([]byte, 16, 16+len(out))
		reply = append(reply, out...)
		le.PutUint32(reply, uint32(len(reply)))
		le.PutUint32(reply[4:], uint32(-int32(errno)))
		le.PutUint64(reply[8:], unique)
		syscall.Write(d.fuse, reply)
	}
}

func (d *disk) answer(op uint32, in []byte) ([]byte, syscall.Errno) {
	le := binary.LittleEndian
	d.mu.Lock()
	defer d.mu.Unlock()
	switch op {
	case fuseInit:
		out := make([]byte, 64)
		le.PutUint32(out, 7)
		le.PutUint32(out[4:], 31)
		le.PutUint32(out[8:], 128<<10)
		le.PutUint32(out[12:], 1<<5) // FUSE_BIG_WRITES
		le.PutUint32(out[20:], fuseMaxWrite)
		le.PutUint32(out[24:], 1)
		return out, 0
	case fuseGetattr, fuseSetattr:
		out := make([]byte, 104)
		le.PutUint64(out, 3600)
		attr := out[16:]
		le.PutUint64(attr, 1)
		le.PutUint64(attr[8:], uint64(len(d.durable)))
		le.PutUint64(attr[16:], uint64(len(d.durable)/512))
		le.PutUint32(attr[60:], syscall.S_IFREG|0o600)
		le.PutUint32(attr[64:], 1)
		le.PutUint32(attr[80:], diskBlock)
		return out, 0
	case fuseOpen:
		return make([]byte, 16), 0
	case fuseStatfs:
		return make([]byte, 80), 0
	case fuseRelease, fuseFlush, fuseAccess, fuseDestroy:
		return nil, 0
	case fuseRead:
		if d.dead {
			return nil, syscall.EIO
		}
		return d.read(int64(le.Uint64(in[8:])), int64(le.Uint32(in[16:]))), 0
	case fuseWrite:
		if d.dead {
			return nil, syscall.EIO
		}
		size := le.Uint32(in[16:])
		d.write(int64(le.Uint64(in[8:])), in[40:40+size])
		return le.AppendUint64(nil, uint64(size)), 0
	case fuseFsync:
		if d.dead {
			return nil, syscall.EIO
		}
		for n, b := range d.cache {
			copy(d.durable[n*diskBlock:], b)
		}
		clear(d.cache)
		d.flushes++
		return nil, 0
	}
	return nil, syscall.ENOSYS
}

func (d *disk) read(at, size int64) []byte {
	at = min(at, int64(len(d.durable)))
	out := slices.Clone(d.durable[at:min(at+size, int64(len(d.durable)))])
	for n := at / diskBlock; n*diskBlock < at+int64(len(out)); n++ {
		if b, ok := d.cache[n]; ok {
			from := n*diskBlock - at
			if from < 0 {
				copy(out, b[-from:])
			} else {
				copy(out[from:], b)
			}
		}
	}
	return out
}

func (d *disk) write(at int64, data []byte) {
	for len(data) > 0 {
		n, into := at/diskBlock, at%diskBlock
		b, ok := d.cache[n]
		if !ok {
			b = slices.Clone(d.durable[n*diskBlock : (n+1)*diskBlock])
			d.cache[n] = b
		}
		done := copy(b[into:], data)
		data, at = data[done:], at+int64(done)
	}
}

// TestPowerCut cuts the power while clients write: the server's disk keeps
// what was flushed and some of what was not, and is dead at once. After the
// journal's and the store's recovery every acknowledged write must be there,
// and nothing is acknowledged by a server whose disk is dead.
func TestPowerCut(t *testing.T) {
	needDevices(t, "/dev/fuse", "/dev/loop-control")
	image, dir := newImage(t, 96<<20), t.TempDir()
	store := filepath.Join(dir, "var", "data")
	pairs := &pairWatch{}
	address := freeAddress(t)
	p := partProcess(t, "calserver", part{Store: store, HTTP: address, Import: true})
	p.out.each = pairs.line
	defer p.kill(t)

	d := mountDisk(t, image, dir)
	p.start(t)
	l := newLoad(address)
	l.upkeep = true
	l.provision(t)
	times, flushes, lost := kills(6), 0, 0
	for n := range times {
		l.start()
		l.await(t, int64(rand.IntN(200)))
		keep := []func() bool{
			func() bool { return false },
			func() bool { return true },
			func() bool { return rand.IntN(2) == 0 },
			func() bool { return rand.IntN(10) == 0 },
		}[n%4]
		image = d.cut(func() bool {
			if keep() {
				return true
			}
			lost++
			return false
		})
		if n%2 == 1 { // the server lives on for a while, without its disk
			time.Sleep(50 * time.Millisecond)
		}
		p.kill(t)
		l.finish()
		flushes += d.flushes
		d.unplug()
		d = mountDisk(t, image, dir)
		if n%2 == 0 {
			check(t, store)
		}
		p.start(t)
		l.verify(t)
		pairs.verify(t, address)
		if t.Failed() {
			t.Fatalf("after cut %d", n+1)
		}
	}
	p.kill(t)
	check(t, store)
	if flushes == 0 {
		t.Error("the disk was never flushed")
	}
	t.Logf("%d cuts, %d writes acknowledged, %d flushes, %d blocks lost", times, l.acks.Load(), flushes, lost)
}
