package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// openFile opens and locks the file. A damaged file may stay locked until the process ends, because bbolt panics
// before it can give the lock back.
func openFile(path string) (db *bbolt.DB, err error) {
	options := &bbolt.Options{
		Timeout:      lockTimeout,
		FreelistType: bbolt.FreelistMapType,
		MaxSize:      bytesMax,
		NoStatistics: true,
	}
	err = guard(func() error {
		db, err = bbolt.Open(path, 0o600, options)
		return err
	})
	if _, system := errors.AsType[*fs.PathError](err); err == nil || system || errors.Is(err, bolterrors.ErrTimeout) {
		return db, err
	}
	if _, told := errors.AsType[*damage](err); !told {
		err = &damage{cause: err}
	}
	return nil, err
}

// damage says that the file is not what bbolt wrote.
type damage struct{ cause any }

func (d *damage) Error() string {
	return fmt.Sprintf("the file is damaged; put a copy back, or move it away and publish again (%v)", d.cause)
}

// guard runs f, and turns into an error what bbolt does where a file was cut short or overwritten: it panics, or it
// reads memory that has no file behind it.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if cause := recover(); cause != nil {
			err = &damage{cause: cause}
		}
	}()
	return f()
}

// syncFolder makes the file's entry in its folder durable, which the file's own fsync does not.
func syncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
