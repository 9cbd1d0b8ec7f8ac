package policyv1

import _ "embed"

// Source is the text of policy.proto, comments included, for those who want it beside their own files.
//
//go:embed policy.proto
var Source string
