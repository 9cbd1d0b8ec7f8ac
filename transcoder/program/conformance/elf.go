package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"slices"
)

// The runner wants these versions for five functions, which shim/shim.c has.
var newerVersions = []string{"GLIBC_2.38", "GLIBCXX_3.4.32"}

// weaken makes the needs of the versions weak in file, a little-endian ELF program: the dynamic linker then reports that
// a library lacks them, and goes on.
func weaken(file []byte, versions []string) error {
	program, err := elf.NewFile(bytes.NewReader(file))
	if err != nil {
		return err
	}
	needs := program.SectionByType(elf.SHT_GNU_VERNEED)
	if needs == nil || int(needs.Link) >= len(program.Sections) || program.ByteOrder != binary.LittleEndian {
		return fmt.Errorf("the program says nothing of the versions that it needs")
	}
	names, err := program.Sections[needs.Link].Data()
	if err != nil {
		return err
	}
	if needs.Offset > uint64(len(file)) || needs.Size > uint64(len(file))-needs.Offset {
		return fmt.Errorf("the program is cut short")
	}
	return weakenNeeds(file[needs.Offset:needs.Offset+needs.Size], names, versions)
}

// The layouts of Elf64_Verneed (16 bytes) and Elf64_Vernaux (16 bytes), of the Linux Standard Base, "Symbol Versioning".
const (
	needAux    = 8  // offset of the first Vernaux from the Verneed
	needNext   = 12 // offset of the next Verneed from this one, 0 at the last
	auxFlags   = 4
	auxName    = 8
	auxNext    = 12
	entryBytes = 16
	flagWeak   = 2
)

func weakenNeeds(needs, names []byte, versions []string) error {
	found := map[string]bool{}
	word := func(at int) int { return int(binary.LittleEndian.Uint32(needs[at:])) }
	// Offsets only grow, so both loops end.
	for need := 0; ; need += word(need + needNext) {
		if need+entryBytes > len(needs) {
			return fmt.Errorf("a need lies outside of its section")
		}
		for aux := need + word(need+needAux); ; aux += word(aux + auxNext) {
			if aux+entryBytes > len(needs) || word(aux+auxName) >= len(names) {
				return fmt.Errorf("a version lies outside of its section")
			}
			name, _, _ := bytes.Cut(names[word(aux+auxName):], []byte{0})
			if slices.Contains(versions, string(name)) {
				found[string(name)] = true
				needs[aux+auxFlags] |= flagWeak
			}
			if word(aux+auxNext) == 0 {
				break
			}
		}
		if word(need+needNext) == 0 {
			break
		}
	}
	for _, v := range versions {
		if !found[v] {
			return fmt.Errorf("the program does not need %s", v)
		}
	}
	return nil
}
