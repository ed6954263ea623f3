package crash

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"factotum/store/storetest/pgtest"
	"factotum/store/storetest/smalldisk"

	"github.com/jackc/pgx/v5"
)

// smallTmpfs mounts a file system in memory.
func smallTmpfs(t *testing.T, megabytes int) string {
	dir := shortDir(t) // PostgreSQL's user must reach it: not below t.TempDir
	smalldisk.Mount(t, dir, megabytes<<20)
	return dir
}

// smallExt4 mounts a file system on a loop device.
func smallExt4(t *testing.T, megabytes int) string {
	needDevices(t, "/dev/loop-control")
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(file, newImage(t, int64(megabytes)<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-o", "loop", file, dir).CombinedOutput(); err != nil {
		smalldisk.Lacks(t, fmt.Sprintf("mount on a loop device: %s", out), err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// fill takes all room that is left, and gives it back when it is told to.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	name := filepath.Join(dir, "ballast")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1 << 20, 64 << 10, 4096, 1} {
		for err == nil {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		err = nil
	}
	f.Close()
	return func() {
		if err := os.Remove(name); err != nil {
			t.Error(err)
		}
	}
}

// TestFullDisk fills the disk under a load of writers, twice: they are refused
// with 507 and DAV:sufficient-disk-space (RFC 4331 §6), nothing is lost, reads
// go on, and when there is room again so do writes, without a restart.
func TestFullDisk(t *testing.T) {
	t.Run("SQLite/tmpfs", func(t *testing.T) {
		dir := smallTmpfs(t, 24)
		fullDisk(t, dir, filepath.Join(dir, "data"))
	})
	t.Run("SQLite/ext4", func(t *testing.T) {
		dir := smallExt4(t, 32)
		fullDisk(t, dir, filepath.Join(dir, "data"))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		dsn, dir := pgtest.Start(t), smallTmpfs(t, 24)
		as, err := user.Lookup("postgres")
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.Atoi(as.Uid)
		if err := os.Chown(dir, uid, -1); err != nil {
			t.Fatal(err)
		}
		ctx := context.Background()
		c, err := pgx.Connect(ctx, dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(ctx)
		var database string
		if err := c.QueryRow(ctx, "SELECT current_database()").Scan(&database); err != nil {
			t.Fatal(err)
		}
		space := "small_" + database
		for _, command := range []string{"CREATE TABLESPACE " + space + " LOCATION '" + dir + "'", "ALTER DATABASE " + database + " SET default_tablespace = " + space} {
			if _, err := c.Exec(ctx, command); err != nil {
				t.Fatalf("%s: %v", command, err)
			}
		}
		c.Close(ctx)
		fullDisk(t, dir, "postgres "+dsn)
	})
}

func fullDisk(t *testing.T, disk, store string) {
	address := freeAddress(t)
	fullDiskOf(t, partProcess(t, "calserver", part{Store: store, HTTP: address}), address, disk, store, !strings.HasPrefix(store, "postgres "))
}

// TestFullDiskOfCalserver has all that the program writes on the full disk.
func TestFullDiskOfCalserver(t *testing.T) {
	disk, address := smallExt4(t, 32), freeAddress(t)
	data := filepath.Join(disk, "data")
	dir, conf := install(t, "localhost", setting("service.http", address)...)
	if err := os.CopyFS(data, os.DirFS(filepath.Join(dir, "data"))); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, "factotum.data.dir = \""+data+"\"\nfactotum.log.target = \"file\"\n"...)
	if err := os.WriteFile(conf, text, 0o600); err != nil {
		t.Fatal(err)
	}
	p := program(t, "serve", conf, func() error { return httpReady(address) })
	fullDiskOf(t, p, address, disk, filepath.Join(data, "csdb"), false)
}

func fullDiskOf(t *testing.T, p *process, address, disk, store string, upkeep bool) {
	p.start(t)
	defer p.kill(t)
	defer func() {
		if t.Failed() {
			t.Logf("calserver:\n%.3000s", p.out.tail())
		}
	}()
	l := newLoad(address)
	for _, w := range l.writers {
		w.full = true
	}
	l.upkeep = upkeep
	l.provision(t)
	l.start()
	l.await(t, 100)
	for range 2 {
		free := fill(t, disk)
		for _, w := range l.writers {
			before := w.refused.Load()
			eventually(t, "every client to be refused", func() error {
				if n := w.refused.Load() - before; n < 3 {
					return fmt.Errorf("%d times", n)
				}
				return nil
			})
			if a, err := w.do("PROPFIND", w.collection(), `<propfind xmlns="DAV:"><prop><getetag/></prop></propfind>`, "Depth", "1"); err != nil || a.status != 207 {
				t.Errorf("a read: %v, status %d", err, a.status)
			}
		}
		free()
		l.await(t, 100)
	}
	l.finish()
	l.verify(t)
	p.stop(t)
	check(t, store)
	p.start(t)
	l.verify(t)
	refused := int64(0)
	for _, w := range l.writers {
		refused += w.refused.Load()
	}
	t.Logf("%d writes acknowledged, %d refused", l.acks.Load(), refused)
}
