package registry

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"slices"

	registryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/registry/v1"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
)

// modulesMax is how many modules a registry holds. All of them are compiled as one, so the compiler's bounds hold for
// their files together.
const modulesMax = 1_000

// replace returns modules with module in its place, by name.
func replace(modules []*registryv1.Module, module *registryv1.Module) []*registryv1.Module {
	at, found := find(modules, module.GetModule())
	if found {
		modules = slices.Clone(modules)
		modules[at] = module
		return modules
	}
	return slices.Insert(slices.Clone(modules), at, module)
}

// find returns where the module of a name is, or belongs.
func find(modules []*registryv1.Module, name string) (int, bool) {
	return slices.BinarySearchFunc(modules, name, func(m *registryv1.Module, name string) int {
		return cmp.Compare(m.GetModule(), name)
	})
}

// sources returns the files of all modules. A path that two modules have is an error, unless it is a built-in file's,
// of which copies are never read.
func sources(modules []*registryv1.Module) (compile.Sources, error) {
	if len(modules) > modulesMax {
		return nil, tooMuch("%d modules are more than the %d that a registry holds", len(modules), modulesMax)
	}
	builtin, err := compile.NewBuiltin()
	if err != nil {
		return nil, err
	}
	all, bytes := compile.Sources{}, 0
	for _, module := range modules {
		for _, file := range module.GetFiles() {
			path := file.GetPath()
			if _, taken := all[path]; taken && !builtin.Has(path) {
				return nil, fileConflict(path, owner(modules, path), module)
			}
			all[path] = []byte(file.GetContent())
			bytes += len(file.GetContent())
		}
	}
	if len(all) > compile.FilesMax {
		return nil, tooMuch("%d files are more than the %d that a registry holds", len(all), compile.FilesMax)
	}
	if bytes > compile.SourceBytesMax {
		return nil, tooMuch("%d MiB of sources are more than the %d MiB that a registry holds", bytes>>20, compile.SourceBytesMax>>20)
	}
	return all, nil
}

// owner returns the first module that has a file.
func owner(modules []*registryv1.Module, path string) *registryv1.Module {
	for _, module := range modules {
		for _, file := range module.GetFiles() {
			if file.GetPath() == path {
				return module
			}
		}
	}
	return nil
}

// digest identifies a module's content: SHA-256 over its backend and its files by path, each part with its length
// before it, so that no two contents read the same.
func digest(module *registryv1.Module) string {
	h := sha256.New()
	part := func(s string) {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(s)))
		h.Write(size[:])
		io.WriteString(h, s)
	}
	part(module.GetBackend())
	for _, file := range module.GetFiles() {
		part(file.GetPath())
		part(file.GetContent())
	}
	return hex.EncodeToString(h.Sum(nil))
}
