package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is everything that is wrong with a configuration.
type Error struct {
	// Problems in the order of the file, then the environment's and the flags'. There is at least one.
	Problems []Problem
}

// Problem is one thing that is wrong.
type Problem struct {
	// Place is FILE:LINE:COL, FILE, a flag (--listen) or a variable (GATEHOUSE_LISTEN).
	Place string
	// Message names the setting, what is wrong with it and what would be right.
	Message string
}

// Error returns one line for each problem: "PLACE: message".
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.Place + ": " + p.Message
	}
	return strings.Join(lines, "\n")
}

// place is where a setting was made.
type place struct {
	source       string // a file, a flag or a variable
	line, column int    // in a file, from 1; 0 for a flag, a variable or a whole file
}

func (p place) String() string {
	if p.line == 0 {
		return p.source
	}
	return fmt.Sprintf("%s:%d:%d", p.source, p.line, p.column)
}

// problem is a Problem that can still be sorted.
type problem struct {
	at      place
	message string
}

// report adds a problem. In a file, the message begins with the path of the setting: a line and a column alone are
// hard to read out to somebody.
func (l *loader) report(at place, path, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	if at.line > 0 {
		message = under(path, message)
	}
	l.problems = append(l.problems, problem{at, strings.ReplaceAll(message, "\n", " ")})
}

// reportf adds a problem of the setting at a path, at the place where the setting, or the nearest one around it, was
// made. Only the first problem of a setting counts: what follows is most often the same one, seen by another check.
func (l *loader) reportf(path, format string, args ...any) {
	if !l.reported[path] {
		l.reported[path] = true
		l.report(l.placeOf(path), path, format, args...)
	}
}

// placeOf returns where the setting at a path was made: its own place, or that of the nearest setting around it.
func (l *loader) placeOf(path string) place {
	for path != "" {
		if at, ok := l.places[path]; ok {
			return at
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	if at, ok := l.places[""]; ok {
		return at
	}
	return place{source: "configuration"}
}

func newError(problems []problem) *Error {
	slices.SortStableFunc(problems, func(a, b problem) int {
		// Whole files, flags and variables have no line: they keep their order, behind what has one.
		if a.at.line == 0 || b.at.line == 0 {
			return cmp.Compare(min(b.at.line, 1), min(a.at.line, 1))
		}
		return cmp.Or(cmp.Compare(a.at.line, b.at.line), cmp.Compare(a.at.column, b.at.column))
	})
	e := &Error{Problems: make([]Problem, len(problems))}
	for i, p := range problems {
		e.Problems[i] = Problem{p.at.String(), p.message}
	}
	return e
}

// at returns the path of an item of a list.
func at(path string, index int) string {
	return fmt.Sprintf("%s[%d]", path, index)
}

func under(path, message string) string {
	if path == "" {
		return message
	}
	return path + ": " + message
}
