package compile

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// entriesMax bounds the search for .proto files, for the day that somebody names "/".
const entriesMax = 500_000

// ReadDir reads the .proto files in dir and below it, by their path there, which is what imports count from. It passes
// over hidden files and folders and node_modules, and over links that lead out of dir or to folders: of those it tells
// note. What is more than Compile takes is an error, and so is a folder without .proto files.
func ReadDir(dir string, note func(string)) (Sources, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	c := search{dir: dir, root: root, note: note, sources: Sources{}}
	if err := fs.WalkDir(root.FS(), ".", c.visit); err != nil {
		return nil, err
	}
	if len(c.sources) == 0 {
		return nil, fmt.Errorf("%s: there are no .proto files in it", dir)
	}
	return c.sources, nil
}

// search is one run of ReadDir.
type search struct {
	dir     string
	root    *os.Root // reads nothing outside of dir, whatever links say
	note    func(string)
	sources Sources
	entries int
	bytes   int
}

func (c *search) visit(name string, entry fs.DirEntry, err error) error {
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", c.shown(name), err)
	case name == ".":
		return nil
	case c.entries == entriesMax:
		return fmt.Errorf("%s has more than %d files and folders; name the folder with the .proto files", c.dir, entriesMax)
	}
	c.entries++
	passed := strings.HasPrefix(path.Base(name), ".") || path.Base(name) == "node_modules"
	switch {
	case entry.IsDir() && passed:
		return fs.SkipDir
	case entry.IsDir() || passed:
		return nil
	case entry.Type()&fs.ModeSymlink != 0:
		return c.link(name)
	case path.Ext(name) == ".proto":
		return c.read(name)
	}
	return nil
}

// link takes up a link to a .proto file within the folder.
func (c *search) link(name string) error {
	info, err := c.root.Stat(name)
	switch {
	case err != nil:
		c.note(c.shown(name) + " is a link that leads out of the folder or nowhere; it is left out")
	case info.IsDir():
		c.note(c.shown(name) + " is a link to a folder; what is there is left out")
	case path.Ext(name) == ".proto":
		return c.read(name)
	}
	return nil
}

func (c *search) read(name string) error {
	info, err := c.root.Stat(name)
	if err != nil {
		return fmt.Errorf("%s: %w", c.shown(name), err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", c.shown(name))
	}
	if c.bytes += int(min(info.Size(), SourceBytesMax+1)); c.bytes > SourceBytesMax || len(c.sources) == FilesMax {
		return fmt.Errorf("%s: up to here there are more than %d .proto files or %d MiB, the most that can be compiled",
			c.shown(name), FilesMax, SourceBytesMax>>20)
	}
	text, err := c.root.ReadFile(name)
	if err != nil {
		return fmt.Errorf("%s: %w", c.shown(name), err)
	}
	if !utf8.Valid(text) {
		return fmt.Errorf("%s is not UTF-8; save it in that encoding", c.shown(name))
	}
	c.sources[name] = text
	return nil
}

// shown returns the path of a file as the user may open it.
func (c *search) shown(name string) string { return filepath.Join(c.dir, filepath.FromSlash(name)) }
