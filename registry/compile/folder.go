package compile

import (
	"fmt"
	"path"
	"strings"
)

// misplaced warns when files lie a folder too high or too deep for their packages: then the wrong folder was published,
// and every import of them would have to repeat the mistake. It is one warning for all of them. Files whose path has
// nothing to do with their package are as their authors want them.
func (c *compilation) misplaced() {
	first, more := "", 0
	for _, p := range c.paths {
		if !liesOff(path.Dir(p), c.parsed[p].FileDescriptorProto().GetPackage()) {
			continue
		}
		if first == "" {
			first = p
		} else {
			more++
		}
	}
	if first == "" {
		return
	}
	others := ""
	if more > 0 {
		others = fmt.Sprintf(" (and %d more files)", more)
	}
	c.found = append(c.found, Diagnostic{File: first, Severity: Warning, Message: fmt.Sprintf(
		"package %s belongs in the folder %s, and this is %s%s; imports count from the folder that is published: is it the right one?",
		c.parsed[first].FileDescriptorProto().GetPackage(), folderOf(c.parsed[first].FileDescriptorProto().GetPackage()), path.Dir(first), others)})
}

func folderOf(pkg string) string { return strings.ReplaceAll(pkg, ".", "/") }

// liesOff reports whether dir is the package's folder with something missing at its front or something too much there.
func liesOff(dir, pkg string) bool {
	folder := folderOf(pkg)
	if dir == "." || dir == folder || !strings.Contains(pkg, ".") {
		return false
	}
	return strings.HasSuffix(folder, "/"+dir) || strings.HasSuffix(dir, "/"+folder)
}
