package batch

import (
	"errors"
	"os"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// unnamed tells whether this process may not give a file a name by the file alone,
// which Linux before 6.10 lets nobody do but a superuser.
var unnamed atomic.Bool

// create writes a file that is not there into folder: without a name first, then with
// its own, so that it appears whole. It is done once where writing under another name
// and moving takes two changes of the folder, and leaves nothing if the process is
// killed. An error says that it has to be done otherwise: the file is there, or the
// file system has no files without names.
//
// The calls are the kernel's own: a batch makes 50,000 files, and package os would ask
// for each whether it can be waited for, and walk the whole path of the folder twice.
func create(folder *os.File, name string, b []byte) (err error) {
	dir := int(folder.Fd())
	fd, err := unix.Openat(dir, ".", unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	for len(b) > 0 {
		n, err := unix.Write(fd, b)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		b = b[max(n, 0):]
	}
	if !unnamed.Load() {
		err := unix.Linkat(fd, "", dir, name, unix.AT_EMPTY_PATH)
		if err == nil || errors.Is(err, unix.EEXIST) {
			return err
		}
		unnamed.Store(true)
	}
	return unix.Linkat(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(fd), dir, name, unix.AT_SYMLINK_FOLLOW)
}
