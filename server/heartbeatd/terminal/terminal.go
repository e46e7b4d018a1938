// Package terminal makes text from other programs safe to print on a terminal.
package terminal

import (
	"strings"
	"unicode"
)

// Printable replaces the characters of s that are not printable: those of control
// sequences, for example.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}
