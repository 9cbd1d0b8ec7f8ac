package main

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

// needs lays out two libraries with two versions and one.
func needs() (section, names []byte) {
	names = []byte("\x00OLD\x00NEW\x00")
	word := func(v uint32) { section = binary.LittleEndian.AppendUint32(section, v) }
	need := func(next uint32) { word(1); word(0); word(16); word(next) }
	aux := func(name, next uint32) { word(0xabcd); word(0x00050000); word(name); word(next) }
	need(48)
	aux(1, 16)
	aux(5, 0)
	need(0)
	aux(5, 0)
	return section, names
}

func TestWeaken_MarksTheVersionsNamedAndNothingElse(t *testing.T) {
	section, names := needs()
	want := bytes.Clone(section)
	want[32+auxFlags], want[64+auxFlags] = flagWeak, flagWeak
	if err := weakenNeeds(section, names, []string{"NEW"}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(section, want) {
		t.Errorf("got  %x\nwant %x", section, want)
	}
}

func TestWeaken_Refuses(t *testing.T) {
	section, names := needs()
	for _, c := range []struct {
		name    string
		section []byte
		names   []byte
		version string
		want    string
	}{
		{"VersionThatIsNotNeeded", section, names, "OTHER", "does not need OTHER"},
		{"SectionCutInAVersion", section[:40], names, "NEW", "a version lies outside"},
		{"SectionCutInANeed", section[:56], names, "NEW", "a need lies outside"},
		{"EmptySection", nil, names, "NEW", "a need lies outside"},
		{"NamesCut", section, names[:3], "NEW", "a version lies outside"},
	} {
		if err := weakenNeeds(c.section, c.names, []string{c.version}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
	if err := weaken([]byte("#!/bin/sh"), newerVersions); err == nil {
		t.Error("a script was taken for an ELF program")
	}
}
