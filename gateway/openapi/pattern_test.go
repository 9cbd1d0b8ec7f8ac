package openapi

import "testing"

// TestECMA shows which expressions of RE2 mean the same in ECMA-262 with the flag u.
func TestECMA(t *testing.T) {
	for pattern, want := range map[string]bool{
		`^[a-z0-9-]{1,40}$`: true, `^([0-9]{13})?$`: true, `\d+\.\w*`: true, `(?:a|b)`: true, `a{2}`: true, `a{2,}`: true, `[^/]+`: true,
		`[\]\-]`: true, `\bx`: true, `ü`: true,
		`(?i)a`: false, `(?P<n>a)`: false, `\pL`: false, `\z`: false, `\A`: false, `[[:alpha:]]`: false, `\Qa.b\E`: false, `{`: false,
		`a{,2}`: false, `a{x}`: false, `]`: false, `}`: false, `[]a]`: false, `\-`: false, `\`: false, `\_`: false, `[\b]`: false, `\C`: false,
	} {
		if got, ok := ecma(pattern); ok != want || ok && got != pattern {
			t.Errorf("%s: %q, %v, want %v", pattern, got, ok, want)
		}
	}
}
