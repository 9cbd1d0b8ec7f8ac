package compile

import (
	"bytes"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// Sources is .proto text by path: the files of one module, or of several. A path is what an import
// writes: relative, with forward slashes, without "." or "..".
type Sources map[string][]byte

// What one compilation accepts, and with it one registry, because everything that is published is compiled together.
// A module is a few hundred kilobytes at most, so this is room for some hundred. A file made to be expensive costs the
// compiler 5 KB and 20 µs for each thing it declares: two gigabytes and some ten seconds, for those who may publish.
const (
	FilesMax       = 10_000
	fileBytesMax   = 1 << 20
	SourceBytesMax = 16 << 20
	pathBytesMax   = 1_024
	// statementsMax bounds statements, and parts of options.
	statementsMax = 400_000
	// lineWorkMax bounds the sum of the squares of the lines' lengths, because the compiler counts a column anew, from the
	// start of the line, for whatever it finds there. A single line of 90 KB is within it.
	lineWorkMax = 8 << 30
	// nestingMax bounds brackets within brackets, because the parser's stages recurse and Go cannot recover
	// from a stack that has overflowed. protoc gives up at 32 messages within messages.
	nestingMax = 100
)

// Paths returns the paths in order. The slice is the caller's.
func (s Sources) Paths() []string {
	paths := make([]string, 0, len(s))
	for p := range s {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	return paths
}

// Quote fills in the source line of each diagnostic whose file is among the sources.
func (s Sources) Quote(diagnostics []Diagnostic) {
	lines := map[string][][]byte{}
	for i, d := range diagnostics {
		text, ok := s[d.File]
		if !ok || d.Line < 1 {
			continue
		}
		if lines[d.File] == nil {
			lines[d.File] = bytes.Split(text, []byte("\n"))
		}
		if d.Line <= len(lines[d.File]) {
			line := strings.ToValidUTF8(string(lines[d.File][d.Line-1]), "\uFFFD")
			diagnostics[i].Source = strings.TrimRight(line, "\r")
		}
	}
}

// check reports what no stage of the compiler should see.
func (s Sources) check() error {
	if len(s) == 0 {
		return fault("", "there are no .proto files to compile")
	}
	if len(s) > FilesMax {
		return fault("", "%d files are more than the %d that one schema may have", len(s), FilesMax)
	}
	var faults []Diagnostic
	size, statements, lineWork := 0, 0, 0
	for _, p := range s.Paths() {
		size += len(s[p])
		if problem := checkPath(p); problem != "" {
			faults = append(faults, Diagnostic{Message: problem})
			continue
		}
		if len(s[p]) > fileBytesMax {
			faults = append(faults, Diagnostic{File: p, Message: "this file is larger than 1 MiB"})
			continue
		}
		scan := scanText(s[p])
		statements, lineWork = statements+scan.statements, lineWork+scan.lineWork
		if scan.tooDeep > 0 {
			faults = append(faults, Diagnostic{File: p, Line: scan.tooDeep, Message: "brackets are nested more than 100 deep"})
		}
	}
	switch {
	case len(faults) > 0:
		return newError(faults)
	case size > SourceBytesMax:
		return fault("", "the files together are larger than 16 MiB")
	case statements > statementsMax:
		return fault("", "the files together have %d statements, more than the %d that one schema may have", statements, statementsMax)
	case lineWork > lineWorkMax:
		return fault("", "the lines of these files are too long to compile; break them up")
	}
	return nil
}

// checkPath returns what is wrong with p as the path of a source, or "".
func checkPath(p string) string {
	quoted := func(why string) string { return "file " + quote(p) + ": " + why }
	switch {
	case len(p) > pathBytesMax:
		return quoted("the path is too long")
	case !utf8.ValidString(p) || strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }):
		return quoted("a path may have no control characters and no backslashes, and must be UTF-8")
	case !strings.HasSuffix(p, ".proto"):
		return quoted("only files that end in .proto can be compiled")
	case path.IsAbs(p) || path.Clean(p) != p || strings.HasPrefix(p, "../"):
		return quoted(`a path must be relative to the folder that imports count from, without "." and ".."`)
	}
	return ""
}

// scan is what a look at a file's text, before any stage of the compiler, tells about the work ahead.
type scan struct {
	tooDeep    int // the line where brackets are nested past nestingMax, or 0
	statements int
	lineWork   int
}

// scanText reads over comments and strings.
func scanText(text []byte) scan {
	var s scan
	depth, line := 0, 1
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '\n':
			line++
		case '{', '[', '(', '<':
			s.statements++
			if depth++; depth > nestingMax && s.tooDeep == 0 {
				s.tooDeep = line
			}
		case '}', ']', ')', '>':
			depth = max(0, depth-1)
		case ';', ':', ',':
			s.statements++
		case '"', '\'', '/':
			end := i + skip(text[i:])
			line += bytes.Count(text[i:end], []byte("\n"))
			i = end - 1
		}
	}
	for text := range bytes.Lines(text) {
		s.lineWork += len(text) * len(text)
	}
	return s
}

// skip returns how many bytes the comment or the string that text begins with takes up.
func skip(text []byte) int {
	switch {
	case bytes.HasPrefix(text, []byte("//")):
		if end := bytes.IndexByte(text, '\n'); end >= 0 {
			return end
		}
		return len(text)
	case bytes.HasPrefix(text, []byte("/*")):
		if end := bytes.Index(text[2:], []byte("*/")); end >= 0 {
			return end + 4
		}
		return len(text)
	case text[0] == '/':
		return 1
	}
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case text[0]:
			return i + 1
		case '\n':
			return i // A string ends with its line: the parser will say so.
		}
	}
	return len(text)
}
